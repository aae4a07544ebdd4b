import IPC

// Frames are reserved first, which can fail, and taken then, which cannot: so an operation makes sure of all that
// it needs before it changes anything.
extension FrameTable {
  /// What `claim` could still have.
  func available(_ claim: Claim) -> UInt64 {
    let kept = reserved &+ (claim == .user ? userFloor : serviceFloor)
    let all = free &+ idle
    return all > kept ? all &- kept : 0
  }

  /// Promises `count` frames to the running operation.
  mutating func reserve(_ count: UInt64, _ claim: Claim) throws(Errno) {
    if count == 0 { return }
    try injectFailure()
    guard available(claim) >= count else {
      isShort = true
      throw .noMemory
    }
    while free < reserved &+ count { evict() }
    reserved &+= count
  }

  /// Promises up to `count` frames to somebody who can do without: at most a sixteenth of what is free, so that the last
  /// frames, and pages of files, are for those who need them. Returns how many.
  mutating func reserveSpare(_ count: UInt64, _ claim: Claim) -> UInt64 {
    let spare = free > reserved ? min(available(claim), free &- reserved) : 0
    let granted = min(count, spare >> 4)
    reserved &+= granted
    return granted
  }

  mutating func injectFailure() throws(Errno) {
    if failing > 0 {
      failing &-= 1
      if failing == 0 { throw .noMemory }
    }
  }

  /// One of the reserved frames, its contents undefined.
  mutating func take(_ kind: FrameKind, count: UInt32 = 0) -> Frame {
    precondition(reserved > 0, "a frame was taken that nobody reserved")
    reserved &-= 1
    free &-= 1
    let frame: Frame
    let record: UnsafeMutablePointer<FrameRecord>
    if firstFree != FrameRecord.none {
      frame = Frame(number: UInt64(firstFree))
      record = owned(frame)
      firstFree = record.pointee.next
      if firstFree != FrameRecord.none { owned(Frame(number: UInt64(firstFree))).pointee.previous = FrameRecord.none }
    } else {
      while sections[fresh].touched == sections[fresh].count { fresh &+= 1 }
      frame = Frame(number: sections[fresh].first &+ UInt64(sections[fresh].touched))
      sections[fresh].touched &+= 1
      record = owned(frame)
    }
    add(1, kind)
    record.pointee = FrameRecord.taken(kind, count)
    return frame
  }

  /// The same, filled with zero bytes.
  mutating func takeZeroed(_ kind: FrameKind, count: UInt32 = 0) -> Frame {
    let frame = take(kind, count: count)
    zero(frame)
    return frame
  }

  func zero(_ frame: Frame) { bytes(frame).initializeMemory(as: UInt8.self, repeating: 0, count: 4096) }

  /// Gives a frame back; it is free after `settle`, when no translation to it is left.
  mutating func retire(_ frame: Frame) {
    let record = owned(frame)
    precondition(record.pointee.kind != .free, "a frame was freed twice")
    add(~0, record.pointee.kind)
    record.pointee = FrameRecord()
    record.pointee.next = firstLimbo
    let number = UInt32(truncatingIfNeeded: frame.number)
    if firstLimbo == FrameRecord.none {
      lastLimbo = number
    } else {
      owned(Frame(number: UInt64(firstLimbo))).pointee.previous = number
    }
    firstLimbo = number
    limbo &+= 1
  }

  /// Retired frames become free, those retired last first in line (V89).
  mutating func settle() {
    guard limbo > 0 else { return }
    owned(Frame(number: UInt64(lastLimbo))).pointee.next = firstFree
    if firstFree != FrameRecord.none { owned(Frame(number: UInt64(firstFree))).pointee.previous = lastLimbo }
    firstFree = firstLimbo
    firstLimbo = FrameRecord.none
    free &+= limbo
    limbo = 0
  }

  /// One mapping more of a frame, if it is VM's.
  @inline(__always) mutating func retain(_ frame: Frame) {
    guard let record = record(frame) else { return }
    if record.pointee.kind == .cache, record.pointee.isIdle { unlinkIdle(frame) }
    record.pointee.count &+= 1
  }

  /// One mapping less; the last frees it.
  mutating func release(_ frame: Frame) {
    guard let record = record(frame) else { return }
    record.pointee.count &-= 1
    if record.pointee.count == 0 {
      retire(frame)
    } else if record.pointee.kind == .cache, record.pointee.isIdle {
      linkIdle(frame)
    }
  }

  /// `count` frames one after the other, reserved and taken in one step; contents undefined.
  mutating func takeRun(_ count: UInt64, _ kind: FrameKind, _ claim: Claim) throws(Errno) -> Frame {
    try injectFailure()
    guard count > 0, available(claim) >= count else {
      isShort = true
      throw .noMemory
    }
    // What is promised to the running operation must not be what the run takes.
    while free < reserved &+ count { evict() }
    guard let first = freshRun(count) ?? usedRun(count) ?? evictedRun(count) else { throw .noMemory }
    for offset in 0..<count { owned(Frame(number: first.number &+ offset)).pointee = FrameRecord(kind: kind) }
    free &-= count
    add(count, kind)
    return first
  }

  /// Out of memory that was never handed out.
  private mutating func freshRun(_ count: UInt64) -> Frame? {
    for index in 0..<sectionCount where UInt64(sections[index].count &- sections[index].touched) >= count {
      let first = sections[index].first &+ UInt64(sections[index].touched)
      sections[index].touched &+= UInt32(count)
      return Frame(number: first)
    }
    return nil
  }

  /// Out of the list of free frames: looks at each record once.
  private mutating func usedRun(_ count: UInt64) -> Frame? {
    for index in 0..<sectionCount {
      let section = sections[index]
      var length: UInt64 = 0
      for at in 0..<Int(section.touched) {
        length = section.records[at].kind == .free ? length &+ 1 : 0
        if length == count {
          let first = section.first &+ UInt64(at) &+ 1 &- count
          for offset in 0..<count { unlink(Frame(number: first &+ offset)) }
          return Frame(number: first)
        }
      }
    }
    return nil
  }

  /// When the cache has broken all runs: without its idle pages.
  private mutating func evictedRun(_ count: UInt64) -> Frame? {
    guard idle > 0 else { return nil }
    while idle > 0 { evict() }
    return usedRun(count)
  }

  private mutating func unlink(_ frame: Frame) {
    let record = owned(frame).pointee
    if record.previous == FrameRecord.none {
      firstFree = record.next
    } else {
      owned(Frame(number: UInt64(record.previous))).pointee.next = record.next
    }
    if record.next != FrameRecord.none { owned(Frame(number: UInt64(record.next))).pointee.previous = record.previous }
  }

  mutating func add(_ change: UInt64, _ kind: FrameKind) {
    switch kind {
    case .free: break
    case .user: user &+= change
    case .table: tables &+= change
    case .metadata: metadata &+= change
    case .cache: cache &+= change
    }
  }
}
