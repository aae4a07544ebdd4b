import IPC
import PageTable
import Protocols
import ServerKit

// Who has to go when a user's fault finds no memory and nothing can be given up any more. README.md has the rule and its reasons.
extension VirtualMemory {
  /// Never a service, never the first process. Nil: there is nobody.
  mutating func chooseVictim<K: Transport>(for needy: Space.Pointer, _ fault: KernelEvent.PageFault, _ ipc: inout K) -> Space.Pointer? {
    var largest: Space.Pointer?
    var most: UInt64 = 0
    var own: UInt64 = 0
    for index in 0..<Spaces.limit {
      guard let space = spaces[index: index], isCandidate(space) else { continue }
      let charge = self.charge(space)
      if space == needy { own = charge }
      if let other = largest, charge < most || charge == most && space.pointee.born < other.pointee.born { continue }
      largest = space
      most = charge
    }
    guard let largest else { return nil }
    let isCause = isCandidate(needy) && own &* 2 >= most
    let victim = isCause ? needy : largest
    tell(needy, fault, victim, isCause ? own : most, isMost: victim == largest, &ipc)
    return victim
  }

  private func isCandidate(_ space: Space.Pointer) -> Bool {
    space.pointee.claim == .user && space.pointee.thread != .none && space.pointee.thread != .initProcess
  }

  /// The frames that come back when a space ends: pages that nobody else has, and tables; those of an exec under way too.
  mutating func charge(_ space: Space.Pointer) -> UInt64 {
    var charge = frames(under: space.pointee.root, level: 4) &+ 1
    if let building = space.pointee.building { charge &+= self.charge(building) }
    return charge
  }

  /// What hangs below a table that the space alone shows. Memory that is shared but that nobody else shows any more is counted: the
  /// object holds each page once.
  private mutating func frames(under table: Frame, level: UInt64) -> UInt64 {
    var count: UInt64 = 0
    let entries = frames.words(table)
    var index = nextUsed(table, 0)
    while index < Page.entries {
      let frame = Frame(address: PageEntry(raw: entries[index]).frame)
      if let record = frames.record(frame) {
        if level > 1 {
          if record.pointee.count == 1 { count &+= 1 &+ frames(under: frame, level: level &- 1) }
        } else if record.pointee.kind == .user, record.pointee.count == (record.pointee.shared == 0 ? 1 : 2) {
          count &+= 1
        }
      }
      index = nextUsed(table, index &+ 1)
    }
    return count
  }

  /// SIGKILL, by way of the supervisor; what waits for its ear already is less than that.
  mutating func kill<K: Transport>(_ space: Space.Pointer, _ ipc: inout K) {
    let fault = KernelEvent.PageFault(address: 0, access: 0, space: space.pointee.id, instruction: 0, stack: 0)
    if tell(space.pointee.supervisor, of: space.pointee.thread, Signal.kill, fault, &ipc) { return }
    space.pointee.pending = PendingSignal(signal: Signal.kill)
    if space.pointee.hasPendingSignal == 0 { pendingSignals &+= 1 }
    space.pointee.hasPendingSignal = 1
  }

  // MARK: Words

  private func tell<K: Transport>(
    _ needy: Space.Pointer, _ fault: KernelEvent.PageFault, _ victim: Space.Pointer, _ charge: UInt64, isMost: Bool, _ ipc: inout K
  ) {
    var line = Text("VM: out of memory: ")
    append(needy, to: &line)
    line.append(fault.access & KernelEvent.PageFault.write != 0 ? " wrote to a page; killing " : " touched a page; killing ")
    append(victim, to: &line)
    line.append(": ")
    line.append(charge << 2)
    line.append(isMost ? " KiB, most of all\n" : " KiB, it asked and has at least half of the most\n")
    ipc.log(line)
  }

  /// `name(id)`; an endpoint for who has none.
  private func append(_ space: Space.Pointer, to line: inout Text) {
    withUnsafeBytes(of: space.pointee.name) { bytes in
      for byte in bytes where byte != 0 { line.append(byte: byte > 0x20 && byte < 0x7F ? byte : 0x3F) }
    }
    line.append("(")
    if space.pointee.processID != 0 {
      line.append(signed: Int64(space.pointee.processID))
    } else {
      line.append("thread ")
      line.append(UInt64(space.pointee.thread.slot))
    }
    line.append(")")
  }
}
