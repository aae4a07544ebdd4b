import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct FaultTests {
  let system = TestSystem()

  private func fault(_ thread: Endpoint, _ address: UInt64, _ access: UInt32, space: UInt32? = nil, flags: Delivery.Flags = .request | .fromKernel) -> Message? {
    let fault = KernelEvent.PageFault(
      address: address, access: access, space: space ?? system.space(thread).pointee.id, instruction: 0x1234, stack: AddressSpace.stackTop - 8)
    return system.deliver(Message(fault), from: thread, flags: flags)
  }

  @Test("V17 each access to each kind of memory with each right", arguments: [UInt32(0), 1, 3, 5])
  func table(_ protection: UInt32) throws {
    let driver = system.service(.disk)
    try system.call(VM.AllowPhysical(service: driver, base: 0xF000_0000, length: 0x1000), from: .rs)
    var places = [
      try system.map(driver, pages: 1, protection: protection), try system.map(driver, pages: 1, protection: protection, shared: true),
    ]
    if protection == 1 || protection == 3 {
      places.append(try system.call(VM.MapPhysical(base: 0xF000_0000, length: 0x1000, protection: protection, type: 1), from: driver).address)
    }
    for address in places {
      #expect((fault(driver, address, 0)?.type == 0) == (protection != 0))
      #expect((fault(driver, address, KernelEvent.PageFault.write)?.type == 0) == (protection == 3))
      #expect((fault(driver, address, KernelEvent.PageFault.execute)?.type == 0) == (protection == 5))
    }
    system.expectSound()
    // Kept free: nothing succeeds (V7, SEC16).
    let below = AddressSpace.stackTop - StackLimits.size - 8
    for access: UInt32 in [0, 2, 4] { #expect(fault(driver, below, access)?.type == -14) }
  }

  @Test("V7 nobody is placed in memory that is kept free") func reserved() throws {
    let process = system.process()
    let below = AddressSpace.stackTop - StackLimits.size
    let call = VM.MMap(address: below - 0x1000, length: 0x1000, protection: 3, flags: VM.Flags.fixed | VM.Flags.private | VM.Flags.anonymous)
    #expect(system.error(call, from: process) == .notPermitted)
    let hint = try system.map(process, pages: 1, at: below - 0x8000)
    #expect(hint < AddressSpace.mmapEnd)
  }

  @Test("V99 SEC16 the stack grows to its limit, costs what is touched, and ends with a signal") func stack() {
    let process = system.process()
    let user = system.information.user
    #expect(system.write(process, AddressSpace.stackTop - 8, 1))
    #expect(system.write(process, AddressSpace.stackTop - 5 << 20, 1))
    #expect(system.write(process, AddressSpace.stackTop - StackLimits.size, 1))
    #expect(system.information.user == user + 3)
    for address in [AddressSpace.stackTop - StackLimits.size - 1, AddressSpace.stackTop - StackLimits.size - StackLimits.guardSize, AddressSpace.stackTop] {
      #expect(!system.write(process, address, 1))
    }
    #expect(system.kernel.exceptions.count == 3)
    system.expectSound()
  }

  @Test("M-A5 V66 a fault that finds its page there changes nothing and counts nothing") func spurious() throws {
    let process = system.process()
    let address = try system.map(process, pages: 1)
    #expect(fault(process, address, 2)?.type == 0)
    let before = system.information
    for access: UInt32 in [0, 1, 2, 3] { #expect(fault(process, address, access)?.type == 0) }
    #expect(system.information.user == before.user)
    #expect(system.space(process).pointee.zeroFaults == 1 && system.space(process).pointee.copyFaults == 0)
    system.expectSound()
  }

  @Test("V25 faults are counted by kind") func counters() throws {
    let process = system.process()
    let address = try system.map(process, pages: 8)
    // From the top down: no page comes with another (V87).
    for page: UInt64 in (0..<8).reversed() { system.write(process, address + page << 12, 1) }
    let child = try system.fork(process)
    system.write(child, address, 2)
    system.write(child, address + 0x1000, 2)
    #expect(system.space(process).pointee.zeroFaults == 8 && system.space(process).pointee.copyFaults == 0)
    #expect(system.space(child).pointee.zeroFaults == 0 && system.space(child).pointee.copyFaults == 2)
  }

  @Test("M-N5 a page fault that the kernel did not send is no call") func forged() throws {
    let process = system.process()
    let address = try system.map(process, pages: 1)
    #expect(fault(process, address, 2, flags: .request)?.type == -38)
    #expect(fault(process, address, 2, flags: .fromKernel) == nil)
    #expect(fault(process, address, 2, flags: .asynchronous) == nil)
    #expect(system.frame(process, address) == 0)
    #expect(system.kernel.exceptions.isEmpty)
  }

  @Test("V18 V19 the message's space counts, not the thread's") func otherSpace() throws {
    let (a, b) = (system.process(), system.process())
    let address: UInt64 = 0x3000_0000_0000
    try system.map(a, pages: 1, at: address, flags: VM.Flags.fixed)
    try system.map(b, pages: 1, at: address, flags: VM.Flags.fixed)
    #expect(fault(a, address, 2 | KernelEvent.PageFault.kernelCopy, space: system.space(b).pointee.id)?.type == 0)
    #expect(system.frame(a, address) == 0 && system.frame(b, address) != 0)
  }

  @Test("a bad access of the kernel on a thread's behalf is an error and no signal") func kernelCopy() {
    let process = system.process()
    #expect(fault(process, 0x1000, KernelEvent.PageFault.kernelCopy)?.type == -14)
    #expect(fault(process, UInt64.max, KernelEvent.PageFault.kernelCopy, space: 0xFFFF_FFFF)?.type == -14)
    #expect(system.kernel.exceptions.isEmpty)
  }

  @Test("V18 an unknown space is a signal, no crash") func unknownSpace() {
    let process = system.process()
    let old = system.space(process).pointee.id
    system.exit(process)
    for space in [old, 0, 0xFFFF_FFFF, 4095] {
      #expect(fault(process, 0x50_0000, 2, space: space)?.type == -14)
      #expect(system.kernel.exceptions.last?.event.thread == process)
      #expect(system.kernel.exceptions.last?.to == .pm)
    }
  }

  @Test("V46 V47 kernel addresses are nobody's, and no entry lacks the user bit") func kernelHalf() throws {
    let process = system.process()
    for address: UInt64 in [0x8000_0000_0000, 0xFFFF_8000_0000_0000, 0xFFFF_FFFF_8010_0000, UInt64.max, AddressSpace.userEnd] {
      for access: UInt32 in 0..<16 { #expect(fault(process, address, access & 7)?.type == -14) }
    }
    system.expectSound()
  }

  @Test("the supervisor hears address, instruction and signal") func exception() throws {
    let driver = system.service(.disk)
    #expect(fault(driver, 0x8, 0)?.type == -14)
    let heard = try #require(system.kernel.exceptions.last)
    #expect(heard.to == .rs && heard.event.thread == driver && heard.event.signal == 11)
    #expect(heard.event.address == 8 && heard.event.instruction == 0x1234 && heard.event.vector == 14)
  }

  @Test("a supervisor whose queue is full hears later") func fullQueue() throws {
    let process = system.process()
    system.kernel.queueIsFull = true
    #expect(fault(process, 0x8, 0)?.type == -14)
    #expect(system.kernel.exceptions.isEmpty)
    _ = system.information
    system.kernel.queueIsFull = false
    _ = system.information
    #expect(system.kernel.exceptions.count == 1 && system.kernel.exceptions[0].event.address == 8)
    _ = system.information
    #expect(system.kernel.exceptions.count == 1)
    system.kernel.queueIsFull = true
    #expect(fault(process, 0x8, 0)?.type == -14)
    system.exit(process)
    #expect(system.vm.pendingSignals == 0)
  }

  @Test("R5 X4 reading first never makes a page that others see writable", arguments: [false, true])
  func zeroPages(_ forks: Bool) throws {
    let process = system.process()
    let first = try system.map(process, pages: 1, protection: 1)
    #expect(system.read(process, first) == 0)
    if forks { _ = try system.fork(process) }
    try system.protect(process, first, pages: 1, 3)
    for offset: UInt64 in stride(from: 0, to: 4096, by: 64) { system.write(process, first + offset, 0x5A) }
    let more = try system.map(process, pages: 16)
    for offset: UInt64 in stride(from: 0, to: 65_536, by: 16) { #expect(system.read(process, more + offset) == 0) }
    system.expectSound()
  }

  @Test("V26 a fault writes one entry, whoever else shows the object") func oneEntry() throws {
    let process = system.process()
    let address = try system.map(process, pages: 2, shared: true)
    let others = try (0..<50).map { _ in try system.fork(process) }
    system.write(process, address, 42)
    #expect(others.allSatisfy { system.frame($0, address) == 0 })
    #expect(others.allSatisfy { system.read($0, address) == 42 })
    system.write(others[7], address, 43)
    #expect(system.read(process, address) == 43)
    system.expectSound()
  }

  @Test("a demand-zero fault is one message in and no kernel call out") func messages() throws {
    let process = system.process()
    let address = try system.map(process, pages: 2)
    system.kernel.calls = []
    #expect(fault(process, address, 2)?.type == 0)
    #expect(system.kernel.calls.isEmpty)
    _ = try system.fork(process)
    system.kernel.calls = []
    #expect(fault(process, address, 3)?.type == 0)
    #expect(system.kernel.calls == [.spaceFlush])
  }
}
