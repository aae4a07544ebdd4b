import IPC

/// What a block driver answers. File systems use `sendRec`: the kernel keeps the request if the driver dies, and
/// the next life gets it (reading and writing blocks may be repeated). VFS uses `sendAsync` for `/dev` files.
public enum Block {
  public enum Number: Int32, CaseIterable { case open = 0x500, transfer, flush }

  /// `.noSuchDevice` if there is no such minor. Not needed before a transfer; answers with the size.
  public struct Open: Call {
    public static var number: Int32 { Number.open.rawValue }
    public var minor: UInt64
    public init(minor: UInt64) { self.minor = minor }
    public struct Reply: Wire {
      /// Size in bytes, and 1 if it is read-only.
      public var size, readOnly: UInt64
      public init(size: UInt64, readOnly: UInt64) {
        self.size = size
        self.readOnly = readOnly
      }
    }
  }

  /// Moves bytes between the device at `position` and a grant of the sender. Position and length are multiples
  /// of 512 for disks. `length` at most 1 MiB. Past the end: fewer bytes, 0 at the end.
  public struct Transfer: Call {
    public static var number: Int32 { Number.transfer.rawValue }
    public var position, grant, offset: UInt64
    public var length: UInt32
    /// Bits 0...15 minor, bit 16: write.
    public var minorAndDirection: UInt32
    /// Who granted: the sender itself, or for `.none` too.
    public var granter: Endpoint
    public var reserved: UInt32 = 0
    public init(position: UInt64, grant: UInt64, offset: UInt64, length: UInt32, minor: UInt32, write: Bool) {
      self.position = position
      self.grant = grant
      self.offset = offset
      self.length = length
      self.minorAndDirection = minor & 0xFFFF | (write ? 1 << 16 : 0)
      self.granter = .none
    }
    public var minor: UInt32 { minorAndDirection & 0xFFFF }
    public var isWrite: Bool { minorAndDirection & 1 << 16 != 0 }
    public typealias Reply = VFS.Count
  }

  /// Answered when all writes answered before are on the medium.
  public struct Flush: Call {
    public static var number: Int32 { Number.flush.rawValue }
    public var minor: UInt64
    public init(minor: UInt64) { self.minor = minor }
  }
}

/// What a character driver answers; VFS asks by `sendAsync` with a token, answers may take for ever. After a
/// restart VFS opens again what was open, then asks again what had no answer, with the same tokens. A request
/// may so reach a driver twice: one with the token of a request that waits is that request, not another; and
/// bytes leave the driver's buffers only when the copy into the grant has succeeded (a repeated request's
/// grant is revoked).
public enum Char {
  public enum Number: Int32, CaseIterable { case open = 0x600, close, read, write, control, cancel }

  public struct Open: Call {
    public static var number: Int32 { Number.open.rawValue }
    public var minor, flags: UInt32
    public init(minor: UInt32, flags: UInt32) {
      self.minor = minor
      self.flags = flags
    }
  }

  public struct Close: Call {
    public static var number: Int32 { Number.close.rawValue }
    public var minor: UInt64
    public init(minor: UInt64) { self.minor = minor }
  }

  public struct Read: Call {
    public static var number: Int32 { Number.read.rawValue }
    public var minor: UInt32
    /// Bit 0: answer `.wouldBlock` rather than wait.
    public var flags: UInt32
    public var position, grant, offset, length: UInt64
    public init(minor: UInt32, flags: UInt32, position: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.minor = minor
      self.flags = flags
      self.position = position
      self.grant = grant
      self.offset = offset
      self.length = length
    }
    public typealias Reply = VFS.Count
  }

  public struct Write: Call {
    public static var number: Int32 { Number.write.rawValue }
    public var minor: UInt32
    public var flags: UInt32
    public var position, grant, offset, length: UInt64
    public init(minor: UInt32, flags: UInt32, position: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.minor = minor
      self.flags = flags
      self.position = position
      self.grant = grant
      self.offset = offset
      self.length = length
    }
    public typealias Reply = VFS.Count
  }

  /// ioctl. If `Request.size(request)` is not 0, `argument` is a grant of that many bytes, else a number.
  public struct Control: Call {
    public static var number: Int32 { Number.control.rawValue }
    public var minor: UInt64
    public var request, argument: UInt64
    public init(minor: UInt64, request: UInt64, argument: UInt64) {
      self.minor = minor
      self.request = request
      self.argument = argument
    }
    public typealias Reply = VFS.Control.Reply
  }

  /// The request with this token is not wanted any more: its answer is `.interrupted`, or a short count if
  /// bytes have moved. If it is answered already: nothing. No answer of its own.
  public struct Cancel: Call {
    public static var number: Int32 { Number.cancel.rawValue }
    public var request: UInt64
    public init(request: UInt64) { self.request = request }
  }

  /// ioctl requests, numbered as on Linux.
  public enum Request {
    @inlinable public static var tcGets: UInt64 { 0x5401 }
    @inlinable public static var tcSets: UInt64 { 0x5402 }
    @inlinable public static var tcSetsWait: UInt64 { 0x5403 }
    @inlinable public static var tcSetsFlush: UInt64 { 0x5404 }
    @inlinable public static var tiocSetControlling: UInt64 { 0x540E }
    @inlinable public static var tiocGetGroup: UInt64 { 0x540F }
    @inlinable public static var tiocSetGroup: UInt64 { 0x5410 }
    @inlinable public static var tiocGetWindow: UInt64 { 0x5413 }
    @inlinable public static var tiocSetWindow: UInt64 { 0x5414 }
    /// RAM disk: sets its size in bytes, given as a number; 0 frees the image (M-D1).
    @inlinable public static var ramDiskSize: UInt64 { 0x4170_0001 }

    /// Bytes behind the argument, 0 if it is a number.
    public static func size(_ request: UInt64) -> UInt64 {
      switch request {
      case tcGets, tcSets, tcSetsWait, tcSetsFlush: 60
      case tiocGetGroup, tiocSetGroup: 4
      case tiocGetWindow, tiocSetWindow: 8
      default: 0
      }
    }
    /// Whether the driver writes there.
    public static func writesBack(_ request: UInt64) -> Bool {
      request == tcGets || request == tiocGetGroup || request == tiocGetWindow
    }
  }
}

/// What the example driver answers beside the `Char` protocol (/dev/echo).
public enum Echo {
  public enum Number: Int32, CaseIterable { case ping = 0xA00, sum, giveBack }

  /// Comes back as it went: the request that `ipc-roundtrip` measures.
  public struct Ping: Call {
    public static var number: Int32 { Number.ping.rawValue }
    public var words: Message.Payload
    public init(words: Message.Payload) { self.words = words }
    public struct Reply: Wire {
      public var words: Message.Payload
      public init(words: Message.Payload) { self.words = words }
    }
  }

  /// Adds up the 64-bit words of memory that the caller lent (`VM.Lend`, to read and write), where they are, and puts the sum
  /// into the last of them. The memory stays borrowed and pinned, for the next sum, until `GiveBack` or a sum of another loan.
  public struct Sum: Call {
    public static var number: Int32 { Number.sum.rawValue }
    public var loan: UInt64
    /// In bytes, from the start of the loan; whole pages.
    public var length: UInt64
    public init(loan: UInt64, length: UInt64) {
      self.loan = loan
      self.length = length
    }
    public struct Reply: Wire {
      public var sum: UInt64
      public init(sum: UInt64) { self.sum = sum }
    }
  }

  /// Lets go of what the last sum borrowed.
  public struct GiveBack: Call {
    public static var number: Int32 { Number.giveBack.rawValue }
    public init() {}
  }
}
