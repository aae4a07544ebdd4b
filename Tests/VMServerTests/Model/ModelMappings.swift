import IPC
import Protocols

@testable import VMServer

// What a process asks of VM for itself.
extension ModelRun {
  /// Flags and expected error of a mapping at a place of the arena, or anywhere.
  mutating func place(_ index: Int, _ pages: Range<UInt64>) -> (kind: Int, flags: UInt32, expected: Errno?) {
    switch random.below(3) {
    case 0: return (0, VM.Flags.fixed, isPinned(index, pages) ? .busy : nil)
    case 1: return (1, VM.Flags.fixedNoReplace, pages.contains { processes[index].pages[$0] != nil } ? .fileExists : nil)
    default: return (2, 0, nil)
    }
  }

  /// What mmap made at `pages`; `kind` as `place` had it.
  mutating func insert(_ index: Int, _ pages: Range<UInt64>, _ kind: Int, _ page: FlatPage) {
    if kind == 2 {
      for page in (pages.lowerBound - 1)..<(pages.upperBound + 1) where processes[index].pages[page] != nil {
        problems.append("V38: anywhere is next to something")
      }
    }
    for number in pages { processes[index].pages[number] = page.following(number - pages.lowerBound) }
    tidy(index, pages, kind)
  }

  /// Anywhere fills up: keeps the number of pages bounded.
  func isFull(_ index: Int) -> Bool { processes[index].pages.count > 200 }
  private mutating func tidy(_ index: Int, _ pages: Range<UInt64>, _ kind: Int) {
    guard kind == 2, isFull(index) else { return }
    if (try? system.unmap(processes[index].thread, pages.lowerBound << 12, pages: UInt64(pages.count))) != nil {
      for number in pages { processes[index].pages[number] = nil }
    }
  }

  mutating func map(_ index: Int) {
    let pages = range()
    let access = Self.accesses[random.below(6)]
    let isShared = random.once(in: 4)
    let (kind, place, expected) = place(index, pages)
    var flags = VM.Flags.anonymous | place | (isShared ? VM.Flags.shared : VM.Flags.private)
    let isLocked = random.once(in: 16)
    if isLocked { flags |= VM.Flags.locked }
    if random.once(in: 16) { flags |= VM.Flags.populate }
    let call = VM.MMap(address: pages.lowerBound << 12, length: UInt64(pages.count) << 12, protection: access, flags: flags)
    var first = pages.lowerBound
    var error: Errno?
    do throws(Errno) { first = try system.call(call, from: processes[index].thread).address >> 12 } catch let thrown { error = thrown }
    guard agree("mmap", error, expected: expected) else { return }
    let backing: FlatPage.Backing = isShared ? .object(FlatObject(UInt64(pages.count)), 0) : .own(Ends())
    insert(index, first..<first + UInt64(pages.count), kind, FlatPage(access: access, isLocked: isLocked, backing: backing))
  }

  mutating func unmap(_ index: Int) {
    let pages = usedRange(index)
    let error = system.error(VM.MUnmap(address: pages.lowerBound << 12, length: UInt64(pages.count) << 12), from: processes[index].thread)
    guard agree("munmap", error, expected: isPinned(index, pages) ? .busy : nil) else { return }
    for number in pages { processes[index].pages[number] = nil }
  }

  mutating func protect(_ index: Int) {
    let pages = usedRange(index)
    let access = Self.accesses[random.below(6)]
    let expected = firstError(index, pages) { access & ~$0.allowed != 0 ? .accessDenied : nil } ?? (isPinned(index, pages) ? .busy : nil)
    let call = VM.MProtect(address: pages.lowerBound << 12, length: UInt64(pages.count) << 12, protection: access)
    guard agree("mprotect", system.error(call, from: processes[index].thread), expected: expected) else { return }
    for number in pages { processes[index].pages[number]!.access = access }
  }

