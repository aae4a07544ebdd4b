import Fiber
import IPC
import Protocols

// Requests to file systems and drivers: sent asynchronously, answered by a message with the same token from the
// same service, repeated when the service comes back.
extension VirtualFileSystem {
  /// A token names its slot in the low bits; the rest grows, so that tokens sort by age and never come twice.
  private static var slotBits: UInt64 { 12 }

  /// From a fiber: asks a service and suspends the job until the answer is there.
  /// - Parameter limit: the most that the reply's first word can honestly be.
  /// - Parameter file: the open device that it is about.
  func ask<C: Call>(_ worker: Int, _ service: Endpoint, _ call: C, limit: UInt64 = .max, file: Int = -1) throws(Errno) -> C.Reply {
    // File systems without a disk are our own.
    if service == .vfs { return try askMemory(Message(call)).body() }
    try submit(worker, to: service, Message(call), limit: limit, file: file)
    fibers.suspend()
    let reply = tables.workers[worker].reply
    if reply.type == 0 { return reply.body() }
    throw Self.sane(Errno(rawValue: reply.type > -4096 && reply.type < 0 ? -reply.type : Errno.ioError.rawValue))
  }

  /// What of a service's error may reach a program: errors of message passing mean that the device is lost.
  static func sane(_ error: Errno) -> Errno {
    error.rawValue > 0 && error.rawValue < 200 ? error : .ioError
  }

  /// Sends request `slot`, or keeps it until that is possible. Throws EIO if the service is not there.
  func submit(_ slot: Int, to service: Endpoint, _ message: Message, limit: UInt64, file: Int) throws(Errno) {
    precondition(tables.outstanding[slot].token == 0, "one request at a time")
    sequence += 1
    var request = Outstanding()
    request.token = sequence << Self.slotBits | UInt64(slot)
    request.service = service
    request.message = message
    request.message.token = request.token
    request.limit = limit
    request.file = file
    tables.outstanding[slot] = request
    heldCount += 1
    if outboxCount == 0, !mustWait(slot), !transmit(slot) {
      heldCount -= 1
      tables.outstanding[slot] = Outstanding()
      throw .ioError
    }
  }

  /// While a driver's devices are being opened again only that job may speak to it (M-F4, M-F7).
  private func mustWait(_ slot: Int) -> Bool {
    let service = tables.outstanding[slot].service
    return recovering & bit(service) != 0 && !(slot < workerCount && slot >= limits.workers)
  }

  func bit(_ service: Endpoint) -> UInt64 { service.slot < 64 ? 1 << UInt64(service.slot) : 0 }

  /// False if the service is dead. If our queue is full the request stays unsent.
  private func transmit(_ slot: Int) -> Bool {
    let request = tables.outstanding[slot]
    do throws(Errno) {
      try ipc.sendAsync(request.message, to: request.service)
      tables.outstanding[slot].isSent = true
      heldCount -= 1
    } catch {
      if error != .wouldBlock { return false }
      tryAgainSoon()
    }
    return true
  }

  /// Sends what was kept back, oldest first.
  func sendHeld() {
    var last: UInt64 = 0
    while outboxCount == 0, let slot = oldest(after: last, where: { !$0.isSent }) {
      last = tables.outstanding[slot].token
      if mustWait(slot) { continue }
      if !transmit(slot) {
        complete(slot, Message(error: .ioError))
      } else if !tables.outstanding[slot].isSent {
        return
      }
    }
  }

  private func oldest(after token: UInt64, where condition: (Outstanding) -> Bool) -> Int? {
    var found: Int?
    var smallest = UInt64.max
    for slot in 0..<tables.outstanding.count {
      let request = tables.outstanding[slot]
      if request.token > token, request.token < smallest, condition(request) {
        found = slot
        smallest = request.token
      }
    }
    return found
  }

  /// The request in `slot` has its answer.
  func complete(_ slot: Int, _ reply: Message) {
    let request = tables.outstanding[slot]
    if request.tries > 0, request.isSent, request.message.type == Char.Read.number {
      // It was asked again and may be in the driver's queue twice: the second must not wait for input.
      post(Message(Char.Cancel(request: request.token)), to: request.service)
    }
    if !tables.outstanding[slot].isSent { heldCount -= 1 }
    tables.outstanding[slot] = Outstanding()
    if slot < workerCount {
      tables.workers[slot].reply = reply
      ready |= 1 << UInt64(slot)
    } else {
      deviceAnswered(slot - workerCount, request, reply)
    }
  }

  /// A message that may be an answer: it counts if it has the token of a request, and comes from where that went.
  func received(_ message: Message) {
    let token = message.token
    let slot = Int(token & (1 << Self.slotBits - 1))
    guard token != 0 else { return }  // an answer to what was posted
    guard slot < tables.outstanding.count, tables.outstanding[slot].token == token,
      tables.outstanding[slot].service == message.source, tables.outstanding[slot].isSent
    else {
      strayReplies += 1
      return
    }
    if message.type == -Errno.restarted.rawValue {
      // The driver says itself that it does not know the device any more (M-F12).
      repeatLater(slot)
      if tables.outstanding[slot].token != 0 { recover(message.source) }
      return
    }
    let isNonsense = message.type > 0 || message.type <= -4096 || (message.type == 0 && message.payload.0 > tables.outstanding[slot].limit)
    if isNonsense { nonsense(slot) } else { complete(slot, message) }
  }

  /// A service that talks nonsense is reported to RS, which restarts it if it can be; `serviceUp` then has us ask
  /// again. RS waits for nobody but VM, so this call is short.
  private func nonsense(_ slot: Int) {
    do throws(Errno) {
      _ = try ipc.call(.rs, RS.Complain(about: tables.outstanding[slot].service))
    } catch {
      complete(slot, Message(error: .ioError))
    }
  }

  /// What is still asked about a device that is lost fails.
  func failRequests(about file: Int) {
    for slot in 0..<tables.outstanding.count where tables.outstanding[slot].token != 0 && tables.outstanding[slot].file == file {
      complete(slot, Message(error: .ioError))
    }
  }

  /// Back among those to be sent, unless it was tried often enough (M-F2), or nobody wants it any more.
  func repeatLater(_ slot: Int) {
    tables.outstanding[slot].tries += 1
    if tables.outstanding[slot].isCancelled {
      complete(slot, Message(error: .interrupted))
    } else if tables.outstanding[slot].tries > limits.retries {
      complete(slot, Message(error: .ioError))
    } else if tables.outstanding[slot].isSent {
      tables.outstanding[slot].isSent = false
      heldCount += 1
    }
  }

  /// The answer is not wanted any more (M-F13): the driver is told once, and its answer ends the request.
  func cancelRequest(_ slot: Int) {
    let request = tables.outstanding[slot]
    guard request.token != 0, !request.isCancelled else { return }
    if request.isSent {
      tables.outstanding[slot].isCancelled = true
      post(Message(Char.Cancel(request: request.token)), to: request.service)
    } else {
      complete(slot, Message(error: .interrupted))
    }
  }
}
