import BootImage
import CProbe
import IPC
import PageTable
import Protocols
import ServerKit
import Trap

/// FS and GS bases, debug registers and segment selectors: whose they are, and that nobody else ever sees them. Each thread here ends by UD2
/// if it has found what it should.
extension Probe {
  mutating func checkThreadRegisters() {
    _ = start(address_of_probe_granter(), slot: 2, root: secondSpace(), priority: 0)
    probe_load_selectors()
    end("SEC6 selectors in DS, ES, FS, GS are gone for the next thread", start(address_of_probe_read_selectors()))
    end("WRFSBASE is SIGILL", start(address_of_probe_write_base()))
    fault("a new thread has base 0", start(address_of_probe_read_base()), 0x18)
    checkBases()
    checkWatches()
    checkRefusals()
  }

  private mutating func checkBases() {
    // Set by its supervisor while it waits, then answered by the fast path.
    let waiter = start(address_of_probe_based_waiter())
    guard ping(waiter) != nil else { return check("bases set by the supervisor", false) }
    set(waiter)
    answer(waiter)
    end("bases set by the supervisor while the thread waits", waiter)
    // A copy has them.
    let parent = start(address_of_probe_based_waiter())
    guard ping(parent) != nil else { return check("bases of a copy", false) }
    set(parent)
    let child = fork(parent)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: parent))
    answer(child)
    end("fork copies the bases", child)
    // A new image has not.
    let old = start(address_of_probe_based_waiter())
    guard ping(old) != nil else { return check("bases of a new image", false) }
    set(old)
    _ = try? ipc.kernel(Kernel.ThreadExec(
      thread: old, root: information.pointee.vmRoot, space: 7, entry: address_of_probe_read_base(), stack: AddressSpace.vmWindow + takeFrame() + 4080))
    fault("exec clears the bases", old, 0x18)
  }

  private mutating func checkWatches() {
    let writer = start(address_of_probe_watch_write())
    stop("a watched word stops who has written it", writer, address_of_probe_watch_write_seen())
    UnsafeMutablePointer<UInt32>(bitPattern: UInt(address_of_watched())).unsafelyUnwrapped.pointee = 7
    check("SEC6 nobody else is stopped by it", true)
    _ = try? ipc.kernel(Kernel.ThreadStart(thread: writer))
    end("DR6 can be read and cleared, and a watch be taken away", writer)

    let walker = start(address_of_probe_watch_execution())
    stop("a breakpoint stops before its instruction", walker, address_of_probe_watch_execution_place())
    _ = try? ipc.kernel(Kernel.ThreadStart(thread: walker))
    end("a thread gets past its breakpoint", walker)

    let receiver = start(address_of_probe_watch_copy())
    let place = ping(receiver)?.payload.0 ?? 0
    var word: UInt64 = 0x1234
    let copied = withUnsafePointer(to: &word) {
      (try? ipc.kernel(Kernel.CopyCaller(
        client: receiver, remote: place, local: UInt64(UInt(bitPattern: $0)), length: 8, direction: Kernel.Direction.write))) != nil
    }
    answer(receiver)
    end("SEC3 the kernel's copy into a watched place stops nobody", receiver)
    check("and is a copy", copied && UnsafePointer<UInt64>(bitPattern: UInt(place))?.pointee == 0x1234)

    endAfterStops("SEC3 MOV SS from a watched place, then int", start(address_of_probe_watch_selector()))
    if probe_has_syscall() { endAfterStops("SEC3 MOV SS from a watched place, then SYSCALL", start(address_of_probe_watch_selector_call())) }

    let parent = start(address_of_probe_watch_child())
    guard ping(parent) != nil else { return check("watches of a copy", false) }
    let child = fork(parent)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: parent))
    answer(child)
    end("a copy is not watched", child)
  }

  private mutating func checkRefusals() {
    func refusal(_ address: UInt64, _ control: UInt64) -> Int32 {
      var ipc = ipc
      do throws(Errno) {
        _ = try ipc.kernel(Kernel.ThreadWatch(addresses: (address, 0, 0, 0), control: control))
        return 0
      } catch { return error.rawValue }
    }
    let bad = Errno.badAddress.rawValue, invalid = Errno.invalidArgument.rawValue
    check("SEC3 nothing of the kernel's can be watched", refusal(0xFFFF_FFFF_8010_0000, 1) == bad && refusal(AddressSpace.userEnd, 1) == bad
      && refusal(0x8000_0000_0000, 0xD0001) == bad)
    check("SEC3 DR7 has nothing that is the kernel's", refusal(0x1000, 1 << 13) == invalid && refusal(0x1000, 2) == invalid
      && refusal(0x1000, 0x20001) == invalid && refusal(0x1001, 0xD0001) == invalid && refusal(0x1000, 0x40001) == invalid)
  }

  // MARK: Threads

  private mutating func ping(_ thread: Endpoint) -> Message? {
    guard let request = try? ipc.receive(from: .any, deadline: 0), request.isRequest, request.message.source == thread else { return nil }
    return request.message
  }

  private mutating func answer(_ thread: Endpoint) { try? ipc.reply(Message(type: 0), to: thread) }

  private mutating func set(_ thread: Endpoint) {
    _ = try? ipc.kernel(Kernel.ThreadBases(thread: thread, fs: address_of_own_fs(), gs: address_of_own_gs()))
  }

  private mutating func fork(_ parent: Endpoint) -> Endpoint {
    (try? ipc.kernel(Kernel.ThreadFork(parent: parent, root: information.pointee.vmRoot, space: 7)).thread) ?? .none
  }

  private mutating func news() -> (event: KernelEvent.Exception, isException: Bool) {
    guard let delivery = try? ipc.receive(from: .any, deadline: 0) else {
      return (KernelEvent.Exception(thread: .none, signal: 0, address: 0, instruction: 0, vector: 0), false)
    }
    return (delivery.message.body(), delivery.isFromKernel && delivery.message.type == KernelEvent.Exception.number)
  }

  private mutating func stop(_ name: StaticString, _ thread: Endpoint, _ instruction: UInt64) {
    let (event, isException) = news()
    check(name, isException && event.thread == thread && event.signal == 5 && event.vector == 1 && event.address == 1
      && event.instruction == instruction, event.instruction)
  }

  private mutating func end(_ name: StaticString, _ thread: Endpoint) {
    let (event, isException) = news()
    check(name, isException && event.thread == thread && event.signal == 4, UInt64(event.signal) << 8 | event.vector)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }

  private mutating func endAfterStops(_ name: StaticString, _ thread: Endpoint) {
    var (event, isException) = news()
    while isException, event.signal == 5 {
      _ = try? ipc.kernel(Kernel.ThreadStart(thread: thread))
      (event, isException) = news()
    }
    check(name, isException && event.thread == thread && event.signal == 4, UInt64(event.signal) << 8 | event.vector)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }

  private mutating func fault(_ name: StaticString, _ thread: Endpoint, _ address: UInt64) {
    guard let delivery = try? ipc.receive(from: .any, deadline: 0) else { return check(name, false) }
    let fault: KernelEvent.PageFault = delivery.message.body()
    check(name, delivery.isRequest && delivery.message.type == KernelEvent.PageFault.number && delivery.message.source == thread
      && fault.address == address, fault.address)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }
}
