import Glibc
import IPC
import PageTable
import Protocols

/// The kernel as VM sees it: threads by slot, roots, and a TLB that forgets only what it is told to forget, so that
/// a flush that VM leaves out shows as a stale page.
final class FakeKernel {
  struct Thread {
    var endpoint: Endpoint
    var root: UInt64
    var space: UInt32
    var entry: UInt64
    var stack: UInt64
    var supervisor: Endpoint
    var started = false
    /// As `Kernel.ThreadStack` has it.
    var trapStack = (low: UInt64(0), size: UInt64.max)
  }

  let window: UnsafeMutableRawPointer
  var threads: [Int: Thread] = [:]
  var generations: [Int: UInt32] = [:]
  var exceptions: [(to: Endpoint, event: KernelEvent.Exception)] = []
  /// What VFS was told, and late answers to faults.
  var pageRequests: [VFS.PageRequest] = []
  var unmapped: [VFS.FileUnmapped] = []
  var writeBacks: [VFS.WriteBack] = []
  /// What VM has logged.
  var log = ""
  var replies: [(to: Endpoint, message: Message)] = []
  /// Full queues of supervisors.
  var queueIsFull = false
  /// This call fails with this error.
  var failing: (number: Kernel.Number, error: Errno)?
  var calls: [Kernel.Number] = []
  /// Of each `ThreadRestart`, whether the old life ended by its own fault.
  var restarts: [UInt64] = []
  var processLimit = 4000
  /// Cached translations: root, page, entry with the rights of all levels.
  var translations: [UInt64: [UInt64: UInt64]] = [:]
  /// Cached directory entries: root, 2 MiB, entry that leads to the leaf table with the rights of all levels. A page fault
  /// drops those of its address, any flush all of the root (SDM vol. 3, 4.10.4.1).
  var directories: [UInt64: [UInt64: UInt64]] = [:]

  /// Called before a processor forgets anything: with the root, and the range; nil when the root itself is given up.
  var willForget: ((_ root: UInt64, _ range: Range<UInt64>?) -> Void)?

  init(window: UnsafeMutableRawPointer) { self.window = window }

  func words(_ physical: UInt64) -> UnsafeMutablePointer<UInt64> {
    (window + Int(physical)).assumingMemoryBound(to: UInt64.self)
  }

  /// The leaf entry by the tables, without faults, with the rights that all levels allow.
  func walk(_ root: UInt64, _ address: UInt64) -> UInt64 { leaf(directory(root, address), address) }

  /// The entry that leads to the leaf table, with the rights of all levels; 0 if there is none.
  func directory(_ root: UInt64, _ address: UInt64) -> UInt64 {
    var entry = root | PageEntry.present | PageEntry.user | PageEntry.writable
    for level: UInt64 in [4, 3, 2] {
      let next = words(entry & PageEntry.frameMask)[Page.index(address, level: level)]
      if next & PageEntry.present == 0 { return 0 }
      entry = next & (entry | ~(PageEntry.user | PageEntry.writable))
    }
    return entry
  }

  private func leaf(_ directory: UInt64, _ address: UInt64) -> UInt64 {
    if directory == 0 { return 0 }
    let entry = words(directory & PageEntry.frameMask)[Page.index(address, level: 1)]
    return entry & (directory | ~(PageEntry.user | PageEntry.writable))
  }

  /// As the MMU does it: the TLB first, then the tables. Nil is a page fault.
  func translate(_ root: UInt64, _ address: UInt64, access: UInt32) -> UInt64? {
    let page = Page.down(address)
    func fits(_ entry: UInt64) -> Bool {
      if entry & PageEntry.present == 0 || entry & PageEntry.user == 0 { return false }
      if access & KernelEvent.PageFault.write != 0 && entry & PageEntry.writable == 0 { return false }
      return !(access & KernelEvent.PageFault.execute != 0 && entry & PageEntry.noExecute != 0)
    }
    if let cached = translations[root]?[page] {
      if fits(cached) { return cached & PageEntry.frameMask | address & 4095 }
      translations[root]?[page] = nil
    }
    let directory = directories[root]?[page >> 21] ?? directory(root, page)
    if directory != 0 { directories[root, default: [:]][page >> 21] = directory }
    let entry = leaf(directory, page)
    guard fits(entry) else {
      directories[root]?[page >> 21] = nil
      return nil
    }
    translations[root, default: [:]][page] = entry
    return entry & PageEntry.frameMask | address & 4095
  }

  func kernel(_ message: Message) -> Message {
    guard let number = Kernel.Number(rawValue: message.type) else { return Message(error: .noSuchCall) }
    calls.append(number)
    if let failing, failing.number == number { return Message(error: failing.error) }
    do throws(Errno) { return try perform(number, message) } catch { return Message(error: error) }
  }

