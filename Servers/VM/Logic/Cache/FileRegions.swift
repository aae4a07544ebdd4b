import IPC
import PageTable
import Protocols

// Regions that show files. The object of such a region stands for the file in the cache's table; what VM knows of the
// file besides its pages is its size, how many pages processes have changed, and what VFS has still to hear.
extension VirtualMemory {
  /// The file that a region shows.
  func file(_ region: Region.Pointer) -> FilePages.Pointer? {
    guard region.pointee.type.isFile, let object = region.pointee.object else { return nil }
    return files[Int(object.pointee.call)]
  }

  /// What having the page of a file behind a region's page costs. `.ioError`: the file ends before it (V29), or its store is
  /// full. `.wouldBlock`: VFS has to bring it.
  func costOfFile(_ region: Region.Pointer, _ page: UInt64) throws(Errno) -> UInt64 {
    guard let file = file(region) else { throw .badAddress }
    guard page < Page.up(file.pointee.size) >> 12 else { throw .ioError }
    if frames.cached(file, page) != nil { return 0 }
    guard file.pointee.store != 0 else { throw .wouldBlock }
    do throws(Errno) { return try costOfPage(file, page) } catch { throw .ioError }
  }

  /// That page; what it costs is reserved.
  mutating func pageOfFile(_ region: Region.Pointer, _ page: UInt64) -> Frame {
    let file = file(region).unsafelyUnwrapped
    return frames.cached(file, page) ?? makePage(file, page)
  }

  /// Somebody is about to write to a shared page.
  mutating func change(_ file: FilePages.Pointer, _ frame: Frame) {
    let record = frames.owned(frame)
    guard record.pointee.kind == .cache else { return }
    if file.pointee.writing != 0, frames.cached(file, file.pointee.writing &- 1) == frame { file.pointee.writing = 0 }
    guard !record.pointee.isChanged else { return }
    if record.pointee.isIdle { frames.unlinkIdle(frame) }
    record.pointee.isChanged = true
    file.pointee.changed &+= 1
    if file.pointee.store != 0 { return }
    pressure.changed &+= 1
    // Worth another try, unless somebody waits already for what the last one brings.
    if pressure.first == nil { file.pointee.tried = 0 }
    if pressure.changed > changedLimit, pressure.mount == 0 { pressure.isUnsent = true }
  }

  mutating func unchange(_ file: FilePages.Pointer, _ frame: Frame) {
    let record = frames.owned(frame)
    guard record.pointee.isChanged else { return }
    record.pointee.isChanged = false
    file.pointee.changed &-= 1
    if file.pointee.store == 0 { pressure.changed &-= 1 }
    if record.pointee.isIdle { frames.linkIdle(frame) }
  }

  // MARK: Mapping

  mutating func map<K: Transport>(_ call: PageCache.Map, _ ipc: inout K) throws(Errno) -> PageCache.Map.Reply {
    if call.flags & PageCache.Map.image != 0 { return try mapImage(call) }
    guard !call.process.isService, let space = spaces[call.process] else { throw .noSuchProcess }
    let allowed = call.protection >> 8 & 7
    let sharing = call.flags & (VM.Flags.shared | VM.Flags.private)
    guard call.mount != 0, call.inode != 0, call.length > 0, call.position & 4095 == 0, call.size <= UInt64(Int64.max),
      sharing == VM.Flags.shared || sharing == VM.Flags.private
    else { throw .invalidArgument }
    let access = try Self.access(call.protection & 0xFF)
    guard access & ~allowed == 0 else { throw .accessDenied }
    guard call.length <= AddressSpace.userEnd else { throw .noMemory }
    let length = Page.up(call.length)
    guard !call.position.addingReportingOverflow(length).overflow else { throw .overflow }
    let claim = space.pointee.claim
    let place = VM.MMap(address: call.address, length: call.length, protection: access, flags: call.flags)
    let range = try self.range(for: place, in: space, length)
    let isPrivate = sharing == VM.Flags.private
    let isLocked = space.pointee.locksFuture || call.flags & VM.Flags.locked != 0
    try admit(space, range.pages, data: isPrivate && access & VM.Protection.write != 0, locked: isLocked, replacing: range)
    try regions.reserve(1 &+ pieces(space, range), &frames, claim)
    try objects.reserve(1, &frames, claim)
    guard let file = files.find(call.mount, call.inode) ?? files.claim(call.mount, call.inode, &frames) else { throw .noMemory }

    // Nothing fails from here on.
    let isFirst = show(file, size: call.size)
    remove(space, range, &ipc)
    let type: MemoryType = isPrivate ? .filePrivate : .fileShared
    var region = Region(
      range, type, kind: VM.RegionKind.file, protection: access, allowed: allowed, first: call.position >> 12, object: file.pointee.object)
    region.flags = isLocked ? Region.mapped | Region.locked : Region.mapped
    space.pointee.regions.insert(regions.take(region))
    merge(space, range)
    if isLocked { populate(space, range, &ipc) }
    return PageCache.Map.Reply(address: range.start, isFirst: isFirst ? 1 : 0)
  }

