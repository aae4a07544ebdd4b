import IPC

// What other servers ask of VFS, asynchronously and with a token.
extension VFS {
  /// From PM: loads a program into `process` (VM.Exec...). The path and the argument block are in the memory
  /// of the process, which waits for PM; VFS reads the path through `Grant` of PM (see `PM` README), the
  /// block is VM's business. Closes close-on-exec descriptors on success. The reply's type 0: the process runs
  /// the new image and must not be answered. Errors: nothing has changed; ETXTBSY if the file is open for writing.
  public struct ExecLoad: Call {
    public static var number: Int32 { Number.execLoad.rawValue }
    public var process: Endpoint
    public var pathLength: UInt32
    /// PM's grant (`GrantCaller`) of the path, readable by VFS.
    public var grant: UInt64
    public var arguments: UInt64
    public var argumentsLength: UInt64
    public init(process: Endpoint, grant: UInt64, pathLength: UInt32, arguments: UInt64, argumentsLength: UInt64) {
      self.process = process
      self.pathLength = pathLength
      self.grant = grant
      self.arguments = arguments
      self.argumentsLength = argumentsLength
    }
    public struct Reply: Wire {
      /// The last part of the path, cut to 24 bytes, then zero bytes: what `ps` shows.
      public var name: (UInt64, UInt64, UInt64)
      public init(name: (UInt64, UInt64, UInt64)) { self.name = name }
    }
  }

  /// From PM, with a token: a kernel call of PM's for `process` met a page of a file that VM would not wait for
  /// (`PageCache.Missing`). Answered when the page is there and the call is worth another try. `.badAddress`: it was no such page.
  public struct BringPage: Call {
    public static var number: Int32 { Number.bringPage.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
  }

  /// From PM: `child` has copies of the descriptors and directory of `parent`; `parent` `.none` for init, which
  /// starts with none. Not answered. It arrives before anything that the child sends.
  public struct ProcessForked: Call {
    public static var number: Int32 { Number.processForked.rawValue }
    public var parent, child: Endpoint
    public init(parent: Endpoint, child: Endpoint) {
      self.parent = parent
      self.child = child
    }
  }

  /// From PM: the process is gone; close everything, drop what it waited for. Not answered.
  public struct ProcessExited: Call {
    public static var number: Int32 { Number.processExited.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
  }

  /// From PM: a signal for a process that may wait in VFS: if it does on something that can last (terminal,
  /// pipe), answer it `.interrupted` (`.restarted` if `restart` is 1: SA_RESTART), or with what was transferred. Not answered.
  public struct Cancel: Call {
    public static var number: Int32 { Number.cancel.rawValue }
    public var process: Endpoint
    public var restart: UInt32
    public init(process: Endpoint, restart: Bool = false) {
      self.process = process
      self.restart = restart ? 1 : 0
    }
  }

  /// From RS: a service started or came back; VFS repeats what it had asked of its old life, in the order
  /// that M-F4 demands. Also sent when a service is down or given up: then repeating fails with `.deadEndpoint`,
  /// which is how those who wait get their error. Not answered.
  public struct ServiceUp: Call {
    public static var number: Int32 { Number.serviceUp.rawValue }
    public var service: Endpoint
    public var restarts: UInt32
    public init(service: Endpoint, restarts: UInt32) {
      self.service = service
      self.restarts = restarts
    }
  }
}
