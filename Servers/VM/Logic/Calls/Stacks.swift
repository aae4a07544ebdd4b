import IPC
import PageTable
import Protocols

// Where a stack pointer may be (V50): a program that was tricked into another stack is ended at its next page fault or trap. At a
// fault VM looks itself. At a trap the kernel compares with one range that VM has told it, and asks when the pointer is elsewhere.
// Services are not looked at: the stacks of their fibers lie where they please, and whoever writes a service is trusted with its memory.
extension VirtualMemory {
  /// One that is exactly at the upper end of a stack is in it: nothing is pushed yet.
  @inline(__always) func isStack(_ space: Space.Pointer, _ pointer: UInt64) -> Bool {
    let first = firstStack(space)
    if pointer >= first.start, pointer <= first.end { return true }
    return otherStack(space, pointer) != nil
  }

  /// What the first stack may become.
  @inline(__always) func firstStack(_ space: Space.Pointer) -> PageRange {
    PageRange(start: space.pointee.stackBottom, end: space.pointee.layout.stackTop)
  }

  /// The stack that the pointer is in: not the first.
  @inline(never) private func otherStack(_ space: Space.Pointer, _ pointer: UInt64) -> PageRange? {
    let own = space.pointee.signalStack
    if !own.isEmpty, pointer >= own.start, pointer <= own.end { return own }
    if let region = space.pointee.regions.find(pointer), region.pointee.has(Region.stack) { return region.pointee.range }
    guard pointer > 0, let region = space.pointee.regions.find(pointer &- 1), region.pointee.has(Region.stack) else { return nil }
    return region.pointee.range
  }

  mutating func setSignalStack<K: Transport>(_ space: Space.Pointer, _ call: VM.SignalStack, _ ipc: inout K) throws(Errno) {
    let (end, wraps) = call.base.addingReportingOverflow(call.size)
    guard !wraps, end <= AddressSpace.userEnd else { throw .invalidArgument }
    if space.pointee.trapStack == space.pointee.signalStack { forgetTrapStack(space, &ipc) }
    space.pointee.signalStack = PageRange(start: call.base, end: end)
  }

  // MARK: Traps

  /// A stack pointer that no program gets far with, since it is no user address.
  static var nowhere: UInt64 { .max }

  /// The kernel asks whether the stack pointer of a thread that has trapped, `fault.address`, is in a stack. If so that stack
  /// is the one from which it takes traps from now on.
  mutating func admitTrap<K: Transport>(_ fault: KernelEvent.PageFault, of thread: Endpoint, _ ipc: inout K) -> Message {
    guard let space = spaces[id: fault.space], space.pointee.thread == thread else { return refuse(fault, of: thread, .badAddress, &ipc) }
    let first = firstStack(space)
    let isFirst = fault.address >= first.start && fault.address <= first.end
    guard let stack = isFirst ? first : otherStack(space, fault.address) else { return refuse(fault, of: thread, .badAddress, &ipc) }
    space.pointee.trapStack = stack
    tellStack(space, &ipc)
    return Message(type: 0)
  }

  /// The stack from which the kernel takes traps is no more: it asks at the next.
  mutating func forgetTrapStack<K: Transport>(_ space: Space.Pointer, _ ipc: inout K) {
    if space.pointee.trapStack.isEmpty { return }
    space.pointee.trapStack = PageRange(start: 0, end: 0)
    tellStack(space, &ipc)
  }

  private func tellStack<K: Transport>(_ space: Space.Pointer, _ ipc: inout K) {
    // A thread that is gone has no stack.
    let stack = space.pointee.trapStack
    _ = ipc.kernel(Message(Kernel.ThreadStack(
      thread: space.pointee.thread, low: stack.isEmpty ? Self.nowhere : stack.start, size: stack.isEmpty ? 0 : stack.end &- stack.start)))
  }
}
