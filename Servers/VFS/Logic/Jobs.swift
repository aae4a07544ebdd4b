import Fiber
import IPC
import Protocols
import ServerKit

// Jobs: a queue of requests that need a fiber, and the workers that take them.
extension VirtualFileSystem {
  /// Queues the request of process `index`; it runs as soon as a worker is free and the root is mounted.
  func enqueue(_ index: Int, _ delivery: Delivery) {
    tables.processes[index].waiting = .queued
    tables.processes[index].request = delivery.message
    tables.processes[index].requester = Requester(delivery)
    tables.processes[index].next = -1
    if lastQueued >= 0 { tables.processes[lastQueued].next = index } else { firstQueued = index }
    lastQueued = index
  }

  /// Takes a process that has gone out of the queue.
  func unqueue(_ index: Int) {
    var before = -1
    var at = firstQueued
    while at >= 0, at != index {
      before = at
      at = tables.processes[at].next
    }
    guard at == index else { return }
    let next = tables.processes[index].next
    if before >= 0 { tables.processes[before].next = next } else { firstQueued = next }
    if lastQueued == index { lastQueued = before }
  }

  /// Gives the first queued request to a free worker. False if there is nothing to do, or nobody to do it. While
  /// messages are kept in the outbox nothing new starts, which is what bounds the outbox.
  func startJob() -> Bool {
    guard isRooted, firstQueued >= 0 || hasPageJob, outboxCount == 0 else { return false }
    var worker = 0
    while worker < limits.workers {
      if case .none = tables.workers[worker].job { break }
      worker += 1
    }
    guard worker < limits.workers else { return false }
    if hasPageJob {
      tables.workers[worker].job = nextPageJob()
      fibers.start(worker)
      return true
    }
    let index = firstQueued
    unqueue(index)
    tables.processes[index].waiting = .worker(worker)
    tables.workers[worker].job = .request(process: index)
    tables.workers[worker].client = tables.processes[index].endpoint
    tables.workers[worker].message = tables.processes[index].request
    tables.workers[worker].requester = tables.processes[index].requester
    fibers.start(worker)
    return true
  }

  /// What a fiber does from beginning to end.
  func live(_ worker: Int) {
    switch tables.workers[worker].job {
    case .none: break
    case .startUp: startUp(worker)
    case .recovery(let service): reopenDevices(worker, service)
    case .page(let wanted): fetchWanted(worker, wanted)
    case .writeBack(let vnode, let isUnmapped):
      if isUnmapped { finishMapping(worker, vnode) } else { relieve(worker, vnode) }
    case .request(let index):
      var answer = Message(error: .badAddress)
      var pages = 0
      repeat {
        do throws(Errno) { answer = try perform(worker) } catch { answer = Message(error: told(error, index)) }
        // A buffer in a mapped file: what VM would not wait for is fetched, and everything done again.
        pages += 1
      } while answer.type == -Errno.badAddress.rawValue && pages < 256 && fetchRefused(worker)
      // The process may be gone, and its record another's.
      if tables.processes[index].endpoint == tables.workers[worker].client {
        tables.processes[index].waiting = .nothing
      }
      respond(tables.workers[worker].requester, answer)
    }
    tables.workers[worker] = Worker()
  }

  // MARK: Locks between fibers

  /// Waits until `lock` is free, in order. What is done under a lock never waits for a terminal or a pipe.
  func acquire(_ lock: Int, _ worker: Int) {
    if tables.locks[lock] != 0 {
      sequence += 1
      tables.workers[worker].lock = lock
      tables.workers[worker].ticket = sequence
      repeat { fibers.suspend() } while tables.workers[worker].lock >= 0
    } else {
      tables.locks[lock] = Int16(worker + 1)
    }
  }

  /// Hands the lock to who waits longest.
  func release(lock: Int) {
    var heir = -1
    for worker in 0..<workerCount where tables.workers[worker].lock == lock {
      if heir < 0 || tables.workers[worker].ticket < tables.workers[heir].ticket { heir = worker }
    }
    tables.locks[lock] = Int16(heir + 1)
    if heir >= 0 {
      tables.workers[heir].lock = -1
      ready |= 1 << UInt64(heir)
    }
  }
}
