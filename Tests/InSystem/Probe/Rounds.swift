import BootImage
import CProbe
import IPC
import PageTable
import Protocols
import Trap

/// Lets VM do what PM and RS may, then waits for the wish of `finish`.
@c(probe_granter_body) func granter() {
  var ipc = KernelTrap()
  _ = try? ipc.kernel(Kernel.SetPrivileges(thread: .vm, priority: 1, privileges: Privileges(kernelCalls: ~0, sendTo: ~0)))
  while true {
    if let delivery = try? ipc.receive(from: .any), delivery.isRequest { _ = try? ipc.kernel(Kernel.Shutdown(status: delivery.message.payload.0)) }
  }
}

/// V32, V100, M-E2, M-E3, M-E4: a thread's registers survive whatever happens to it, at whatever instruction. `rounds.S` is the thread;
/// we are its VM, its server, its PM and the clock that interrupts it.
struct Rounds {
  private enum Kind {
    static var ping: Int32 { 0x51 }
    static var signalReturn: Int32 { 0x52 }
    static var done: Int32 { 0x53 }
  }
  static let area: UInt64 = 0x80_0000_0000

  var ipc: KernelTrap
  let leaves: UnsafeMutablePointer<UInt64>
  let root: UInt64
  let thread: Endpoint
  private var random: UInt64 = 88_172_645_463_325_252
  /// Handlers that have not returned.
  private var depth = 0
  private(set) var faults: UInt64 = 0, pings: UInt64 = 0, alarms: UInt64 = 0, signals: UInt64 = 0, deferred: UInt64 = 0

  init(_ ipc: KernelTrap, leaves: UnsafeMutablePointer<UInt64>, root: UInt64, thread: Endpoint) {
    self.ipc = ipc
    self.leaves = leaves
    self.root = root
    self.thread = thread
  }

  private mutating func next(_ limit: UInt64) -> UInt64 {
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    return random % limit
  }

  private mutating func signal() {
    guard depth < 2 else { return }
    let call = Kernel.Signal(thread: thread, signal: 10, handler: address_of_probe_handler(), restorer: address_of_probe_restorer(), mask: 0)
    guard let reply = try? ipc.kernel(call) else { return }
    signals += 1
    deferred += reply.deferred
    depth += 1
  }

  /// Until the thread is through or has found a register that is not its own: which, and how many rounds were left.
  mutating func run() -> (code: UInt64, left: UInt64) {
    var answer: Message?
    while true {
      let delivery: Delivery
      do throws(Errno) {
        if let answer { delivery = try ipc.replyReceive(answer, to: thread) } else { delivery = try ipc.receive(from: .any) }
      } catch { return (1000, UInt64(UInt32(bitPattern: error.rawValue))) }
      answer = nil
      probe_spoil()
      if delivery.isNotification {
        alarms += 1
        if next(2) == 0 { signal() }
        continue
      }
      let message = delivery.message
      guard delivery.isRequest, message.source == thread else { return (1001, UInt64(UInt32(bitPattern: message.type))) }
      if delivery.isFromKernel {
        faults += 1
        takeFault(message.body())
        if next(4) == 0 { signal() }
        answer = Message(type: 0)
      } else if message.type == Kind.ping {
        pings += 1
        if next(4) == 0 { signal() }
        if next(2) == 0 { _ = try? ipc.kernel(Kernel.Alarm(deadline: ((try? ipc.kernel(Kernel.Clock()).now) ?? 0) + 200 + next(4000))) }
        answer = Message(header: 0, payload: message.payload)
      } else if message.type == Kind.signalReturn {
        depth -= 1
        if (try? ipc.kernel(Kernel.SignalReturn(thread: thread, frame: message.payload.0))) == nil { return (1002, message.payload.0) }
      } else {
        return (message.payload.0, message.payload.1)
      }
    }
  }

