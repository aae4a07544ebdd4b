import IPC

/// Calls to PM, the process manager. Endpoints name processes between servers, process ids are for people.
public enum PM {
  public enum Number: Int32, CaseIterable {
    case fork = 0x200, exec, exit, waitPID, kill, signalAction, signalReturn, signalMask, pause
    case identity, setProcessGroup, times, sleep, alarm
    case adopt, signalGroup, processInformation, endpointOf, signalProcess, setSession, signalStack
  }

  /// fork(2): the child's process id to the parent, 0 to the child.
  public struct Fork: Call {
    public static var number: Int32 { Number.fork.rawValue }
    public init() {}
    public typealias Reply = IDReply
  }

  public struct IDReply: Wire {
    public var id: Int64
    public init(id: Int64) { self.id = id }
  }

  /// execve(2). Answered only if it fails. Path at most 4095 bytes; the argument block is as `ArgumentBlock`
  /// says. Both are in the caller's memory.
  public struct Exec: Call {
    public static var number: Int32 { Number.exec.rawValue }
    public var path, pathLength, arguments, argumentsLength: UInt64
    public init(path: UInt64, pathLength: UInt64, arguments: UInt64, argumentsLength: UInt64) {
      self.path = path
      self.pathLength = pathLength
      self.arguments = arguments
      self.argumentsLength = argumentsLength
    }
  }

  /// _exit(2); never answered.
  public struct Exit: Call {
    public static var number: Int32 { Number.exit.rawValue }
    public var status: Int64
    public init(status: Int64) { self.status = status }
  }

  /// waitpid(2). `id` as there; options bit 0 WNOHANG, bit 1 WUNTRACED, bit 3 WCONTINUED. A signal whose handler
  /// is over answers `.interrupted`, or `.restarted` if it was set with SA_RESTART: then ask again.
  public struct WaitPID: Call {
    public static var number: Int32 { Number.waitPID.rawValue }
    public var id: Int32
    public var options: UInt32
    public init(id: Int32, options: UInt32) {
      self.id = id
      self.options = options
    }
    public struct Reply: Wire {
      /// 0 with WNOHANG and no child that has ended.
      public var id: Int32
      /// As on Linux: exit status << 8, or the signal's number.
      public var status: Int32
      public init(id: Int32, status: Int32) {
        self.id = id
        self.status = status
      }
    }
  }

  /// kill(2), with process groups for 0, -1 and negative ids. Signal 0 only checks.
  public struct Kill: Call {
    public static var number: Int32 { Number.kill.rawValue }
    public var id: Int32
    public var signal: UInt32
    public init(id: Int32, signal: UInt32) {
      self.id = id
      self.signal = signal
    }
  }

  /// sigaction(2). Handler 0 default, 1 ignore. With flags ~0 it only asks.
  public struct SignalAction: Call {
    public static var number: Int32 { Number.signalAction.rawValue }
    public var signal: UInt32
    /// As SA_* on Linux; SA_RESTART and SA_NODEFER count.
    public var flags: UInt32
    public var handler, restorer, mask: UInt64
    public init(signal: UInt32, flags: UInt32, handler: UInt64, restorer: UInt64, mask: UInt64) {
      self.signal = signal
      self.flags = flags
      self.handler = handler
      self.restorer = restorer
      self.mask = mask
    }
    public struct Reply: Wire {
      public var handler, mask: UInt64
      public init(handler: UInt64, mask: UInt64) {
        self.handler = handler
        self.mask = mask
      }
    }
  }

  /// sigreturn(2) with the frame's address; not answered, the process goes on where the signal met it.
  public struct SignalReturn: Call {
    public static var number: Int32 { Number.signalReturn.rawValue }
    public var frame: UInt64
    public init(frame: UInt64) { self.frame = frame }
  }

  /// sigprocmask(2): how 0 block, 1 unblock, 2 set, 3 only ask.
  public struct SignalMask: Call {
    public static var number: Int32 { Number.signalMask.rawValue }
    public var how: UInt64
    public var mask: UInt64
    public init(how: UInt64, mask: UInt64) {
      self.how = how
      self.mask = mask
    }
    public struct Reply: Wire {
      public var mask: UInt64
      public init(mask: UInt64) { self.mask = mask }
    }
  }

  /// sigaltstack(2): flags 0 sets, 2 (SS_DISABLE) takes away, ~0 only asks. Handlers with SA_ONSTACK run there. `.notPermitted` from a
  /// handler that runs there, `.noMemory` for less than `minimum` bytes.
  public struct SignalStack: Call {
    public static var number: Int32 { Number.signalStack.rawValue }
    @inlinable public static var minimum: UInt64 { 2048 }
    public var base, size, flags: UInt64
    public init(base: UInt64, size: UInt64, flags: UInt64) {
      self.base = base
      self.size = size
      self.flags = flags
    }
    /// What was set before; flags 1 (SS_ONSTACK): the caller runs there, 2: there was none.
    public struct Reply: Wire {
      public var base, size, flags: UInt64
      public init(base: UInt64, size: UInt64, flags: UInt64) {
        self.base = base
        self.size = size
        self.flags = flags
      }
    }
  }

  /// pause(2): `.interrupted` after a handler ran.
  public struct Pause: Call {
    public static var number: Int32 { Number.pause.rawValue }
    public init() {}
  }

