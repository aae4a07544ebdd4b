import IPC
import PageTable
import Protocols

@testable import VMServer

// Processes come, become others and go.
extension ModelRun {
  mutating func fork(_ index: Int) {
    guard processes.count < 6 else { return }
    takeBack(index)
    var error: Errno?
    var child = processes[index]
    do throws(Errno) { child.thread = try system.fork(processes[index].thread) } catch let thrown { error = thrown }
    guard agree("fork", error, expected: nil) else { return }
    for number in child.pages.keys { child.pages[number]!.inherit() }
    processes.append(child)
  }

  mutating func exit(_ index: Int) {
    guard processes.count > 1 else { return }
    tally["exit", default: (0, 0)].tried += 1
    end(index)
  }

  mutating func end(_ index: Int) {
    dropLoans(of: processes[index].thread)
    system.exit(processes[index].thread)
    processes.remove(at: index)
  }

  /// A new image of a page of text and two of data below the heap, and below those perhaps two pages of a file. What fails leaves the old one as it was, whether VFS
  /// gives up at once or only when it begins anew.
  mutating func exec(_ index: Int) {
    let thread = processes[index].thread
    let argument = AddressSpace.stackTop - 64
    let failing = system.vm.frames.failing
    system.vm.frames.failing = 0
    // One argument, "a". Without memory for a stack there is no exec.
    let told = system.kernel.exceptions.count
    guard system.fill(thread, argument, [1, 0, 0, 0, 0, 0, 0, 0, 0x61, 0]) else {
      refused += 1
      processes[index].isWaiting = !system.kernel.exceptions.suffix(from: told).contains { $0.event.thread == thread }
      return
    }
    system.vm.frames.failing = failing
    let values = (0..<3).map { _ in UInt8(random.below(256)) }
    let text: UInt64 = 0x4FD
    let file = random.once(in: 2) ? files[random.below(files.count)] : nil
    let offset = UInt64(random.below(8)), access = Self.accesses[2 + random.below(4)]
    var error: Errno?
    do throws(Errno) {
      try system.call(VM.ExecBegin(process: thread), from: vfs)
      try system.call(VM.ExecMap(process: thread, address: text << 12, length: 4096, protection: 5), from: vfs)
      try system.call(VM.ExecMap(process: thread, address: (text + 1) << 12, length: 8192, protection: 3), from: vfs)
      if let file {
        let map = PageCache.Map(
          process: thread, mount: file.mount, inode: file.inode, position: offset << 12, address: (text - 2) << 12, length: 8192, size: file.size,
          protection: access, allowed: access, flags: VM.Flags.private | PageCache.Map.image)
        if try system.call(map, from: vfs).isFirst != 0 { firstMappings += 1 }
      }
      for page in 0..<3 as Range<UInt64> {
        let byte = system.window + Int(system.frame(vfs, buffer))
        byte.storeBytes(of: values[Int(page)], as: UInt8.self)
        try system.call(VM.ExecWrite(process: thread, address: (text + page) << 12, source: buffer, length: 1), from: vfs)
      }
      try system.call(VM.ExecCommit(process: thread, entry: text << 12, arguments: argument, argumentsLength: 10), from: vfs)
    } catch let thrown { error = thrown }
    if error != nil, random.once(in: 2) { _ = system.error(VM.ExecAbort(process: thread), from: vfs) }
    guard agree("exec", error, expected: nil) else { return }
    dropLoans(of: thread)
    processes[index].pages = [:]
    processes[index].heapEnd = 0x500
    for page in 0..<3 as Range<UInt64> {
      let access: UInt32 = page == 0 ? 5 : 3
      processes[index].pages[text + page] = FlatPage(
        access: access, allowed: access, origin: .image, backing: .own(Ends(first: values[Int(page)])))
    }
    guard let file else { return }
    for page in 0..<2 as Range<UInt64> {
      processes[index].pages[text - 2 + page] = FlatPage(
        access: access, allowed: access, origin: .image, backing: .file(file, offset + page, isShared: false, copy: nil))
    }
  }
}
