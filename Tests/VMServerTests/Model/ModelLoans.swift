import IPC
import Protocols

@testable import VMServer

/// What the service has borrowed: pages from `first` on.
struct FlatBorrowing {
  var loan: FlatLoan
  var first: UInt64
  var pages: [FlatPage]
  var isPinned: Bool
}

// Lending and borrowing. In flat memory both sides have pages of one object; that a fork copies them all the same, that nothing is
// lost to a split, an end or an exit, and that what is pinned stays is what VM has to show.
extension ModelRun {
  /// Lent memory that nobody else has is like any other, so it becomes that here before it can make a difference.
  mutating func takeBack(_ index: Int) {
    for (number, page) in processes[index].pages where page.isLent {
      guard let object = page.object?.of, !isElsewhere(object) else { continue }
      processes[index].pages[number]!.isLent = false
      processes[index].pages[number]!.backing = .own(page.ends)
    }
  }

  private func isElsewhere(_ object: FlatObject) -> Bool {
    loans.contains { $0.isOpen && $0.shows(object) } || borrowings.contains { $0.pages.contains { $0.object?.of === object } }
      || processes.contains { $0.pages.values.contains { $0.loan != nil && $0.object?.of === object } }
  }

  /// Whether the service has pinned any of these pages of their lender.
  func isPinned(_ index: Int, _ pages: Range<UInt64>) -> Bool {
    let pinned = borrowings.lazy.filter { $0.isPinned && $0.loan.lender == self.processes[index].thread }.map(\.loan)
    return pinned.contains { loan in pages.contains { processes[index].pages[$0].map { loan.shows($0) } ?? false } }
  }

  mutating func lend(_ index: Int) {
    takeBack(index)
    let thread = processes[index].thread
    // Often one page: more are mostly several regions.
    var pages = usedRange(index)
    if random.once(in: 2), let first = used(index) { pages = first..<first + 1 }
    if random.once(in: 6) {
      let first = 0x500 + UInt64(random.below(16))
      pages = first..<first + UInt64(1 + random.below(3))
    }
    // What was borrowed can be lent again.
    if random.once(in: 4), let first = borrowedPage(index) { pages = first..<first + UInt64(1 + random.below(2)) }
    let borrower = random.once(in: 2) ? service : processes[random.below(processes.count)].thread
    let access: UInt32 = random.once(in: 3) ? 1 : 3
    let known = pages.map { processes[index].pages[$0] }
    var id: UInt64 = 0
    var error: Errno?
    let call = VM.Lend(to: borrower, address: pages.lowerBound << 12, length: UInt64(pages.count) << 12, access: access)
    do throws(Errno) { id = try system.call(call, from: thread).loan } catch let thrown { error = thrown }
    tally["lend", default: (0, 0)].tried += 1
    if let error {
      let isExcused = switch error {
      case .noMemory, .noSpace: true
      // More than one region, which flat memory does not know, or behind the end.
      case .badAddress: known.count > 1 || !(known[0]?.exists ?? false)
      case .accessDenied: known.contains { ($0?.access ?? 0) & access != access }
      case .notPermitted: known[0].map { $0.isFile && $0.isPrivate } ?? false
      case .invalidArgument: borrower == thread
      default: false
      }
      if !isExcused { problems.append("lend: \(error.rawValue)") }
      return
    }
    tally["lend"]!.done += 1
    guard borrower != thread, known.allSatisfy({ $0.map { $0.access & access == access && !($0.isFile && $0.isPrivate) } ?? false }) else {
      return problems.append("lent what cannot be")
    }
    let object = FlatObject(UInt64(pages.count))
    for number in pages {
      guard case .own(let ends) = processes[index].pages[number]!.backing else { continue }
      let at = number - pages.lowerBound
      if ends != Ends() { object.pages[at] = ends }
      processes[index].pages[number]!.backing = .object(object, at)
      processes[index].pages[number]!.isLent = true
    }
    let shown = pages.map { FlatPage(access: access, allowed: access, backing: processes[index].pages[$0]!.backing) }
    loans.append(FlatLoan(id: id, lender: thread, borrower: borrower, access: access, pages: shown))
  }

  /// A page that the process has borrowed.
  private mutating func borrowedPage(_ index: Int) -> UInt64? {
    let salt = random.next() | 1
    return processes[index].pages.filter { $0.value.loan != nil }.keys.min { $0 &* salt < $1 &* salt }
  }

