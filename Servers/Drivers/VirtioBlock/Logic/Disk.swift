import IPC
import Protocols
import ServerKit

/// One virtio block device: requests in, pieces of at most 64 KiB to the device, several at a time, answers out.
///
/// A device that lies (impossible index, chain, length or status) or stays silent is reset, and what it had not
/// finished is offered again. After five times the request fails. A class, because a struct would be copied at
/// many a call.
final class Disk<T: Transport, Memory: DMAMemory> {
  static var slotCount: Int { 4 }
  static var pieceLimit: Int { 64 << 10 }
  static var waitingLimit: Int { 64 }
  static var attemptLimit: Int { 5 }
  /// Alarms, one every two milliseconds, that a piece may see pass: so the device was silent for two seconds.
  static var tickLimit: Int { 1001 }
  /// Rings, then a page of request headers and statuses, then the slots' buffers.
  static var headers: Int { VirtualQueue<Memory>.area }
  static var buffers: Int { headers + 4096 }
  static var area: Int { buffers + slotCount * pieceLimit }

  let line: UInt32
  let registers: VirtioRegisters
  let memory: Memory
  private var queue: VirtualQueue<Memory>
  private(set) var size: UInt64
  private(set) var isReadOnly: Bool
  private var canFlush: Bool
  private var slots: [Slot]
  private var waiting: [Request] = []
  private var activeCount = 0
  /// It failed all attempts of a request; from then on each has one, until one succeeds.
  private var isBroken = false

  /// Resets the device at once: its last driver may have left it at work. Nil if it is none that we can drive.
  init?(_ found: FoundDisk, _ ipc: inout T) {
    line = found.line
    registers = VirtioRegisters(base: found.base)
    guard Self.reset(registers, &ipc) else { return nil }
    registers.write(Virtio.queueSelect, 2, 0, &ipc)
    let queueSize = Int(registers.read(Virtio.queueSize, 2, &ipc))
    guard queueSize >= Self.slotCount * 3, queueSize <= VirtualQueue<Memory>.sizeLimit, queueSize & (queueSize - 1) == 0,
      let area = try? ipc.call(.vm, VM.MapContiguous(length: UInt64(Self.area))), area.physical >> 44 == 0
    else { return nil }
    memory = Memory(address: area.address, physical: area.physical, length: Self.area)
    queue = VirtualQueue(memory, size: queueSize)
    size = 0
    isReadOnly = false
    canFlush = false
    let none = Request(flush: Requester(Delivery(message: Message(), flags: .request)))
    slots = [Slot](repeating: Slot(request: none, isActive: false, piece: 0, ticks: 0, attempts: 0), count: Self.slotCount)
    start(&ipc)
    let sectors = registers.read(Virtio.capacity, 4, &ipc) | registers.read(Virtio.capacity + 4, 4, &ipc) << 32
    guard sectors < 1 << 39 else { return nil }
    size = sectors * 512
  }

  var isBusy: Bool { activeCount > 0 }

  // MARK: The device

  private static func reset(_ registers: VirtioRegisters, _ ipc: inout T) -> Bool {
    registers.write(Virtio.status, 1, Virtio.Status.reset, &ipc)
    for _ in 0..<1000 where registers.read(Virtio.status, 1, &ipc) == 0 { return true }
    return false
  }

  /// From reset to ready (virtio 1.2, 3.1).
  private func start(_ ipc: inout T) {
    queue.clear()
    registers.write(Virtio.status, 1, Virtio.Status.acknowledged, &ipc)
    registers.write(Virtio.status, 1, Virtio.Status.acknowledged | Virtio.Status.driver, &ipc)
    let features = registers.read(Virtio.hostFeatures, 4, &ipc)
    isReadOnly = features & Virtio.Feature.readOnly != 0
    canFlush = features & Virtio.Feature.flush != 0
    registers.write(Virtio.guestFeatures, 4, features & (Virtio.Feature.readOnly | Virtio.Feature.flush), &ipc)
    registers.write(Virtio.queueSelect, 2, 0, &ipc)
    registers.write(Virtio.queueFrame, 4, memory.physical >> 12, &ipc)
    registers.write(
      Virtio.status, 1, Virtio.Status.acknowledged | Virtio.Status.driver | Virtio.Status.ready, &ipc)
  }

