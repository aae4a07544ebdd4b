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
