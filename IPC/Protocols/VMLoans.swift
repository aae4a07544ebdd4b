import IPC

// Memory of one space that another shows too, by the first one's leave: for buffers that are too large or too lively to be copied
// through a grant.
extension VM {
  /// Lends whole pages of the caller's to a thread, which may then borrow them. They have to lie within one region: zeroed private
  /// memory (mmap, heap, not the first stack), shared, contiguous or device memory, a shared mapping of a file, or what is
  /// borrowed. What either side writes the other sees. A loan lasts until `EndLoan`, exec, or the lender's end; a service that
  /// is restarted may borrow again what was lent to its last life.
  ///
  /// `.badAddress`: not within one region, or more than it shows. `.accessDenied`: an access that the lender does not have.
  /// `.notPermitted`: memory that cannot be lent. `.noSpace`: 64 loans. `.invalidArgument`: not whole pages, no access or
  /// execution, to oneself, more than `Loan.limit` of private memory. `.noSuchProcess`: no such borrower.
  public struct Lend: Call {
    public static var number: Int32 { Number.lend.rawValue }
    public var borrower: Endpoint
    /// `Protection.read`, or with `write`.
    public var access: UInt32
    public var address, length: UInt64
    public init(to borrower: Endpoint, address: UInt64, length: UInt64, access: UInt32) {
      self.borrower = borrower
      self.access = access
      self.address = address
      self.length = length
    }
    public struct Reply: Wire {
      /// Never used twice, by no lender.
      public var loan: UInt64
      public init(loan: UInt64) { self.loan = loan }
    }
  }

  public enum Loan {
    /// The most private memory that one call lends, and the most that one call pins; bytes.
    @inlinable public static var limit: UInt64 { 16 << 20 }
    /// Loans of one lender, with those that have ended and are still shown somewhere.
    @inlinable public static var count: Int { 64 }
  }

  /// Maps a part of a loan that was made to the caller; munmap gives it back. Device memory keeps its type. Pages come when they
  /// are touched.
  ///
  /// `.notPermitted`: no such loan to the caller; a file's pages to a service. `.noSuchProcess`: the lender is gone. `.accessDenied`: more than was lent.
  /// `.invalidArgument`: a part that the loan does not have; pinning more than `Loan.limit`. `.noMemory`: no
  /// room, RLIMIT_AS, or no frames for what is pinned.
  public struct Borrow: Call {
    public static var number: Int32 { Number.borrow.rawValue }
    public var lender: Endpoint
    public var protection: UInt32
    public var loan: UInt64
    /// Bytes from the start of the loan, whole pages.
    public var offset: UInt64
    public var length: UInt64
    /// `BorrowFlags`.
    public var flags: UInt32
    public var reserved: UInt32 = 0
    public init(from lender: Endpoint, loan: UInt64, offset: UInt64 = 0, length: UInt64, protection: UInt32, flags: UInt32 = 0) {
      self.lender = lender
      self.protection = protection
      self.loan = loan
      self.offset = offset
      self.length = length
      self.flags = flags
    }
    public typealias Reply = AddressReply
  }

  public enum BorrowFlags {
    /// All pages are there when the call returns, so that no access faults. While a service has a loan pinned its lender's munmap,
    /// mprotect, mremap and mmap over it are `.busy`. Services only.
    @inlinable public static var pinned: UInt32 { 1 }
  }

  /// Nobody can borrow it any more. What is mapped stays until its borrower gives it back, and so do pins.
  /// `.invalidArgument`: no such loan of the caller's.
  public struct EndLoan: Call {
    public static var number: Int32 { Number.endLoan.rawValue }
    public var loan: UInt64
    public init(loan: UInt64) { self.loan = loan }
  }
}
