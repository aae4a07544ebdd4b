import IPC

// Kernel calls for threads and spaces, privileges and signals: those of VM, RS and PM.
extension Kernel {
  public struct ThreadReply: Wire {
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    public init(thread: Endpoint) { self.thread = thread }
  }

  /// A new thread, stopped, in the space (`root`, `space`). VM only.
  public struct ThreadCreate: Call {
    public static var number: Int32 { Number.threadCreate.rawValue }
    /// Physical address of the top page table, prepared by `SpacePrepare`.
    public var root: UInt64
    public var entry, stack: UInt64
    /// A free service slot (its generation 0 the first time), or 0 for any process slot.
    public var slot: UInt32
    /// VM's name for the space; comes back in `PageFault`.
    public var space: UInt32
    /// Who hears of its end and of exceptions: PM for processes, RS for services.
    public var supervisor: Endpoint
    /// 0 (highest) ... 7.
    public var priority: UInt32
    public init(root: UInt64, space: UInt32, entry: UInt64, stack: UInt64, slot: UInt32, supervisor: Endpoint, priority: UInt32) {
      self.root = root
      self.entry = entry
      self.stack = stack
      self.slot = slot
      self.space = space
      self.supervisor = supervisor
      self.priority = priority
    }
    public typealias Reply = ThreadReply
  }

  /// A copy of `parent`, which must wait for a reply: the copy waits for a reply from the same server, so
  /// that PM answers both. Registers, FPU state, supervisor, priority and user privileges are the parent's.
  /// A parent that is a service is `.notPermitted`. VM only, on PM's behalf.
  public struct ThreadFork: Call {
    public static var number: Int32 { Number.threadFork.rawValue }
    public var parent: Endpoint
    public var space: UInt32
    public var root: UInt64
    public init(parent: Endpoint, root: UInt64, space: UInt32) {
      self.parent = parent
      self.space = space
      self.root = root
    }
    public typealias Reply = ThreadReply
  }

  /// Lets a thread that was created, stopped or restarted run. VM, RS, PM.
  public struct ThreadStart: Call {
    public static var number: Int32 { Number.threadStart.rawValue }
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    public init(thread: Endpoint) { self.thread = thread }
  }

  /// Keeps a thread from running until `ThreadStart`; it stays in the queues that it is in. VM, RS, PM.
  public struct ThreadStop: Call {
    public static var number: Int32 { Number.threadStop.rawValue }
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    public init(thread: Endpoint) { self.thread = thread }
  }

  /// Ends a thread: grants, lines, alarms, async messages are gone, everybody who waits for it gets
  /// `.deadEndpoint`, the generation is bumped; but not that of a service slot, whose name always means the same
  /// service (`service down`, later `up`). VM only.
  public struct ThreadDestroy: Call {
    public static var number: Int32 { Number.threadDestroy.rawValue }
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    public init(thread: Endpoint) { self.thread = thread }
  }

  /// Gives a service a new life under its old endpoint: stopped, in another space, at `entry`; its grants,
  /// lines, alarm and own async messages are gone; callers that wait for its reply are queued again and come
  /// with `Delivery.again`. With `fault` 1 the old life ended by a fault of its own, perhaps one of these requests: one
  /// that was the last it heard at two such deaths, or met four, is answered `.ioError`. VM only.
  public struct ThreadRestart: Call {
    public static var number: Int32 { Number.threadRestart.rawValue }
    public var thread: Endpoint
    public var space: UInt32
    public var root, entry, stack: UInt64
    public var fault: UInt64
    public init(thread: Endpoint, root: UInt64, space: UInt32, entry: UInt64, stack: UInt64, fault: UInt64 = 0) {
      self.thread = thread
      self.space = space
      self.root = root
      self.entry = entry
      self.stack = stack
      self.fault = fault
    }
  }

  /// Replaces a process image: new space, registers and stack, no FPU state, not blocked any more; runs at once. VM only.
  public struct ThreadExec: Call {
    public static var number: Int32 { Number.threadExec.rawValue }
    public var thread: Endpoint
    public var space: UInt32
    public var root, entry, stack: UInt64
    /// As in `ThreadStack`.
    public var stackLow, stackSize: UInt64
    public init(
      thread: Endpoint, root: UInt64, space: UInt32, entry: UInt64, stack: UInt64, stackLow: UInt64 = 0, stackSize: UInt64 = .max
    ) {
      self.thread = thread
      self.space = space
      self.root = root
      self.entry = entry
      self.stack = stack
      self.stackLow = stackLow
      self.stackSize = stackSize
    }
  }

  /// Where the stack pointer of a process may be when it traps: at `low`, and up to `size` bytes above, for the upper end of a
  /// stack is in it. When it is elsewhere the trap waits until VM has answered a `PageFault` with `stack`. A copy by fork has its
  /// parent's; while nothing was said it may be anywhere (V50). VM only.
  public struct ThreadStack: Call {
    public static var number: Int32 { Number.threadStack.rawValue }
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    public var low, size: UInt64
    public init(thread: Endpoint, low: UInt64, size: UInt64) {
      self.thread = thread
      self.low = low
      self.size = size
    }
  }

