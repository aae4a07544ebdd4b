import BootImage
import CProbe
import IPC
import PageTable
import Protocols
import ServerKit
import Trap

// A stand-in for VM that examines the machine below it: started by the kernel in VM's place, alone in the system. Prints
// one line a check on the kernel's log and ends the machine with the number of failures.
@c(probe_main)
func probe_main(_ stack: UnsafeRawPointer) {
  var probe = Probe()
  probe_find_wide()
  if probe.hasWord("probe=crash") { probe_crash() }
  if probe.hasWord("probe=figures") {
    probe.takeFigures()
    probe.finish()
  }
  if probe.hasWord("probe=rounds") {
    probe.checkRounds(100_000)
    probe.finish()
  }
  _ = probe.start(address_of_probe_granter(), slot: 2, root: probe.secondSpace(), priority: 0)
  if probe.hasWord("probe=registers") {
    probe.checkThreadRegisters()
    probe.finish()
  }
  if probe.hasWord("probe=bases") {
    probe_based = 1
    probe.checkRounds(20_000)
    probe.finish()
  }
  probe.checkBootInformation()
  probe.checkEntries()
  probe.checkAlarm()
  probe.checkExceptions()
  probe.checkSteps()
  probe.checkSysenter()
  probe.checkPageFaults()
  probe.checkMessages()
  probe.checkServer()
  if probe.hasWord("probe=wait") { probe.wait() }
  probe.finish()
}

struct Probe {
  var ipc = KernelTrap()
  var failures: UInt64 = 0
  /// Frames for top tables and stacks, from the end of the last free range downwards.
  var nextFrame: UInt64
  let information = UnsafePointer<BootInformation>(bitPattern: UInt(AddressSpace.vmBootInformation)).unsafelyUnwrapped

  init() {
    let last = information.pointee.free[Int(information.pointee.freeCount) - 1]
    nextFrame = last.end
  }

  mutating func takeFrame() -> UInt64 {
    nextFrame -= Page.size
    return nextFrame
  }

  func window(_ physical: UInt64) -> UnsafeMutablePointer<UInt64> {
    UnsafeMutablePointer(bitPattern: UInt(AddressSpace.vmWindow + physical)).unsafelyUnwrapped
  }

  mutating func check(_ name: StaticString, _ holds: Bool, _ detail: UInt64 = 0) {
    var line = Text(holds ? "probe: ok " : "probe: FAILED ")
    line.append(name)
    if !holds {
      failures += 1
      line.append(" ")
      line.append(hex: detail)
    }
    write(&line)
  }

  mutating func figure(_ name: StaticString, _ value: UInt64) {
    var line = Text("probe: figure ")
    line.append(name)
    line.append(" ")
    line.append(value)
    write(&line)
  }

  /// As the program `bench` prints it.
  mutating func print(figure name: StaticString, _ median: UInt64, _ least: UInt64, _ most: UInt64, _ count: UInt64) {
    var line = Text("figure ")
    line.append(name)
    line.append(" ")
    line.append(median)
    line.append(" ")
    line.append(least)
    line.append(" ")
    line.append(most)
    line.append(" ")
    line.append(count)
    write(&line)
  }

  private mutating func write(_ line: inout Text) {
    line.append(byte: 10)
    ipc.log(line)
  }

  func hasWord(_ word: StaticString) -> Bool {
    let size = word.utf8CodeUnitCount
    let length = Int(information.pointee.commandLineLength)
    for start in 0..<length where start + size <= length {
      var index = 0
      while index < size && information.pointee.commandLine[start + index] == word.utf8Start[index] { index += 1 }
      if index == size { return true }
    }
    return false
  }

  /// Sleeps for good, so that somebody can look at the machine from outside.
  mutating func wait() {
    ipc.log("probe: waiting\n")
    while true { _ = try? ipc.receive(from: .any, deadline: 0) }
  }

  mutating func finish() {
    var end = Message(type: 1)
    end.payload.0 = failures
    _ = try? ipc.sendRec(end, to: .rs)
  }