  mutating func borrow() {
    let open = loans.filter { loan in loan.isOpen && (loan.borrower == service || processes.contains { $0.thread == loan.borrower && !$0.isWaiting }) }
    guard !open.isEmpty else { return }
    let loan = open[random.below(open.count)]
    let target = processes.firstIndex { $0.thread == loan.borrower }
    if target.map({ isFull($0) }) ?? (borrowings.count > 30) { return }
    let offset = random.below(loan.pages.count)
    let count = 1 + random.below(loan.pages.count - offset)
    let access: UInt32 = random.once(in: 3) ? 1 : loan.access
    let isPinned = target == nil && !loan.pages[0].isFile && random.once(in: 2)
    let call = VM.Borrow(
      from: loan.lender, loan: loan.id, offset: UInt64(offset) << 12, length: UInt64(count) << 12, protection: access, flags: isPinned ? 1 : 0)
    var first: UInt64 = 0
    var error: Errno?
    do throws(Errno) { first = try system.call(call, from: loan.borrower).address >> 12 } catch let thrown { error = thrown }
    guard agree(isPinned ? "borrow, pinned" : "borrow", error, expected: target == nil && loan.pages[0].isFile ? .notPermitted : nil) else { return }
    var pages = Array(loan.pages[offset..<offset + count])
    for index in pages.indices {
      pages[index].access = access
      pages[index].loan = loan
    }
    if let target {
      for (index, page) in pages.enumerated() {
        if processes[target].pages[first + UInt64(index)] != nil { problems.append("borrowed over something") }
        processes[target].pages[first + UInt64(index)] = page
      }
    } else {
      borrowings.append(FlatBorrowing(loan: loan, first: first, pages: pages, isPinned: isPinned))
      lookAtBorrowed(borrowings.count - 1)
    }
  }

  /// The service reads and writes.
  mutating func lookAtBorrowed(_ index: Int) {
    let borrowing = borrowings[index]
    let faults = system.vm.faults
    for (at, page) in borrowing.pages.enumerated() {
      let isLast = random.once(in: 2), writing = page.access & 2 != 0 && random.once(in: 2)
      let told = system.kernel.exceptions.count
      guard let physical = system.touch(service, (borrowing.first + UInt64(at)) << 12 + (isLast ? 4095 : 0), writing ? .write : .read) else {
        refused += 1
        if borrowing.isPinned || system.kernel.exceptions.suffix(from: told).map(\.event.signal) != [9] { problems.append("the service cannot use what it borrowed") }
        continue
      }
      let byte = system.window + Int(physical)
      if writing {
        let value = UInt8(random.below(256))
        byte.storeBytes(of: value, as: UInt8.self)
        borrowings[index].pages[at].write(isLast, value)
      } else if byte.load(as: UInt8.self) != page.ends[isLast] {
        problems.append("the service reads \(byte.load(as: UInt8.self)), should \(page.ends[isLast])")
      }
    }
    if borrowing.isPinned, system.vm.faults != faults { problems.append("a fault in what is pinned") }
  }

  /// munmap of what was borrowed, in whole or in part.
  mutating func giveBack(_ index: Int) {
    guard random.once(in: 2) else {
      if !borrowings.isEmpty { giveBack(borrowing: random.below(borrowings.count), whole: random.once(in: 3)) }
      return
    }
    guard let first = borrowedPage(index) else { return }
    let last = processes[index].pages[first + 1]?.loan != nil && random.once(in: 2) ? first + 1 : first
    let error = system.error(VM.MUnmap(address: first << 12, length: (last + 1 - first) << 12), from: processes[index].thread)
    guard agree("give back", error, expected: isPinned(index, first..<last + 1) ? .busy : nil) else { return }
    for number in first...last { processes[index].pages[number] = nil }
  }

  mutating func giveBack(borrowing index: Int, whole: Bool) {
    let borrowing = borrowings[index]
    let count = borrowing.pages.count
    let part = whole || count == 1 ? 0..<count : random.once(in: 2) ? 0..<1 : count - 1..<count
    let error = system.error(
      VM.MUnmap(address: (borrowing.first + UInt64(part.lowerBound)) << 12, length: UInt64(part.count) << 12), from: service)
    guard agree("give back", error, expected: nil) else { return }
    if part.count == count {
      borrowings.remove(at: index)
    } else {
      borrowings[index].pages.removeSubrange(part)
      if part.lowerBound == 0 { borrowings[index].first += 1 }
    }
  }

  mutating func endLoan() {
    let open = loans.indices.filter { loans[$0].isOpen }
    guard !open.isEmpty else { return }
    let index = open[random.below(open.count)]
    guard agree("end of a loan", system.error(VM.EndLoan(loan: loans[index].id), from: loans[index].lender), expected: nil) else { return }
    loans[index].isOpen = false
    loans.remove(at: index)
  }

  /// A lender is gone.
  mutating func dropLoans(of thread: Endpoint) {
    for loan in loans + borrowings.map(\.loan) where loan.lender == thread {
      loan.isOpen = false
      loan.lender = .none
    }
    loans.removeAll { !$0.isOpen }
  }
}

extension FlatPage {
  /// What the child of a fork has.
  mutating func inherit() {
    isLocked = false
    if isLent {
      isLent = false
      backing = .own(ends)
    }
  }
}
