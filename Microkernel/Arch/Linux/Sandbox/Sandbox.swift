import CLinux
import CX86
import Glibc

/// Linux processes as the bodies of threads, one a slot, each locked in; at most one runs user code at a time. Its user,
/// the broker, decides what happens; this carries it out and holds the processes to it. Not for several threads; the one
/// that makes it must live as long as it does, because Linux ends the processes with that thread.
public final class Sandbox {
  /// The frames: simulated RAM.
  public let memory: UnsafeMutableRawPointer
  public let size: Int
  public let slots: Int

  let contexts: UnsafeMutableRawPointer
  let framesFile, contextsFile: Int32
  let zygote: Zygote
  let poll: Int32
  var bodies: [Body]
  /// By slot, whether it has a process or not: with which bases it runs. User addresses.
  public var bases: [Bases]
  var slotOfProcess: [Int32: Int] = [:]
  var watched: Set<Int32> = []
  /// The process that was resumed last: most likely the next to speak.
  var running = 0
  var events: [Event] = []
  /// When we look again at a process that does not heed an interruption, and how often still before it is ended: several
  /// times, so that a machine that was suspended ends nobody.
  var patience = UInt64.max, chances = 0
  let floatingMask: UInt32
  /// Whether processes have AVX registers, and their areas the upper halves.
  public let isWide: Bool
  private let processors: Processors?
  private var isOpen = true

  /// How long a process may ignore an interruption: it can, by blocking signals, and dies of it.
  var patienceLimit: UInt64 = 2_000_000_000

  /// The next thing that happened.
  public enum Event: Equatable, Sendable {
    /// The process has called the stub: registers in its context.
    case trap(slot: Int)
    /// It cannot reach this address; `error` as the processor pushes it. Registers in its context, as with the next two.
    case fault(slot: Int, address: UInt64, error: UInt64)
    case exception(slot: Int, vector: UInt64, address: UInt64)
    case interrupted(slot: Int)
    /// The slot is empty: the process was ended from outside, or for what it tried. See `ending`.
    case died(slot: Int)
    /// One of the descriptors given to `watch` can be read, or written.
    case ready(descriptor: Int32)
    case timeout
  }

  /// Starts the zygote, makes both memories and the filters.
  /// - frames: bytes of simulated RAM; slots: how many contexts; stub: path of the ELF file `linux-stub`.
  public init(frames: Int, slots: Int, stub: String) throws(SandboxFailure) {
    precondition(frames > 0 && frames & 4095 == 0 && slots > 0)
    Processors.allowDescriptors(slots + 64)
    (framesFile, memory) = try Memory.make("apus-frames", size: frames, executable: true)
    do throws(SandboxFailure) {
      (contextsFile, contexts) = try Memory.make("apus-contexts", size: slots * Int(SLOT_SIZE), executable: false)
    } catch {
      munmap(memory, frames)
      Glibc.close(framesFile)
      throw error
    }
    size = frames
    self.slots = slots
    bodies = Array(repeating: Body(), count: slots)
    bases = Array(repeating: Bases(), count: slots)
    processors = Processors.pin()
    poll = Int32(truncatingIfNeeded: linux(LINUX_epoll_create1, 0x80000))  // EPOLL_CLOEXEC
    floatingMask = Self.readFloatingMask()
    isWide = Self.hasAVX()
    do throws(SandboxFailure) {
      zygote = try Zygote(stub: stub, frames: framesFile, contexts: contextsFile)
    } catch {
      processors?.restore()
      Glibc.close(poll)
      munmap(memory, frames)
      munmap(contexts, slots * Int(SLOT_SIZE))
      Glibc.close(framesFile)
      Glibc.close(contextsFile)
      throw error
    }
    observe(zygote.listener, .listener, 0)
  }

  deinit { close() }