  /// V1, V2: what the kernel leaves to VM is sorted, aligned, above 1 MiB, real, and none of it in use.
  mutating func checkBootInformation() {
    let boot = information
    check("boot information", boot.pointee.magic == BootInformation.magic)
    var free: UInt64 = 0
    var previous: UInt64 = 1 << 20
    var sound = boot.pointee.freeCount > 0
    for index in 0..<Int(boot.pointee.freeCount) {
      let range = boot.pointee.free[index]
      if range.base < previous || range.base & 4095 != 0 || range.length & 4095 != 0 || range.length == 0 { sound = false }
      previous = range.end
      free += range.length
      figure("free-from", range.base)
      figure("free-to", range.end)
      // First and last page are there: read what is written.
      if !isMemory(range.base) || !isMemory(range.end - 4096) { sound = false }
    }
    check("V1 free ranges", sound)
    check("V1 free memory within the total", free < boot.pointee.totalMemory && previous <= boot.pointee.memoryEnd)
    let archive = boot.pointee.archive
    let words = window(archive.base)
    check("archive through the window", words.pointee == BootArchive.magic && archive.base & 4095 == 0)
    let root = window(boot.pointee.vmRoot)
    var present = 0
    for index in 256..<512 where root[index] & PageEntry.present != 0 && root[index] & PageEntry.user == 0 { present += 1 }
    check("V9 all upper entries exist", present == 256, UInt64(present))
    let other = takeFrame()
    _ = try? ipc.kernel(Kernel.SpacePrepare(root: other))
    var equal = true
    for index in 256..<512 where window(other)[index] != root[index] { equal = false }
    for index in 0..<256 where window(other)[index] != 0 { equal = false }
    check("V9 every root has the same upper entries", equal)
    figure("free-kib", free >> 10)
  }

  private func isMemory(_ page: UInt64) -> Bool {
    window(page).pointee = page ^ 0x5555
    return window(page).pointee == page ^ 0x5555
  }

  /// One alarm in 100 microseconds.
  mutating func checkAlarm() {
    guard let start = try? ipc.kernel(Kernel.Clock()).now else { return check("clock", false) }
    _ = try? ipc.kernel(Kernel.Alarm(deadline: start + 100_000))
    let delivery = try? ipc.receive(from: .any, deadline: start + 1_000_000_000)
    let end = (try? ipc.kernel(Kernel.Clock()).now) ?? 0
    check("alarm is a notification", delivery?.isNotification == true && delivery?.message.payload.0 == KernelEvent.alarm)
    check("alarm is not early", end >= start + 100_000, end &- start)
    let late = (try? ipc.receive(from: .none, deadline: end + 50_000)) == nil
    check("a sleep ends", late && ((try? ipc.kernel(Kernel.Clock()).now) ?? 0) >= end + 50_000)
    checkNoTick()
  }

  /// Twenty turns long nothing happens, then twenty turns long one thread computes alone: no interrupt but the one that ends the sleep,
  /// and where the machine's clock is not counted one or two that came too early for it.
  private mutating func checkNoTick() {
    let span: UInt64 = 200_000_000
    // Who stood too early for something before goes off now.
    _ = try? ipc.receive(from: .none, deadline: now + 20_000_000)
    let before = timerInterrupts
    _ = try? ipc.receive(from: .none, deadline: now + span)
    let asleep = timerInterrupts &- before
    check("no tick while nobody runs", asleep >= 1 && asleep <= 3, UInt64(asleep))
    let end = now + span
    while now < end {}
    let awake = timerInterrupts &- before &- asleep
    check("no tick while one runs alone", awake == 0, UInt64(awake))
  }

  private var now: UInt64 { mutating get { (try? ipc.kernel(Kernel.Clock()).now) ?? .max } }
  private var timerInterrupts: UInt32 { mutating get { (try? ipc.kernel(Kernel.Statistics()).timers) ?? 0 } }
}
