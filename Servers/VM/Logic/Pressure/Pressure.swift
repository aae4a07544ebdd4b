import IPC
import Protocols

/// What VM knows of a shortage of memory. All of it is empty as long as there is enough.
struct Pressure: BitwiseCopyable {
  /// Faults that wait for frames, first come first; they are decided anew when there are some.
  var first: ParkedFault.Pointer?
  var last: ParkedFault.Pointer?
  var waiting: UInt64 = 0
  /// What a user could have had when they were decided last: only more than that is worth another look.
  var seen: UInt64 = 0
  /// Something has happened that frames do not show: somebody died, or pages became clean.
  var isDue = false
  var isFeeding = false

  /// The space that is being killed for memory, 0 for none: one at a time, until it is gone.
  var dying: UInt32 = 0

  /// Pages of files that processes have changed and file systems do not know.
  var changed: UInt64 = 0
  /// The file that VFS is to write back, mount 0 for none. Unsent: its queue had no room for the message, or a file is still to be
  /// chosen.
  var mount: UInt32 = 0
  var inode: UInt64 = 0
  var isUnsent = false
  /// Files with this number were tried already and are not tried again before somebody has got memory.
  var round: UInt32 = 1

  /// Where the search for clean pages goes on: index of a file, and page.
  var hand = 0
  var handPage: UInt64 = 0

  // Since boot.
  var births: UInt64 = 0
  var kills: UInt64 = 0
  var waits: UInt64 = 0
  var writeBacks: UInt64 = 0
  var unmapped: UInt64 = 0
}

extension VirtualMemory {
  mutating func pressureInformation(_ process: Endpoint) throws(Errno) -> PageCache.Pressure.Reply {
    var charge: UInt64 = 0
    if process != .none {
      guard let space = spaces[process] else { throw .noSuchProcess }
      charge = self.charge(space)
    }
    return PageCache.Pressure.Reply(
      charge: charge, changed: pressure.changed, waiting: pressure.waiting, kills: pressure.kills, waits: pressure.waits,
      writeBacks: pressure.writeBacks, unmapped: pressure.unmapped)
  }

  // MARK: Waiting for memory

  /// There is no frame for a user's fault: it waits, if there is hope that there will be one, or the faulting process is the one
  /// that has to go. Nil: it waits.
  mutating func starve<K: Transport>(_ fault: KernelEvent.PageFault, of thread: Endpoint, _ space: Space.Pointer, _ ipc: inout K) -> Message? {
    do throws(Errno) { try parkedFaults.reserve(1, &frames, .service) } catch { return refuse(fault, of: thread, .noMemory, &ipc) }
    if !writesBack(&ipc), pressure.dying == 0 {
      guard let victim = chooseVictim(for: space, fault, &ipc) else { return refuse(fault, of: thread, .noMemory, &ipc) }
      pressure.dying = victim.pointee.id
      pressure.kills &+= 1
      if victim == space { return refuse(fault, of: thread, .noMemory, &ipc) }
      kill(victim, &ipc)
    }
    space.pointee.waitingCall = 0
    let record = parkedFaults.take(ParkedFault(next: nil, fault: fault, thread: thread, mount: 0, inode: 0, page: 0))
    if let last = pressure.last { last.pointee.next = record } else { pressure.first = record }
    pressure.last = record
    pressure.waiting &+= 1
    if !pressure.isFeeding {
      pressure.waits &+= 1
      pressure.seen = frames.available(.user)
    }
    return nil
  }

  /// At the end of an operation: if there is more memory than when those who wait for it were decided last, they are decided anew. The
  /// first that has to wait again does not keep the others from trying: they may need less.
  @inline(never) mutating func feed<K: Transport>(_ ipc: inout K) {
    while pressure.first != nil, pressure.isDue || frames.available(.user) > pressure.seen {
      pressure.isDue = false
      pressure.isFeeding = true
      var left = pressure.waiting
      while left > 0, let at = pressure.first {
        left &-= 1
        let record = at.pointee
        pressure.first = record.next
        if pressure.first == nil { pressure.last = nil }
        pressure.waiting &-= 1
        parkedFaults.give(at)
        guard spaces[id: record.fault.space] != nil, let answer = decide(record.fault, of: record.thread, &ipc) else { continue }
        if answer.type == 0 { pressure.round &+= 1 }
        do throws(Errno) { try ipc.reply(answer, to: record.thread) } catch {}
        frames.reserved = 0
      }
      settle()
      pressure.isFeeding = false
      pressure.seen = frames.available(.user)
    }
  }

  /// A space has gone.
  mutating func relieved(_ space: Space.Pointer) {
    guard space.pointee.id == pressure.dying else { return }
    pressure.dying = 0
    pressure.round &+= 1
    pressure.isDue = true
  }
}