  /// Ends everything: no process, descriptor or mapping is left. Nothing else may be called afterwards.
  public func close() {
    guard isOpen else { return }
    isOpen = false
    for slot in 0..<slots { destroy(slot: slot) }
    zygote.close()
    Glibc.close(poll)
    munmap(memory, size)
    munmap(contexts, slots * Int(SLOT_SIZE))
    Glibc.close(framesFile)
    Glibc.close(contextsFile)
    processors?.restore()
  }

  // MARK: Registers

  /// The registers of a process that is blocked; read and written freely. Hostile: the process can write them while it runs.
  public func context(slot: Int) -> UnsafeMutablePointer<apus_context> {
    (contexts + slot * Int(SLOT_SIZE)).assumingMemoryBound(to: apus_context.self)
  }

  /// Its x87, SSE and AVX registers, EXTENDED_SIZE bytes as XSAVE lays them out; without AVX only the first 512 count.
  public func extendedState(slot: Int) -> UnsafeMutableRawPointer { contexts + slot * Int(SLOT_SIZE) + Int(CONTEXT_FPU) }

  func ordersPage(_ slot: Int) -> UnsafeMutableRawPointer { contexts + slot * Int(SLOT_SIZE) + 4096 }

  // MARK: Mappings

  /// Before the process runs again: these frames are there, in place of what was. False if no process can have that range.
  @discardableResult
  public func map(slot: Int, address: UInt64, frame: UInt64, length: UInt64, writable: Bool, executable: Bool) -> Bool {
    bodies[slot].orders.map(
      address: address, frame: frame, length: length, writable: writable, executable: executable, frames: UInt64(size))
  }

  /// Before the process runs again: nothing is there.
  @discardableResult
  public func unmap(slot: Int, address: UInt64, length: UInt64) -> Bool { bodies[slot].orders.forget(address: address, length: length) }

  public func unmapAll(slot: Int) { bodies[slot].orders.forgetAll() }

  // MARK: Running

  /// Lets a blocked process run. `full` loads every register from the context page; without it a trap returns what a trap
  /// returns, and a process that was stopped by a fault, an exception or an interruption goes on as it was, whatever
  /// the context page says, vector registers included. No effect on one that is not blocked.
  public func resume(slot: Int, full: Bool) {
    guard case .blocked(let notification) = bodies[slot].state else { return }
    let leave = full ? STUB_LEAVE_FULL : bodies[slot].leave
    if leave == STUB_LEAVE_FULL { sanitizeExtendedState(slot) }
    publishOrders(slot)
    bodies[slot].state = .running
    running = slot
    zygote.answer(notification, value: Int64(leave))
  }

  /// Asks the running process to stop: `.interrupted` follows, or whatever it did first. No effect on a blocked one.
  public func interrupt(slot: Int) {
    guard bodies[slot].state == .running, !bodies[slot].interrupting else { return }
    bodies[slot].interrupting = true
    chances = 16
    patience = Self.now() + patienceLimit / 16
    // Orders first: an interruption between two of them would have to finish the list.
    if !bodies[slot].owes { signal(slot) }
  }

  func signal(_ slot: Int) {
    ordersPage(slot).storeBytes(of: 1, toByteOffset: Int(ORDERS_INTERRUPT), as: UInt64.self)
    kill(bodies[slot].pid, SIGUSR1)
  }

  /// CLOCK_MONOTONIC in nanoseconds.
  public static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  private func publishOrders(_ slot: Int) {
    let wanted = bases[slot] == bodies[slot].bases ? nil : bases[slot]
    if bodies[slot].orders.list.isEmpty, wanted == nil { return }
    let page = ordersPage(slot)
    bodies[slot].orders.publish(&bodies[slot].published, bases: wanted)
    bodies[slot].bases = bases[slot]
    bodies[slot].done = 0
    bodies[slot].published.withUnsafeBytes { (page + Int(ORDERS_LIST)).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    page.storeBytes(of: UInt64(bodies[slot].published.count), toByteOffset: Int(ORDERS_COUNT), as: UInt64.self)
  }
}
