import IPC
import PageTable
import Protocols
import Testing

@testable import KernelCore

/// Registers that only the kernel can set: bases of segments, debug registers.
@Suite struct RegisterTests {
  let world = World()

  func bases(_ thread: Endpoint) -> [UInt64] { world.core.machine.bases[thread.slot] ?? [0, 0] }
  func error<C: Call>(_ me: Endpoint, _ call: C) -> Errno? {
    do throws(Errno) {
      _ = try world.kernel(me, call)
      return nil
    } catch { return error }
  }

  @Test("a thread sets its own bases and watches, by its name or by none")
  func own() throws {
    let user = world.spawn()
    try world.kernel(user, Kernel.ThreadBases(fs: 0x1000, gs: AddressSpace.userEnd - 1))
    #expect(bases(user) == [0x1000, AddressSpace.userEnd - 1])
    try world.kernel(user, Kernel.ThreadBases(thread: user, fs: 0, gs: 7))
    #expect(bases(user) == [0, 7])
    _ = try world.kernel(user, Kernel.ThreadWatch(addresses: (1, 2, 3, 4), control: 5))
    #expect(world.core.machine.watches[user.slot] == 5)
  }

  @Test("SEC26 another's are its supervisor's business only, and a name of the past is nobody's")
  func others() throws {
    let user = world.spawn(supervisor: .rs), stranger = world.spawn()
    world.spawn(slot: 2, privileges: World.all)
    #expect(error(stranger, Kernel.ThreadBases(thread: user, fs: 1, gs: 1)) == .notPermitted)
    #expect(error(stranger, Kernel.ThreadWatch(thread: user, addresses: (0, 0, 0, 0), control: 0)) == .notPermitted)
    #expect(error(.vm, Kernel.ThreadBases(thread: user, fs: 1, gs: 1)) == .notPermitted)
    try world.kernel(.rs, Kernel.ThreadBases(thread: user, fs: 8, gs: 16))
    #expect(bases(user) == [8, 16] && bases(stranger) == [0, 0])
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: user))
    #expect(error(.rs, Kernel.ThreadBases(thread: user, fs: 1, gs: 1)) == .deadEndpoint)
    #expect(error(.rs, Kernel.ThreadWatch(thread: user, addresses: (0, 0, 0, 0), control: 0)) == .deadEndpoint)
  }

  @Test("SEC1 a base outside user memory is refused and changes nothing", arguments: [
    AddressSpace.userEnd, 0x8000_0000_0000, 0xFFFF_8000_0000_0000, AddressSpace.kernelImage, .max,
  ] as [UInt64])
  func addresses(_ address: UInt64) throws {
    let user = world.spawn()
    try world.kernel(user, Kernel.ThreadBases(fs: 1, gs: 2))
    #expect(error(user, Kernel.ThreadBases(fs: address, gs: 0)) == .badAddress)
    #expect(error(user, Kernel.ThreadBases(fs: 0, gs: address)) == .badAddress)
    #expect(bases(user) == [1, 2])
  }

  @Test("fork copies the bases and no watch; a new image, a new life and the next thread of the slot have neither")
  func lives() throws {
    let parent = world.spawn(supervisor: .pm), server = world.spawn(slot: 5)
    try world.kernel(parent, Kernel.ThreadBases(fs: 3, gs: 4))
    _ = try world.kernel(parent, Kernel.ThreadWatch(addresses: (0, 0, 0, 0), control: 1))
    world.engage(parent, server)
    let child = try world.kernel(.vm, Kernel.ThreadFork(parent: parent, root: world.core.machine.takeFrame()!, space: 9)).thread
    #expect(bases(child) == [3, 4] && bases(parent) == [3, 4])
    #expect(world.core.machine.watches[child.slot] == nil && world.core.machine.watches[parent.slot] == 1)
    try world.kernel(.vm, Kernel.ThreadExec(thread: parent, root: world.root(parent), space: 9, entry: 0x40_0000, stack: 0x7000))
    #expect(bases(parent) == [0, 0] && world.core.machine.watches[parent.slot] == nil)

    try world.kernel(server, Kernel.ThreadBases(fs: 5, gs: 6))
    try world.kernel(.vm, Kernel.ThreadRestart(thread: server, root: world.root(server), space: 1, entry: 0x40_0000, stack: 0x7000, fault: 0))
    #expect(bases(server) == [0, 0])
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: child))
    world.core.machine.bases[child.slot] = [1, 1]
    for _ in 0..<96 where world.core.lookup(Endpoint(slot: child.slot, generation: child.generation + 1)) == nil {
      guard (try? world.kernel(.vm, Kernel.ThreadCreate(
        root: world.root(.vm), space: 1, entry: 0x40_0000, stack: 0x7000, slot: 0, supervisor: .pm, priority: 4))) != nil else { break }
    }
    #expect(bases(child) == [0, 0])
  }
}
