import IPC
import PageTable
import Protocols
import SimulatedArch

/// The kernel's rules once more, as plainly as they can be said: a table of rows, arrays for everything that stands in line,
/// searches instead of links. It shares with the kernel core the words (`Message`, `Errno`, the kernel calls) and the machine's
/// registers, and nothing else. What it says must be what the core does, step for step.
final class Model {
  enum State: Equatable {
    case free
    /// Runs, or would if it were its turn and nobody held it.
    case able
    /// Stands in this thread's line.
    case sending(Int)
    /// Has been heard by this thread, which owes it an answer.
    case waiting(Int)
    /// Waits for a message of anybody that it wants to hear.
    case receiving
  }

  /// What a thread that is sending or waiting is after.
  enum Need { case delivery, answer, page, pageForCall, pageForSignal, stack }

  struct Letter {
    var message: Message
    var flags: Delivery.Flags
    /// Who pays; nil for the news of a thread's end.
    var sender: Int?
    /// Whose end it tells of.
    var subject: Int?
  }

  struct Row {
    var name: Endpoint
    var state = State.free
    var isStopped = false
    var isFaulted = false
    var hasEnded = false
    var registers = SimulatedContext(entry: 0, stack: 0)
    var priority = 7
    var privileges = Privileges(kernelCalls: 0, sendTo: 0)
    var supervisor = Endpoint.none
    var space = 0
    var spaceName: UInt32 = 0

    /// Who stands here to be heard, in order.
    var line: [Int] = []
    /// Asynchronous messages, in order.
    var inbox: [Letter] = []
    var notifications: UInt64 = 0
    var events: UInt64 = 0

    var need = Need.answer
    var pageFault = Message()
    /// Times that its request was heard, the moment of the last, and what deaths it may be to blame for.
    var heard = 0
    var heardAt = 0
    var suspicion = 0
    var requests: UInt32 = 0
    var messages: UInt64 = 0

    /// In `receiving`.
    var source = Endpoint.none
    var deadline: UInt64 = 0
    /// When it began to wait, in order among all.
    var since = 0

    var alarm: UInt64 = 0
    var signal: Kernel.Signal?
    /// Where its frame begins, downwards; 0: at the stack pointer.
    var signalTop: UInt64 = 0
    /// Its call is to be done again when it runs next.
    var isToRepeat = false
    var copied: UInt64 = 0
    /// Where its stack is: from there so many bytes.
    var stack = (low: UInt64(0), size: UInt64.max)
    var grants: [Int] = []
    var ports: [PortRow] = []
    var time: UInt64 = 0

    var isHeld: Bool { isStopped || isFaulted || hasEnded }
    var canRun: Bool { state == .able && !isHeld }
  }

  struct PortRow: Equatable { var first: UInt64, count: UInt64 }

  var rows: [Row]
  /// The kernel's slot, and those in which a thread may ever be.
  let slots: [Int]
  var ready = [[Int]](repeating: [], count: 8)
  var running: Int?
  /// Process slots, the one that is free for longest first.
  var free: [Int]
  var now: UInt64 = 1000
  var idle: UInt64 = 0
  /// Nothing is left of the quantum of who runs. The length of turns is the core's affair: it is told to us.
  var turnIsOver = false
  /// The firmware's word on RS, for its first life.
  var rowOfRS = World.all

  var lineOwners = [Int?](repeating: nil, count: 16)
  var openLines: UInt32 = 0
  var portValues: [UInt16: UInt32] = [:]
  var text: [UInt8] = []
  var shutdownStatus: UInt64?
  var floatingPoint: [UInt64]

  var grants: [GrantRow]
  var freeGrants: [Int]
  let envelopes: Int
  var memory: ModelMemory
  /// Top tables, in the order of the memory's spaces.
  let roots: [UInt64]
  /// The call that is made gives the turn away.
  var isYielding = false
  /// Counts moments, so that they have an order.
  var moment = 0

  /// A kernel with VM in it, as `World` starts.
  init(threads: Int, services: Int, grants: Int, envelopes: Int, roots: [UInt64]) {
    rows = (0..<threads).map { Row(name: Endpoint(slot: $0, generation: 0)) }
    slots = Array(0...services) + Array(Endpoint.serviceSlots..<threads)
    free = Array(Endpoint.serviceSlots..<threads)
    floatingPoint = Array(repeating: 0, count: threads)
    self.grants = Array(repeating: GrantRow(), count: grants)
    freeGrants = Array(0..<grants)
    self.envelopes = envelopes
    self.roots = roots
    memory = ModelMemory(spaces: roots.count)
    live(1, entry: 0x40_0000, stack: 0x50_0000, space: 0, spaceName: 1, supervisor: .rs, priority: 1)
    settle(1)
    schedule()
  }

