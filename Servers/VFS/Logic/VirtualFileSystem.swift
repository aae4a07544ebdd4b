import Fiber
import IPC
import Protocols
import ServerKit

/// VFS: descriptors, paths, mounts, pipes and device files. The main loop only looks at a message and decides;
/// whatever waits for a file system or a block driver is a job on a fiber, whatever can wait for ever (terminal,
/// pipe) is an entry in a table. So no service can stop VFS.
///
/// The transport must be such that copies of it reach the same kernel: fibers use `ipc`, a copy.
public final class VirtualFileSystem<T: Transport>: Server {
  public typealias IPCTransport = T

  let limits: Limits
  var ipc: T
  let tables: Tables
  let fibers: FiberPool
  /// Per worker: paths and names, and what file systems write for us, see `Arena`.
  let arenas: UnsafeMutableRawPointer
  let scratches: UnsafeMutableRawPointer
  /// Programs on their way into memory, and a sector of which only a part is moved.
  let programBuffer: UnsafeMutableRawPointer
  let bounceBuffer: UnsafeMutableRawPointer
  /// Pages of files on their way between a file system and the page cache.
  let cacheBuffers: UnsafeMutableRawPointer
  let zeros: UnsafeMutableRawPointer
  /// Of all file systems without a disk.
  var memoryNames: MemoryNames

  // Heads of the free lists and queues that run through the tables.
  var freeFile = -1
  var freeVnode = -1
  var firstQueued = -1
  var lastQueued = -1
  var firstWanted = 0
  var wantedCount = 0
  /// Vnodes with `isChanged`.
  var changedCount = 0
  /// The vnode that VM wants written back since memory is short; -1 for none.
  var pressed = -1
  var outboxHead = 0
  var outboxCount = 0
  /// Requests with `isSent` false.
  var heldCount = 0
  var isAlarmSet = false
  /// Bit n: worker n can go on.
  var ready: UInt64 = 0
  var sequence: UInt64 = 0
  /// The first instance of each driver that VFS has heard of, see `serviceUp`; bit by slot.
  var seenServices: UInt64 = 0
  /// Services whose devices are being opened again, and those whose recovery must start over; bit by slot.
  var recovering: UInt64 = 0
  var recoverAgain: UInt64 = 0
  var isRooted = false
  /// Mount indices.
  var rootMount = -1
  var deviceMount = -1
  /// False with `cache=off` on the kernel's command line: each read then asks the file system.
  var isCaching = true
  /// Of the last mount with cached files.
  var mountNumber: UInt32 = 0
  /// Answers that nobody waited for, or that did not come from whom they should (M-F11).
  public internal(set) var strayReplies: UInt64 = 0

  /// The caller whose request the loop handles now; its answer can go back with the loop's own trap.
  private var handling = Endpoint.none
  private var immediate: Message?

  /// Drivers that can restart, each with a worker of its own for recovery, behind the others (M-F9).
  static var drivers: Int { 4 }
  var workerCount: Int { limits.workers + Self.drivers }

  public init(_ ipc: T, limits: Limits = Limits()) {
    precondition(limits.workers + Self.drivers <= 64, "workers are bits of a word")
    self.ipc = ipc
    self.limits = limits
    let workers = limits.workers + Self.drivers
    tables = Tables(limits, workers: workers)
    fibers = FiberPool(count: workers, stackSize: limits.stackSize)
    arenas = residentMemory(workers * Arena.size)
    scratches = residentMemory(workers * Arena.scratchSize)
    programBuffer = residentMemory(Int(Bound.chunk))
    bounceBuffer = residentMemory(Int(Bound.sector))
    cacheBuffers = residentMemory(Lock.cacheBuffers * Int(Bound.chunk))
    zeros = residentMemory(Int(Bound.zeros))
    memoryNames = MemoryNames(limits.memoryNodes)
    for index in stride(from: limits.files - 1, through: 0, by: -1) {
      tables.files[index].next = freeFile
      freeFile = index
    }
    for index in stride(from: limits.vnodes - 1, through: 0, by: -1) {
      tables.vnodes[index].next = freeVnode
      freeVnode = index
    }
  }

  /// Gives back what `init` took. For tests: the server itself lives as long as the machine.
  public func dispose() {
    fibers.body = nil
    tables.deallocate()
    arenas.deallocate()
    scratches.deallocate()
    programBuffer.deallocate()
    bounceBuffer.deallocate()
    cacheBuffers.deallocate()
    zeros.deallocate()
    memoryNames.deallocate()
  }

