import IPC

// Kernel calls for grants, copies and devices.
extension Kernel {
  // MARK: Grants

  public struct GrantReply: Wire {
    /// Slot and generation; a revoked id never works again (M-N6).
    public var id: UInt64
    public init(id: UInt64) { self.id = id }
  }

  public enum Access {
    @inlinable public static var read: UInt32 { 1 }
    @inlinable public static var write: UInt32 { 2 }
  }

  /// Lets `grantee` read or write `length` bytes of our own memory at `address` until it is revoked.
  public struct GrantCreate: Call {
    public static var number: Int32 { Number.grantCreate.rawValue }
    public var address, length: UInt64
    public var grantee: Endpoint
    public var access: UInt32
    public init(address: UInt64, length: UInt64, grantee: Endpoint, access: UInt32) {
      self.address = address
      self.length = length
      self.grantee = grantee
      self.access = access
    }
    public typealias Reply = GrantReply
  }

  /// Lets `grantee` reach memory of `client`, who waits for our reply; valid for as long as it waits (V70).
  public struct GrantCaller: Call {
    public static var number: Int32 { Number.grantCaller.rawValue }
    public var address, length: UInt64
    public var client, grantee: Endpoint
    public var access: UInt32
    public var reserved: UInt32 = 0
    public init(client: Endpoint, address: UInt64, length: UInt64, grantee: Endpoint, access: UInt32) {
      self.client = client
      self.address = address
      self.length = length
      self.grantee = grantee
      self.access = access
    }
    public typealias Reply = GrantReply
  }

  /// Passes on a part of a grant that we hold; at most four links long (SEC22: loops are `.tooManyLevels`).
  public struct GrantIndirect: Call {
    public static var number: Int32 { Number.grantIndirect.rawValue }
    public var granter, grantee: Endpoint
    public var id, offset, length: UInt64
    public init(granter: Endpoint, id: UInt64, offset: UInt64, length: UInt64, grantee: Endpoint) {
      self.granter = granter
      self.grantee = grantee
      self.id = id
      self.offset = offset
      self.length = length
    }
    public typealias Reply = GrantReply
  }

  public struct GrantRevoke: Call {
    public static var number: Int32 { Number.grantRevoke.rawValue }
    public var id: UInt64
    public init(id: UInt64) { self.id = id }
  }

  /// The most bytes one copy call moves; longer lengths are `.invalidArgument`.
  @inlinable public static var copyLimit: UInt64 { 1 << 20 }

  public enum Direction {
    /// From the other's memory into ours.
    @inlinable public static var read: UInt32 { 0 }
    /// From our memory into the other's.
    @inlinable public static var write: UInt32 { 1 }
  }

  /// Copies between a grant and our memory. Missing pages are faulted in through VM. Whole or an error.
  public struct CopyGrant: Call {
    public static var number: Int32 { Number.copyGrant.rawValue }
    public var granter: Endpoint
    public var direction: UInt32
    public var id, offset, address, length: UInt64
    public init(granter: Endpoint, id: UInt64, offset: UInt64, address: UInt64, length: UInt64, direction: UInt32) {
      self.granter = granter
      self.direction = direction
      self.id = id
      self.offset = offset
      self.address = address
      self.length = length
    }
  }

  /// Copies between the memory of `client`, who waits for our reply, and ours. For PM, VM, VFS and RS.
  /// VM gets `.badAddress` for a page of the client that is missing, resolves it and calls again.
  public struct CopyCaller: Call {
    public static var number: Int32 { Number.copyCaller.rawValue }
    public var client: Endpoint
    public var direction: UInt32
    public var remote, local, length: UInt64
    public init(client: Endpoint, remote: UInt64, local: UInt64, length: UInt64, direction: UInt32) {
      self.client = client
      self.direction = direction
      self.remote = remote
      self.local = local
      self.length = length
    }
  }

  // MARK: Devices

  public struct PortRead: Call {
    public static var number: Int32 { Number.portRead.rawValue }
    public var port: UInt32
    /// 1, 2 or 4 bytes.
    public var width: UInt32
    public init(port: UInt32, width: UInt32) {
      self.port = port
      self.width = width
    }
    public struct Reply: Wire {
      public var value: UInt64
      public init(value: UInt64) { self.value = value }
    }
  }

  public struct PortWrite: Call {
    public static var number: Int32 { Number.portWrite.rawValue }
    public var port: UInt32
    public var width: UInt32
    public var value: UInt64
    public init(port: UInt32, width: UInt32, value: UInt64) {
      self.port = port
      self.width = width
      self.value = value
    }
  }

  /// Makes us the owner of interrupt `line` (0...15): each interrupt masks the line and sets bit `line` of
  /// `KernelEvent.lines` in a notification. `.busy` if another thread owns it.
  public struct InterruptAttach: Call {
    public static var number: Int32 { Number.interruptAttach.rawValue }
    public var line: UInt64
    public init(line: UInt64) { self.line = line }
  }

  /// Unmasks a line that we own: after attaching, and after each interrupt once the device is quiet.
  public struct InterruptEnable: Call {
    public static var number: Int32 { Number.interruptEnable.rawValue }
    public var line: UInt64
    public init(line: UInt64) { self.line = line }
  }
}
