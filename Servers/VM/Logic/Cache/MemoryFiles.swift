import IPC
import PageTable
import Protocols

// Files without a disk. To all but this file they are files of the page cache whose pages are changed for good: such a page is
// never idle, so nobody gives it up, and nobody has it taken to a file system. What is here is where pages come from
// instead (zero bytes, at the first access), how many there may be, and how they go.

/// A file system without a disk: names are VFS's, contents VM's.
struct Store: BitwiseCopyable {
  /// As VFS numbers mounts; 0: free.
  var mount: UInt32 = 0
  /// VFS has forgotten it; it goes with its last file.
  var isGone = false
  /// The most that there may be.
  var limit: UInt64 = 0
  var pages: UInt64 = 0
  /// Frames of the trees that find its pages.
  var nodes: UInt64 = 0
  /// Records in the table of files.
  var files: UInt64 = 0
}

struct Stores: BitwiseCopyable {
  static var limit: Int { 8 }
  private var records = InlineArray<8, Store>(repeating: Store())

  subscript(index: Int) -> Store {
    get { records[index] }
    set { records[index] = newValue }
  }

  func find(_ mount: UInt32) -> Int? {
    guard mount != 0 else { return nil }
    for index in 0..<Self.limit where records[index].mount == mount { return index }
    return nil
  }

  /// All together.
  var total: Store {
    var total = Store()
    for index in 0..<Self.limit {
      total.limit = total.limit.addingReportingOverflow(records[index].limit).overflow ? .max : total.limit &+ records[index].limit
      total.pages &+= records[index].pages
      total.nodes &+= records[index].nodes
      total.files &+= records[index].files
    }
    return total
  }
  var files: UInt64 { total.files }

  /// A file less.
  mutating func lose(_ index: Int) {
    records[index].files &-= 1
    if records[index].isGone, records[index].files == 0 { records[index] = Store() }
  }
}

extension VirtualMemory {
  mutating func makeStore(_ call: PageCache.MakeStore) throws(Errno) {
    guard call.mount != 0 else { throw .invalidArgument }
    guard files.stores.find(call.mount) == nil else { throw .fileExists }
    for index in 0..<Stores.limit where files.stores[index].mount == 0 {
      files.stores[index] = Store(mount: call.mount, limit: call.pages == 0 ? frames.managed / 2 : call.pages)
      return
    }
    throw .noSpace
  }

  func storeInformation(_ call: PageCache.StoreInformation) throws(Errno) -> PageCache.StoreInformation.Reply {
    let store: Store
    if call.mount == 0 {
      store = files.stores.total
    } else {
      guard let index = files.stores.find(call.mount) else { throw .noSuchFile }
      store = files.stores[index]
    }
    return PageCache.StoreInformation.Reply(pages: store.pages, limit: store.limit, nodes: store.nodes, files: store.files)
  }

  // MARK: Pages

  /// What `makePage` takes for a page that the file lacks. `.noSpace`: the store is full.
  func costOfPage(_ file: FilePages.Pointer, _ page: UInt64) throws(Errno) -> UInt64 {
    let store = files.stores[Int(file.pointee.store) &- 1]
    guard store.pages < store.limit else { throw .noSpace }
    return 1 &+ frames.missingNodes(file, page)
  }

  /// Zero bytes where the file had none; what it costs is reserved.
  mutating func makePage(_ file: FilePages.Pointer, _ page: UInt64) -> Frame {
    let store = Int(file.pointee.store) &- 1
    let nodes = frames.nodes
    let frame = frames.takeZeroed(.cache)
    frames.insert(file, page, frame)
    change(file, frame)
    files.stores[store].pages &+= 1
    files.stores[store].nodes &+= frames.nodes &- nodes
    return frame
  }