  /// The device has lied or is silent: everything that it has not finished is offered again, or fails.
  private func recover(_ ipc: inout T) {
    if Self.reset(registers, &ipc) {
      start(&ipc)
    } else {
      isBroken = true
    }
    for index in slots.indices where slots[index].isActive {
      slots[index].attempts += 1
      if slots[index].attempts >= (isBroken ? 1 : Self.attemptLimit) {
        isBroken = true
        finish(index, Message(error: .ioError), &ipc)
      } else {
        offer(index)
      }
    }
    pump(&ipc)
    notify(&ipc)
  }

  private func notify(_ ipc: inout T) { registers.write(Virtio.queueNotify, 2, 0, &ipc) }

  // MARK: Requests

  /// The answer, or nil: later.
  func transfer(_ call: Block.Transfer, _ delivery: Delivery, _ ipc: inout T) throws(Errno) -> Message? {
    guard call.position & 511 == 0, call.length & 511 == 0, UInt64(call.length) <= Kernel.copyLimit,
      call.granter == .none || call.granter == delivery.message.source
    else { throw .invalidArgument }
    if call.isWrite, isReadOnly { throw .readOnlyFileSystem }
    guard call.position < size, call.length > 0 else { return Message(reply: VFS.Count(count: 0)) }
    let length = Int(min(UInt64(call.length), size - call.position))
    try enqueue(Request(call, length: length, for: Requester(delivery)), &ipc)
    return nil
  }

  func flush(_ delivery: Delivery, _ ipc: inout T) throws(Errno) -> Message? {
    guard canFlush else { return Message(reply: Done()) }
    try enqueue(Request(flush: Requester(delivery)), &ipc)
    return nil
  }

  private func enqueue(_ request: Request, _ ipc: inout T) throws(Errno) {
    guard waiting.count < Self.waitingLimit else { throw .wouldBlock }
    waiting.append(request)
    if pump(&ipc) { notify(&ipc) }
  }

  /// Gives waiting requests to free slots; true if the device should look.
  @discardableResult
  private func pump(_ ipc: inout T) -> Bool {
    var hasOffered = false
    while !waiting.isEmpty, let free = slots.firstIndex(where: { !$0.isActive }) {
      slots[free] = Slot(request: waiting.removeFirst(), isActive: true, piece: 0, ticks: 0, attempts: 0)
      activeCount += 1
      hasOffered = startPiece(free, &ipc) || hasOffered
    }
    return hasOffered
  }

  private func buffer(_ slot: Int) -> Int { Self.buffers + slot * Self.pieceLimit }

  /// Offers the next piece of the slot's request; false if the client's memory could not be read.
  private func startPiece(_ index: Int, _ ipc: inout T) -> Bool {
    let request = slots[index].request
    slots[index].piece = min(request.length - request.done, Self.pieceLimit)
    slots[index].ticks = 0
    slots[index].attempts = 0
    if request.kind == .write {
      do throws(Errno) { try copy(index, Kernel.Direction.read, &ipc) } catch {
        finish(index, Message(error: error), &ipc)
        return false
      }
    }
    offer(index)
    return true
  }

  private func copy(_ index: Int, _ direction: UInt32, _ ipc: inout T) throws(Errno) {
    let slot = slots[index]
    try ipc.kernel(
      Kernel.CopyGrant(
        granter: slot.request.requester.endpoint, id: slot.request.grant,
        offset: slot.request.grantOffset &+ UInt64(slot.request.done), address: memory.address + UInt64(buffer(index)),
        length: UInt64(slot.piece), direction: direction))
  }