  // MARK: The loop's three entries

  public func start(_ ipc: inout T) {
    fibers.body = { [unowned(unsafe) self] worker in self.live(worker) }
    tables.workers[0].job = .startUp
    fibers.start(0)
    pump()
  }

  public func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    var answer: Message?
    if delivery.isRequest {
      handling = delivery.message.source
      answer = request(delivery)
    } else if delivery.isAsynchronous {
      asynchronous(delivery)
    }
    pump()
    handling = .none
    if answer == nil { answer = immediate }
    immediate = nil
    return answer
  }

  public func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {
    if source == .kernel, events & KernelEvent.alarm != 0 { isAlarmSet = false }
    pump()
  }

  /// From PM and RS, and answers. Everything else that comes this way is ignored (M-F11, M-N5).
  private func asynchronous(_ delivery: Delivery) {
    let message = delivery.message
    let source = message.source
    if source == .pm {
      switch VFS.Number(rawValue: message.type) {
      case .execLoad: return load(delivery)
      case .processForked: return forked(message.body())
      case .processExited: return exited((message.body() as VFS.ProcessExited).process)
      case .cancel: return cancel(message.body())
      case .bringPage: return bringPage(delivery)
      default: break
      }
    } else if source == .vm {
      switch VFS.Number(rawValue: message.type) {
      case .pageRequest:
        let call: VFS.PageRequest = message.body()
        return want(WantedPage(mount: call.mount, inode: call.inode, position: call.position, isAhead: call.isAhead != 0))
      case .fileUnmapped: return unmapped(message.body())
      case .writeBack: return wantWriteBack(message.body())
      default: break
      }
    } else if source == .rs, message.type == VFS.ServiceUp.number {
      let call: VFS.ServiceUp = message.body()
      return serviceUp(call.service, restarts: call.restarts)
    }
    received(message)
  }

  /// Does what has become possible: sends what was kept back, goes on with fibers, starts queued jobs.
  private func pump() {
    flush()
    while true {
      if ready != 0 {
        let worker = ready.trailingZeroBitCount
        ready &= ready - 1
        if fibers.isBusy(worker) { fibers.resume(worker) } else { fibers.start(worker) }
      } else if !startJob() {
        return
      }
    }
  }

  // MARK: Answers

  /// Answers who asked. The caller that the loop is serving gets it by the loop's own trap.
  func respond(_ requester: Requester, _ answer: Message) {
    if requester.asynchronous != 0 {
      var answer = answer
      answer.token = requester.token
      post(answer, to: requester.endpoint)
    } else if requester.endpoint == handling, immediate == nil {
      immediate = answer
    } else {
      ipc.answer(requester, answer)
    }
  }

  /// Sends a message that nobody waits for; if the queue in the kernel is full, later.
  func post(_ message: Message, to destination: Endpoint) {
    if outboxCount == 0 {
      do throws(Errno) {
        try ipc.sendAsync(message, to: destination)
        return
      } catch {
        guard error == .wouldBlock else { return }
        tryAgainSoon()
      }
    }
    precondition(outboxCount < tables.outbox.count, "the outbox is sized for the worst case")
    tables.outbox[(outboxHead + outboxCount) % tables.outbox.count] = Posted(destination: destination, message: message)
    outboxCount += 1
  }

  /// The kernel has no room for a message. If others have filled it no answer of ours will wake us: an alarm does.
  func tryAgainSoon() {
    guard !isAlarmSet else { return }
    do throws(Errno) {
      let now = try ipc.kernel(Kernel.Clock()).now
      try ipc.kernel(Kernel.Alarm(deadline: now &+ 1_000_000))
      isAlarmSet = true
    } catch {}  // then the next message wakes us
  }

  private func flush() {
    while outboxCount > 0 {
      let posted = tables.outbox[outboxHead]
      do throws(Errno) { try ipc.sendAsync(posted.message, to: posted.destination) } catch {
        if error == .wouldBlock { return tryAgainSoon() }
      }
      outboxHead = (outboxHead + 1) % tables.outbox.count
      outboxCount -= 1
    }
    if heldCount > 0 { sendHeld() }
  }

  func log(_ text: Text) { ipc.log(text) }
}
