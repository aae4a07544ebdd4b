import IPC
import PageTable
import Protocols

/// A fault on a page of a file that VFS has to bring (V22, V84). The thread stays blocked; VM goes on. Nothing is held for
/// it but this record: the region is looked up again when the page is there, so what happened meanwhile is seen (V28).
struct ParkedFault: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<ParkedFault>

  var next: Pointer?
  var fault: KernelEvent.PageFault
  var thread: Endpoint
  /// The file and the page that it waits for; mount 0 for those that wait for memory (`Pressure`).
  var mount: UInt32
  var inode: UInt64
  var page: UInt64
  /// 1: VFS had no room, the request has still to go out.
  var unsent: UInt32 = 0
  /// Not a fault but a call of the process waits (`Space.waiting`): its number, 0 for a fault.
  var call: UInt32 = 0
}

extension VirtualMemory {
  /// Parks a fault. Nil, or the answer if that cannot be.
  mutating func park<K: Transport>(_ fault: KernelEvent.PageFault, of thread: Endpoint, _ space: Space.Pointer, _ ipc: inout K) -> Message? {
    guard let region = space.pointee.regions.find(fault.address), let file = file(region) else { return Message(error: .badAddress) }
    // No service waits for VFS, which may wait for it, and none may look hung because a disk is (V85): its copy fails, and VFS
    // brings the page and has it done again (`PageCache.Missing`).
    if thread.isService {
      space.pointee.refused = Page.down(fault.address)
      return Message(error: .badAddress)
    }
    // A thread that is not parked must not wait: its supervisor hears of it (V93).
    do throws(Errno) { try parkedFaults.reserve(1, &frames, .service) } catch { return refuse(fault, of: thread, .noMemory, &ipc) }
    let page = region.pointee.page(at: fault.address)
    // A thread that faults has given up its call.
    space.pointee.waitingCall = 0
    park(ParkedFault(next: nil, fault: fault, thread: thread, mount: file.pointee.mount, inode: file.pointee.inode, page: page), &ipc)
    return nil
  }

  /// A record is reserved.
  mutating func park<K: Transport>(_ new: ParkedFault, _ ipc: inout K) {
    var record = new
    // One request for all who wait for the page (V22).
    if !isAwaited(record.mount, record.inode, record.page), !ask(for: record, &ipc) {
      record.unsent = 1
      unsent &+= 1
    }
    record.next = parked
    parked = parkedFaults.take(record)
  }

  /// For VM's own copies, which do not wait either.
  mutating func resolveNow<K: Transport>(_ space: Space.Pointer, _ address: UInt64, _ access: UInt32, _ ipc: inout K) throws(Errno) {
    do throws(Errno) { try resolve(space, address, access, &ipc) } catch {
      guard error == .wouldBlock || error == .ioError else { throw error }
      if error == .wouldBlock { space.pointee.refused = Page.down(address) }
      throw .badAddress
    }
  }

  func isAwaited(_ mount: UInt32, _ inode: UInt64, _ page: UInt64) -> Bool {
    var link = parked
    while let at = link {
      if at.pointee.page == page, at.pointee.inode == inode, at.pointee.mount == mount { return true }
      link = at.pointee.next
    }
    return false
  }

  /// False if VFS's queue is full.
  private func ask<K: Transport>(for record: ParkedFault, _ ipc: inout K) -> Bool {
    let request = VFS.PageRequest(mount: record.mount, inode: record.inode, position: record.page << 12)
    do throws(Errno) { try ipc.sendAsync(Message(request), to: .vfs) } catch { return error != .wouldBlock }
    return true
  }

  mutating func askAgain<K: Transport>(_ ipc: inout K) {
    var link = parked
    while let at = link {
      if at.pointee.unsent != 0 {
        guard ask(for: at.pointee, &ipc) else { return }
        at.pointee.unsent = 0
        unsent &-= 1
      }
      link = at.pointee.next
    }
  }

  /// VFS has no place for the request: it goes out again, but not at once, or two servers would do nothing else.
  mutating func askLater(_ mount: UInt32, _ inode: UInt64, _ page: UInt64) {
    isCrowded = true
    var link = parked
    while let at = link {
      if at.pointee.page == page, at.pointee.inode == inode, at.pointee.mount == mount {
        // One request for all who wait for the page.
        if at.pointee.unsent == 0 { unsent &+= 1 }
        at.pointee.unsent = 1
        return
      }
      link = at.pointee.next
    }
  }

  /// VFS has brought pages, or `error` instead of them: who waits for one is decided anew, by what is true now.
  mutating func wake<K: Transport>(_ mount: UInt32, _ inode: UInt64, _ first: UInt64, _ count: UInt64, error: Errno?, _ ipc: inout K) {
    // Who has to wait again stands in front of the list and is not looked at twice.
    var waiting = parked
    parked = nil
    while let at = waiting {
      let record = at.pointee
      waiting = record.next
      guard record.inode == inode, record.mount == mount, record.page &- first < count else {
        at.pointee.next = parked
        parked = at
        continue
      }
      parkedFaults.give(at)
      if record.unsent != 0 { unsent &-= 1 }
      // A thread that is gone waits for nothing; a server that copies for it must hear of it.
      let copying = record.fault.access & KernelEvent.PageFault.kernelCopy != 0
      guard copying || spaces[id: record.fault.space] != nil else { continue }
      let answer: Message?
      if record.call != 0 {
        answer = goOn(record, error, &ipc)
      } else if error == .noMemory, !copying, let space = spaces[id: record.fault.space], space.pointee.claim == .user {
        answer = starve(record.fault, of: record.thread, space, &ipc)
      } else if let error {
        answer = refuse(record.fault, of: record.thread, error, &ipc)
      } else {
        answer = decide(record.fault, of: record.thread, &ipc)
      }
      guard let answer else { continue }
      do throws(Errno) { try ipc.reply(answer, to: record.thread) } catch {}
    }
  }
}