  /// What `ps` shows of the thread in a slot; `.noSuchProcess` if the slot is free. Any service may.
  public struct ThreadInfo: Call {
    public static var number: Int32 { Number.threadInfo.rawValue }
    public var slot: UInt64
    public init(slot: UInt64) { self.slot = slot }
    public struct Reply: Wire {
      public var thread: Endpoint
      /// `ThreadState`.
      public var state: UInt32
      /// Whom it waits for, `.none` if for nobody.
      public var peer: Endpoint
      public var priority: UInt32
      /// Nanoseconds of processor time.
      public var time: UInt64
      public var messages: UInt64
      /// User program counter.
      public var instruction: UInt64
      /// User stack pointer.
      public var stack: UInt64
      public init(
        thread: Endpoint, state: UInt32, peer: Endpoint, priority: UInt32, time: UInt64, messages: UInt64, instruction: UInt64, stack: UInt64
      ) {
        self.thread = thread
        self.state = state
        self.peer = peer
        self.priority = priority
        self.time = time
        self.messages = messages
        self.instruction = instruction
        self.stack = stack
      }
    }
  }

  public enum ThreadState {
    @inlinable public static var stopped: UInt32 { 0 }
    @inlinable public static var ready: UInt32 { 1 }
    @inlinable public static var running: UInt32 { 2 }
    @inlinable public static var sending: UInt32 { 3 }
    @inlinable public static var receiving: UInt32 { 4 }
    @inlinable public static var waitingForReply: UInt32 { 5 }
    @inlinable public static var faulted: UInt32 { 6 }
  }

  /// Tells the kernel that a thread now uses another top table (exec uses `ThreadExec`). VM only.
  public struct SpaceRoot: Call {
    public static var number: Int32 { Number.spaceRoot.rawValue }
    public var thread: Endpoint
    public var space: UInt32
    public var root: UInt64
    public init(thread: Endpoint, root: UInt64, space: UInt32) {
      self.thread = thread
      self.space = space
      self.root = root
    }
  }

  /// Clears the lower half of a frame and fills the upper with the kernel's 256 entries (V9). VM only.
  public struct SpacePrepare: Call {
    public static var number: Int32 { Number.spacePrepare.rawValue }
    public var root: UInt64
    public init(root: UInt64) { self.root = root }
  }

  /// Drops cached translations of `count` pages from `address` in the space with this root. VM only.
  public struct SpaceFlush: Call {
    public static var number: Int32 { Number.spaceFlush.rawValue }
    public var root, address, count: UInt64
    public init(root: UInt64, address: UInt64, count: UInt64) {
      self.root = root
      self.address = address
      self.count = count
    }
  }

  /// Sets what a service may do. RS only; nobody can give himself more.
  public struct SetPrivileges: Call {
    public static var number: Int32 { Number.setPrivileges.rawValue }
    public var thread: Endpoint
    public var priority: UInt32
    public var privileges: Privileges
    public init(thread: Endpoint, priority: UInt32, privileges: Privileges) {
      self.thread = thread
      self.priority = priority
      self.privileges = privileges
    }
  }

  /// Adds one range of ports to a service, at most four. RS only.
  public struct AllowPorts: Call {
    public static var number: Int32 { Number.allowPorts.rawValue }
    public var thread: Endpoint
    public var first: UInt32
    public var count: UInt64
    public init(thread: Endpoint, first: UInt32, count: UInt64) {
      self.thread = thread
      self.first = first
      self.count = count
    }
  }

  /// Makes a thread run `handler(signal)` with a `SignalFrame` on its stack. A thread that waits for a reply
  /// gets it when the reply is there; then the answer is `deferred` 1, and only one can be deferred (`.busy`).
  /// The handler's return address is `restorer`, which finds the frame's address on top of its stack (a `pop`
  /// gives what `PM.SignalReturn` takes). PM only.
  public struct Signal: Call {
    public static var number: Int32 { Number.signal.rawValue }
    public var thread: Endpoint
    public var signal: UInt32
    public var handler, restorer: UInt64
    /// Kept in the frame and handed back by `SignalReturn`: PM's saved signal mask.
    public var mask: UInt64
    /// Where the frame goes, unless the thread's stack pointer is in there already: an alternate stack of `stackSize` bytes from
    /// `stackBase`. Size 0: on the present stack.
    public var stackBase, stackSize: UInt64
    public init(thread: Endpoint, signal: UInt32, handler: UInt64, restorer: UInt64, mask: UInt64, stackBase: UInt64 = 0, stackSize: UInt64 = 0) {
      self.thread = thread
      self.signal = signal
      self.handler = handler
      self.restorer = restorer
      self.mask = mask
      self.stackBase = stackBase
      self.stackSize = stackSize
    }
    public struct Reply: Wire {
      public var deferred: UInt64
      public init(deferred: UInt64) { self.deferred = deferred }
    }
  }

  /// Restores the context of a thread that asked PM for it, from the `SignalFrame` at `frame`, sanitised
  /// (M-E6). It runs on at once; the reply carries the mask of the frame. PM only.
  public struct SignalReturn: Call {
    public static var number: Int32 { Number.signalReturn.rawValue }
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    public var frame: UInt64
    public init(thread: Endpoint, frame: UInt64) {
      self.thread = thread
      self.frame = frame
    }
    public struct Reply: Wire {
      public var mask: UInt64
      public init(mask: UInt64) { self.mask = mask }
    }
  }
}
