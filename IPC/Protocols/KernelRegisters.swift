import IPC

// Kernel calls for registers that only the kernel can set. A process may for itself, and its supervisor for it; machines without such
// registers answer `.notSupported`.
extension Kernel {
  /// The bases of the segments FS and GS, for whatever a program keeps per thread. A copy by fork has its parent's, a new image has 0.
  /// `.badAddress` unless both are user addresses.
  public struct ThreadBases: Call {
    public static var number: Int32 { Number.threadBases.rawValue }
    /// `Endpoint.kernel`, 0, for the caller itself.
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    public var fs, gs: UInt64
    public init(thread: Endpoint = .kernel, fs: UInt64, gs: UInt64) {
      self.thread = thread
      self.fs = fs
      self.gs = gs
    }
  }

  /// The debug registers: up to four addresses of the thread's own space at which it stops with SIGTRAP. They end with the image and are
  /// inherited by nobody. `.badAddress` unless what is watched is user memory, `.invalidArgument` for bits that are not ours to give.
  public struct ThreadWatch: Call {
    public static var number: Int32 { Number.threadWatch.rawValue }
    /// `Endpoint.kernel`, 0, for the caller itself.
    public var thread: Endpoint
    public var reserved: UInt32 = 0
    /// DR0 ... DR3, each aligned to its length.
    public var addresses: (UInt64, UInt64, UInt64, UInt64)
    /// DR7: bits 0, 2, 4 and 6 switch a register on; from bit 16 on four bits for each say what for (0 execution, 1 writing, 3 any access) and, in
    /// the upper two, how many bytes (0: 1, 1: 2, 3: 4, 2: 8; 0 for execution). 0 switches all off.
    public var control: UInt64
    public init(thread: Endpoint = .kernel, addresses: (UInt64, UInt64, UInt64, UInt64), control: UInt64) {
      self.thread = thread
      self.addresses = addresses
      self.control = control
    }
    public struct Reply: Wire {
      /// DR6 since the last call: bit n for each of the registers that has stopped the thread.
      public var status: UInt64
      public init(status: UInt64) { self.status = status }
    }
  }
}