  /// Of one page the result is known; more may lie in several regions, which flat memory does not know: then an error
  /// changes nothing.
  mutating func remap(_ index: Int) {
    let thread = processes[index].thread
    let first = usedRange(index).lowerBound
    let old = random.once(in: 8) ? 0 : random.once(in: 2) ? 1 : UInt64(1 + random.below(5))
    let new = UInt64(1 + random.below(6))
    let isFixed = random.once(in: 2)
    let target = arena + UInt64(random.below(arenaPages))
    let mayMove = isFixed || random.once(in: 2)
    if isFull(index), mayMove, !isFixed { return }
    let flags = (mayMove ? VM.Remap.mayMove : 0) | (isFixed ? VM.Remap.fixed : 0)
    let call = VM.MRemap(address: first << 12, oldLength: old << 12, newLength: new << 12, flags: flags, newAddress: isFixed ? target << 12 : 0)
    takeBack(index)
    var place: UInt64 = 0
    var error: Errno?
    do throws(Errno) { place = try system.call(call, from: thread).address >> 12 } catch let thrown { error = thrown }
    let source = processes[index].pages[first]
    let overlaps = isFixed && target < first + old && first < target + new
    // Pinned, or longer than what others have.
    let isHeld = error == .busy && (isPinned(index, first..<first + old) || isFixed && isPinned(index, target..<target + new) || source?.isLent ?? false && new > old)
      || error == .badAddress && source?.loan != nil && new > old
    if error != nil, error != .noMemory, !isHeld, old == 1, mayMove, !overlaps, source != nil { problems.append("mremap of one page: \(error!.rawValue)") }
    if error != .badAddress, source == nil, !overlaps { problems.append("mremap of nothing: \(error.map { "\($0.rawValue)" } ?? "done")") }
    tally["mremap", default: (0, 0)].tried += 1
    guard error == nil, let source else { return }
    tally["mremap"]!.done += 1
    if old == 0, source.isPrivate || source.loan != nil { problems.append("mremap doubled what is private") }
    if isFixed, place != target { problems.append("mremap went elsewhere") }
    let moved = (0..<min(old, new)).map { processes[index].pages[first + $0] }
    // What only gets shorter may have holes.
    if moved.contains(where: { $0 == nil }), isFixed || new > old { problems.append("mremap moved a hole") }
    for number in first..<first + old { processes[index].pages[number] = nil }
    if isFixed { for number in target..<target + new { processes[index].pages[number] = nil } }
    for offset in 0..<new where processes[index].pages[place + offset] != nil { problems.append("mremap came upon something") }
    for offset in 0..<new {
      processes[index].pages[place + offset] = offset < old ? moved[Int(offset)] : source.following(offset)
    }
    if source.isLocked { noticeCopies(index) }
  }

  mutating func advise(_ index: Int) {
    let pages = usedRange(index)
    let advice = [VM.Advice.normal, VM.Advice.random, VM.Advice.sequential, VM.Advice.willNeed, VM.Advice.dontNeed, VM.Advice.dontNeed, VM.Advice.free][random.below(7)]
    let forgets = advice == VM.Advice.dontNeed || advice == VM.Advice.free
    takeBack(index)
    // Memory that cannot be forgotten comes before holes.
    let isRefused = forgets && pages.contains { number in
      processes[index].pages[number].map { $0.isLocked || $0.isLent || advice == VM.Advice.free && !$0.isAnonymous } ?? false
    }
    let expected = isRefused ? .invalidArgument : firstError(index, pages)
    let call = VM.MAdvise(address: pages.lowerBound << 12, length: UInt64(pages.count) << 12, advice: advice)
    let done = agree("madvise", system.error(call, from: processes[index].thread), expected: expected)
    if advice == VM.Advice.willNeed { noticeCopies(index) }
    guard done, forgets else { return }
    for number in pages { processes[index].pages[number]!.forget() }
  }

  mutating func lock(_ index: Int) {
    let pages = usedRange(index)
    let (address, length) = (pages.lowerBound << 12, UInt64(pages.count) << 12)
    let thread = processes[index].thread
    if random.once(in: 2) {
      guard agree("munlock", system.error(VM.MUnlock(address: address, length: length), from: thread), expected: firstError(index, pages)) else { return }
      for number in pages { processes[index].pages[number]!.isLocked = false }
      return
    }
    let error = system.error(VM.MLock(address: address, length: length), from: thread)
    noticeCopies(index)
    var expected = firstError(index, pages) ?? firstError(index, pages) { $0.access == 0 ? .noMemory : nil }
    // VM fetches from low to high: a page that is not in the cache comes before one that is nowhere, or after it.
    if expected == nil, error == .noMemory { expected = firstError(index, pages) { $0.exists && !$0.isOfStore ? nil : .noMemory } }
    if error == .timedOut {
      if expected != nil { problems.append("mlock waits and should fail") }
      processes[index].isWaiting = true
      processes[index].locking = pages
      return
    }
    guard agree("mlock", error, expected: expected, lack: .wouldBlock) else { return }
    if firstError(index, pages, { $0.exists ? nil : .ioError }) != nil { problems.append("mlock of what is nowhere") }
    for number in pages { processes[index].pages[number]!.isLocked = true }
  }

  mutating func heap(_ index: Int) {
    let end = 0x500 + UInt64(random.below(20))
    let result = try! system.call(VM.Brk(address: end << 12), from: processes[index].thread).address >> 12
    let before = processes[index].heapEnd
    if result != end, result != before { problems.append("brk gave \(result)") }
    if result != end { refused += 1 }
    if result > before {
      for page in before..<result { processes[index].pages[page] = FlatPage(access: 3, allowed: 3, origin: .heap, backing: .own(Ends())) }
    } else {
      for page in result..<before { processes[index].pages[page] = nil }
    }
    processes[index].heapEnd = result
  }
}