  /// A region more shows the file; an object is reserved. True: it is the first.
  mutating func show(_ file: FilePages.Pointer, size: UInt64) -> Bool {
    file.pointee.size = size
    if let object = file.pointee.object {
      object.pointee.references &+= 1
      return false
    }
    var object = MemoryObject(pages: 0, root: Frame(number: 0))
    object.call = UInt32(truncatingIfNeeded: files.index(file))
    file.pointee.object = objects.take(object)
    return true
  }

  /// Nobody maps the file any more; VFS may let go of it.
  mutating func unmapped(_ file: FilePages.Pointer) {
    file.pointee.object = nil
    if file.pointee.owed == 0 { files.owe(file) }
    file.pointee.owed &+= 1
  }

  /// Tells VFS what it has still to hear. What its queue does not take comes later.
  mutating func tellOwed<K: Transport>(_ ipc: inout K) {
    while let file = files.firstOwed {
      let word = VFS.FileUnmapped(
        mount: file.pointee.mount, changed: file.pointee.store == 0 ? file.pointee.changed : 0, inode: file.pointee.inode)
      do throws(Errno) { try ipc.sendAsync(Message(word), to: .vfs) } catch {
        if error == .wouldBlock { return }
      }
      file.pointee.owed &-= 1
      if file.pointee.owed == 0 {
        files.paid()
        if file.pointee.store != 0 { dropIfEmpty(file) }
      }
    }
  }

  // MARK: All who map it

  /// Takes from all spaces the pages of a file from `page` on, private copies of them too. Cannot fail.
  mutating func withdraw<K: Transport>(_ file: FilePages.Pointer, from page: UInt64, _ ipc: inout K) {
    guard let object = file.pointee.object else { return }
    for index in 0..<Spaces.limit {
      guard let space = spaces[index: index] else { continue }
      var link = space.pointee.regions.lowest(above: 0)
      while let region = link {
        link = space.pointee.regions.next(region)
        guard region.pointee.object == object, region.pointee.first &+ region.pointee.pages > page else { continue }
        var range = region.pointee.range
        if page > region.pointee.first { range.start &+= (page &- region.pointee.first) << 12 }
        withdraw(space, range)
        // Its pages may have gone with those of another space that shows the same table.
        flush(space, range, &ipc)
      }
    }
  }

  /// Takes from all spaces the right to write to one page of a file, so that the next write is noticed.
  mutating func guardWrites<K: Transport>(_ file: FilePages.Pointer, _ page: UInt64, _ ipc: inout K) {
    guard let object = file.pointee.object else { return }
    for index in 0..<Spaces.limit {
      guard let space = spaces[index: index] else { continue }
      var link = space.pointee.regions.lowest(above: 0)
      while let region = link {
        link = space.pointee.regions.next(region)
        guard region.pointee.object == object, region.pointee.type == .fileShared, page >= region.pointee.first,
          page < region.pointee.first &+ region.pointee.pages
        else { continue }
        let address = region.pointee.start &+ (page &- region.pointee.first) << 12
        // Taking a right away is true for all who share the table.
        guard let slot = leaf(space, address), PageEntry(raw: slot.pointee).isWritable else { continue }
        slot.pointee &= ~PageEntry.writable
        flush(space, PageRange(start: address, end: address &+ Page.size), &ipc)
      }
    }
  }
}
