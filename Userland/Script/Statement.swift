import IPC

/// One call or memory access of a script: 16 bytes of plain data. What the operands mean stands with each operation.
public struct Statement: Wire, Equatable {
  public var operation: UInt8
  /// A register.
  public var a: UInt8
  /// Another one.
  public var b: UInt8
  public var flags: UInt8
  /// A path, a place in the script, a page.
  public var x: UInt32
  /// A length, a seed, another path.
  public var y: UInt64

  public init(_ operation: Operation, a: Int = 0, b: Int = 0, flags: UInt8 = 0, x: UInt32 = 0, y: UInt64 = 0) {
    self.operation = operation.rawValue
    self.a = UInt8(truncatingIfNeeded: a)
    self.b = UInt8(truncatingIfNeeded: b)
    self.flags = flags
    self.x = x
    self.y = y
  }

  public static func == (l: Statement, r: Statement) -> Bool {
    l.operation == r.operation && l.a == r.a && l.b == r.b && l.flags == r.flags && l.x == r.x && l.y == r.y
  }
}

/// What a statement does. f: descriptor register, c: child register, m: region register.
public enum Operation: UInt8, CaseIterable, Sendable {
  /// Ends the process with status y.
  case exit
  /// f[a] = open(x, flags).
  case open
  /// close(f[a]).
  case close
  /// y bytes of pattern x to f[a].
  case write
  /// Up to y bytes from f[a], or to the end: count and digest.
  case read
  /// f[a] to offset y.
  case seek
  /// ftruncate(f[a], y).
  case truncate
  /// fsync(f[a]).
  case fsync
  case sync
  /// Size, kind and links of path x.
  case stat
  case unlink
  /// Path x to path y.
  case rename
  case link
  case mkdir
  case rmdir
  /// Names in folder x: how many, and a digest that does not depend on their order.
  case list
  /// f[a] and f[b] = the ends of a pipe.
  case pipe
  /// y numbered bytes to f[a]: they go on where the last send to it ended.
  case send
  /// y numbered bytes from f[a], or up to its end, checked.
  case receive
  /// f[b] = dup(f[a]).
  case dup
  /// c[a] = fork(); the child goes on at statement x.
  case fork
  /// waitpid(c[a]): how it ended.
  case wait
  /// The same program again, going on at statement x with empty registers.
  case exec
  /// m[a] = y pages, private; flags 1: shared with children.
  case map
  case unmap
  /// A word of page x of m[a] is changed, from seed y.
  case touch
  /// Digest over all pages of m[a].
  case sum
  /// m[a] becomes read-only (flags 0) or writable (1).
  case protect
  /// Signal x is counted from now on.
  case handle
  /// Signal x to c[a].
  case signal
  /// Until signal x was counted y times.
  case await
  /// Sleeps y microseconds.
  case sleep
  /// For ever, or until a signal.
  case pause
  /// Ends service x (`ServiceName`) as a crash would.
  case kill
  /// Has service x do harm y (`Service.Harm`) to itself at its next message.
  case inject
  /// Until service x runs, and has been restarted at least y times since the script began.
  case recover
  /// Starts service x if it does not run.
  case up
  /// Stops service x for good.
  case down
  /// y requests to the echo driver, each with the next number.
  case ping
  /// Touches address y, which is nobody's: the process ends by a signal.
  case fault

  /// As it stands in texts and histories.
  public var name: StaticString {
    switch self {
    case .exit: "exit"
    case .open: "open"
    case .close: "close"
    case .write: "write"
    case .read: "read"
    case .seek: "seek"
    case .truncate: "truncate"
    case .fsync: "fsync"
    case .sync: "sync"
    case .stat: "stat"
    case .unlink: "unlink"
    case .rename: "rename"
    case .link: "link"
    case .mkdir: "mkdir"
    case .rmdir: "rmdir"
    case .list: "list"
    case .pipe: "pipe"
    case .send: "send"
    case .receive: "receive"
    case .dup: "dup"
    case .fork: "fork"
    case .wait: "wait"
    case .exec: "exec"
    case .map: "map"
    case .unmap: "unmap"
    case .touch: "touch"
    case .sum: "sum"
    case .protect: "protect"
    case .handle: "handle"
    case .signal: "signal"
    case .await: "await"
    case .sleep: "sleep"
    case .pause: "pause"
    case .kill: "kill"
    case .inject: "inject"
    case .recover: "recover"
    case .up: "up"
    case .down: "down"
    case .ping: "ping"
    case .fault: "fault"
    }
  }
}

/// Paths as numbers: file n, file m of folder n, or a device.
public enum ScriptPath {
  static var deviceBit: UInt32 { 1 << 31 }
  public static func file(_ number: Int) -> UInt32 { UInt32(truncatingIfNeeded: number) & 0x7FFF }
  /// `number` in the folder `folder`.
  public static func file(_ number: Int, in folder: Int) -> UInt32 { file(number) | (file(folder) &+ 1) << 15 }
  /// The script's own folder.
  public static var root: UInt32 { 0x4000_0000 }
  public static func device(_ index: Int) -> UInt32 { deviceBit | UInt32(truncatingIfNeeded: index) }

  public static var deviceCount: Int { 8 }
  public static func deviceName(_ index: Int) -> StaticString {
    switch index {
    case 0: "/dev/console"
    case 1: "/dev/null"
    case 2: "/dev/zero"
    case 3: "/dev/ram0"
    case 4: "/dev/hd0"
    case 5: "/dev/hd1"
    case 6: "/dev/echo"
    default: "/dev/tty"
    }
  }
}

/// Services as numbers: their slots.
public enum ServiceName {
  public static var count: Int { 13 }
  public static func text(_ slot: Int) -> StaticString {
    switch slot {
    case 1: "vm"
    case 2: "rs"
    case 3: "pm"
    case 4: "vfs"
    case 5: "ds"
    case 6: "tty"
    case 7: "memory"
    case 8: "disk"
    case 9: "rootfs"
    case 10: "proc"
    case 11: "extfs"
    case 12: "echo"
    default: "?"
    }
  }

  /// As a word of a message.
  public static func packed(_ slot: Int) -> (UInt64, UInt64) {
    var words: (UInt64, UInt64) = (0, 0)
    text(slot).withUTF8Buffer { bytes in
      for index in 0..<min(bytes.count, 8) { words.0 |= UInt64(bytes[index]) << UInt64(8 * index) }
    }
    return words
  }
}
