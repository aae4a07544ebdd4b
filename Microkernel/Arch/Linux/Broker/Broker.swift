import BootImage
import CX86
import DeviceModels
import Glibc
import IPC
import KernelCore
import PageTable
import Protocols
import Sandbox
import X86State

/// The processes host: a machine whose processor is a loop.
public final class Broker {
  typealias Kernel = Core<LinuxMachine>

  /// What to start.
  public struct Options: Sendable {
    /// Bytes of RAM.
    public var memory = 256 << 20
    /// Files: `linux-stub`, the boot archive.
    public var stub = "", archive = ""
    public var disk: Disk?
    /// The kernel's command line.
    public var words: [String] = []
    /// Where the kernel's log goes; nil for nowhere. Records of a trace likewise.
    public var log: String?, trace: String?
    public init() {}
  }

  public struct Disk: Sendable {
    public var path: String
    /// Writes are forgotten at the end.
    public var isCopyOnWrite: Bool
    public init(path: String, isCopyOnWrite: Bool) {
      self.path = path
      self.isCopyOnWrite = isCopyOnWrite
    }
  }

  public enum End: Equatable, Sendable {
    case shutdown, panic
    /// The user has asked for it.
    case quit
    case signal(Int32)

    /// As QEMU with isa-debug-exit has it.
    public var status: Int32 {
      switch self {
      case .shutdown: 33
      case .panic: 35
      case .quit: 0
      case .signal(let number): 128 + number
      }
    }
  }

  let options: Options
  let sandbox: Sandbox
  let kernel: UnsafeMutablePointer<Kernel>
  let tables: UnsafeMutableRawPointer
  var devices: PCDevices<LinuxMemory, DiskFile>
  let console = Console()
  let signals: SignalFile
  var translations: Translations
  let log: OutputFile
  var trace: TraceFile
  var end: End?

  /// By slot: it has a process, whose death is this thread's.
  let isBodied: UnsafeMutablePointer<Bool>
  /// By slot: where the thread has faulted; its page is mapped before it goes on. `UInt64.max` for nowhere.
  let missed: UnsafeMutablePointer<UInt64>
  /// Slots of processes that were ended from outside, to be told to the core.
  var deaths: [Int] = []

  public init(_ options: Options) throws(SandboxFailure) {
    self.options = options
    let limits = options.memory > 96 << 20 ? Limits() : Limits(threads: 256, grants: 2048, envelopes: 2048)
    log = try OutputFile(options.log)
    trace = TraceFile(file: try OutputFile(options.trace), words: options.words)
    signals = try SignalFile()
    let disk: DiskFile?
    if let wanted = options.disk { disk = try DiskFile(wanted) } else { disk = nil }
    sandbox = try Sandbox(frames: options.memory, slots: limits.threads, stub: options.stub)
    translations = Translations(sandbox)
    devices = PCDevices(disks: disk.map { [$0] } ?? [], memory: LinuxMemory(ram: sandbox.memory, size: UInt64(sandbox.size)))
    isBodied = .allocate(capacity: limits.threads)
    isBodied.initialize(repeating: false, count: limits.threads)
    missed = .allocate(capacity: limits.threads)
    missed.initialize(repeating: .max, count: limits.threads)
    tables = .allocate(byteCount: Kernel.memoryNeeded(limits), alignment: 64)
    kernel = .allocate(capacity: 1)
    let machine = LinuxMachine(ram: sandbox.memory, size: UInt64(sandbox.size), start: Sandbox.now(), broker: self)
    kernel.initialize(to: Kernel(machine: machine, limits: limits, memory: tables))
    sandbox.watch(signals.descriptor)
    if let disk { sandbox.watch(disk.descriptor) }
    console.attach(sandbox)
    try start()
  }

  /// Ends everything: no process, descriptor or mapping is left.
  public func close() {
    trace.flush()
    console.detach()
    sandbox.close()
    for disk in devices.disks { disk.store.close() }
    signals.close()
    log.close()
    trace.file.close()
    kernel.deinitialize(count: 1)
    kernel.deallocate()
    tables.deallocate()
    isBodied.deallocate()
    missed.deallocate()
    translations.deallocate()
  }

  // MARK: The loop

  /// Runs to the end.
  public func run() -> End {
    while end == nil {
      attend()
      guard end == nil else { break }
      if let thread = kernel.pointee.current {
        turn(thread)
      } else {
        note(sandbox.wait(until: hostDeadline))
      }
    }
    console.finish(&devices.uart)
    return end ?? .quit
  }

  /// CLOCK_MONOTONIC at which the core's timer is due.
  var hostDeadline: UInt64 {
    let deadline = kernel.pointee.machine.deadline
    return deadline == .max ? .max : deadline &+ kernel.pointee.machine.start
  }

  /// Tells the core what has come from outside. No process runs.
  private func attend() {
    for slot in deaths where isBodied[slot] {
      isBodied[slot] = false
      kernel.pointee.died(slot: slot)
    }
    deaths.removeAll(keepingCapacity: true)
    if kernel.pointee.machine.now >= kernel.pointee.machine.deadline {
      kernel.pointee.machine.deadline = .max
      kernel.pointee.timer()
    }
    console.write(&devices.uart)
    console.read(&devices.uart)
    while case let raised = raisedLines, raised != 0 { kernel.pointee.interrupt(line: raised.trailingZeroBitCount) }
  }

  /// Lines that are high and not masked.
  var raisedLines: UInt32 { devices.lines & kernel.pointee.machine.openLines }

  /// Something happened that is not the running thread's doing.
  func note(_ event: Sandbox.Event) {
    switch event {
    case .died(let slot): deaths.append(slot)
    case .ready(let descriptor): hear(descriptor)
    case .timeout: break
    // A word of a process that was not running: none can come.
    case .trap, .fault, .exception, .interrupted: break
    }
  }

  private func hear(_ descriptor: Int32) {
    if descriptor == signals.descriptor { return end = signals.read().map(End.signal) ?? end }
    if let index = devices.disks.firstIndex(where: { $0.store.descriptor == descriptor }) {
      devices.disks[index].store.hear { token, outcome, data in devices.disks[index].complete(token, outcome, data: data) }
      if devices.disks[index].store.isBroken {
        sandbox.unwatch(descriptor)
        say("disk: the process that holds the image is gone")
      }
      return
    }
    console.hear(descriptor)
    console.read(&devices.uart)
    console.write(&devices.uart)
    if console.wantsToQuit { end = .quit }
  }

  // MARK: For the machine

  /// The thread's life is over, and its process with it.
  func ended(_ slot: Int) {
    isBodied[slot] = false
    missed[slot] = .max
    sandbox.destroy(slot: slot)
    translations.clear(slot: slot)
  }

  func say(_ text: String) {
    var line = text + "\n"
    line.withUTF8 { log.write(UnsafeRawBufferPointer($0)) }
  }

  func panic(_ reason: String) -> Never {
    say("panic: \(reason)")
    for slot in 0..<sandbox.slots {
      if let pid = sandbox.pid(slot: slot) { say("panic: process \(pid) is \(Self.name(slot))") }
    }
    trace.flush()
    console.detach()
    sandbox.close()
    exit(End.panic.status)
  }

  /// What `ps` of the host calls the process of a slot.
  static func name(_ slot: Int) -> String {
    for index in 0..<BootTable.count where BootTable.entry(index).endpoint.slot == slot { return "apus:\(BootTable.entry(index).name)" }
    return "apus:process\(slot)"
  }
}