  // MARK: Entries

  func trap() {
    guard let me = running else { return }
    let pointer = rows[me].registers.stack
    if pointer &- rows[me].stack.low <= rows[me].stack.size { perform(me) } else { askVM(me, .stack, owner: me, address: pointer, access: 16) }
    schedule()
  }

  func pageFault(address: UInt64, access: UInt32) {
    guard let me = running else { return }
    askVM(me, .page, owner: me, address: address, access: access & 7)
    schedule()
  }

  func exception(vector: UInt64, signal: UInt32, address: UInt64) {
    guard let me = running else { return }
    rows[me].isFaulted = true
    report(me, signal: signal, address: address, vector: vector)
    schedule()
  }

  func died(_ slot: Int) {
    guard rows.indices.contains(slot), rows[slot].state != .free, !rows[slot].hasEnded else { return }
    leaveReady(slot)
    rows[slot].hasEnded = true
    report(slot, signal: 9, address: 0, vector: 0)
    schedule()
  }

  func interrupt(_ line: Int) {
    guard lineOwners.indices.contains(line) else { return }
    openLines &= ~(1 << UInt32(line))
    if let owner = lineOwners[line] { post(1 << UInt64(line), to: owner) }
    schedule()
  }

  /// Time goes by, and the timer tells the kernel.
  func timer() {
    while let slot = due() {
      if rows[slot].alarm != 0, rows[slot].alarm <= now {
        rows[slot].alarm = 0
        post(KernelEvent.alarm, to: slot)
      }
      if rows[slot].deadline != 0, rows[slot].deadline <= now { endReceive(slot, .timedOut) }
    }
    if turnIsOver { rotate() }
    schedule()
  }

  func wait(_ time: UInt64) {
    now += time
    if let running { rows[running].time += time } else { idle += time }
  }

  /// Whose alarm or deadline is over, the earliest first.
  private func due() -> Int? {
    var found: Int?
    var earliest = now
    for slot in slots {
      for time in [rows[slot].alarm, rows[slot].deadline] where time != 0 && time <= earliest {
        if time < earliest || found == nil { found = slot }
        earliest = time
      }
    }
    return found
  }

  // MARK: Who is who

  func find(_ name: Endpoint) -> Int? {
    rows.indices.contains(name.slot) && rows[name.slot].name == name && rows[name.slot].state != .free ? name.slot : nil
  }

  func result(_ slot: Int, _ error: Errno? = nil) { rows[slot].registers.setResult(status: -Int64(error?.rawValue ?? 0), flags: 0) }

  func perform(_ me: Int) {
    let registers = rows[me].registers
    do throws(Errno) {
      switch registers.operation {
      case 0: kernelCall(me)
      case 1: try send(me, registers.destination)
      case 2: try receive(me, registers.source, registers.deadline)
      case 3: try sendRec(me, registers.destination)
      case 4:
        do throws(Errno) { try reply(me, registers.destination) } catch {}
        try receive(me, registers.source, registers.deadline)
      case 5: try notify(me, registers.destination)
      case 6: try sendAsync(me, registers.destination)
      case 7:
        try reply(me, registers.destination)
        result(me)
      default: throw .noSuchCall
      }
    } catch { result(me, error) }
  }
}

// MARK: Who runs

extension Model {
  func leaveReady(_ slot: Int) { for priority in ready.indices { ready[priority].removeAll { $0 == slot } } }

  /// To the end of its ready queue, if it can run and does not.
  func settle(_ slot: Int) {
    if rows[slot].canRun, slot != running { ready[rows[slot].priority].append(slot) }
  }

  func run(_ slot: Int?) {
    running = slot
    if let slot {
      leaveReady(slot)
      turnIsOver = false
    }
  }

  func schedule() {
    while true {
      let best = ready.firstIndex { !$0.isEmpty }
      if let me = running, rows[me].canRun {
        if let best, best < rows[me].priority {
          // Pushed aside: in front with what is left of its turn, or at the end.
          ready[rows[me].priority].insert(me, at: turnIsOver ? ready[rows[me].priority].count : 0)
          run(ready[best][0])
        }
      } else {
        run(best.map { ready[$0][0] })
      }
      guard let me = running, rows[me].isToRepeat else { return }
      rows[me].isToRepeat = false
      perform(me)
      if rows[me].signal != nil {
        if rows[me].state == .able { deliverSignal(me) }
        if rows[me].state == .receiving { endReceive(me, .interrupted) }
      }
    }
  }

  func rotate() {
    guard let me = running, rows[me].canRun else { return }
    turnIsOver = false
    guard let next = ready[rows[me].priority].first else { return }
    ready[rows[me].priority].append(me)
    run(next)
  }
}
