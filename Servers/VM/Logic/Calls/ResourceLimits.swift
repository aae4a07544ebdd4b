import IPC
import PageTable
import Protocols

// getrlimit and setrlimit for what VM enforces: RLIMIT_AS, DATA, STACK, MEMLOCK.
extension VirtualMemory {
  func getLimit(_ space: Space.Pointer, _ resource: UInt32) throws(Errno) -> VM.GetLimit.Reply {
    guard let limit = space.pointee.limits[resource] else { throw .invalidArgument }
    return VM.GetLimit.Reply(soft: limit.soft, hard: limit.hard)
  }

  /// What a space has beyond a new limit stays; it gets no more.
  mutating func setLimit<K: Transport>(_ space: Space.Pointer, _ call: VM.SetLimit, _ ipc: inout K) throws(Errno) {
    guard let old = space.pointee.limits[call.resource], call.soft <= call.hard else { throw .invalidArgument }
    guard call.hard <= old.hard else { throw .notPermitted }
    let new = Limit(soft: call.soft, hard: call.hard)
    switch call.resource {
    case VM.Resource.addressSpace: space.pointee.limits.addressSpace = new
    case VM.Resource.data: space.pointee.limits.data = new
    case VM.Resource.locked: space.pointee.limits.locked = new
    default:
      space.pointee.limits.stack = new
      resizeStack(space, StackLimits.size(limit: call.soft), &ipc)
    }
  }

  /// Gives the first stack another size, so that a touch below it is a bad access. Pages that are there stay in it; it grows
  /// only where nothing else is.
  private mutating func resizeStack<K: Transport>(_ space: Space.Pointer, _ size: UInt64, _ ipc: inout K) {
    let old = space.pointee.stackBottom
    guard old > 0, let below = space.pointee.regions.find(old &- 1), below.pointee.type == .unbacked,
      let stack = space.pointee.regions.find(old)
    else { return }
    var cursor = LeafCursor(PageRange(start: old, end: space.pointee.layout.stackTop))
    let lowest = next(&cursor, space) == nil ? space.pointee.layout.stackTop &- Page.size : cursor.address
    let bottom = min(space.pointee.layout.stackTop &- size, lowest)
    let more = PageRange(start: bottom &- StackLimits.guardSize, end: below.pointee.start)
    if bottom < old {
      guard space.pointee.regions.first(in: more) == nil else { return }
      space.pointee.regions.resize(below, start: more.start, end: bottom)
      space.pointee.regions.resize(stack, start: bottom, end: stack.pointee.end)
    } else if bottom > old {
      // No page is there: nothing is freed but what mlock or madvise may have split off.
      remove(space, PageRange(start: old, end: bottom), &ipc)
      space.pointee.regions.resize(below, start: bottom &- StackLimits.guardSize, end: bottom)
    }
    space.pointee.stackBottom = bottom
  }
}
