import IPC
import PageTable
import Protocols

// Calls that need pages of files that the cache lacks. mlock and mlockall wait for them, as a fault does; advice has them fetched
// and waits for nothing.
extension VirtualMemory {
  /// The most runs of pages that one call has fetched without waiting, and the pages of one.
  private static var runs: Int { 16 }
  private static var run: UInt64 { 16 }

  // MARK: Waiting

  /// The call met a page that VFS has to bring (`lacking`): it is kept, and begun anew when the page is there. That is right since it
  /// marks nothing before it has all pages. What it has brought so far is shown by the process and is not idle; if it is taken all
  /// the same, since memory is short, the number of tries ends what could go on for ever. Nil, or the answer if it cannot wait.
  mutating func wait<K: Transport>(_ message: Message, _ tries: UInt64, _ ipc: inout K) -> Message? {
    let address = lacking
    lacking = 0
    // Servers wait for nobody.
    guard !message.source.isService, let space = spaces[message.source], let region = space.pointee.regions.find(address),
      let file = file(region), tries < 16 &+ 2 &* min(space.pointee.limits.locked.soft >> 12, frames.managed)
    else { return Message(error: .wouldBlock) }
    do throws(Errno) { try parkedFaults.reserve(1, &frames, .service) } catch { return Message(error: .wouldBlock) }
    lastCall = max(lastCall &+ 1, 1)
    space.pointee.waiting = message
    space.pointee.waitingCall = lastCall
    space.pointee.tries = tries &+ 1
    let place = KernelEvent.PageFault(address: address, access: 0, space: space.pointee.id, instruction: 0, stack: 0)
    var record = ParkedFault(
      next: nil, fault: place, thread: message.source, mount: file.pointee.mount, inode: file.pointee.inode, page: region.pointee.page(at: address))
    record.call = lastCall
    park(record, &ipc)
    return nil
  }

  /// The page has come, or `error` instead of it. Errors are those that mlock(2) has for them on Linux: EAGAIN if there was no memory
  /// for the page, ENOMEM if it cannot be read. Nil: nobody wants the answer any more, or the call waits for the next page.
  mutating func goOn<K: Transport>(_ record: ParkedFault, _ error: Errno?, _ ipc: inout K) -> Message? {
    guard let space = spaces[id: record.fault.space], space.pointee.waitingCall == record.call else { return nil }
    space.pointee.waitingCall = 0
    if let error { return Message(error: error == .noMemory ? .wouldBlock : .noMemory) }
    return perform(space.pointee.waiting, tries: space.pointee.tries, &ipc)
  }

  // MARK: Fetching ahead

  /// `makeResident` for those who can do without: what there is no memory for comes when it is touched, and pages of files that the
  /// cache lacks are asked for, some at a time.
  mutating func populate<K: Transport>(_ space: Space.Pointer, _ range: PageRange, _ ipc: inout K) {
    var asked = 0
    var at = range.start
    while at < range.end {
      do throws(Errno) { return try makeResident(space, PageRange(start: at, end: range.end), &ipc) } catch {
        guard error == .wouldBlock, lacking != 0 else { return }
        let address = lacking
        lacking = 0
        guard asked < Self.runs, let region = space.pointee.regions.find(address), let file = file(region) else { return }
        let page = region.pointee.page(at: address)
        if !isAwaited(file.pointee.mount, file.pointee.inode, page) {
          let request = VFS.PageRequest(mount: file.pointee.mount, inode: file.pointee.inode, position: page << 12, isAhead: true)
          do throws(Errno) { try ipc.sendAsync(Message(request), to: .vfs) } catch { return }
        }
        asked &+= 1
        at = min(address &+ Self.run << 12, region.pointee.end)
      }
    }
  }
}
