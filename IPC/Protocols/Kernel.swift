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

  /// Nanoseconds since boot, and processor time of the calling thread. Everybody may.
  public struct Clock: Call {
    public static var number: Int32 { Number.clock.rawValue }
    public init() {}
    public struct Reply: Wire {
      public var now: UInt64, threadTime: UInt64
      public init(now: UInt64, threadTime: UInt64) {
        self.now = now
        self.threadTime = threadTime
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

  // MARK: Threads and spaces (VM, PM, RS)

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
  /// with `Delivery.again`. A request that it had twice already is answered `.ioError`. VM only.
  public struct ThreadRestart: Call {
    public static var number: Int32 { Number.threadRestart.rawValue }
    public var thread: Endpoint
    public var space: UInt32
    public var root, entry, stack: UInt64
    public init(thread: Endpoint, root: UInt64, space: UInt32, entry: UInt64, stack: UInt64) {
      self.thread = thread
      self.space = space
      self.root = root
      self.entry = entry
      self.stack = stack
    }
  }

  /// Replaces a process image: new space and registers, no FPU state, not blocked any more; runs at once. VM only.
  public struct ThreadExec: Call {
    public static var number: Int32 { Number.threadExec.rawValue }
    public var thread: Endpoint
    public var space: UInt32
    public var root, entry, stack: UInt64
    public init(thread: Endpoint, root: UInt64, space: UInt32, entry: UInt64, stack: UInt64) {
      self.thread = thread
      self.space = space
      self.root = root
      self.entry = entry
      self.stack = stack
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
      public init(thread: Endpoint, state: UInt32, peer: Endpoint, priority: UInt32, time: UInt64, messages: UInt64, instruction: UInt64) {
        self.thread = thread
        self.state = state
        self.peer = peer
        self.priority = priority
        self.time = time
        self.messages = messages
        self.instruction = instruction
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
    public init(thread: Endpoint, signal: UInt32, handler: UInt64, restorer: UInt64, mask: UInt64) {
      self.thread = thread
      self.signal = signal
      self.handler = handler
      self.restorer = restorer
      self.mask = mask
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

  /// Counters for `proc` and the leak oracles. Any service may.
  public struct Statistics: Call {
    public static var number: Int32 { Number.statistics.rawValue }
    public init() {}
    public struct Reply: Wire {
      public var threads, threadLimit, grants, grantLimit: UInt32
      public var asynchronous, asynchronousLimit: UInt32
      public var fastPath, slowPath, faults, interrupts: UInt64
      public init(threads: UInt32, threadLimit: UInt32, grants: UInt32, grantLimit: UInt32, asynchronous: UInt32,
        asynchronousLimit: UInt32, fastPath: UInt64, slowPath: UInt64, faults: UInt64, interrupts: UInt64) {
        self.threads = threads
        self.threadLimit = threadLimit
        self.grants = grants
        self.grantLimit = grantLimit
        self.asynchronous = asynchronous
        self.asynchronousLimit = asynchronousLimit
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

/// What a service may do; given by RS from the boot table, checked on every use (SEC26, SEC27).
public struct Privileges: Wire {
  /// Bit n: kernel call n.
  public var kernelCalls: UInt64
  /// Bit n: may send, notify and queue to service slot n. Answers to waiting callers need no bit.
  public var sendTo: UInt64
  /// Bit n: may own interrupt line n.
  public var lines: UInt32
  public var asynchronousQuota: UInt16
  public var grantQuota: UInt16

  @inlinable public init(kernelCalls: UInt64, sendTo: UInt64, lines: UInt32 = 0, asynchronousQuota: UInt16 = 0, grantQuota: UInt16 = 0) {
    self.kernelCalls = kernelCalls
    self.sendTo = sendTo
    self.lines = lines
    self.asynchronousQuota = asynchronousQuota
    self.grantQuota = grantQuota
  }

  /// What every process has: null, clock and yield; requests to VM, PM, VFS, DS, RS and the echo driver; no notifications (a
  /// thread outside the service slots can never notify or queue).
  public static var user: Privileges {
    let calls: UInt64 = 1 << UInt64(Kernel.Number.null.rawValue) | 1 << UInt64(Kernel.Number.clock.rawValue) | 1 << UInt64(Kernel.Number.yield.rawValue)
    let peers: UInt64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 12
    return Privileges(kernelCalls: calls, sendTo: peers)
  }
}

/// Messages that the kernel composes. They carry `Delivery.fromKernel`; look at the flag, not at the source.
public enum KernelEvent {
  /// Type of every notification. From the kernel, payload word 0 holds the bits below; from others it is 0.
  @inlinable public static var notification: Int32 { 0x900 }
  /// The alarm went off.
  @inlinable public static var alarm: UInt64 { 1 << 32 }
  /// Interrupt lines that fired: bit n of the low 16.
  @inlinable public static var lines: UInt64 { 0xFFFF }

  /// To VM, a request whose `source` is the thread that waits: reply type 0 resumes it, anything else leaves
  /// it stopped for its supervisor (VM sends that `Exception` itself).
  public struct PageFault: Call {
    public static var number: Int32 { 0x901 }
    public var address: UInt64
    /// `present`, `write`, `execute`, `kernelCopy`.
    public var access: UInt32
    /// VM's name of the space in which the page is missing; not always that of the source (kernel copies).
    public var space: UInt32
    public var instruction, stack: UInt64
    public init(address: UInt64, access: UInt32, space: UInt32, instruction: UInt64, stack: UInt64) {
      self.address = address
      self.access = access
      self.space = space
      self.instruction = instruction
      self.stack = stack
    }
    @inlinable public static var present: UInt32 { 1 }
    @inlinable public static var write: UInt32 { 2 }
    @inlinable public static var execute: UInt32 { 4 }
    /// The kernel copies on behalf of the source; a refusal fails that call with `.badAddress`.
    @inlinable public static var kernelCopy: UInt32 { 8 }
  }

  /// To the supervisor, asynchronous: `thread` is stopped by an exception (`signal` as POSIX numbers them), by
  /// a bad memory access (from VM), or has ended by `Kernel.Exit` (`signal` 0).
  public struct Exception: Call {
    public static var number: Int32 { 0x902 }
    public var thread: Endpoint
    public var signal: UInt32
    /// Fault address, or exit status.
    public var address: UInt64
    public var instruction: UInt64
    /// x86 vector, or 14 for a memory access.
    public var vector: UInt64
    public init(thread: Endpoint, signal: UInt32, address: UInt64, instruction: UInt64, vector: UInt64) {
      self.thread = thread
      self.signal = signal
      self.address = address
      self.instruction = instruction
      self.vector = vector
    }
  }
}