  /// Pages from `page` on are gone, for those who map them too.
  mutating func cut<K: Transport>(_ file: FilePages.Pointer, from page: UInt64, _ ipc: inout K) {
    withdraw(file, from: page, &ipc)
    let store = Int(file.pointee.store) &- 1
    let nodes = frames.nodes
    let pages = frames.cache &- nodes
    var at = page
    while let found = frames.firstCached(file, from: at) {
      let frame = frames.cached(file, found).unsafelyUnwrapped
      unchange(file, frame)
      // Nobody maps it now. Who has it by another way keeps it; it is the file's no more.
      if frames.owned(frame).pointee.isIdle { frames.discard(frame) } else { frames.part(frame) }
      at = found &+ 1
    }
    files.stores[store].pages &-= pages &- (frames.cache &- frames.nodes)
    files.stores[store].nodes &-= nodes &- frames.nodes
  }

  /// Nobody can ask for the contents of this file any more, or there are none.
  mutating func dropIfEmpty(_ file: FilePages.Pointer) {
    if file.pointee.isSpare, file.pointee.root == 0 { files.remove(file) }
  }

  mutating func forgetStore<K: Transport>(_ index: Int, _ ipc: inout K) {
    for at in 0..<files.limit where Int(files[at].pointee.store) == index &+ 1 {
      cut(files[at], from: 0, &ipc)
      dropIfEmpty(files[at])
    }
    if files.stores[index].files == 0 { files.stores[index] = Store() } else { files.stores[index].isGone = true }
  }

  /// The file has `size` bytes now. What a process wrote behind its old end is not seen when it grows.
  mutating func resize<K: Transport>(_ file: FilePages.Pointer, _ size: UInt64, _ ipc: inout K) {
    let end = min(file.pointee.size, size)
    file.pointee.size = size
    cut(file, from: Page.up(end) >> 12, &ipc)
    zeroTail(file, end)
    dropIfEmpty(file)
  }

  private func zeroTail(_ file: FilePages.Pointer, _ end: UInt64) {
    let inside = Int(end & 4095)
    guard inside != 0, let frame = frames.cached(file, end >> 12) else { return }
    (frames.bytes(frame) + inside).initializeMemory(as: UInt8.self, repeating: 0, count: 4096 &- inside)
  }

  // MARK: Writing

  mutating func put<K: Transport>(_ call: PageCache.Put, _ ipc: inout K) throws(Errno) -> UInt64 {
    guard call.process == .vfs || !call.process.isService, let space = spaces[call.process] else { throw .noSuchProcess }
    let length = min(call.length, PageCache.limit)
    guard PageRange(covering: call.address, length) != nil else { throw .badAddress }
    guard files.stores.find(call.mount) != nil, call.inode != 0, length > 0, call.size <= UInt64(Int64.max),
      !call.position.addingReportingOverflow(length).overflow, call.position &+ length <= UInt64(Int64.max)
    else { throw .invalidArgument }
    guard let file = files.find(call.mount, call.inode) ?? files.claim(call.mount, call.inode, &frames) else { throw .noSpace }
    if call.position > call.size { zeroTail(file, call.size) }
    var done: UInt64 = 0
    do throws(Errno) {
      while done < length {
        let at = call.position &+ done
        let from = call.address &+ done
        let count = min(length &- done, Page.size &- max(at & 4095, from & 4095))
        // What is to be written first: a page is made only for bytes that come.
        let origin = try frameToRead(space, from, &ipc)
        let target = try pageToWrite(file, at >> 12)
        (frames.bytes(target) + Int(at & 4095)).copyMemory(from: frames.bytes(origin) + Int(from & 4095), byteCount: Int(count))
        done &+= count
      }
    } catch {
      if done == 0 {
        dropIfEmpty(file)
        throw error
      }
    }
    file.pointee.size = max(call.size, call.position &+ done)
    return done
  }

  private mutating func pageToWrite(_ file: FilePages.Pointer, _ page: UInt64) throws(Errno) -> Frame {
    if let there = frames.cached(file, page) { return there }
    let cost = try costOfPage(file, page)
    do throws(Errno) { try frames.reserve(cost, .user) } catch { throw .noSpace }
    let made = makePage(file, page)
    frames.reserved = 0
    return made
  }
}
