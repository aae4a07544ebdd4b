import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Random operations on the server and on flat memory, which must agree on every result and every byte. The run plays PM, VFS
/// and the processes; each operation may meet an allocation that fails.
struct ModelRun {
  let system: TestSystem
  let vfs: Endpoint
  /// 16 pages of VFS.
  let buffer: UInt64
  var random: Random
  var processes: [FlatProcess] = []
  var files: [FlatFile]
  /// The first page of where mappings have fixed places: half of them lie before a border of tables, half behind it.
  let arena: UInt64
  let arenaPages = 48
  let free: UInt64
  /// Borrows and pins, and nothing else.
  let service: Endpoint
  var loans: [FlatLoan] = []
  var borrowings: [FlatBorrowing] = []
  var firstMappings = 0
  var refused = 0
  var problems: [String] = []
  /// How often each operation ran, and how often it did what was asked.
  var tally: [String: (tried: Int, done: Int)] = [:]

  /// - Parameter border: 2 MiB, where two leaf tables meet; 1 GiB or 512 GiB: those of higher levels too.
  init(seed: UInt64, frames: UInt64, border: UInt64) throws {
    arena = (0x2000_0000_0000 + border) >> 12 - 24
    system = TestSystem(frames: frames)
    random = Random(state: seed)
    vfs = system.service(.vfs)
    buffer = try system.map(vfs, pages: 16)
    for page in 0..<16 as Range<UInt64> {
      // Nobody is to find more than the ends of a page in use.
      guard system.write(vfs, buffer + page << 12, 0) else { throw Errno.noMemory }
    }
    // Two files on a disk, two in memory, which has room for fewer pages than they may have.
    files = [FlatFile(7, size: 6 << 12), FlatFile(8, size: 20 << 12), FlatFile(9, size: 0, mount: 2), FlatFile(10, size: 9 << 12, mount: 2)]
    try system.call(PageCache.MakeStore(mount: 2, pages: 36), from: vfs)
    service = system.service(.echo)
    free = system.information.free
    processes = [FlatProcess(thread: system.process())]
  }

  mutating func step() {
    if random.once(in: 12) { system.vm.frames.failing = UInt64(1 + random.below(4)) }
    let told = system.kernel.exceptions.count
    let index = random.below(processes.count)
    switch random.below(100) {
    case 0..<4: serve()
    case 4..<8: changeFile()
    // Who waits for a page does nothing; but it can be ended.
    case 8..<10: exit(index)
    case _ where processes[index].isWaiting: serve()
    case 10..<22: map(index)
    case 22..<28: mapFile(index)
    case 28..<36: unmap(index)
    case 36..<45: protect(index)
    case 45..<49: remap(index)
    case 49..<53: advise(index)
    case 53..<57: lock(index)
    case 57..<60: heap(index)
    case 60..<63: fork(index)
    case 63: exec(index)
    case 64..<66: read(index)
    case 66..<69: lend(index)
    case 69..<73: borrow()
    case 73..<75: giveBack(index)
    case 75: endLoan()
    default: touch(index)
    }
    system.vm.frames.failing = 0
    relieve(told)
  }

  // MARK: Agreement

  mutating func range() -> Range<UInt64> {
    let first = arena + UInt64(random.below(arenaPages))
    return first..<first + UInt64(1 + random.below(8))
  }

  /// A page that is mapped. Not `randomElement`: the order of a dictionary is no function of the seed.
  mutating func used(_ index: Int) -> UInt64? {
    let salt = random.next() | 1
    return processes[index].pages.keys.min { $0 &* salt < $1 &* salt }
  }

  /// Half of the time where something is.
  mutating func usedRange(_ index: Int) -> Range<UInt64> {
    guard random.once(in: 2), let first = used(index), first >= arena else { return range() }
    return first..<first + UInt64(1 + random.below(4))
  }

  static let accesses: [UInt32] = [0, 1, 3, 3, 3, 5]

  /// An error for lack of memory changes nothing and may come at any time; any other must be the one expected.
  mutating func agree(_ what: String, _ error: Errno?, expected: Errno?, lack: Errno = .noMemory) -> Bool {
    tally[what, default: (0, 0)].tried += 1
    if error == lack, expected != lack {
      refused += 1
      return false
    }
    if error != expected {
      problems.append("\(what): \(error.map { "\($0.rawValue)" } ?? "done"), expected \(expected.map { "\($0.rawValue)" } ?? "done")")
    }
    if error == nil { tally[what]!.done += 1 }
    return error == nil
  }

  /// The first thing wrong from low to high: a hole, or what `refuses` says of a page.
  func firstError(_ index: Int, _ pages: Range<UInt64>, _ refuses: (FlatPage) -> Errno? = { _ in nil }) -> Errno? {
    for number in pages {
      guard let page = processes[index].pages[number] else { return .noMemory }
      if let error = refuses(page) { return error }
    }
    return nil
  }

  // MARK: Touching

