import IPC
import PageTable
import Protocols

@testable import VMServer

// VFS and the file systems behind it: one on a disk, one that is memory.
extension ModelRun {
  mutating func mapFile(_ index: Int) {
    let pages = range()
    let file = files[random.below(files.count)]
    let first = UInt64(random.below(12))
    let isShared = random.once(in: 2)
    let allowed: UInt32 = isShared && random.once(in: 4) ? 5 : 7
    let access = Self.accesses[random.below(6)]
    let (kind, place, expected) = place(index, pages)
    let flags = place | (isShared ? VM.Flags.shared : VM.Flags.private)
    let call = PageCache.Map(
      process: processes[index].thread, mount: file.mount, inode: file.inode, position: first << 12, address: pages.lowerBound << 12,
      length: UInt64(pages.count) << 12, size: file.size, protection: access, allowed: allowed, flags: flags)
    var at = pages.lowerBound
    var error: Errno?
    do throws(Errno) {
      let reply = try system.call(call, from: vfs)
      at = reply.address >> 12
      if reply.isFirst != 0 { firstMappings += 1 }
    } catch let thrown { error = thrown }
    guard agree("map of a file", error, expected: access & ~allowed != 0 ? .accessDenied : expected) else { return }
    let page = FlatPage(access: access, allowed: allowed, backing: .file(file, first, isShared: isShared, copy: nil))
    insert(index, at..<at + UInt64(pages.count), kind, page)
  }

  /// Puts the ends of a page into VFS's buffer.
  private func put(_ ends: Ends, at page: UInt64 = 0) {
    let bytes = system.window + Int(system.frame(vfs, buffer + page << 12))
    bytes.storeBytes(of: ends.first, as: UInt8.self)
    (bytes + 4095).storeBytes(of: ends.last, as: UInt8.self)
  }

  private func bufferEnds() -> Ends {
    let bytes = system.window + Int(system.frame(vfs, buffer))
    return Ends(first: bytes.load(as: UInt8.self), last: (bytes + 4095).load(as: UInt8.self))
  }

  /// VFS does one of the things that it is asked for, or fetches ahead.
  mutating func serve() {
    let told = system.kernel.exceptions.count
    if system.kernel.pageRequests.isEmpty {
      let file = files[random.below(2)]
      _ = fill(file, UInt64(random.below(20)), UInt64(1 + random.below(4)))
      return listen(told)
    }
    let request = system.kernel.pageRequests.remove(at: random.below(system.kernel.pageRequests.count))
    guard let file = files.first(where: { $0.inode == request.inode && !$0.isStore }) else { return problems.append("a request for no file") }
    let isGood = !random.once(in: 10)
    if !(isGood && fill(file, request.position >> 12, UInt64(1 + random.below(3)))) {
      system.vm.frames.failing = 0
      let error: Errno = isGood || random.once(in: 2) ? .noMemory : .ioError
      if system.error(PageCache.Fail(mount: 1, inode: file.inode, position: request.position, error: error), from: vfs) != nil { problems.append("fail") }
    }
    listen(told)
  }

  /// False if the first page did not come.
  private mutating func fill(_ file: FlatFile, _ page: UInt64, _ count: UInt64) -> Bool {
    for index in 0..<count { put(file.stored[page + index] ?? Ends(), at: index) }
    let call = PageCache.Fill(mount: 1, inode: file.inode, position: page << 12, source: buffer, length: count << 12)
    var came: UInt64 = 0
    var error: Errno?
    do throws(Errno) { came = try system.call(call, from: vfs).count } catch let thrown { error = thrown }
    return agree("fill", error, expected: nil) && came > 0
  }

