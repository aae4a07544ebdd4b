import BootImage
import CProbe
import CTrap
import IPC
import PageTable
import Protocols
import Trap

// What the machine costs where no other program can look: figures that take a service of higher priority, and one that
// takes VM's place. Each partner runs in a space of its own.

/// Where the threads of a figure leave what they saw: a page that all of them have.
nonisolated(unsafe) private var board = UnsafeMutablePointer<UInt64>(bitPattern: 8).unsafelyUnwrapped

private let samples = 501
/// Pages for faults: alone in a part of the space that nothing else is in.
private let area: UInt64 = 0x80_0000_0000

/// What reading the clock twice costs.
private func overhead() -> UInt64 {
  var least = UInt64.max
  for _ in 0..<16 {
    let start = apus_timestamp()
    least = min(least, apus_timestamp() - start)
  }
  return least
}

/// A request that comes back as it went.
private let ping: Int32 = 0x51

/// Waits for notifications, and says when it heard of one; answers pings. Another request is the wish of `finish`.
@c(probe_waiter_body) func waiter() {
  var ipc = KernelTrap()
  var caller = Endpoint.none, answer = Message()
  while true {
    let delivery: Delivery
    do throws(Errno) {
      delivery = caller == .none ? try ipc.receive(from: .any) : try ipc.replyReceive(answer, to: caller)
    } catch { continue }
    let now = apus_timestamp()
    caller = .none
    if delivery.isNotification {
      probe_end()
      board[0] = now
    } else if delivery.message.type == ping {
      caller = delivery.message.source
      answer = delivery.message
    } else {
      _ = try? ipc.kernel(Kernel.Shutdown(status: delivery.message.payload.0))
    }
  }
}

/// Writes to a page after the other.
@c(probe_toucher_body) func toucher() {
  let cost = overhead()
  for index in 0..<samples {
    let page = UnsafeMutablePointer<UInt8>(bitPattern: UInt(area) + UInt(index) * UInt(Page.size)).unsafelyUnwrapped
    probe_begin()
    let start = apus_timestamp()
    page.pointee = 1
    let end = apus_timestamp()
    probe_end()
    board[index] = end - start - cost
  }
}

extension Probe {
  mutating func takeFigures() {
    board = window(takeFrame())
    let all = !hasWord("figure=")
    if all { figure("calibration", from: 101) { _ in apus_calibrate() } }
    if all || hasWord("figure=fault-to-server") { faultToServer() }
    _ = start(address_of_probe_waiter(), slot: 2, root: secondSpace(), priority: 0)
    if all || hasWord("figure=null-call") { nullCall() }
    if all || hasWord("figure=ipc-roundtrip") { roundTrip() }
    if all || hasWord("figure=notify-wake") { notifyWake() }
  }

  /// A root of its own for the same lower half.
  mutating func secondSpace() -> UInt64 {
    let root = takeFrame()
    _ = try? ipc.kernel(Kernel.SpacePrepare(root: root))
    let own = window(information.pointee.vmRoot), other = window(root)
    for index in 0..<256 { other[index] = own[index] }
    return root
  }

  private mutating func nullCall() {
    var kernel = ipc
    let cost = overhead()
    figure("null-call", from: samples) { _ in
      probe_begin()
      let start = apus_timestamp()
      _ = kernel.kernel(Message(Kernel.Null()))
      let end = apus_timestamp()
      probe_end()
      return end - start - cost
    }
  }

  private mutating func roundTrip() {
    var kernel = ipc
    let cost = overhead()
    let message = Message(header: UInt64(ping), payload: (1, 2, 3, 4, 5, 6, 7))
    figure("ipc-roundtrip", from: samples) { _ in
      probe_begin()
      let start = apus_timestamp()
      _ = try? kernel.sendRec(message, to: .rs)
      let end = apus_timestamp()
      probe_end()
      return end - start - cost
    }
  }

  /// From before `notify` until a service of higher priority, in another space, has returned from its `receive`.
  private mutating func notifyWake() {
    var kernel = ipc
    let cost = overhead() / 2
    figure("notify-wake", from: samples) { _ in
      probe_begin()
      let start = apus_timestamp()
      try? kernel.notify(.rs)
      return board[0] &- start &- cost
    }
  }

  /// From a write to a page that is not there until it is done: the message of the fault to VM (us), one bit set in
  /// a table that is ready otherwise, the answer.
  private mutating func faultToServer() {
    let leaves = absentPages(at: area)
    let thread = start(address_of_probe_toucher(), root: secondSpace())
    var caller = Endpoint.none
    while true {
      guard let delivery = try? caller == .none ? ipc.receive(from: .any) : ipc.replyReceive(Message(type: 0), to: caller),
        delivery.isFromKernel, delivery.message.type == KernelEvent.PageFault.number
      else { break }
      let fault: KernelEvent.PageFault = delivery.message.body()
      leaves[Page.index(fault.address, level: 1)] |= PageEntry.present
      caller = delivery.message.source
    }
    report("fault-to-server", samples)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }

  /// 512 pages in all spaces, one frame for all, with only the bit missing that makes them present: their leaf entries.
  mutating func absentPages(at address: UInt64) -> UnsafeMutablePointer<UInt64> {
    let tables = (takeFrame(), takeFrame(), takeFrame())
    clear(tables.0)
    clear(tables.1)
    let flags = PageEntry.present | PageEntry.writable | PageEntry.user
    window(information.pointee.vmRoot)[Page.index(address, level: 4)] = tables.0 | flags
    window(tables.0)[Page.index(address, level: 3)] = tables.1 | flags
    window(tables.1)[Page.index(address, level: 2)] = tables.2 | flags
    let leaves = window(tables.2)
    let frame = takeFrame()
    for index in 0..<Page.entries { leaves[index] = frame | flags & ~PageEntry.present | PageEntry.noExecute }
    return leaves
  }

  private mutating func clear(_ frame: UInt64) { window(frame).update(repeating: 0, count: Page.entries) }

  /// Collects samples behind the board's first word and prints them.
  private mutating func figure(_ name: StaticString, from count: Int, _ sample: (Int) -> UInt64) {
    for index in 0..<count { board[index + 1] = sample(index) }
    for index in 0..<count { board[index] = board[index + 1] }
    report(name, count)
  }

  /// Prints `figure NAME MEDIAN MIN MAX SAMPLES` of what is on the board.
  private mutating func report(_ name: StaticString, _ count: Int) {
    for index in 1..<count {
      var place = index
      while place > 0, board[place - 1] > board[place] {
        (board[place - 1], board[place]) = (board[place], board[place - 1])
        place -= 1
      }
    }
    print(figure: name, board[count / 2], board[0], board[count - 1], UInt64(count))
  }
}
