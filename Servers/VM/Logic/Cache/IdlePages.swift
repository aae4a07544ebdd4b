// Pages of files that only the cache holds: memory that is put to use until somebody needs it. They stand in a list in the order
// in which they became idle; one that was used since goes to its end instead of away (second chance). Each knows the word that
// points to it; so giving one up is a few steps and asks nobody.
extension FrameTable {
  mutating func linkIdle(_ frame: Frame) {
    let record = owned(frame)
    let number = UInt32(truncatingIfNeeded: frame.number)
    record.pointee.previous = lastIdle
    record.pointee.next = FrameRecord.none
    if lastIdle == FrameRecord.none { firstIdle = number } else { owned(Frame(number: UInt64(lastIdle))).pointee.next = number }
    lastIdle = number
    idle &+= 1
  }

  @inline(never) mutating func unlinkIdle(_ frame: Frame) {
    let record = owned(frame).pointee
    if record.previous == FrameRecord.none {
      firstIdle = record.next
    } else {
      owned(Frame(number: UInt64(record.previous))).pointee.next = record.next
    }
    if record.next == FrameRecord.none {
      lastIdle = record.previous
    } else {
      owned(Frame(number: UInt64(record.next))).pointee.previous = record.previous
    }
    idle &-= 1
  }

  /// Gives up the page that is first in line and was not used lately. There is one. No translation to it is left: it became idle by an
  /// operation that has flushed since.
  @inline(never) mutating func evict() {
    precondition(firstIdle != FrameRecord.none, "there is no idle page")
    evictions &+= 1
    while owned(Frame(number: UInt64(firstIdle))).pointee.isRecent {
      let used = Frame(number: UInt64(firstIdle))
      owned(used).pointee.isRecent = false
      unlinkIdle(used)
      linkIdle(used)
    }
    discard(Frame(number: UInt64(firstIdle)))
  }

  /// Takes an idle page out of its file, and nodes of the tree that become empty. All are free at once.
  mutating func discard(_ frame: Frame) {
    unlinkIdle(frame)
    takeOut(frame)
    freeNow(frame)
  }

  /// A page leaves its file and is memory like any other, of those who still have it.
  mutating func part(_ frame: Frame) {
    takeOut(frame)
    let record = owned(frame)
    record.pointee.slot = nil
    record.pointee.shared = 0
    record.pointee.kind = .user
    add(~0, .cache)
    add(1, .user)
    release(frame)
  }

  /// Nothing points to the page any more; nodes that become empty are free.
  private mutating func takeOut(_ frame: Frame) {
    var gone = frame
    while true {
      let slot = owned(gone).pointee.slot.unsafelyUnwrapped
      slot.pointee = 0
      if gone != frame { freeNow(gone) }
      // The word is in a node, or in the record of the file itself.
      let holder = self.frame(of: slot)
      let record = owned(holder)
      guard record.pointee.kind == .cache else { return }
      record.pointee.entries &-= 1
      guard record.pointee.entries == 0 else { return }
      nodes &-= 1
      gone = holder
    }
  }

  /// A frame that no translation leads to.
  private mutating func freeNow(_ frame: Frame) {
    add(~0, .cache)
    let record = owned(frame)
    record.pointee = FrameRecord()
    record.pointee.next = firstFree
    let number = UInt32(truncatingIfNeeded: frame.number)
    if firstFree != FrameRecord.none { owned(Frame(number: UInt64(firstFree))).pointee.previous = number }
    firstFree = number
    free &+= 1
  }
}