  /// What PM and VFS do when memory is short (V93): who was killed for it ends, what is to be written back is. Then nobody waits for
  /// memory any more.
  mutating func relieve(_ told: Int) {
    while true {
      if !system.kernel.replies.isEmpty { listen(told) }
      if let request = system.kernel.writeBacks.popLast() {
        if let file = files.first(where: { $0.inode == request.inode }) { takeChanged(file, all: true) }
        if system.error(PageCache.WroteBack(mount: request.mount, inode: request.inode), from: vfs) != nil { problems.append("written back") }
        continue
      }
      let dead = system.kernel.exceptions.suffix(from: told).filter { $0.event.signal == 9 }.map(\.event.thread)
      guard let index = processes.firstIndex(where: { dead.contains($0.thread) }) else { break }
      end(index)
      if processes.isEmpty { processes = [FlatProcess(thread: system.process())] }
    }
    if system.vm.pressure.waiting > 0 { problems.append("\(system.vm.pressure.waiting) wait for memory for ever") }
  }

  /// Who waited for a page goes on, or was told why not.
  private mutating func listen(_ told: Int) {
    for (thread, message) in system.kernel.replies {
      guard let index = processes.firstIndex(where: { $0.thread == thread }) else {
        problems.append("a reply to nobody")
        continue
      }
      if !processes[index].isWaiting { problems.append("a reply to one that did not wait") }
      processes[index].isWaiting = false
      noticeCopies(index)
      if let pages = processes[index].locking {
        processes[index].locking = nil
        if message.type == 0 { for number in pages { processes[index].pages[number]!.isLocked = true } }
        continue
      }
      let signal = system.kernel.exceptions.suffix(from: told).last { $0.event.thread == thread }?.event.signal
      if message.type != 0, signal == nil { problems.append("a fault failed and nobody was told") }
      // A victim's page may still come before its end.
      if message.type == 0, let signal, signal != 9 { problems.append("a fault went well and signal \(signal) was told") }
    }
    system.kernel.replies = []
    // Nobody waits for what nobody will bring.
    for process in processes where process.isWaiting && system.kernel.pageRequests.isEmpty && system.vm.pressure.waiting == 0 { problems.append("\(process.thread.raw) waits for ever") }
  }

  /// write(2), ftruncate(2) or fsync(2) of a file.
  mutating func changeFile() {
    let file = files[random.below(files.count)]
    switch random.below(3) {
    case 0:
      let page = UInt64(random.below(24)), isLast = random.once(in: 2)
      let position = page << 12 + (isLast ? 4095 : 0)
      let value = UInt8(random.below(256))
      put(Ends(first: value))
      let size = max(file.size, position + 1)
      if file.isStore {
        let call = PageCache.Put(process: .vfs, mount: 2, inode: file.inode, position: position, address: buffer, length: 1, size: file.size)
        guard agree("put", system.error(call, from: vfs), expected: nil, lack: .noSpace) else { return }
        file.size = size
        file.seen[page, default: Ends()][isLast] = value
        return
      }
      let call = PageCache.Write(mount: 1, inode: file.inode, position: position, source: buffer, length: 1, size: size)
      guard agree("write", system.error(call, from: vfs), expected: nil) else { return }
      file.size = size
      file.seen[page, default: Ends()][isLast] = value
      file.stored[page, default: Ends()][isLast] = value
    case 1: truncate(file, UInt64(random.below(24)) << 12 + (random.once(in: 3) ? 100 : 0))
    default: if !file.isStore { takeChanged(file, all: random.once(in: 2)) }
    }
  }

  private mutating func truncate(_ file: FlatFile, _ size: UInt64) {
    guard agree("truncate", system.error(PageCache.Truncate(mount: file.mount, inode: file.inode, size: size), from: vfs), expected: nil) else { return }
    file.truncate(size)
    for index in processes.indices {
      for (number, page) in processes[index].pages {
        if case .file(let shown, let at, isShared: false, copy: .some) = page.backing, shown === file, !file.has(at) {
          processes[index].pages[number]!.forget()
        }
      }
    }
  }

