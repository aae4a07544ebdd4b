import Foundation
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// SplitMix64: a run is its seed.
struct Random: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

/// What memory should be, as flat as it can be said: per process a page number, an access and a place for its byte.
private final class Model {
  final class Cell { var value: UInt8 = 0 }
  struct Page {
    var access: UInt32
    var isShared: Bool
    var isHeap = false
    var cell: Cell
  }
  final class Process {
    var pages: [UInt64: Page] = [:]
    var heapEnd: UInt64 = 0x500
    func copy() -> Process {
      let child = Process()
      child.heapEnd = heapEnd
      for (number, page) in pages {
        var page = page
        if !page.isShared {
          let cell = Cell()
          cell.value = page.cell.value
          page.cell = cell
        }
        child.pages[number] = page
      }
      return child
    }
  }
}

/// Random operations on the server and on the model, which must agree on every result and every byte.
private struct ModelRun {
  let system: TestSystem
  var random: Random
  var processes: [(thread: Endpoint, model: Model.Process)] = []
  /// The first page of where mappings have fixed places: half of them lie before a border of tables, half behind it.
  let arena: UInt64
  let arenaPages = 48
  var refused = 0
  var problems: [String] = []

  /// - Parameter border: 2 MiB, where two leaf tables meet; 1 GiB or 512 GiB: those of higher levels too.
  init(seed: UInt64, frames: UInt64, border: UInt64) {
    arena = (0x2000_0000_0000 + border) >> 12 - 24
    system = TestSystem(frames: frames)
    random = Random(state: seed)
    processes = [(system.process(), Model.Process())]
  }

  mutating func step() {
    let index = random.below(processes.count)
    let (thread, model) = processes[index]
    if random.below(12) == 0 { system.vm.frames.failing = UInt64(1 + random.below(4)) }
    switch random.below(100) {
    case 0..<18: map(thread, model)
    case 18..<30: unmap(thread, model)
    case 30..<42: protect(thread, model)
    case 42..<90: touch(thread, model)
    case 90..<94: heap(thread, model)
    case 94..<97: fork(index)
    default: exit(index)
    }
    system.vm.frames.failing = 0
  }

  private mutating func range() -> (first: UInt64, count: UInt64) {
    (arena + UInt64(random.below(arenaPages)), UInt64(1 + random.below(8)))
  }

  private static let accesses: [UInt32] = [0, 1, 3, 3, 3, 5]

  /// An error for lack of memory changes nothing and may come at any time; any other must be the one expected.
  private mutating func agree(_ what: String, _ error: Errno?, expected: Errno?) -> Bool {
    if error == .noMemory, expected != .noMemory {
      refused += 1
      return false
    }
    if error != expected { problems.append("\(what): \(String(describing: error?.rawValue)), expected \(String(describing: expected?.rawValue))") }
    return error == nil
  }

  private mutating func map(_ thread: Endpoint, _ model: Model.Process) {
    var (first, count) = range()
    let access = Self.accesses[random.below(6)]
    let isShared = random.below(4) == 0
    let kind = random.below(3)
    let occupied = (first..<first + count).contains { model.pages[$0] != nil }
    var flags = VM.Flags.anonymous | (isShared ? VM.Flags.shared : VM.Flags.private)
    if kind == 0 { flags |= VM.Flags.fixed }
    if kind == 1 { flags |= VM.Flags.fixedNoReplace }
    let call = VM.MMap(address: first << 12, length: count << 12, protection: access, flags: flags)
    var error: Errno?
    do throws(Errno) { first = try system.call(call, from: thread).address >> 12 } catch let thrown { error = thrown }
    guard agree("mmap", error, expected: kind == 1 && occupied ? .fileExists : nil) else { return }
    if kind == 2 {
      for page in (first - 1)..<(first + count + 1) where model.pages[page] != nil { problems.append("V38: anywhere is next to something") }
    }
    for page in first..<first + count {
      model.pages[page] = Model.Page(access: access, isShared: isShared, cell: Model.Cell())
    }
    // Anywhere fills up: keep the number of pages bounded.
    if model.pages.count > 200, kind == 2, (try? system.unmap(thread, first << 12, pages: count)) != nil {
      for page in first..<first + count { model.pages[page] = nil }
    }
  }

  private mutating func unmap(_ thread: Endpoint, _ model: Model.Process) {
    let (first, count) = range()
    let error = system.error(VM.MUnmap(address: first << 12, length: count << 12), from: thread)
    guard agree("munmap", error, expected: nil) else { return }
    for page in first..<first + count { model.pages[page] = nil }
  }

  private mutating func protect(_ thread: Endpoint, _ model: Model.Process) {
    let (first, count) = range()
    let access = Self.accesses[random.below(6)]
    let hole = (first..<first + count).contains { model.pages[$0] == nil }
    let error = system.error(VM.MProtect(address: first << 12, length: count << 12, protection: access), from: thread)
    guard agree("mprotect", error, expected: hole ? .noMemory : nil) else { return }
    for page in first..<first + count { model.pages[page]!.access = access }
  }

  private mutating func touch(_ thread: Endpoint, _ model: Model.Process) {
    let page: UInt64
    if random.below(4) == 0, let known = model.pages.keys.min() {
      page = known + UInt64(random.below(4))
    } else {
      page = arena + UInt64(random.below(arenaPages + 8))
    }
    check(thread, model, page, writing: random.below(2) == 0)
  }

