import BootImage
import DeviceModels
import IPC
import KernelCore
import PageTable
import Protocols
import Script
import ServerKit
import SimulatedArch

/// How a slot's fiber goes on when it runs next.
enum Life: UInt8 { case none, fresh, forked, running }

/// Why a fiber has gone back to the kernel's stack.
enum Event {
  case none, trap
  case fault(address: UInt64, write: Bool)
  case exception(vector: UInt64, signal: UInt32, address: UInt64)
}

/// What the way from a fiber to the kernel and back needs.
struct Hot {
  var event = Event.none
  var traps: UInt64 = 0
  /// The trap before which somebody else gets a turn.
  var nextYield: UInt64
  let saved: UnsafeMutablePointer<UInt64>
  let contexts: UnsafeMutablePointer<UnsafeMutablePointer<SimulatedContext>>
  let hasMistake: Bool
}

/// The whole system in one thread: kernel core, servers, drivers, devices, programs, virtual time. One run, then it is
/// thrown away. The same scenario gives the same run, message by message.
public final class World {
  typealias Kernel = Core<WorldMachine>

  let scenario: Scenario
  let kernel: UnsafeMutablePointer<Kernel>
  /// Registers by slot; they lie at the start of each thread record.
  let contexts: UnsafeMutablePointer<UnsafeMutablePointer<SimulatedContext>>
  let ram: UnsafeMutableRawPointer
  let ramSize: UInt64
  let fibers = Fibers()
  var devices: PCDevices<WorldMemory, SimulatedDisk>
  let disk: SimulatedDisk
  let translations: Translations
  var random: ScriptRandom
  let boot: UnsafeMutablePointer<BootInformation>
  let tables: UnsafeMutableRawPointer

  /// What each trap looks at: plain memory, so that no trap counts references.
  let hot: UnsafeMutablePointer<Hot>

  // By thread slot.
  let lives: UnsafeMutablePointer<Life>
  /// In an endless loop until somebody ends it.
  let spinning: UnsafeMutablePointer<Bool>
  /// To die at its next trap.
  let doomed: UnsafeMutablePointer<Bool>
  /// Held up: the registers of the trap that it will make.
  let delayed: UnsafeMutablePointer<SimulatedContext?>
  /// Its trap has not been heard yet: somebody more important ran first.
  let repeats: UnsafeMutablePointer<Bool>
  /// Harm to do after the next delivery; 0 for none.
  let harms: UnsafeMutablePointer<UInt64>

  var event: Event {
    get { hot.pointee.event }
    set { hot.pointee.event = newValue }
  }
  var traps: UInt64 { hot.pointee.traps }
  var end: Ending?
  var hasDeviceWork = false
  /// Lines that were high when they were last looked at.
  var highLines: UInt32 = 0
  var failReservation = false
  var mistakesMade = 0
  /// What `Scenario.tracing` has asked for.
  var trace: [TraceRecord] = []
  /// For the mistake that gives an answer twice.
  var keptReply: Message.Payload?
  /// VFS has the region through which it hands programs to VM.
  var hasStage = false
  static var stage: UInt64 { 0x0000_2E00_0000_0000 }
  static var stageSize: UInt64 { 64 << 10 }

  var log: [UInt8] = []
  var terminal: [UInt8] = []
  var messages: UInt64 = 0
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  var sent: [SentMessage] = []
  /// By client slot: whom it asked last, and what.
  var requests: [(server: Int, type: Int32)]
  var faults: [Fault]
  var nextFault = 0
  var struck = 0
  var writes: UInt64 = 0
  var writeErrors: Set<UInt64>
  var restarts = [UInt32](repeating: 0, count: Endpoint.serviceSlots)
  var started = [Bool](repeating: false, count: Endpoint.serviceSlots)
  var begun: UInt64 = 0
  var before: Census?
  var after: Census?

  static var threadLimit: Int { 256 }

