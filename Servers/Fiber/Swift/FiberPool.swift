import CFiber

/// A fixed number of fibers for one thread: each runs `body(index)` on a stack of its own and may stop in the
/// middle (`suspend`) until the thread's main stack goes on with it (`resume`). So a job that waits is
/// straight-line code, and the main loop never waits.
///
/// State that a fiber shares with others must be reached through a class or a pointer, not through `inout`: an
/// `inout` access promises the compiler that nobody else changes it, which is wrong across `suspend`.
public final class FiberPool {
  public let count: Int
  /// The fiber that runs, -1 on the main stack.
  public private(set) var current = -1
  /// What fibers do. Set once; fibers end when it returns.
  public var body: ((Int) -> Void)?

  private let stackSize: Int
  private let stacks: UnsafeMutableRawPointer
  /// Saved stack pointers; the last is the main stack's.
  private let saved: UnsafeMutablePointer<UInt64>
  private let busy: UnsafeMutablePointer<Bool>

  /// The lowest words of each stack: checked at every switch, so that an overflow ends the server at once rather
  /// than harming its neighbour's data.
  private static var canary: UInt64 { 0x5AFE_57AC_5AFE_57AC }
  private static var canaryWords: Int { 8 }

  public init(count: Int, stackSize: Int) {
    self.count = count
    self.stackSize = stackSize & ~15
    stacks = UnsafeMutableRawPointer.allocate(byteCount: count * self.stackSize, alignment: 16)
    // Their frames are there from the start: a stack that grew would cost a fault in the middle of a job.
    stacks.initializeMemory(as: UInt8.self, repeating: 0, count: count * self.stackSize)
    saved = UnsafeMutablePointer<UInt64>.allocate(capacity: count + 1)
    saved.initialize(repeating: 0, count: count + 1)
    busy = UnsafeMutablePointer<Bool>.allocate(capacity: count)
    busy.initialize(repeating: false, count: count)
  }

  deinit {
    stacks.deallocate()
    saved.deallocate()
    busy.deallocate()
  }

  public func isBusy(_ index: Int) -> Bool { busy[index] }

  /// Bytes of its stack that a fiber has ever used.
  public func deepest(_ index: Int) -> Int {
    let bottom = stacks + index * stackSize
    var at = Self.canaryWords * 8
    while at < stackSize, bottom.load(fromByteOffset: at, as: UInt64.self) == 0 { at += 8 }
    return stackSize - at
  }

  /// Runs fiber `index` from its beginning until it suspends or ends. From the main stack only.
  public func start(_ index: Int) {
    precondition(current < 0 && index >= 0 && index < count && !busy[index], "fiber started twice or from a fiber")
    let bottom = stacks + index * stackSize
    for word in 0..<Self.canaryWords { bottom.storeBytes(of: Self.canary, toByteOffset: word * 8, as: UInt64.self) }
    saved[index] = apus_fiber_prepare(bottom + stackSize, Unmanaged.passUnretained(self).toOpaque(), UInt64(index))
    busy[index] = true
    enter(index)
  }

  /// Goes on with a fiber that has suspended. From the main stack only.
  public func resume(_ index: Int) {
    precondition(current < 0 && index >= 0 && index < count && busy[index], "resumed a fiber that is not suspended")
    enter(index)
  }

  /// Back to the main stack; returns when somebody resumes this fiber.
  @inline(never)
  public func suspend() {
    let index = current
    precondition(index >= 0, "suspend on the main stack")
    current = -1
    apus_fiber_switch(saved + index, saved[count])
  }

  @inline(never)
  private func enter(_ index: Int) {
    current = index
    apus_fiber_switch(saved + count, saved[index])
    current = -1
    let bottom = stacks + index * stackSize
    for word in 0..<Self.canaryWords {
      precondition(bottom.load(fromByteOffset: word * 8, as: UInt64.self) == Self.canary, "a fiber's stack overflowed")
    }
  }

  /// The whole life of a fiber.
  fileprivate func live(_ index: Int) -> Never {
    body?(index)
    busy[index] = false
    current = -1
    var unused: UInt64 = 0
    apus_fiber_switch(&unused, saved[count])
    fatalError("an ended fiber was resumed")
  }
}

/// Where a new fiber begins: called by fiber.S.
@c(apus_fiber_entry)
public func apus_fiber_entry(_ pool: UnsafeMutableRawPointer, _ index: UInt64) {
  Unmanaged<FiberPool>.fromOpaque(pool).takeUnretainedValue().live(Int(index))
}
