/// Errors as POSIX numbers them on Linux/x86-64, and below 4096 those that only message passing knows.
/// A reply carries the negated number in its type.
public struct Errno: Error, Wire, Equatable, Hashable {
  public var rawValue: Int32
  @inlinable public init(rawValue: Int32) { self.rawValue = rawValue }
  @inlinable public static func == (a: Errno, b: Errno) -> Bool { a.rawValue == b.rawValue }

  @inlinable public static var notPermitted: Errno { Errno(rawValue: 1) }  // EPERM
  @inlinable public static var noSuchFile: Errno { Errno(rawValue: 2) }  // ENOENT
  @inlinable public static var noSuchProcess: Errno { Errno(rawValue: 3) }  // ESRCH
  @inlinable public static var interrupted: Errno { Errno(rawValue: 4) }  // EINTR
  @inlinable public static var ioError: Errno { Errno(rawValue: 5) }  // EIO
  @inlinable public static var noSuchDevice: Errno { Errno(rawValue: 6) }  // ENXIO
  @inlinable public static var argumentListTooLong: Errno { Errno(rawValue: 7) }  // E2BIG
  @inlinable public static var notExecutable: Errno { Errno(rawValue: 8) }  // ENOEXEC
  @inlinable public static var badFileDescriptor: Errno { Errno(rawValue: 9) }  // EBADF
  @inlinable public static var noChildProcess: Errno { Errno(rawValue: 10) }  // ECHILD
  @inlinable public static var wouldBlock: Errno { Errno(rawValue: 11) }  // EAGAIN
  @inlinable public static var noMemory: Errno { Errno(rawValue: 12) }  // ENOMEM
  @inlinable public static var accessDenied: Errno { Errno(rawValue: 13) }  // EACCES
  @inlinable public static var badAddress: Errno { Errno(rawValue: 14) }  // EFAULT
  @inlinable public static var notBlockDevice: Errno { Errno(rawValue: 15) }  // ENOTBLK
  @inlinable public static var busy: Errno { Errno(rawValue: 16) }  // EBUSY
  @inlinable public static var fileExists: Errno { Errno(rawValue: 17) }  // EEXIST
  @inlinable public static var crossDevice: Errno { Errno(rawValue: 18) }  // EXDEV
  @inlinable public static var operationNotSupportedByDevice: Errno { Errno(rawValue: 19) }  // ENODEV
  @inlinable public static var notDirectory: Errno { Errno(rawValue: 20) }  // ENOTDIR
  @inlinable public static var isDirectory: Errno { Errno(rawValue: 21) }  // EISDIR
  @inlinable public static var invalidArgument: Errno { Errno(rawValue: 22) }  // EINVAL
  @inlinable public static var tooManyOpenFilesInSystem: Errno { Errno(rawValue: 23) }  // ENFILE
  @inlinable public static var tooManyOpenFiles: Errno { Errno(rawValue: 24) }  // EMFILE
  @inlinable public static var notTerminal: Errno { Errno(rawValue: 25) }  // ENOTTY
  @inlinable public static var textFileBusy: Errno { Errno(rawValue: 26) }  // ETXTBSY
  @inlinable public static var fileTooLarge: Errno { Errno(rawValue: 27) }  // EFBIG
  @inlinable public static var noSpace: Errno { Errno(rawValue: 28) }  // ENOSPC
  @inlinable public static var illegalSeek: Errno { Errno(rawValue: 29) }  // ESPIPE
  @inlinable public static var readOnlyFileSystem: Errno { Errno(rawValue: 30) }  // EROFS
  @inlinable public static var tooManyLinks: Errno { Errno(rawValue: 31) }  // EMLINK
  @inlinable public static var brokenPipe: Errno { Errno(rawValue: 32) }  // EPIPE
  @inlinable public static var outOfDomain: Errno { Errno(rawValue: 33) }  // EDOM
  @inlinable public static var outOfRange: Errno { Errno(rawValue: 34) }  // ERANGE
  @inlinable public static var wouldDeadlock: Errno { Errno(rawValue: 35) }  // EDEADLK; message passing: ELOCKED
  @inlinable public static var nameTooLong: Errno { Errno(rawValue: 36) }  // ENAMETOOLONG
  @inlinable public static var noSuchCall: Errno { Errno(rawValue: 38) }  // ENOSYS
  @inlinable public static var notEmpty: Errno { Errno(rawValue: 39) }  // ENOTEMPTY
  @inlinable public static var tooManyLevels: Errno { Errno(rawValue: 40) }  // ELOOP
  @inlinable public static var badMessage: Errno { Errno(rawValue: 74) }  // EBADMSG
  @inlinable public static var overflow: Errno { Errno(rawValue: 75) }  // EOVERFLOW
  @inlinable public static var notSupported: Errno { Errno(rawValue: 95) }  // EOPNOTSUPP
  @inlinable public static var timedOut: Errno { Errno(rawValue: 110) }  // ETIMEDOUT
  @inlinable public static var alreadyInProgress: Errno { Errno(rawValue: 114) }  // EALREADY
  /// EDEADSRCDST of MINIX: the peer is dead or never was.
  @inlinable public static var deadEndpoint: Errno { Errno(rawValue: 301) }
  /// ENOTREADY of MINIX: the peer does not wait for us, and waiting was not asked for.
  @inlinable public static var notReady: Errno { Errno(rawValue: 302) }
  /// ERESTART of MINIX: the service lost its state; open the device again and repeat.
  @inlinable public static var restarted: Errno { Errno(rawValue: 303) }
}