  private mutating func check(_ thread: Endpoint, _ model: Model.Process, _ page: UInt64, writing: Bool) {
    let address = page << 12 + (random.below(2) == 0 ? 0 : 4095)
    let known = model.pages[page]
    let allowed = known.map { writing ? $0.access & 2 != 0 : $0.access != 0 } ?? false
    let told = system.kernel.exceptions.count
    if writing, random.below(4) == 0 {
      // The kernel writes on somebody's behalf: an error there is no signal.
      let value = UInt8(random.below(256))
      let done = system.kernelWrite(thread, page << 12, value) && system.kernelWrite(thread, page << 12 + 4095, value)
      if done != allowed {
        if done { problems.append("a kernel copy wrote where it may not") } else { refused += 1 }
      }
      if done { known?.cell.value = value }
      if system.kernel.exceptions.count != told { problems.append("a signal for a kernel copy") }
    } else if writing {
      let value = UInt8(random.below(256))
      let done = system.write(thread, address, value) && system.write(thread, page << 12 + 4095, value) && system.write(thread, page << 12, value)
      if done { known?.cell.value = value }
      judge(done, allowed, told)
      if !done, allowed { resync(thread, page, known!) }
    } else {
      let value = system.read(thread, address)
      judge(value != nil, allowed, told)
      if let value, let known, value != known.cell.value { problems.append("page \(String(page, radix: 16)) reads \(value), not \(known.cell.value)") }
    }
  }

  /// A write that ended half way by a failed allocation: look what is there.
  private func resync(_ thread: Endpoint, _ page: UInt64, _ known: Model.Page) {
    system.vm.frames.failing = 0
    if let value = system.read(thread, page << 12) { system.write(thread, page << 12 + 4095, value); known.cell.value = value }
  }

  private mutating func judge(_ done: Bool, _ allowed: Bool, _ told: Int) {
    if done {
      if !allowed { problems.append("an access that is not allowed succeeded") }
      return
    }
    guard system.kernel.exceptions.count == told + 1, let last = system.kernel.exceptions.last else {
      problems.append("nobody was told of a bad access")
      return
    }
    if allowed {
      refused += 1
      if last.event.signal != 9 { problems.append("no memory was signal \(last.event.signal)") }
    } else if last.event.signal != 11 { problems.append("a bad access was signal \(last.event.signal)") }
  }

  private mutating func heap(_ thread: Endpoint, _ model: Model.Process) {
    let end = 0x500 + UInt64(random.below(20))
    let result = try! system.call(VM.Brk(address: end << 12), from: thread).address >> 12
    if result != end, result != model.heapEnd { problems.append("brk gave \(result)") }
    if result != end { refused += 1 }
    if result > model.heapEnd {
      for page in model.heapEnd..<result { model.pages[page] = Model.Page(access: 3, isShared: false, isHeap: true, cell: Model.Cell()) }
    } else {
      for page in result..<model.heapEnd { model.pages[page] = nil }
    }
    model.heapEnd = result
  }

  private mutating func fork(_ index: Int) {
    guard processes.count < 6 else { return }
    do throws(Errno) {
      let child = try system.fork(processes[index].thread)
      processes.append((child, processes[index].model.copy()))
    } catch {
      refused += 1
      if error != .noMemory { problems.append("fork: \(error.rawValue)") }
    }
  }

  private mutating func exit(_ index: Int) {
    guard processes.count > 1 else { return }
    system.exit(processes[index].thread)
    processes.remove(at: index)
  }

  mutating func checkAll() {
    for (thread, model) in processes { for page in model.pages.keys.sorted() { check(thread, model, page, writing: false) } }
  }

  mutating func finish() {
    for (thread, _) in processes { system.exit(thread) }
    processes = []
  }
}

@Suite struct ModelTests {
  /// Seed and length can be given: `VM_SEED`, `VM_STEPS`.
  static let environment = ProcessInfo.processInfo.environment
  static let seed = environment["VM_SEED"].flatMap { UInt64($0) } ?? 20_261_121
  static let steps = environment["VM_STEPS"].flatMap { Int($0) } ?? 75_000

  @Test("V34 V48 V68 V80 V94 random mmap, munmap, mprotect, brk, fork, touch and exit agree with a flat model", arguments: 0..<4)
  func agreesWithModel(_ part: UInt64) {
    let seed = Self.seed &+ part
    // The last part has too little memory for what is asked.
    var run = ModelRun(seed: seed, frames: part == 3 ? 300 : 3000, border: part == 1 ? 1 << 30 : part == 2 ? 512 << 30 : 256 << 20)
    let before = run.system.information.free
    let tables = run.system.information.tables
    for step in 1...Self.steps {
      run.step()
      if step % 250 == 0 { run.problems += run.system.audit() }
      if step % 2000 == 0 { run.checkAll() }
      if !run.problems.isEmpty {
        Issue.record("seed \(seed), step \(step): \(run.problems.prefix(3))")
        return
      }
    }
    run.finish()
    run.system.expectSound()
    // All that the first process had on top of what it started with is back, and what it started with too.
    #expect(run.system.information.free >= before + tables)
    #expect(run.system.information.user == 0 && run.system.information.spaces == 0 && run.system.information.regions == 0)
    print("model: seed \(seed), \(Self.steps) operations, \(run.refused) refused for lack of memory")
  }
}
