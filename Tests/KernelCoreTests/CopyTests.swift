import IPC
import PageTable
import Protocols
import Testing

@testable import KernelCore

/// Pages that the kernel misses while it copies.
@Suite struct CopyTests {
  let world = World(frames: 4096)
  let server: Endpoint, client: Endpoint
  let remote: UInt64 = 0x10_0000
  let local: UInt64 = 0x20_0000

  init() {
    server = world.spawn(slot: 10)
    client = world.spawn(slot: 20)
    world.engage(client, server)
  }

  func call(_ length: UInt64, direction: UInt32 = 0, offset: UInt64 = 0) -> Kernel.CopyCaller {
    Kernel.CopyCaller(client: client, remote: remote + offset, local: local, length: length, direction: direction)
  }


  @Test("M-N8 the page is missing in the client's space: VM hears whose it is")
  func missingRemote() {
    world.map(server, local)
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(100)))
    #expect(world.blocked(server) && world.info(server).state == Kernel.ThreadState.faulted)
    let fault = world.pageFault()!
    #expect(fault.address == remote && fault.space == world[client].space)
    #expect(fault.access == KernelEvent.PageFault.kernelCopy)
    #expect(world.delivery(.vm)!.message.source == server)
    world.map(client, remote)
    world.store(client, remote, Array(1...100))
    world.reply(.vm, server)
    world.receive(.vm)
    #expect((try? world.answer(server, call(100))) != nil)
    #expect(world.load(server, local, 100) == Array(1...100))
  }

  @Test("a call that is to be done again is done also when a turn that ends brings its thread back", arguments: [false, true])
  func turnEnds(byTimer: Bool) {
    let third = world.spawn(slot: 11)
    world.map(server, local)
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(100)))
    world.map(client, remote)
    world.store(client, remote, Array(1...100))
    world.reply(.vm, server)
    world.receive(.vm)
    #expect(world.core.current == world.pointer(third) && world[server].rerun)
    if byTimer { world.wait(20_000_000) } else { _ = try? world.kernel(third, Kernel.Yield()) }
    #expect(world.core.current == world.pointer(server) && !world[server].rerun)
    #expect((try? world.answer(server, call(100))) != nil)
    #expect(world.load(server, local, 100) == Array(1...100))
  }

  /// VM's part: answers every fault with a page, until nobody asks.
  func serveFaults(limit: Int = 10_000, _ decide: (KernelEvent.PageFault) -> Bool = { _ in true }) -> Int {
    var count = 0
    while let fault = world.pageFault(), count < limit {
      count += 1
      let faulter = world.delivery(.vm)!.message.source
      let owner = fault.space == world[client].space ? client : server
      if decide(fault) {
        world.map(owner, fault.address & ~4095)
        world.reply(.vm, faulter)
      } else {
        world.reply(.vm, faulter, Message(type: 1))
      }
      // VM waits again, so the server's call is done again.
      world.receive(.vm)
    }
    return count
  }

  @Test("a copy of 1 MiB with every page missing faults each page once, and copies no byte twice")
  func longCopy() {
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(Kernel.copyLimit)))
    #expect(serveFaults() == 512)
    #expect((try? world.answer(server, call(1))) != nil)
    #expect(world[server].copied == 0)
  }

  @Test("what was copied before a fault is not copied again, and a restart forgets how far it was")
  func progress() {
    world.map(server, local, pages: 2)
    world.map(client, remote)
    world.store(client, remote, [1])
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(8192)))
    #expect(world.pageFault()!.address == remote + 4096 && world[server].copied == 4096)
    world.store(client, remote, [2])
    #expect(serveFaults() == 1)
    #expect(world.load(server, local, 1) == [1])
    world.map(client, remote + 4096, writable: false)
    world.trap(server, .kernelCall, Message(call(8192, direction: 1)))
    #expect(world[server].copied == 4096)
    world.core.unlink(world.pointer(server))
    world.core.settle(world.pointer(server))
    #expect(world[server].copied == 0)
    world.check()
  }

  @Test("a page that VM refuses fails the call with badAddress, and leaves nothing behind")
  func refused() {
    world.map(server, local, pages: 4)
    world.map(client, remote, pages: 2)
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(0x4000)))
    #expect(world.pageFault()!.address == remote + 0x2000)
    #expect(serveFaults { _ in false } == 1)
    #expect(world[server].context.message.type == -Errno.badAddress.rawValue && world[server].context.status == 0)
    #expect(world[server].copied == 0 && !world[server].rerun)
    world.trap(server, .kernelCall, Message(call(0x2000)))
    #expect((try? world.answer(server, call(1))) != nil)
  }

  @Test("a read-only page is VM's to decide: copy on write works for the kernel as for programs")
  func copyOnWrite() {
    world.map(server, local)
    world.map(client, remote, writable: false)
    world.store(server, local, [1, 2, 3])
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(3, direction: 1)))
    let fault = world.pageFault()!
    #expect(fault.access == KernelEvent.PageFault.kernelCopy | KernelEvent.PageFault.write | KernelEvent.PageFault.present)
    #expect(serveFaults() == 1)
    #expect(world.load(client, remote, 3) == [1, 2, 3])
  }

  @Test("reading needs no write access, and a page without the user bit is no user's page")
  func userBit() {
    world.map(server, local)
    world.map(client, remote, writable: false)
    #expect(world.error(server, call(3)) == nil)
    let frame = world.core.machine.takeFrame()!
    world.core.machine.map(world.root(client), remote, frame: frame, flags: PageEntry.present | PageEntry.writable)
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(3)))
    #expect(world.pageFault()!.access == KernelEvent.PageFault.kernelCopy | KernelEvent.PageFault.present)
  }

  @Test("VM itself never waits: a missing page is badAddress, and after VM has found it the copy works")
  func vmCopies() {
    world.engage(server, .vm)
    let call = Kernel.CopyCaller(client: server, remote: remote, local: local, length: 10, direction: 0)
    #expect(world.error(.vm, call) == .badAddress)
    world.map(server, remote)
    #expect(world.error(.vm, call) == .badAddress, "its own page is missing")
    world.map(.vm, local)
    #expect(world.error(.vm, call) == nil)
  }

  @Test("SEC9 ranges: null, wrap, kernel, hole, the last user page")
  func ranges() {
    world.map(server, local)
    func copy(_ remote: UInt64, _ local: UInt64, _ length: UInt64) -> Errno? {
      world.error(server, Kernel.CopyCaller(client: client, remote: remote, local: local, length: length, direction: 0))
    }
    #expect(copy(~0, local, 1) == .badAddress)
    #expect(copy(~0 - 3, local, 8) == .badAddress)
    #expect(copy(0xFFFF_8000_0000_0000, local, 8) == .badAddress)
    #expect(copy(0x8000_0000_0000, local, 8) == .badAddress)
    #expect(copy(AddressSpace.userEnd - 4, local, 8) == .badAddress)
    #expect(copy(remote, AddressSpace.userEnd - 4, 8) == .badAddress)
    #expect(copy(remote, ~0, 8) == .badAddress)
    #expect(copy(remote, local, ~0) == .invalidArgument)
    #expect(copy(remote, local, 0) == nil)
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(Kernel.CopyCaller(client: client, remote: 0, local: local, length: 8, direction: 0)))
    #expect(world.pageFault()!.address == 0, "VM knows that null is nobody's")
  }

  @Test("SEC11 page tables that lead outside RAM are badAddress, not a crash")
  func wildTables() {
    world.map(server, local)
    let machine = world.core.machine
    for entry: UInt64 in [0x000F_FFFF_FFFF_F007, machine.size | 7, (1 << 51) | 7] {
      machine.memory(at: world.root(client)).storeBytes(of: entry, as: UInt64.self)
      #expect(world.error(server, call(8)) == .badAddress)
    }
    machine.memory(at: world.root(client)).storeBytes(of: 0, as: UInt64.self)
    world.core.machine.map(world.root(client), remote, frame: 0x000F_FFFF_FFFF_F000)
    #expect(world.error(server, call(8)) == .badAddress, "device memory is not copied")
  }

  @Test("pages of 2 MiB are walked as the MMU does")
  func largePages() {
    world.map(server, local)
    world.core.machine.mapLarge(world.root(client), 0x40_0000, physical: 0x20_0000)
    world.core.machine.memory(at: 0x20_0000 + 0x12345).storeBytes(of: 0xABCD, as: UInt16.self)
    try! world.kernel(server, Kernel.CopyCaller(client: client, remote: 0x41_2345, local: local, length: 2, direction: 0))
    #expect(world.load(server, local, 2) == [0xCD, 0xAB])
  }

  @Test("every alignment of both ends across page borders")
  func alignments() {
    world.map(server, local, pages: 3)
    world.map(client, remote, pages: 3)
    let bytes = (0..<0x3000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    world.store(client, remote, bytes)
    for (from, to, length) in [(0, 0, 0x3000), (1, 0, 0x2FFF), (0, 1, 0x2FFF), (4095, 1, 2), (4095, 4095, 4098), (5, 4000, 8000)] {
      world.store(server, local, [UInt8](repeating: 0, count: 0x3000))
      try! world.kernel(server, Kernel.CopyCaller(
        client: client, remote: remote + UInt64(from), local: local + UInt64(to), length: UInt64(length), direction: 0))
      let got = world.load(server, local, 0x3000)
      #expect(Array(got[to..<to + length]) == Array(bytes[from..<from + length]))
      #expect(got[..<to].allSatisfy { $0 == 0 } && got[(to + length)...].allSatisfy { $0 == 0 })
    }
  }

  @Test("a client that dies while its server waits for its page: the server gets an error")
  func clientDies() {
    world.map(server, local)
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(10)))
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: client))
    world.reply(.vm, server)
    world.receive(.vm)
    #expect(world[server].context.message.type == -Errno.deadEndpoint.rawValue)
    world.check()
  }

  @Test("a server that is restarted while it waits for a page forgets the copy")
  func serverRestarts() {
    world.map(server, local)
    world.receive(.vm)
    world.trap(server, .kernelCall, Message(call(10)))
    try! world.kernel(.vm, Kernel.ThreadRestart(thread: server, root: 0x1000, space: 9, entry: 0x1111, stack: 0, fault: 0))
    #expect(world.reply(.vm, server) == .notReady)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: server))
    #expect(world[server].context.instruction == 0x1111 && !world[server].rerun && world[server].copied == 0)
    #expect(world.receive(server)!.isAgain)
  }
}
