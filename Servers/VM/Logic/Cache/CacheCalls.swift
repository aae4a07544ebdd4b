import IPC
import PageTable
import Protocols

// What VFS asks of the page cache. VM copies through its window: between a file's page and the memory of the process
// that waits, or VFS's own. It never waits: what is not there is not there, and VFS brings it.
extension VirtualMemory {
  mutating func pageCache<K: Transport>(_ number: PageCache.Number, _ message: Message, _ ipc: inout K) throws(Errno) -> Message {
    guard number == .information || message.source == .vfs else { throw .notPermitted }
    switch number {
    case .read: return Message(reply: VFS.Count(count: try read(message.body(), &ipc)))
    case .fill: return Message(reply: VFS.Count(count: try fill(message.body(), &ipc)))
    case .write: try write(message.body(), &ipc)
    case .truncate: try truncate(message.body())
    case .forget: forget(message.body())
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
    guard let file = files.find(call.mount, call.inode) else { return 0 }
    var done: UInt64 = 0
    while done < length {
      let from = call.position &+ done
      let to = call.address &+ done
      guard frames.cached(file, from >> 12) != nil else { break }
      let count = min(length &- done, Page.size &- max(to & 4095, from & 4095))
      let target: Frame
      do throws(Errno) { target = try frameForUser(space, to, KernelEvent.PageFault.write, &ipc) } catch {
        if done == 0 { throw error }
        break
      }
      // The process's page may have cost the cache this one.
      guard let page = frames.cached(file, from >> 12) else { break }
      (frames.bytes(target) + Int(to & 4095)).copyMemory(from: frames.bytes(page) + Int(from & 4095), byteCount: Int(count))
      frames.touch(page)
      hits &+= 1
      done &+= count
    }
    return done
  }

  private mutating func fill<K: Transport>(_ call: PageCache.Fill, _ ipc: inout K) throws(Errno) -> UInt64 {
    let length = min(call.length, PageCache.limit)
    guard call.mount != 0, call.inode != 0, call.position & 4095 == 0, length > 0,
      !call.position.addingReportingOverflow(length).overflow
    else { throw .invalidArgument }
    guard let space = spaces[.vfs], PageRange(covering: call.source, length) != nil else { throw .badAddress }
    guard let file = files.find(call.mount, call.inode) ?? files.claim(call.mount, call.inode, &frames) else { return 0 }
    var pages: UInt64 = 0
    var done: UInt64 = 0
    while done < length {
      let count = min(Page.size, length &- done)
      let page = (call.position &+ done) >> 12
      if frames.cached(file, page) == nil {
        do throws(Errno) { try frames.reserve(1 &+ FrameTable.nodesForInsert, .user) } catch { return pages }
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
    return pages
  }

  private mutating func write<K: Transport>(_ call: PageCache.Write, _ ipc: inout K) throws(Errno) {
    let length = min(call.length, PageCache.limit)
    guard !call.position.addingReportingOverflow(length).overflow else { throw .invalidArgument }
    guard let space = spaces[.vfs], PageRange(covering: call.source, length) != nil else { throw .badAddress }
    guard let file = files.find(call.mount, call.inode) else { return }
    var done: UInt64 = 0
    while done < length {
      let at = call.position &+ done
      let count = min(length &- done, Page.size &- at & 4095)
      if let frame = frames.cached(file, at >> 12) {
        try copy(toFrame: frame, at & 4095, from: space, call.source &+ done, count, &ipc)
        frames.touch(frame)
      }
      done &+= count
    }
  }

  private mutating func truncate(_ call: PageCache.Truncate) throws(Errno) {
    guard call.size <= UInt64(Int64.max) else { throw .invalidArgument }
    guard let file = files.find(call.mount, call.inode) else { return }
    _ = files.drop(file, from: Page.up(call.size) >> 12, &frames)
    let inside = Int(call.size & 4095)
    if inside != 0, let frame = frames.cached(file, call.size >> 12) {
      (frames.bytes(frame) + inside).initializeMemory(as: UInt8.self, repeating: 0, count: 4096 - inside)
    }
  }

  private mutating func forget(_ call: PageCache.Forget) {
    if call.inode != 0 {
      if let file = files.find(call.mount, call.inode), files.drop(file, from: 0, &frames) { files.remove(file) }
      return
    }
    for index in 0..<files.limit {
      let file = files[index]
      if call.mount != 0, file.pointee.mount == call.mount, files.drop(file, from: 0, &frames) { files.remove(file) }
    }
  }

  // MARK: Memory

  /// The frame behind `address` of a space that may run, as an access of its own would find it; most are there.
  private mutating func frameForUser<K: Transport>(_ space: Space.Pointer, _ address: UInt64, _ access: UInt32, _ ipc: inout K) throws(Errno) -> Frame {
    let place = place(of: address, in: space)
    if place.isOwn, let slot = place.slot {
      let entry = PageEntry(raw: slot.pointee)
      if entry.isPresent, entry.isWritable, frames.record(Frame(address: entry.frame)) != nil { return Frame(address: entry.frame) }
    }
    try resolve(space, address, access, &ipc)
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
