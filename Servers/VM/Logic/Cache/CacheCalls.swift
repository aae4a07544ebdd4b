import IPC
import PageTable
import Protocols

// What VFS asks of the page cache. VM copies through its window: between a file's page and the memory of the process
// that waits, or VFS's own. It never waits: what is not there is not there, and VFS brings it.
extension VirtualMemory {
  mutating func pageCache<K: Transport>(_ number: PageCache.Number, _ message: Message, _ ipc: inout K) throws(Errno) -> Message {
    guard number == .information || number == .storeInformation || number == .pressure || message.source == .vfs else { throw .notPermitted }
    if message.source == .vfs { isCrowded = false }
    switch number {
    case .read: return Message(reply: VFS.Count(count: try read(message.body(), &ipc)))
    case .fill: return Message(reply: VFS.Count(count: try fill(message.body(), &ipc)))
    case .write: try write(message.body(), &ipc)
    case .truncate: try truncate(message.body(), &ipc)
    case .forget: forget(message.body(), &ipc)
    case .makeStore: try makeStore(message.body())
    case .put: return Message(reply: VFS.Count(count: try put(message.body(), &ipc)))
    case .storeInformation: return Message(reply: try storeInformation(message.body()))
    case .map: return Message(reply: try map(message.body(), &ipc))
    case .fail:
      let call: PageCache.Fail = message.body()
      if call.error == Errno.wouldBlock.rawValue {
        askLater(call.mount, call.inode, call.position >> 12)
        return Message(reply: Done())
      }
      wake(call.mount, call.inode, call.position >> 12, 1, error: call.error == Errno.noMemory.rawValue ? .noMemory : .ioError, &ipc)
    case .missing: return Message(reply: try missing(message.body(PageCache.Missing.self).process))
    case .mapping: return Message(reply: try mapping(message.body()))
    case .takeChanged: return Message(reply: VFS.Count(count: try takeChanged(message.body(), &ipc)))
    case .notWritten:
      let call: PageCache.NotWritten = message.body()
      files.find(call.mount, call.inode)?.pointee.writing = 0
    case .wroteBack: wroteBack(message.body())
    case .pressure: return Message(reply: try pressureInformation(message.body(PageCache.Pressure.self).process))
    case .information:
      return Message(reply: PageCache.Information.Reply(
        pages: frames.cache &- frames.nodes, idle: frames.idle, nodes: frames.nodes, files: files.used, hits: hits, fills: fills,
        evictions: frames.evictions))
    }
    return Message(reply: Done())
  }

