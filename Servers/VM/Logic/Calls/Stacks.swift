import IPC
import PageTable
import Protocols

// Where a stack pointer may be (V50): a program that was tricked into another stack is ended at its next page fault. Services
// are not looked at: the stacks of their fibers lie where they please, and whoever writes a service is trusted with its memory.
extension VirtualMemory {
  /// One that is exactly at the upper end of a stack is in it: nothing is pushed yet.
  @inline(__always) func isStack(_ space: Space.Pointer, _ pointer: UInt64) -> Bool {
    if pointer >= space.pointee.stackBottom, pointer <= AddressSpace.stackTop { return true }
    return isOtherStack(space, pointer)
  }

  @inline(never) private func isOtherStack(_ space: Space.Pointer, _ pointer: UInt64) -> Bool {
    let own = space.pointee.signalStack
    if !own.isEmpty, pointer >= own.start, pointer <= own.end { return true }
    if let region = space.pointee.regions.find(pointer), region.pointee.has(Region.stack) { return true }
    guard pointer > 0, let region = space.pointee.regions.find(pointer &- 1) else { return false }
    return region.pointee.has(Region.stack)
  }

  func setSignalStack(_ space: Space.Pointer, _ call: VM.SignalStack) throws(Errno) {
    let (end, wraps) = call.base.addingReportingOverflow(call.size)
    guard !wraps, end <= AddressSpace.userEnd else { throw .invalidArgument }
    space.pointee.signalStack = PageRange(start: call.base, end: end)
  }
}
