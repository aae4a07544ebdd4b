import IPC

// Calls of VFS that change names and attributes.
extension VFS {
  /// A call with one path.
  public struct Unlink: Call {
    public static var number: Int32 { Number.unlink.rawValue }
    public var path, length: UInt64
    public init(path: UInt64, length: UInt64) {
      self.path = path
      self.length = length
    }
  }

  public struct RemoveDirectory: Call {
    public static var number: Int32 { Number.removeDirectory.rawValue }
    public var path, length: UInt64
    public init(path: UInt64, length: UInt64) {
      self.path = path
      self.length = length
    }
  }

  public struct MakeDirectory: Call {
    public static var number: Int32 { Number.makeDirectory.rawValue }
    public var path, length, mode: UInt64
    public init(path: UInt64, length: UInt64, mode: UInt64) {
      self.path = path
      self.length = length
      self.mode = mode
    }
  }

  /// rename(2).
  public struct Rename: Call {
    public static var number: Int32 { Number.rename.rawValue }
    public var from, fromLength, to, toLength: UInt64
    public init(from: UInt64, fromLength: UInt64, to: UInt64, toLength: UInt64) {
      self.from = from
      self.fromLength = fromLength
      self.to = to
      self.toLength = toLength
    }
  }

  /// link(2).
  public struct Link: Call {
    public static var number: Int32 { Number.link.rawValue }
    public var from, fromLength, to, toLength: UInt64
    public init(from: UInt64, fromLength: UInt64, to: UInt64, toLength: UInt64) {
      self.from = from
      self.fromLength = fromLength
      self.to = to
      self.toLength = toLength
    }
  }

  /// symlink(2): `target` is the text, `path` the new name.
  public struct SymbolicLink: Call {
    public static var number: Int32 { Number.symbolicLink.rawValue }
    public var target, targetLength, path, length: UInt64
    public init(target: UInt64, targetLength: UInt64, path: UInt64, length: UInt64) {
      self.target = target
      self.targetLength = targetLength
      self.path = path
      self.length = length
    }
  }

  /// readlink(2).
  public struct ReadLink: Call {
    public static var number: Int32 { Number.readLink.rawValue }
    public var path, length, address, capacity: UInt64
    public init(path: UInt64, length: UInt64, address: UInt64, capacity: UInt64) {
      self.path = path
      self.length = length
      self.address = address
      self.capacity = capacity
    }
    public typealias Reply = Count
  }

  /// truncate(2).
  public struct Truncate: Call {
    public static var number: Int32 { Number.truncate.rawValue }
    public var path, length, size: UInt64
    public init(path: UInt64, length: UInt64, size: UInt64) {
      self.path = path
      self.length = length
      self.size = size
    }
  }

  public struct FileTruncate: Call {
    public static var number: Int32 { Number.fileTruncate.rawValue }
    public var descriptor: Int64
    public var size: UInt64
    public init(descriptor: Int64, size: UInt64) {
      self.descriptor = descriptor
      self.size = size
    }
  }

  public struct ChangeMode: Call {
    public static var number: Int32 { Number.changeMode.rawValue }
    public var path, length, mode: UInt64
    public init(path: UInt64, length: UInt64, mode: UInt64) {
      self.path = path
      self.length = length
      self.mode = mode
    }
  }
}
