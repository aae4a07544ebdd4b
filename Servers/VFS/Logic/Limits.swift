/// How much of everything VFS has. Tests make it small to see what happens when it runs out (M-M1, M-M3).
public struct Limits: Sendable {
  public var processes = 1200
  /// Threads that can wait for a page of a file: all that there can be.
  public var threads = 4096
  public var files = 2048
  public var vnodes = 1024
  public var mounts = 8
  /// Inodes, and so names, of all file systems without a disk.
  public var memoryNodes = 1024
  public var pipes = 64
  /// Jobs that wait at the same time for a file system; more are queued.
  public var workers = 32
  public var stackSize = 32 << 10
  public var pipeCapacity = 16 << 10
  /// How often a request is repeated after its service came back, before it fails with EIO (M-F2).
  public var retries = 5
  public init() {}
}

/// Bounds that POSIX or the protocols fix.
enum Bound {
  static var descriptors: Int { 64 }
  static var name: Int { 255 }
  /// Bytes of a path, without the terminating zero.
  static var path: Int { 4095 }
  static var links: Int { 40 }
  /// The most that one message to a file system or block driver moves.
  static var chunk: UInt64 { 64 << 10 }
  /// What is fetched where a file is not read in order.
  static var firstRead: UInt64 { 16 << 10 }
  /// Advice is taken while fewer pages than this are to be fetched.
  static var ahead: Int { 64 }
  /// Linux's limit for read and write.
  static var transfer: UInt64 { 0x7FFF_F000 }
  static var fileSize: UInt64 { UInt64(Int64.max) }
  /// PIPE_BUF: writes up to this are atomic.
  static var atomicPipeWrite: UInt64 { 4096 }
  /// Bytes of /dev/zero copied at a time.
  static var zeros: UInt64 { 4096 }
  static var sector: UInt64 { 512 }
}