  public init(_ scenario: Scenario, disk image: [UInt8]) {
    self.scenario = scenario
    random = ScriptRandom(seed: scenario.seed)
    ramSize = UInt64(scenario.frames) << 12
    ram = Self.takeMemory(Int(ramSize))
    let limits = Limits(threads: Self.threadLimit, grants: 1024, envelopes: 1024)
    tables = .allocate(byteCount: Kernel.memoryNeeded(limits), alignment: 64)
    kernel = .allocate(capacity: 1)
    boot = .allocate(capacity: 1)
    let stride = MemoryLayout<KernelCore.Thread<SimulatedContext>>.stride
    contexts = .allocate(capacity: Self.threadLimit)
    for slot in 0..<Self.threadLimit { (contexts + slot).initialize(to: (tables + slot * stride).assumingMemoryBound(to: SimulatedContext.self)) }
    hot = .allocate(capacity: 1)
    hot.initialize(to: Hot(nextYield: 1 + random.next() % 128, saved: fibers.saved, contexts: contexts, hasMistake: scenario.mistake != nil))
    translations = Translations(slots: Self.threadLimit)
    disk = SimulatedDisk(image)
    devices = PCDevices(disks: scenario.rootInMemory ? [] : [disk], memory: WorldMemory(ram: ram, size: ramSize))
    func table<T>(_ value: T) -> UnsafeMutablePointer<T> {
      let table = UnsafeMutablePointer<T>.allocate(capacity: Self.threadLimit)
      table.initialize(repeating: value, count: Self.threadLimit)
      return table
    }
    lives = table(.none)
    spinning = table(false)
    doomed = table(false)
    repeats = table(false)
    delayed = table(nil)
    harms = table(0)
    requests = [(server: Int, type: Int32)](repeating: (0, 0), count: Self.threadLimit)
    faults = scenario.faults.filter { $0.kind != .writeError }.sorted { $0.at < $1.at }
    writeErrors = Set(scenario.faults.filter { $0.kind == .writeError }.map(\.at))
    kernel.initialize(to: Kernel(machine: WorldMachine(ram: ram, size: ramSize, world: self), limits: limits, memory: tables))
    disk.world = self
    kernel.pointee.startTrace(scenario.tracing)
    bootSystem(image)
  }

  deinit {
    kernel.deinitialize(count: 1)
    kernel.deallocate()
    tables.deallocate()
    boot.deallocate()
    contexts.deallocate()
    hot.deallocate()
    lives.deallocate()
    spinning.deallocate()
    doomed.deallocate()
    repeats.deallocate()
    delayed.deallocate()
    harms.deallocate()
    translations.deallocate()
    Self.giveMemory(ram, Int(ramSize))
  }

  // MARK: What fibers call

  @inline(__always)
  func trap(_ slot: Int) {
    event = .trap
    fibers.yield()
  }

  /// The running fiber cannot go on by itself.
  func crash(_ event: Event) {
    self.event = event
    fibers.yield()
  }

  func begin(_ slot: Int, _ life: Life) {
    lives[slot] = life
    translations.clear(slot)
    spinning[slot] = false
    doomed[slot] = false
    repeats[slot] = false
    delayed[slot] = nil
    harms[slot] = 0
    guard slot < Endpoint.serviceSlots else { return }
    if slot == Endpoint.vfs.slot { hasStage = false }
    if started[slot] { restarts[slot] += 1 }
    started[slot] = true
  }

  func panic(_ reason: String) -> Never {
    if end == nil { end = .panic(reason) }
    fibers.leave()
  }

  // MARK: The kernel's loop

  /// Runs to the end.
  public func run() -> Outcome {
    Crashes.install()
    Crashes.handler = { [unowned self] signal, address in self.caught(signal, address) }
    fibers.body = { [unowned self] slot in
      if slot == Fibers.kernel { self.loop() }
      self.live(slot)
    }
    fibers.prepare(Fibers.kernel)
    fibers.enter()
    return outcome()
  }

  private func loop() -> Never {
    while end == nil {
      if kernel.pointee.machine.clock >= kernel.pointee.machine.timerDeadline {
        kernel.pointee.machine.timerDeadline = .max
        kernel.pointee.timer()
      }
      if hasDeviceWork || disk.nextCompletion <= kernel.pointee.machine.clock { runDevices() }
      guard let thread = kernel.pointee.current else {
        idle()
        continue
      }
      let slot = thread.pointee.endpoint.slot
      if spinning[slot] {
        spin()
        continue
      }
      if let held = delayed[slot] {
        delayed[slot] = nil
        contexts[slot].pointee = held
        perform(slot)
        continue
      }
      if repeats[slot], contexts[slot].pointee.instruction != ProgramAddress.handler {
        repeats[slot] = false
        perform(slot)
        continue
      }
      if lives[slot] != .running { fibers.prepare(slot) }
      event = .none
      fibers.run(slot)
      handle(slot)
    }
    fibers.leave()
  }