  private func perform(_ number: Kernel.Number, _ message: Message) throws(Errno) -> Message {
    switch number {
    case .spacePrepare:
      let root = message.body(Kernel.SpacePrepare.self).root
      for index in 0..<512 { words(root)[index] = index < 256 ? 0 : 0xFFFF_8000_0000_0003 }
    case .spaceFlush:
      let call = message.body(Kernel.SpaceFlush.self)
      let end = call.address &+ call.count << 12
      willForget?(call.root, call.address..<end)
      directories[call.root] = nil
      translations[call.root] = translations[call.root]?.filter { $0.key < call.address || $0.key >= end }
    case .threadCreate:
      let call = message.body(Kernel.ThreadCreate.self)
      let slot = Int(call.slot)
      guard threads[slot] == nil else { throw .busy }
      return Message(reply: Kernel.ThreadReply(thread: create(slot, call.root, call.space, call.entry, call.stack, call.supervisor)))
    case .threadFork:
      let call = message.body(Kernel.ThreadFork.self)
      guard let parent = threads[call.parent.slot], parent.endpoint == call.parent else { throw .deadEndpoint }
      guard threads.count < processLimit, let slot = (65..<4096).first(where: { threads[$0] == nil }) else { throw .wouldBlock }
      let child = create(slot, call.root, call.space, parent.entry, parent.stack, parent.supervisor)
      threads[slot]?.trapStack = parent.trapStack
      return Message(reply: Kernel.ThreadReply(thread: child))
    case .threadStack:
      let call = message.body(Kernel.ThreadStack.self)
      guard threads[call.thread.slot]?.endpoint == call.thread else { throw .deadEndpoint }
      threads[call.thread.slot]?.trapStack = (call.low, call.size)
    case .log:
      let call = message.body(Kernel.Log.self)
      withUnsafeBytes(of: call.text) { log += String(decoding: $0.prefix(Int(call.count)), as: UTF8.self) }
    case .exit: break
    case .threadStart:
      threads[message.body(Kernel.ThreadStart.self).thread.slot]?.started = true
    case .threadDestroy:
      let thread = message.body(Kernel.ThreadDestroy.self).thread
      guard let old = threads[thread.slot], old.endpoint == thread else { throw .deadEndpoint }
      forget(old.root)
      threads[thread.slot] = nil
      generations[thread.slot, default: 0] += 1
    case .threadRestart:
      let call = message.body(Kernel.ThreadRestart.self)
      restarts.append(call.fault)
      try replace(call.thread, call.root, call.space, call.entry, call.stack)
    case .threadExec:
      let call = message.body(Kernel.ThreadExec.self)
      try replace(call.thread, call.root, call.space, call.entry, call.stack)
      threads[call.thread.slot]?.trapStack = (call.stackLow, call.stackSize)
    default: throw .notPermitted
    }
    return Message(reply: Done())
  }

  private func create(_ slot: Int, _ root: UInt64, _ space: UInt32, _ entry: UInt64, _ stack: UInt64, _ supervisor: Endpoint) -> Endpoint {
    let endpoint = Endpoint(slot: slot, generation: generations[slot, default: 0])
    threads[slot] = Thread(endpoint: endpoint, root: root, space: space, entry: entry, stack: stack, supervisor: supervisor)
    forget(root)
    return endpoint
  }

  private func forget(_ root: UInt64) {
    willForget?(root, nil)
    translations[root] = nil
    directories[root] = nil
  }

  private func replace(_ thread: Endpoint, _ root: UInt64, _ space: UInt32, _ entry: UInt64, _ stack: UInt64) throws(Errno) {
    guard var old = threads[thread.slot], old.endpoint == thread else { throw .deadEndpoint }
    forget(old.root)
    forget(root)
    old.root = root
    old.space = space
    old.entry = entry
    old.stack = stack
    threads[thread.slot] = old
  }
}

/// The way VM has to it.
struct FakeTransport: Transport {
  let kernel: FakeKernel
  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message { throw .notPermitted }
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) { kernel.replies.append((caller, message)) }
  mutating func notify(_ destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {
    if kernel.queueIsFull { throw .wouldBlock }
    if message.type == KernelEvent.Exception.number { kernel.exceptions.append((destination, message.body())) }
    if destination == .vfs, message.type == VFS.PageRequest.number { kernel.pageRequests.append(message.body()) }
    if destination == .vfs, message.type == VFS.WriteBack.number { kernel.writeBacks.append(message.body()) }
    if destination == .vfs, message.type == VFS.FileUnmapped.number { kernel.unmapped.append(message.body()) }
  }
  mutating func kernel(_ message: Message) -> Message { kernel.kernel(message) }
}