  /// The page appears, and another goes, so that each round has a fault.
  private mutating func takeFault(_ fault: KernelEvent.PageFault) {
    let index = Page.index(fault.address, level: 1), other = (index + Page.entries / 2) % Page.entries
    leaves[index] |= PageEntry.present
    leaves[other] &= ~PageEntry.present
    _ = try? ipc.kernel(Kernel.SpaceFlush(root: root, address: Self.area + UInt64(other) * Page.size, count: 1))
  }
}

extension Probe {
  /// M-E6, SEC44: frames of any bytes at all, with the mark that makes them frames. Whatever a thread gets for registers, it runs in ring 3, stops
  /// at a fault or an exception of its own, and we are still here.
  mutating func checkFrames(_ count: UInt64) {
    var random: UInt64 = 0x9E37_79B9_7F4A_7C15
    var taken: UInt64 = 0, refused: UInt64 = 0, strange: UInt64 = 0
    let base = nextFrame
    for round in 0..<count {
      nextFrame = base
      let thread = start(address_of_probe_frame())
      let top = AddressSpace.vmWindow + nextFrame + 4080
      guard let request = receiveMessage(), request.message.source == thread, request.message.payload.0 == top - 2048,
        let frame = UnsafeMutablePointer<UInt64>(bitPattern: UInt(top - 2048))
      else { return check("M-E6 forged frames", false, round) }
      for word in 0..<148 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        frame[word] = random
      }
      // The mark; mostly addresses that are not refused at once; a way of entry out of a few.
      frame[5] = 0x5041_5553_5349_474E
      if round % 8 != 0 {
        frame[6 + 17] &= 0x7FFF_FFFF_FFFF
        frame[6 + 20] &= 0x7FFF_FFFF_FFFF
      }
      if round % 2 == 0 { frame[6 + 15] = 0xFE + random % 6 }
      if (try? ipc.kernel(Kernel.SignalReturn(thread: thread, frame: top - 2048))) == nil {
        refused += 1
      } else if let end = receiveMessage() {
        taken += 1
        let news: KernelEvent.Exception = end.message.body()
        let isFault = end.message.type == KernelEvent.PageFault.number && end.message.source == thread
        if !end.isFromKernel || !isFault && (end.message.type != KernelEvent.Exception.number || news.thread != thread) { strange += 1 }
      }
      _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
    }
    check("M-E6 SEC44 forged frames", strange == 0 && taken > count / 2 && refused > count / 32, strange << 32 | taken)
  }

  /// The next that is no notification: the last alarm of the rounds may still ring.
  private mutating func receiveMessage() -> Delivery? {
    while let delivery = try? ipc.receive(from: .any) {
      if !delivery.isNotification { return delivery }
    }
    return nil
  }

  mutating func checkRounds(_ count: UInt64) {
    _ = start(address_of_probe_granter(), slot: 2, root: secondSpace(), priority: 0)
    let leaves = absentPages(at: Rounds.area)
    let root = secondSpace()
    probe_rounds_left = count
    let thread = start(address_of_probe_rounds(), root: root)
    for _ in 0..<4 { _ = takeFrame() }  // below its stack, which handlers use too
    if probe_based != 0 { _ = start(address_of_probe_based_other(), root: secondSpace()) }
    var rounds = Rounds(ipc, leaves: leaves, root: root, thread: thread)
    let end = rounds.run()
    check("V32 V100 registers survive faults, messages, interrupts and signals", end.code == 0, end.code << 32 | end.left)
    // Each kind has happened often.
    check("each kind has come often", rounds.faults >= count && rounds.pings == count && rounds.alarms > count / 4
      && rounds.signals > count / 4 && rounds.deferred > count / 8 && rounds.deferred < rounds.signals, rounds.signals)
    if probe_based != 0 {
      check("two threads keep their bases over faults, messages, interrupts and signals", end.code == 0 && probe_based_turns >= count, probe_based_turns)
      return
    }
    checkFrames(5000)
    figure("avx", UInt64(probe_wide))
    figure("faults", rounds.faults)
    figure("alarms", rounds.alarms)
    figure("signals", rounds.signals)
    figure("deferred-signals", rounds.deferred)
  }
}
