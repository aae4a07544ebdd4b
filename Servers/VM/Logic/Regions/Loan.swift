import IPC
import PageTable
import Protocols

/// A run of pages that a space lends to a thread. A borrowed region names its loan, and the object that the lender's region had at
/// that time; never another borrowed region. So what is borrowed and lent again is one step from its pages like all else, and
/// there can be no loop (V75).
struct Loan: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<Loan>

  /// VM's name for it; none is used twice.
  var id: UInt64
  var borrower: Endpoint
  /// Nobody can borrow it any more; it is there for those who do.
  var isEnded = false
  /// What `VM.Protection` a borrower may have.
  var access: UInt8
  /// Of the regions that show it, and `VM.MemoryType`.
  var type: MemoryType
  var cache: UInt8
  /// The first page in the object, or the frame number where there is none.
  var first, pages: UInt64
  /// The loan counts among its references until it has ended: a lender who unmaps the pages does not lose them for others (V71).
  var object: MemoryObject.Pointer?
  /// Regions that show it, and those that are pinned.
  var borrowings: UInt32 = 0
  var pins: UInt32 = 0
  /// Nil once that space is gone.
  var lender: Space.Pointer?
  var next: Pointer?
}

extension VirtualMemory {
  /// A region more shows the loan.
  func borrowed(_ loan: Loan.Pointer, pinned: Bool) {
    loan.pointee.borrowings &+= 1
    if pinned { loan.pointee.pins &+= 1 }
  }

  /// One less.
  mutating func returned(_ loan: Loan.Pointer, pinned: Bool) {
    loan.pointee.borrowings &-= 1
    if pinned { loan.pointee.pins &-= 1 }
    if loan.pointee.isEnded, loan.pointee.borrowings == 0 { forget(loan) }
  }

  /// The loan of a space by its name, unless it has ended.
  func findLoan(_ space: Space.Pointer, _ id: UInt64) -> Loan.Pointer? {
    var link = space.pointee.loans
    while let loan = link {
      if loan.pointee.id == id { return loan.pointee.isEnded ? nil : loan }
      link = loan.pointee.next
    }
    return nil
  }

  /// No new borrowings; the record stays while a region names it, for the sake of its pins.
  mutating func end(_ loan: Loan.Pointer) {
    loan.pointee.isEnded = true
    release(loan.pointee.object, loan.pointee.type)
    if loan.pointee.borrowings == 0 { forget(loan) }
  }

  /// The lender is gone, and whatever it lent stays with those who have borrowed it (V76).
  mutating func endLoans(of space: Space.Pointer) {
    while let loan = space.pointee.loans {
      space.pointee.loans = loan.pointee.next
      loan.pointee.lender = nil
      if !loan.pointee.isEnded { end(loan) }
    }
  }

  private mutating func forget(_ loan: Loan.Pointer) {
    if let lender = loan.pointee.lender {
      if lender.pointee.loans == loan {
        lender.pointee.loans = loan.pointee.next
      } else {
        var link = lender.pointee.loans
        while let at = link, at.pointee.next != loan { link = at.pointee.next }
        link?.pointee.next = loan.pointee.next
      }
      lender.pointee.loanCount &-= 1
    }
    loans.give(loan)
  }

  /// `.busy` if `range` shows a page that the space lends and a borrower has pinned. A loan is pinned as a whole.
  @inline(__always) func checkUnpinned(_ space: Space.Pointer, _ range: PageRange) throws(Errno) {
    if space.pointee.loans != nil { try searchPins(space, range) }
  }

  @inline(never) private func searchPins(_ space: Space.Pointer, _ range: PageRange) throws(Errno) {
    var next = space.pointee.loans
    while let loan = next {
      next = loan.pointee.next
      guard loan.pointee.pins > 0 else { continue }
      var link = space.pointee.regions.first(in: range)
      while let region = link {
        let first = region.pointee.page(at: max(region.pointee.start, range.start))
        let end = region.pointee.page(at: min(region.pointee.end, range.end))
        guard !loan.pointee.isOf(region.pointee) || first >= loan.pointee.first &+ loan.pointee.pages || end <= loan.pointee.first else {
          throw .busy
        }
        link = space.pointee.regions.next(region, in: range)
      }
    }
  }
}

extension Loan {
  /// Whether a region shows what the loan's pages are counted in.
  fileprivate func isOf(_ region: Region) -> Bool { object == region.object && (object != nil || region.type == .physical) }
}