  private mutating func touch(_ index: Int) {
    let page: UInt64
    if random.once(in: 4), let known = used(index) {
      page = known
    } else {
      page = arena + UInt64(random.below(arenaPages + 8))
    }
    switch random.below(8) {
    case 0: look(index, page, .execute)
    case 1..<4: look(index, page, .read)
    case 4: writeAsKernel(index, page)
    default: look(index, page, .write)
    }
  }

  /// One access by the process itself.
  mutating func look(_ index: Int, _ number: UInt64, _ access: TestSystem.Access) {
    let thread = processes[index].thread
    let known = processes[index].pages[number]
    let isLast = random.once(in: 2) && (access != .write || known?.canWrite(true) ?? true)
    let rights: UInt32 = access == .write ? 2 : access == .execute ? 4 : 1
    let isAllowed = known.map { $0.access & rights != 0 } ?? false
    let told = system.kernel.exceptions.count
    tally["touch to \(access)", default: (0, 0)].tried += 1
    guard let physical = system.touch(thread, number << 12 + (isLast ? 4095 : 0), access) else {
      return refuse(index, known, isAllowed, told)
    }
    tally["touch to \(access)"]!.done += 1
    guard isAllowed, let known, known.exists else {
      problems.append("an access that is not allowed succeeded: page \(String(number, radix: 16)), \(access)")
      return
    }
    let byte = system.window + Int(physical)
    if access == .write {
      let value = UInt8(random.below(256))
      byte.storeBytes(of: value, as: UInt8.self)
      processes[index].pages[number]!.write(isLast, value)
    } else if byte.load(as: UInt8.self) != known.ends[isLast] {
      problems.append("page \(String(number, radix: 16)) has \(byte.load(as: UInt8.self)), should \(known.ends[isLast]), \(known.backing)")
    }
  }

  private mutating func refuse(_ index: Int, _ known: FlatPage?, _ isAllowed: Bool, _ told: Int) {
    let thread = processes[index].thread
    let events = system.kernel.exceptions.suffix(from: told).map(\.event)
    let signals = events.filter { $0.thread == thread }.map(\.signal)
    guard isAllowed, let known, known.exists else {
      let expected: UInt32 = isAllowed ? 7 : 11
      if signals != [expected] { problems.append("a bad access gave signals \(signals), not \(expected)") }
      return
    }
    if signals.isEmpty, known.isFile && !known.isOfStore || !events.isEmpty || system.vm.pressure.waiting > 0
      || system.kernel.replies.contains(where: { $0.to == thread })
    {
      // For the page, for somebody else's end, or for changed pages to be written back.
      processes[index].isWaiting = true
    } else if signals == [9] || signals == [7] && known.isOfStore {
      refused += 1
    } else {
      problems.append("an access that is allowed gave signals \(signals)")
    }
  }

  /// The kernel writes on somebody's behalf: an error there is no signal.
  private mutating func writeAsKernel(_ index: Int, _ number: UInt64) {
    let known = processes[index].pages[number]
    let isLast = random.once(in: 2) && known?.canWrite(true) ?? true
    let value = UInt8(random.below(256))
    let told = system.kernel.exceptions.count
    if system.kernelWrite(processes[index].thread, number << 12 + (isLast ? 4095 : 0), value) {
      if let known, known.access & 2 != 0, known.exists {
        processes[index].pages[number]!.write(isLast, value)
      } else {
        problems.append("a kernel copy wrote where it may not")
      }
    } else if let known, known.access & 2 != 0, known.exists {
      refused += 1
    }
    if system.kernel.exceptions.count != told { problems.append("a signal for a kernel copy") }
  }

  // MARK: From time to time

  /// Every page of everybody.
  mutating func lookEverywhere() {
    for process in processes {
      for page in process.pages.keys.sorted() {
        guard let index = processes.firstIndex(where: { $0.thread == process.thread }), !processes[index].isWaiting else { break }
        let told = system.kernel.exceptions.count
        look(index, page, .read)
        relieve(told)
      }
    }
    for index in borrowings.indices { lookAtBorrowed(index) }
    system.kernel.exceptions = []
    system.kernel.calls = []
  }

  /// All ends; then everything must be as at the beginning.
  mutating func finish() {
    while !system.kernel.pageRequests.isEmpty { serve() }
    while !processes.isEmpty { end(processes.count - 1) }
    for index in borrowings.indices { lookAtBorrowed(index) }
    while !borrowings.isEmpty { giveBack(borrowing: borrowings.count - 1, whole: true) }
    for file in files where !file.isStore { takeChanged(file, all: true) }
    for mount: UInt32 in 1...2 where system.error(PageCache.Forget(mount: mount, inode: 0), from: vfs) != nil { problems.append("forget") }
    problems += system.audit()
    let information = system.information
    if information.free != free { problems.append("\(information.free) frames are free, \(free) were at the beginning") }
    if information.spaces != 2 || system.vm.loans.slab.used != 0 || system.vm.frames.cache != 0 { problems.append("something is left") }
    if system.kernel.unmapped.count != firstMappings { problems.append("VFS heard \(system.kernel.unmapped.count) farewells of \(firstMappings)") }
  }
}