  @inline(__always)
  private func handle(_ slot: Int) {
    hot.pointee.traps &+= 1
    // A trap takes some time; a little less or more moves everything that follows.
    kernel.pointee.machine.clock &+= 200 &+ (hash >> 40 & 255)
    switch event {
    case .trap:
      if doomed[slot] {
        doomed[slot] = false
        kernel.pointee.died(slot: slot)
        return
      }
      perform(slot)
    case .fault(let address, let write): kernel.pointee.pageFault(address: address, access: write ? KernelEvent.PageFault.write : 0)
    case .exception(let vector, let signal, let address):
      mix(vector ^ 0xE0E0 ^ UInt64(slot) << 32)
      kernel.pointee.exception(vector: vector, signal: signal, address: address)
    case .none: break
    }
    if traps & 0xFFFF == 0 { checkLimits() }
  }

  /// The trap that stands in the registers of `slot`, who is current.
  private func perform(_ slot: Int) {
    if hot.pointee.hasMistake, let mistake = scenario.mistake, !commit(mistake, slot) { return }
    switch contexts[slot].pointee.rax {
    case TrapOperation.kernelCall.rawValue, TrapOperation.receive.rawValue: enterKernel()
    default: message(slot)
    }
    if harms[slot] != 0 { strike(slot) }
  }

  /// Nobody can run: on to the next event.
  private func idle() {
    let next = min(kernel.pointee.machine.timerDeadline, disk.nextCompletion)
    if next == .max {
      end = .stuck("nobody can ever run again")
      return
    }
    kernel.pointee.machine.clock = max(next, kernel.pointee.machine.clock)
    checkLimits()
  }

  /// An endless loop uses up the time until something happens.
  private func spin() {
    kernel.pointee.machine.clock = max(kernel.pointee.machine.clock &+ 1000, min(kernel.pointee.machine.timerDeadline, disk.nextCompletion))
    checkLimits()
  }

  private func checkLimits() {
    if kernel.pointee.machine.clock > scenario.timeLimit { end = .stuck("still running after \(scenario.timeLimit / 1_000_000_000) s") }
    if messages > scenario.messageLimit { end = .stuck("still running after \(scenario.messageLimit) messages") }
  }

  private func runDevices() {
    hasDeviceWork = false
    disk.complete(upTo: kernel.pointee.machine.clock) { devices.disks[0].complete($0, $1) }
    // In larger pieces: the last one is taken at the end.
    if devices.uart.output.count > 2048 {
      devices.uart.output.withBytes { terminal += $0 }
      devices.uart.take(devices.uart.output.count)
    }
    var raised = devices.lines & kernel.pointee.machine.openLines
    // Levels: a line that is high and open interrupts; its owner opens it again when it has looked.
    while raised != 0 {
      let line = raised.trailingZeroBitCount
      mix(UInt64(line) ^ 0x11E0)
      kernel.pointee.interrupt(line: line)
      raised &= raised - 1
    }
  }

  private func caught(_ signal: Int32, _ address: UInt64) {
    guard fibers.current >= 0 else { return }
    if fibers.current == Fibers.kernel { panic("the kernel itself got signal \(signal) at \(address)") }
    switch signal {
    case 11, 7: crash(.fault(address: address, write: false))
    case 8: crash(.exception(vector: 0, signal: 8, address: address))
    default: crash(.exception(vector: 6, signal: 4, address: address))
    }
  }

  /// The trap in the registers of who is current.
  @inline(__always)
  func enterKernel() {
    if scenario.tracing == .off { kernel.pointee.trap() } else { kernel.pointee.tracedTrap() }
  }

  @inline(__always)
  func mix(_ word: UInt64) {
    hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 32
  }
}
