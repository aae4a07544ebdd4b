import IPC

/// Calls to RS, the reincarnation server. Names are of at most 16 bytes, zero-padded.
public enum RS {
  public enum Number: Int32, CaseIterable {
    case status = 0x700, up, down, restart, kill, inject, ready, complain, shutdown
  }

  public typealias Name = (UInt64, UInt64)

  /// The service at `index` of the table; `.noSuchFile` past the last. Everybody may.
  public struct Status: Call {
    public static var number: Int32 { Number.status.rawValue }
    public var index: UInt64
    public init(index: UInt64) { self.index = index }
    public struct Reply: Wire {
      public var name: Name
      public var service: Endpoint
      /// `State`.
      public var state: UInt32
      public var restarts: UInt32
      /// Of these: asked for by `Kill`/`Restart`.
      public var kills: UInt32
      /// Nanoseconds from the last death to ready again.
      public var lastRecovery: UInt64
      public var started: UInt64
      public init(name: Name, service: Endpoint, state: UInt32, restarts: UInt32, kills: UInt32, lastRecovery: UInt64, started: UInt64) {
        self.name = name
        self.service = service
        self.state = state
        self.restarts = restarts
        self.kills = kills
        self.lastRecovery = lastRecovery
        self.started = started
      }
    }
  }

  public enum State {
    @inlinable public static var down: UInt32 { 0 }
    @inlinable public static var starting: UInt32 { 1 }
    @inlinable public static var running: UInt32 { 2 }
    @inlinable public static var backingOff: UInt32 { 3 }
    @inlinable public static var failed: UInt32 { 4 }
  }

  public struct Up: Call {
    public static var number: Int32 { Number.up.rawValue }
    public var name: Name
    public init(name: Name) { self.name = name }
  }

  public struct Down: Call {
    public static var number: Int32 { Number.down.rawValue }
    public var name: Name
    public init(name: Name) { self.name = name }
  }

  /// Ends the service and starts it again at once, without backing off.
  public struct Restart: Call {
    public static var number: Int32 { Number.restart.rawValue }
    public var name: Name
    public init(name: Name) { self.name = name }
  }

  /// Ends the service as a crash would, so that RS's policy brings it back.
  public struct Kill: Call {
    public static var number: Int32 { Number.kill.rawValue }
    public var name: Name
    public init(name: Name) { self.name = name }
  }

  /// Has the service harm itself at its next message.
  public struct Inject: Call {
    public static var number: Int32 { Number.inject.rawValue }
    public var name: Name
    /// `Service.Harm`.
    public var harm: UInt64
    public init(name: Name, harm: UInt64) {
      self.name = name
      self.harm = harm
    }
  }

  /// From a service, asynchronous: its initialisation is over. Not answered.
  public struct Ready: Call {
    public static var number: Int32 { Number.ready.rawValue }
    public init() {}
  }

  /// From a service about one that it uses: its answer made no sense. RS restarts it and then replies.
  public struct Complain: Call {
    public static var number: Int32 { Number.complain.rawValue }
    public var about: Endpoint
    public var reserved: UInt32 = 0
    public init(about: Endpoint) { self.about = about }
  }

  /// Ends the machine with an exit status for QEMU. The caller has synced.
  public struct Shutdown: Call {
    public static var number: Int32 { Number.shutdown.rawValue }
    public var status: UInt64
    public init(status: UInt64) { self.status = status }
    /// RS's own status when a service died without which the system cannot live (EX_SOFTWARE).
    @inlinable public static var vitalDied: UInt64 { 70 }
  }
}

/// What every service answers, by the loop in `ServerKit`: a notification from RS is a heartbeat, answered by a
/// notification; `Inject` does harm.
public enum Service {
  /// From RS, asynchronous. Not answered.
  public struct Inject: Call {
    public static var number: Int32 { 0x780 }
    public var harm: UInt64
    public init(harm: UInt64) { self.harm = harm }
  }

  public enum Harm {
    /// Reads address 0.
    @inlinable public static var nullDereference: UInt64 { 1 }
    @inlinable public static var endlessLoop: UInt64 { 2 }
    @inlinable public static var exit: UInt64 { 3 }
    /// The next reply is nonsense.
    @inlinable public static var garbageReply: UInt64 { 4 }
    /// A Swift runtime trap.
    @inlinable public static var trap: UInt64 { 5 }
  }
}

/// Calls to DS, the data store: names to endpoints, published by services.
public enum DS {
  public enum Number: Int32, CaseIterable { case publish = 0x800, lookup, withdraw, list, keep, recall }

  /// The sender is reachable under this name. Replaces an older entry of the same slot, else `.fileExists`.
  public struct Publish: Call {
    public static var number: Int32 { Number.publish.rawValue }
    public var name: RS.Name
    public init(name: RS.Name) { self.name = name }
  }

  public struct Lookup: Call {
    public static var number: Int32 { Number.lookup.rawValue }
    public var name: RS.Name
    public init(name: RS.Name) { self.name = name }
    public typealias Reply = Kernel.ThreadReply
  }

  public struct Withdraw: Call {
    public static var number: Int32 { Number.withdraw.rawValue }
    public var name: RS.Name
    public init(name: RS.Name) { self.name = name }
  }

  /// What a service would have its next life know, under a key 0 ..< `keyLimit` of its own: 40 bytes. Replaces what
  /// was there. Services only.
  public struct Keep: Call {
    public static var number: Int32 { Number.keep.rawValue }
    public var key: UInt64
    public var value: Value
    public init(key: UInt64, value: Value) {
      self.key = key
      self.value = value
    }
  }

  /// What an earlier life of the sender has kept; `.noSuchFile` if nothing. Services only.
  public struct Recall: Call {
    public static var number: Int32 { Number.recall.rawValue }
    public var key: UInt64
    public init(key: UInt64) { self.key = key }
    public struct Reply: Wire {
      public var value: Value
      public init(value: Value) { self.value = value }
    }
  }

  public typealias Value = (UInt64, UInt64, UInt64, UInt64, UInt64)
  @inlinable public static var keyLimit: UInt64 { 4 }

  /// The entry at `index`; `.noSuchFile` past the last.
  public struct List: Call {
    public static var number: Int32 { Number.list.rawValue }
    public var index: UInt64
    public init(index: UInt64) { self.index = index }
    public struct Reply: Wire {
      public var name: RS.Name
      public var service: Endpoint
      public var reserved: UInt32 = 0
      public init(name: RS.Name, service: Endpoint) {
        self.name = name
        self.service = service
      }
    }
  }
}