  /// Takes pages that were changed to the file system.
  mutating func takeChanged(_ file: FlatFile, all: Bool) {
    var from: UInt64 = 0
    repeat {
      var error: Errno?
      var found: UInt64 = 0
      let call = PageCache.TakeChanged(mount: 1, inode: file.inode, position: from, destination: buffer)
      do throws(Errno) { found = try system.call(call, from: vfs).count >> 12 } catch let thrown { error = thrown }
      if error == .noMemory { return }
      if error == .noSuchFile {
        // None from there on; what was changed and still exists has been taken.
        if let left = file.changed.first(where: { $0 >= from >> 12 }) { problems.append("page \(left) of \(file.inode) was changed, and nobody knows") }
        return
      }
      guard error == nil else { return problems.append("taking changes: \(error!.rawValue)") }
      let ends = bufferEnds()
      var expected = file.seen[found] ?? Ends()
      // The end of the last page is behind the end of the file.
      if file.size < (found + 1) << 12 { expected.last = ends.last }
      if ends != expected { problems.append("page \(found) was taken as \(ends), should be \(expected)") }
      file.stored[found] = file.seen[found]
      file.changed.remove(found)
      from = (found + 1) << 12
    } while all
  }

  /// read(2) from the cache to memory of a process.
  mutating func read(_ index: Int) {
    let file = files[random.below(files.count)]
    let page = UInt64(random.below(20))
    guard let number = used(index), let target = processes[index].pages[number] else { return }
    // What is read over itself, or behind the end of what a page shows, is not what this is about.
    guard !target.isFile || target.isPrivate else { return }
    let call = PageCache.Read(
      process: processes[index].thread, mount: file.mount, inode: file.inode, position: page << 12, address: number << 12, length: 4096)
    var count: UInt64 = 0
    var error: Errno?
    do throws(Errno) { count = try system.call(call, from: vfs).count } catch let thrown { error = thrown }
    let isAllowed = target.access & 2 != 0 && target.exists
    if count == 0 { noticeCopies(index) }
    if error == .badAddress, isAllowed, target.isFile { return }
    guard agree("read", error, expected: error != nil && !isAllowed ? .badAddress : nil), count > 0 else { return }
    if !isAllowed { problems.append("read wrote where it may not") }
    if count != 4096 { problems.append("read gave \(count) bytes of a page") }
    let ends = file.seen[page] ?? Ends()
    processes[index].pages[number]!.write(false, ends.first)
    processes[index].pages[number]!.write(true, ends.last)
  }

  /// Pages that VM fetched ahead: whether what is written to a file later is seen in a private mapping is nobody's promise, and
  /// a page that may be written is fetched as a copy. So this looks which were.
  mutating func noticeCopies(_ index: Int) {
    for (number, page) in processes[index].pages where page.access & 2 != 0 {
      guard case .file(let file, let at, isShared: false, copy: nil) = page.backing else { continue }
      let frame = system.frame(processes[index].thread, number << 12)
      let cached = system.vm.files.find(file.mount, file.inode).flatMap { system.vm.frames.cached($0, at) }
      if frame != 0, frame != cached?.address {
        processes[index].pages[number]!.backing = .file(file, at, isShared: false, copy: file.seen[at] ?? Ends())
      }
    }
  }

  /// A page of the cache is what all see, and what is not in the cache is what the file system has.
  mutating func auditFiles() {
    for file in files {
      for index in 0..<32 as Range<UInt64> where file.has(index) {
        var seen = file.seen[index] ?? Ends()
        var there = (file.isStore ? nil : file.stored[index]) ?? Ends()
        let cached = system.vm.files.find(file.mount, file.inode).flatMap { system.vm.frames.cached($0, index) }
        if let cached {
          let bytes = system.vm.frames.bytes(cached)
          there = Ends(first: bytes.load(as: UInt8.self), last: (bytes + 4095).load(as: UInt8.self))
        }
        if file.size < (index + 1) << 12 { (seen.last, there.last) = (0, 0) }
        if seen != there { problems.append("page \(index) of file \(file.inode), \(cached == nil ? "not " : "")in the cache, is \(there), should be \(seen)") }
      }
    }
  }
}
