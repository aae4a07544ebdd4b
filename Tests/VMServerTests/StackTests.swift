import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct StackTests {
  let system = TestSystem()
  let top = AddressSpace.stackTop

  /// Whether a fault with this stack pointer is answered; if not, it must have been signal 11.
  private func passes(_ process: Endpoint, _ pointer: UInt64, _ location: SourceLocation = #_sourceLocation) throws -> Bool {
    let page = try system.map(process, pages: 1)
    let told = system.kernel.exceptions.count
    if system.touch(process, page, .write, stack: pointer) != nil { return true }
    #expect(system.kernel.exceptions.count == told + 1 && system.kernel.exceptions.last?.event.signal == 11, sourceLocation: location)
    return false
  }

  /// The same for a trap: the kernel asks only if the pointer is not where VM has said.
  private func traps(_ process: Endpoint, _ pointer: UInt64, asks: Bool? = nil, _ location: SourceLocation = #_sourceLocation) -> Bool {
    let thread = system.kernel.threads[process.slot]!
    let isKnown = pointer &- thread.trapStack.low <= thread.trapStack.size
    if let asks { #expect(asks == !isKnown, sourceLocation: location) }
    if isKnown { return true }
    let told = system.kernel.exceptions.count
    let fault = KernelEvent.PageFault(
      address: pointer, access: KernelEvent.PageFault.stack, space: thread.space, instruction: 0x40_1234, stack: pointer)
    let reply = system.deliver(Message(fault), from: process, flags: .request | .fromKernel)
    if reply?.type == 0 {
      let now = system.kernel.threads[process.slot]!.trapStack
      #expect(pointer &- now.low <= now.size, "the kernel would ask again", sourceLocation: location)
      return true
    }
    #expect(system.kernel.exceptions.count == told + 1 && system.kernel.exceptions.last?.event.signal == 11, sourceLocation: location)
    #expect(system.kernel.exceptions.last?.event.address == pointer, sourceLocation: location)
    return false
  }

  @Test("V50 X6 a trap with the stack pointer outside of every stack is SIGSEGV, at every edge") func trapEdges() throws {
    let process = system.process()
    let stack = try system.map(process, pages: 8, flags: VM.Flags.stack)
    let plain = try system.map(process, pages: 2)
    try system.call(VM.Brk(address: 0x50_2000), from: process)
    // Nothing is known yet.
    system.kernel.threads[process.slot]!.trapStack = (.max, 0)
    for good in [top, top - 8, top - StackLimits.size, stack, stack + 8, stack + 0x8000, stack + 0x7FFF] {
      #expect(traps(process, good), "\(String(good, radix: 16))")
    }
    for bad in [
      top + 1, top - StackLimits.size - 1, stack - 1, stack + 0x8001, plain, plain + 0x1000, 0x50_1000, 0, 1, 0x40_0000, AddressSpace.stub,
      AddressSpace.userEnd, 0x8000_0000_0000, 0xFFFF_8000_0000_0000, UInt64.max,
    ] { #expect(!traps(process, bad, asks: true), "\(String(bad, radix: 16))") }
    #expect(traps(process, top, asks: true) && traps(process, top - 0x5000, asks: false) && traps(process, stack, asks: true))
    let child = try system.fork(process)
    #expect(traps(child, stack + 0x1000, asks: false) && !traps(child, plain, asks: true))
    system.expectSound()
  }

  @Test("V50 what was a stack when the kernel heard of it is none for traps when it is gone") func trapStackGoes() throws {
    let process = system.process()
    let stack = try system.map(process, pages: 8, flags: VM.Flags.stack)
    #expect(traps(process, stack + 0x100, asks: false), "never told: all is good")
    system.kernel.threads[process.slot]!.trapStack = (.max, 0)
    #expect(traps(process, stack + 0x100, asks: true))
    // A part without access is a stack still; one that is unmapped, or mapped anew, is none.
    try system.protect(process, stack + 0x3000, pages: 1, 0)
    #expect(traps(process, stack + 0x3100))
    try system.unmap(process, stack + 0x3000, pages: 1)
    #expect(!traps(process, stack + 0x3100, asks: true) && traps(process, stack + 0x4100, asks: true))
    try system.map(process, pages: 5, at: stack + 0x3000, flags: VM.Flags.fixed)
    #expect(!traps(process, stack + 0x4100, asks: true) && traps(process, stack + 0x2FFF, asks: true))
    // The first stack becomes smaller.
    #expect(traps(process, top - 0x1000, asks: true) && traps(process, top - StackLimits.size))
    try system.call(VM.SetLimit(resource: VM.Resource.stack, soft: 1 << 20, hard: 8 << 20), from: process)
    #expect(!traps(process, top - StackLimits.size, asks: true) && traps(process, top - (1 << 20), asks: true))
    // So does a stack for signals that is registered no more.
    let plain = try system.map(process, pages: 4)
    try system.call(VM.SignalStack(base: plain + 100, size: 9000), from: process)
    #expect(traps(process, plain + 100, asks: true) && traps(process, plain + 9100, asks: false))
    try system.call(VM.SignalStack(base: 0, size: 0), from: process)
    #expect(!traps(process, plain + 200, asks: true))
    system.expectSound()
  }

  @Test("V50 a question about another's stack, or nobody's, is refused") func foreignTrap() throws {
    let (one, other) = (system.process(), system.process())
    for (space, sender) in [(system.kernel.threads[one.slot]!.space, other), (9999, one)] {
      let fault = KernelEvent.PageFault(address: top - 64, access: KernelEvent.PageFault.stack, space: space, instruction: 0, stack: top - 64)
      #expect(system.deliver(Message(fault), from: sender, flags: .request | .fromKernel)?.type != 0)
    }
    system.expectSound()
  }

  @Test("V50 X6 a page fault with the stack pointer outside of every stack is SIGSEGV, at every edge") func edges() throws {
    let process = system.process()
    let stack = try system.map(process, pages: 8, flags: VM.Flags.stack)
    let plain = try system.map(process, pages: 2)
    try system.call(VM.Brk(address: 0x50_2000), from: process)
    for good in [top, top - 8, top - StackLimits.size, stack, stack + 8, stack + 0x8000, stack + 0x7FFF] {
      #expect(try passes(process, good), "\(String(good, radix: 16))")
    }
    for bad in [
      top + 1, top - StackLimits.size - 1, stack - 1, stack + 0x8001, plain, plain + 0x1000, 0x50_1000, 0, 1, 0x40_0000, AddressSpace.stub,
      AddressSpace.userEnd, 0x8000_0000_0000, 0xFFFF_8000_0000_0000, UInt64.max,
    ] { #expect(try !passes(process, bad), "\(String(bad, radix: 16))") }
    // Both halves of a stack that was split, and a part without access, are still a stack.
    try system.protect(process, stack + 0x3000, pages: 1, 0)
    for good in [stack + 0x1000, stack + 0x3800, stack + 0x5000, stack + 0x8000] { #expect(try passes(process, good)) }
    try system.unmap(process, stack + 0x3000, pages: 1)
    #expect(try passes(process, stack + 0x3000) && passes(process, stack + 0x4000))
    #expect(try !passes(process, stack + 0x3001) && !passes(process, stack + 0x3FFF))
    let child = try system.fork(process)
    #expect(try passes(child, stack + 0x1000) && !passes(child, plain))
    system.expectSound()
  }

  @Test("V50 a stack for signals that was registered is one, until it is no more; a fork keeps it") func signalStack() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 4)
    func register(_ base: UInt64, _ size: UInt64) -> Errno? { system.error(VM.SignalStack(base: base, size: size), from: process) }
    #expect(register(memory + 100, 9000) == nil)
    #expect(try passes(process, memory + 100) && passes(process, memory + 9100) && !passes(process, memory + 99) && !passes(process, memory + 9101))
    #expect(register(UInt64.max, 2) == .invalidArgument && register(AddressSpace.userEnd, 4096) == .invalidArgument)
    let child = try system.fork(process)
    #expect(register(0, 0) == nil)
    #expect(try !passes(process, memory + 200) && passes(child, memory + 200) && !passes(process, 0))
  }

  @Test("V50 copies of the kernel and services are not looked at") func others() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 1)
    #expect(system.kernelWrite(process, memory, 1))
    let service = system.service(.disk)
    #expect(try passes(service, 5))
  }
}