  /// Writes header and descriptors of the slot's piece and offers them; three descriptors a slot.
  private func offer(_ index: Int) {
    typealias Flag = VirtualQueue<Memory>.DescriptorFlag
    let slot = slots[index]
    let header = Self.headers + index * 32
    let type =
      switch slot.request.kind {
      case .read: Virtio.RequestType.read
      case .write: Virtio.RequestType.write
      case .flush: Virtio.RequestType.flush
      }
    memory.write32(header, type)
    memory.write32(header + 4, 0)
    memory.write64(header + 8, slot.request.kind == .flush ? 0 : (slot.request.position + UInt64(slot.request.done)) >> 9)
    memory.write8(header + 16, Virtio.Outcome.untouched)
    let first = index * 3
    queue.describe(
      first, physical: memory.physical + UInt64(header), length: 16, flags: Flag.next, next: slot.piece > 0 ? first + 1 : first + 2)
    if slot.piece > 0 {
      let flags = Flag.next | (slot.request.kind == .read ? Flag.deviceWrites : 0)
      queue.describe(first + 1, physical: memory.physical + UInt64(buffer(index)), length: slot.piece, flags: flags, next: first + 2)
    }
    queue.describe(first + 2, physical: memory.physical + UInt64(header + 16), length: 1, flags: Flag.deviceWrites, next: 0)
    slots[index].ticks = 0
    queue.offer(first)
  }

  // MARK: Completion

  /// The device may have finished something.
  func interrupt(_ ipc: inout T) {
    _ = registers.read(Virtio.interruptStatus, 1, &ipc)
    collect(&ipc)
  }

  private func collect(_ ipc: inout T) {
    var hasOffered = false
    // What is offered on the way may be done before we leave; more than a few rounds can wait for the next time.
    for _ in 0..<Self.slotCount * 64 {
      switch queue.takeUsed(inFlight: activeCount) {
      case .none:
        if pump(&ipc) || hasOffered { notify(&ipc) }
        return
      case .nonsense: return recover(&ipc)
      case .chain(let head, let length):
        guard head % 3 == 0, head / 3 < UInt32(Self.slotCount), case let index = Int(head / 3), slots[index].isActive,
          let more = complete(index, length, &ipc)
        else { return recover(&ipc) }
        hasOffered = more || hasOffered
      }
    }
    notify(&ipc)
  }

  /// A piece is done: true if another was offered, nil if the device lies.
  private func complete(_ index: Int, _ length: UInt32, _ ipc: inout T) -> Bool? {
    let slot = slots[index]
    let outcome = memory.read8(Self.headers + index * 32 + 16)
    switch outcome {
    case Virtio.Outcome.ioError: finish(index, Message(error: .ioError), &ipc)
    case Virtio.Outcome.unsupported: finish(index, Message(error: .notSupported), &ipc)
    case Virtio.Outcome.done:
      guard length == (slot.request.kind == .read ? UInt32(slot.piece) + 1 : 1) else { return nil }
      isBroken = false
      if slot.request.kind == .read {
        do throws(Errno) { try copy(index, Kernel.Direction.write, &ipc) } catch {
          finish(index, Message(error: error), &ipc)
          return false
        }
      }
      slots[index].request.done += slot.piece
      if slots[index].request.done < slot.request.length { return startPiece(index, &ipc) }
      let answer = slot.request.kind == .flush ? Message(reply: Done()) : Message(reply: VFS.Count(count: UInt64(slot.request.length)))
      finish(index, answer, &ipc)
    default: return nil
    }
    return false
  }

  private func finish(_ index: Int, _ answer: Message, _ ipc: inout T) {
    ipc.answer(slots[index].request.requester, answer)
    slots[index].isActive = false
    activeCount -= 1
  }

  /// Every two milliseconds while there is work: an interrupt may be lost, a device may be silent.
  func tick(_ ipc: inout T) {
    collect(&ipc)
    var isSilent = false
    for index in slots.indices where slots[index].isActive {
      slots[index].ticks += 1
      if slots[index].ticks >= Self.tickLimit { isSilent = true }
    }
    if isSilent { recover(&ipc) }
  }
}
