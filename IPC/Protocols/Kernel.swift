import IPC

/// The kernel calls: requests in the form of messages, answered by the kernel itself. Each has a bit in
/// `Privileges.kernelCalls`; a call without its bit is `.notPermitted` (SEC26).
public enum Kernel {
  public enum Number: Int32, CaseIterable {
    case null = 0, log, clock, alarm, exit
    case grantCreate, grantCaller, grantIndirect, grantRevoke, copyGrant, copyCaller
    case portRead, portWrite, interruptAttach, interruptEnable
    case threadCreate, threadFork, threadStart, threadStop, threadDestroy, threadRestart, threadExec, threadInfo
    case spaceRoot, spacePrepare, spaceFlush
    case setPrivileges, allowPorts
    case signal, signalReturn
    case statistics, shutdown, yield
    case threadBases, threadWatch, threadStack
  }

  /// Does nothing: the price of a trap. Everybody may.
  public struct Null: Call {
    public static var number: Int32 { Number.null.rawValue }
    public init() {}
  }

  /// Up to 48 bytes of text for the kernel's debug console.
  public struct Log: Call {
    public static var number: Int32 { Number.log.rawValue }
    public var count: UInt64
    public var text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    public init(count: UInt64, text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)) {
      self.count = count
      self.text = text
    }
  }

  /// Nanoseconds since boot, processor time of the calling thread, and how long the processor had nobody to run. Everybody may.
  public struct Clock: Call {
    public static var number: Int32 { Number.clock.rawValue }
    public init() {}
    public struct Reply: Wire {
      public var now: UInt64, threadTime: UInt64, idle: UInt64
      public init(now: UInt64, threadTime: UInt64, idle: UInt64 = 0) {
        self.now = now
        self.threadTime = threadTime
        self.idle = idle
      }
    }
  }

  /// A notification from the kernel (`KernelEvent.alarm`) at or after `deadline` (ns since boot); 0 cancels.
  /// A thread has one alarm.
  public struct Alarm: Call {
    public static var number: Int32 { Number.alarm.rawValue }
    public var deadline: UInt64
    public init(deadline: UInt64) { self.deadline = deadline }
  }

  /// Ends the calling thread: its supervisor gets `Exception` with signal 0 and `status` as address.
  public struct Exit: Call {
    public static var number: Int32 { Number.exit.rawValue }
    public var status: UInt64
    public init(status: UInt64) { self.status = status }
  }

  /// Counters for `proc` and the leak oracles. Any service may.
  public struct Statistics: Call {
    public static var number: Int32 { Number.statistics.rawValue }
    public init() {}
    public struct Reply: Wire {
      public var threads, threadLimit, grants, grantLimit: UInt32
      public var asynchronous, asynchronousLimit: UInt16
      /// How often the timer went off; wraps.
      public var timers: UInt32
      public var fastPath, slowPath, faults, interrupts: UInt64
      public init(threads: UInt32, threadLimit: UInt32, grants: UInt32, grantLimit: UInt32, asynchronous: UInt16,
        asynchronousLimit: UInt16, timers: UInt32, fastPath: UInt64, slowPath: UInt64, faults: UInt64, interrupts: UInt64) {
        self.threads = threads
        self.threadLimit = threadLimit
        self.grants = grants
        self.grantLimit = grantLimit
        self.asynchronous = asynchronous
        self.asynchronousLimit = asynchronousLimit
        self.timers = timers
        self.fastPath = fastPath
        self.slowPath = slowPath
        self.faults = faults
        self.interrupts = interrupts
      }
    }
  }

  /// Ends the machine; QEMU's exit status is `status << 1 | 1` by isa-debug-exit, else power off. RS only.
  public struct Shutdown: Call {
    public static var number: Int32 { Number.shutdown.rawValue }
    public var status: UInt64
    public init(status: UInt64) { self.status = status }
  }

  /// Goes to the end of its ready queue. Everybody may.
  public struct Yield: Call {
    public static var number: Int32 { Number.yield.rawValue }
    public init() {}
  }
}
