import CFiber
import Glibc

/// Stacks and the switch between them: one for the kernel, one a thread slot. A slot's old life is dropped by making
/// its stack anew; what it had on the heap is lost with it, as in any crash.
final class Fibers {
  static var kernel: Int { count - 1 }
  static let count = 320
  private static let stackSize = 512 << 10

  private let stacks: UnsafeMutableRawPointer
  let saved: UnsafeMutablePointer<UInt64>
  private var outer: UInt64 = 0
  /// What the stack of a slot runs when it begins.
  var body: (Int) -> Void = { _ in }
  private(set) var current = -1
  nonisolated(unsafe) static var running: Fibers?

  init() {
    // Only pages that are used take memory.
    stacks = mmap(nil, Self.count * Self.stackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)!
    saved = .allocate(capacity: Self.count)
    saved.initialize(repeating: 0, count: Self.count)
  }

  deinit {
    munmap(stacks, Self.count * Self.stackSize)
    saved.deallocate()
  }

  /// A new life for the stack of `index`.
  func prepare(_ index: Int) {
    let top = stacks + (index + 1) * Self.stackSize
    let entry: @convention(c) () -> Void = beginFiber
    // As `apus_fiber_switch` finds a stack: six registers, then where to go on, which believes that it was called.
    top.storeBytes(of: 0, toByteOffset: -8, as: UInt64.self)
    top.storeBytes(of: UInt64(UInt(bitPattern: unsafeBitCast(entry, to: UnsafeRawPointer.self))), toByteOffset: -16, as: UInt64.self)
    for word in 3...8 { top.storeBytes(of: 0, toByteOffset: -8 * word, as: UInt64.self) }
    saved[index] = UInt64(UInt(bitPattern: top)) - 64
  }

  /// From outside into the kernel's stack; back by `leave`.
  func enter() {
    Self.running = self
    current = Self.kernel
    apus_fiber_switch(&outer, saved[Self.kernel])
    current = -1
    Self.running = nil
  }

  /// From wherever to outside, for good.
  func leave() -> Never {
    var unused: UInt64 = 0
    apus_fiber_switch(&unused, outer)
    fatalError("the world has ended")
  }

  /// From the kernel's stack to that of a slot.
  @inline(never)
  func run(_ index: Int) {
    current = index
    apus_fiber_switch(saved + Self.kernel, saved[index])
    current = Self.kernel
  }

  /// From a slot's stack to the kernel's.
  @inline(never)
  func yield() {
    let index = current
    apus_fiber_switch(saved + index, saved[Self.kernel])
  }
}

@c(apus_simulator_begin_fiber)
func beginFiber() {
  guard let fibers = Fibers.running else { fatalError("no world") }
  fibers.body(fibers.current)
  fatalError("a fiber has ended")
}

/// Crashes of simulated code, caught on a stack of its own and turned into what a processor would say.
enum Crashes {
  /// What to do about one; it does not return if the code was simulated.
  nonisolated(unsafe) static var handler: (_ signal: Int32, _ address: UInt64) -> Void = { _, _ in }
  nonisolated(unsafe) private static var isInstalled = false

  /// One of them, for the tests of their handling.
  @inline(never)
  static func happen(isTrap: Bool, _ number: Int) {
    if isTrap {
      var small = UInt8(truncatingIfNeeded: number | 1)
      for _ in 0..<300 { small += 1 }  // overflows
      Glibc.exit(Int32(small))
    } else {
      let value = UnsafePointer<Int32>(bitPattern: 8).unsafelyUnwrapped.pointee
      Glibc.exit(value)
    }
  }

  static func install() {
    if isInstalled { return }
    isInstalled = true
    let size = 128 << 10
    var stack = stack_t(ss_sp: malloc(size), ss_flags: 0, ss_size: size)
    sigaltstack(&stack, nil)
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = { signal, information, _ in
      let address = information.map { UInt64(UInt(bitPattern: $0.pointee._sifields._sigfault.si_addr)) } ?? 0
      Crashes.handler(signal, address)
      // The simulator itself is broken: let it die of it.
      Glibc.signal(signal, SIG_DFL)
    }
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER
    for signal in [SIGILL, SIGSEGV, SIGFPE, SIGBUS, SIGTRAP] { sigaction(signal, &action, nil) }
  }
}