  /// getpid(2), getppid(2), getpgrp(2), getsid(2) in one.
  public struct Identity: Call {
    public static var number: Int32 { Number.identity.rawValue }
    public init() {}
    public struct Reply: Wire {
      public var id, parent, group, session: Int32
      public init(id: Int32, parent: Int32, group: Int32, session: Int32) {
        self.id = id
        self.parent = parent
        self.group = group
        self.session = session
      }
    }
  }

  /// setpgid(2).
  public struct SetProcessGroup: Call {
    public static var number: Int32 { Number.setProcessGroup.rawValue }
    public var id, group: Int32
    public init(id: Int32, group: Int32) {
      self.id = id
      self.group = group
    }
  }

  /// setsid(2): the new session's id.
  public struct SetSession: Call {
    public static var number: Int32 { Number.setSession.rawValue }
    public init() {}
    public typealias Reply = IDReply
  }

  /// times(2), in nanoseconds.
  public struct Times: Call {
    public static var number: Int32 { Number.times.rawValue }
    public init() {}
    public struct Reply: Wire {
      public var own, children, sinceBoot: UInt64
      public init(own: UInt64, children: UInt64, sinceBoot: UInt64) {
        self.own = own
        self.children = children
        self.sinceBoot = sinceBoot
      }
    }
  }

  /// nanosleep(2); after a signal `.interrupted`.
  public struct Sleep: Call {
    public static var number: Int32 { Number.sleep.rawValue }
    public var nanoseconds: UInt64
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
  }

  /// alarm(2), in nanoseconds: SIGALRM; 0 cancels. Replies with what was left.
  public struct Alarm: Call {
    public static var number: Int32 { Number.alarm.rawValue }
    public var nanoseconds: UInt64
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    public struct Reply: Wire {
      public var left: UInt64
      public init(left: UInt64) { self.left = left }
    }
  }

  // MARK: From other servers

  /// RS hands over the first process, stopped; PM registers it with VFS and starts it. From RS only, which asks
  /// asynchronously: PM's own death must not leave RS waiting.
  public struct Adopt: Call {
    public static var number: Int32 { Number.adopt.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public var name: (UInt64, UInt64)
    public init(process: Endpoint, name: (UInt64, UInt64)) {
      self.process = process
      self.name = name
    }
  }

  /// VFS's answer to `VFS.ExecLoad` comes as the reply to that asynchronous request; see there.

  /// A terminal's key or hang-up: a signal for a process group. From tty, asynchronous.
  public struct SignalGroup: Call {
    public static var number: Int32 { Number.signalGroup.rawValue }
    public var group: Int32
    public var signal: UInt32
    public init(group: Int32, signal: UInt32) {
      self.group = group
      self.signal = signal
    }
  }

  /// A signal that a server found due for one process: SIGPIPE (13) from VFS, sent before the failed write is
  /// answered. Asynchronous, not answered; a process that is gone is no error. From VFS only.
  public struct SignalProcess: Call {
    public static var number: Int32 { Number.signalProcess.rawValue }
    public var process: Endpoint
    public var signal: UInt32
    public init(process: Endpoint, signal: UInt32) {
      self.process = process
      self.signal = signal
    }
  }

  /// The process in the first used slot at or after `index` of PM's table; `.noSuchProcess` after the last.
  public struct ProcessInformation: Call {
    public static var number: Int32 { Number.processInformation.rawValue }
    public var index: UInt64
    public init(index: UInt64) { self.index = index }
    public struct Reply: Wire {
      /// The slot it was found in: ask on from `index + 1`.
      public var index: UInt32
      public var process: Endpoint
      public var id, parent: Int32
      public var group: Int32
      /// 'R' running or ready, 'S' sleeping, 'T' stopped, 'Z' ended and not waited for: the letter's code.
      public var state: UInt32
      /// Nanoseconds of processor time.
      public var time: UInt64
      /// The program's name, zero-padded, cut to 24 bytes.
      public var name: (UInt64, UInt64, UInt64)
      public init(index: UInt32, process: Endpoint, id: Int32, parent: Int32, group: Int32, state: UInt32, time: UInt64, name: (UInt64, UInt64, UInt64)) {
        self.index = index
        self.process = process
        self.id = id
        self.parent = parent
        self.group = group
        self.state = state
        self.time = time
        self.name = name
      }
    }
  }

  /// The endpoint behind a process id. For `vmmap`. Everybody may.
  public struct EndpointOf: Call {
    public static var number: Int32 { Number.endpointOf.rawValue }
    public var id: Int64
    public init(id: Int64) { self.id = id }
    public typealias Reply = Kernel.ThreadReply
  }
}

/// The arguments and environment of exec, one block in the caller's memory:
///
///     UInt32 argument count, UInt32 environment count, then the strings, each ended by a zero byte,
///     arguments first. At most 128 KiB in all.
///
/// VM lays the System V start-up stack out of it: argc, argv[], 0, envp[], 0, auxiliary vector (AT_PAGESZ,
/// AT_ENTRY, AT_NULL), the strings; RSP aligned to 16 bytes.
public enum ArgumentBlock {
  @inlinable public static var limit: UInt64 { 128 << 10 }
  @inlinable public static var countLimit: UInt32 { 4096 }
}