  private mutating func read<K: Transport>(_ call: PageCache.Read, _ ipc: inout K) throws(Errno) -> UInt64 {
    guard call.process == .vfs || !call.process.isService, let space = spaces[call.process] else { throw .noSuchProcess }
    let length = min(call.length, PageCache.limit)
    guard PageRange(covering: call.address, length) != nil else { throw .badAddress }
    guard !call.position.addingReportingOverflow(length).overflow else { throw .invalidArgument }
    let file = files.find(call.mount, call.inode)
    // A file in memory has zero bytes where it has no page.
    let hasHoles = file.map { $0.pointee.store != 0 } ?? (files.stores.find(call.mount) != nil)
    guard file != nil || hasHoles else { return 0 }
    var done: UInt64 = 0
    var place = LeafPlace(slot: nil, isOwn: false)
    while done < length {
      let from = call.position &+ done
      let to = call.address &+ done
      var page = cached(file, from >> 12)
      if page == nil, !hasHoles { break }
      let count = min(length &- done, Page.size &- max(to & 4095, from & 4095))
      // Neighbours in memory are mostly neighbours in a table.
      if place.slot != nil, to & 4095 == 0, to & (Page.large &- 1) != 0 {
        place.slot = place.slot.unsafelyUnwrapped + 1
      } else {
        place = self.place(of: to, in: space)
      }
      var target = writable(place)
      if target == nil {
        do throws(Errno) { target = try frameForUser(space, to, KernelEvent.PageFault.write, &ipc) } catch {
          if done == 0 { throw error }
          break
        }
        place.slot = nil
        // The process's page may have cost the cache this one.
        page = cached(file, from >> 12)
        if page == nil, !hasHoles { break }
      }
      let bytes = frames.bytes(target.unsafelyUnwrapped) + Int(to & 4095)
      if let page {
        bytes.copyMemory(from: frames.bytes(page) + Int(from & 4095), byteCount: Int(count))
        frames.owned(page).pointee.isRecent = true
      } else {
        bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Int(count))
      }
      hits &+= 1
      done &+= count
    }
    return done
  }

  @inline(__always) private func cached(_ file: FilePages.Pointer?, _ page: UInt64) -> Frame? {
    guard let file else { return nil }
    return frames.cached(file, page)
  }

  /// The frame behind an entry through which the process could write now, if it is VM's.
  @inline(__always) private mutating func writable(_ place: LeafPlace) -> Frame? {
    guard place.isOwn, let slot = place.slot else { return nil }
    let entry = PageEntry(raw: slot.pointee)
    guard entry.isPresent, entry.isWritable, frames.record(Frame(address: entry.frame)) != nil else { return nil }
    return Frame(address: entry.frame)
  }

  private mutating func fill<K: Transport>(_ call: PageCache.Fill, _ ipc: inout K) throws(Errno) -> UInt64 {
    let length = min(call.length, PageCache.limit)
    guard call.mount != 0, call.inode != 0, call.position & 4095 == 0, length > 0,
      !call.position.addingReportingOverflow(length).overflow
    else { throw .invalidArgument }
    guard files.stores.find(call.mount) == nil else { throw .invalidArgument }
    guard let space = spaces[.vfs], PageRange(covering: call.source, length) != nil else { throw .badAddress }
    guard let file = files.find(call.mount, call.inode) ?? files.claim(call.mount, call.inode, &frames) else { return 0 }
    var pages: UInt64 = 0
    var done: UInt64 = 0
    while done < length {
      let count = min(Page.size, length &- done)
      let page = (call.position &+ done) >> 12
      if frames.cached(file, page) == nil {
        do throws(Errno) { try frames.reserve(1 &+ frames.mostNodes(file, page), .user) } catch {
          if unmapClean(&ipc) { continue }
          break
        }
        let frame = frames.take(.cache)
        do throws(Errno) { try copy(toFrame: frame, 0, from: space, call.source &+ done, count, &ipc) } catch {
          frames.retire(frame)
          throw error
        }
        if count < Page.size { (frames.bytes(frame) + Int(count)).initializeMemory(as: UInt8.self, repeating: 0, count: Int(Page.size &- count)) }
        // Only now can it be found (V23).
        frames.insert(file, page, frame)
        fills &+= 1
        frames.reserved = 0
      }
      pages &+= 1
      done &+= count
    }
    wake(call.mount, call.inode, call.position >> 12, pages, error: nil, &ipc)
    return pages
  }

  private mutating func write<K: Transport>(_ call: PageCache.Write, _ ipc: inout K) throws(Errno) {
    let length = min(call.length, PageCache.limit)
    guard !call.position.addingReportingOverflow(length).overflow else { throw .invalidArgument }
    guard let space = spaces[.vfs], PageRange(covering: call.source, length) != nil else { throw .badAddress }
    guard let file = files.find(call.mount, call.inode) else { return }
    guard file.pointee.store == 0 else { throw .invalidArgument }
    file.pointee.size = call.size
    var done: UInt64 = 0
    while done < length {
      let at = call.position &+ done
      let count = min(length &- done, Page.size &- at & 4095)
      if let frame = frames.cached(file, at >> 12) {
        try copy(toFrame: frame, at & 4095, from: space, call.source &+ done, count, &ipc)
        frames.owned(frame).pointee.isRecent = true
      }
      done &+= count
    }
  }

  private mutating func truncate<K: Transport>(_ call: PageCache.Truncate, _ ipc: inout K) throws(Errno) {
    guard call.size <= UInt64(Int64.max) else { throw .invalidArgument }
    guard let file = files.find(call.mount, call.inode) else { return }
    if file.pointee.store != 0 { return resize(file, call.size, &ipc) }
    file.pointee.size = call.size
    let first = Page.up(call.size) >> 12
    // Out of the tables first, so that only the cache holds what goes.
    withdraw(file, from: first, &ipc)
    drop(file, from: first)
    let inside = Int(call.size & 4095)
    if inside != 0, let frame = frames.cached(file, call.size >> 12) {
      (frames.bytes(frame) + inside).initializeMemory(as: UInt8.self, repeating: 0, count: 4096 - inside)
    }
  }

  /// Pages from `page` on that nobody maps, also such as were changed.
  private mutating func drop(_ file: FilePages.Pointer, from page: UInt64) {
    var at = page
    while file.pointee.changed > 0, let found = frames.firstCached(file, from: at) {
      unchange(file, frames.cached(file, found).unsafelyUnwrapped)
      at = found &+ 1
    }
    _ = files.drop(file, from: page, &frames)
  }

  private mutating func forget<K: Transport>(_ call: PageCache.Forget, _ ipc: inout K) {
    if call.inode != 0 {
      if let file = files.find(call.mount, call.inode) { forget(file, &ipc) }
      return
    }
    if let store = files.stores.find(call.mount) { return forgetStore(store, &ipc) }
    for index in 0..<files.limit {
      let file = files[index]
      if call.mount != 0, file.pointee.mount == call.mount { forget(file, &ipc) }
    }
  }

  private mutating func forget<K: Transport>(_ file: FilePages.Pointer, _ ipc: inout K) {
    if file.pointee.store != 0 { cut(file, from: 0, &ipc) } else { drop(file, from: 0) }
    dropIfEmpty(file)
  }

  // MARK: Mapped files

  private mutating func missing(_ process: Endpoint) throws(Errno) -> PageCache.Place {
    guard let space = spaces[process], space.pointee.refused != 0 else { throw .noSuchFile }
    let address = space.pointee.refused
    space.pointee.refused = 0
    let found = try place(space, address)
    guard found.mount != 0 else { throw .noSuchFile }
    return found
  }

  private mutating func mapping(_ call: PageCache.Mapping) throws(Errno) -> PageCache.Place {
    guard let space = spaces[call.process] else { throw .noSuchProcess }
    return try place(space, call.address)
  }

  private func place(_ space: Space.Pointer, _ address: UInt64) throws(Errno) -> PageCache.Place {
    guard let region = space.pointee.regions.find(address) else { throw .noMemory }
    guard let file = file(region) else { return PageCache.Place(mount: 0, isShared: 0, inode: 0, position: 0, end: region.pointee.end) }
    return PageCache.Place(
      mount: file.pointee.mount, isShared: region.pointee.type == .fileShared ? 1 : 0, inode: file.pointee.inode,
      position: region.pointee.page(at: address) << 12, end: region.pointee.end)
  }

  private mutating func takeChanged<K: Transport>(_ call: PageCache.TakeChanged, _ ipc: inout K) throws(Errno) -> UInt64 {
    guard let space = spaces[.vfs], PageRange(covering: call.destination, Page.size) != nil else { throw .badAddress }
    guard let file = files.find(call.mount, call.inode) else { throw .noSuchFile }
    written(file)
    guard file.pointee.changed > 0, file.pointee.store == 0 else { throw .noSuchFile }
    var at = call.position >> 12
    while let found = frames.firstCached(file, from: at) {
      let frame = frames.cached(file, found).unsafelyUnwrapped
      guard frames.owned(frame).pointee.isChanged else {
        at = found &+ 1
        continue
      }
      guard call.destination & 4095 == 0 else { throw .invalidArgument }
      let target = try frameForUser(space, call.destination, KernelEvent.PageFault.write, &ipc)
      // What is written from now on is a change again; what is copied here counts as one until the file system has it.
      guardWrites(file, found, &ipc)
      frames.bytes(target).copyMemory(from: frames.bytes(frame), byteCount: 4096)
      file.pointee.writing = found &+ 1
      return found << 12
    }
    throw .noSuchFile
  }

  // MARK: Memory

  /// The frame behind `address` of a space that may run, as an access of its own would find it; most are there.
  private mutating func frameForUser<K: Transport>(_ space: Space.Pointer, _ address: UInt64, _ access: UInt32, _ ipc: inout K) throws(Errno) -> Frame {
    if let there = writable(place(of: address, in: space)) { return there }
    try resolveNow(space, address, access, &ipc)
    let frame = Frame(address: PageEntry(raw: leaf(space, address).unsafelyUnwrapped.pointee).frame)
    // Devices are not reached through the window.
    guard frames.record(frame) != nil else { throw .badAddress }
    return frame
  }

  /// Copies bytes of a space into a frame.
  private mutating func copy<K: Transport>(
    toFrame frame: Frame, _ offset: UInt64, from space: Space.Pointer, _ address: UInt64, _ length: UInt64, _ ipc: inout K
  ) throws(Errno) {
    var done: UInt64 = 0
    while done < length {
      let from = address &+ done
      let count = min(length &- done, Page.size &- from & 4095)
      let origin = try frameToRead(space, from, &ipc)
      (frames.bytes(frame) + Int(offset &+ done)).copyMemory(from: frames.bytes(origin) + Int(from & 4095), byteCount: Int(count))
      done &+= count
    }
  }
}
