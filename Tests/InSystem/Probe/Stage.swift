import BootImage
import CProbe
import IPC
import PageTable
import Protocols
import Trap

/// A thread in a space of its own that does one trap at a time, as it is told (`../ProbeC/puppet.S`).
struct Puppet {
  var name: Endpoint
  /// The page of its stack: its orders, what came of them, from word 256 on memory for grants.
  let cell: UnsafeMutablePointer<UInt64>
  let root: UInt64

  /// Words of `cell`. The registers go in from 0 on, in the order of `rax rdi rsi rdx` and the message's eight; what comes back is `rax`,
  /// `rdi` and the message.
  enum Place {
    static var result: Int { 12 }
    /// 1 if it does nothing, 0 while it is in its trap.
    static var done: Int { 22 }
    /// What rsp is in a trap that does not go over the stub page.
    static var stack: Int { 23 }
    static var way: Int { 24 }
    static var memory: Int { 256 }
  }

  /// An address of `count` bytes that it has for any use, the same in each space.
  var memory: UInt64 { UInt64(UInt(bitPattern: cell + Place.memory)) }
}

/// Five services and a process that wait for orders. We are less important than they: after an order we run again once all of
/// them wait, for us or in the kernel, so that what has happened by then is all that happens.
struct Stage {
  /// Pages that all of them have, of which none is present at first, and the frames behind the first ones.
  static let area: UInt64 = 0x100_0000_0000
  static let areaPages = 16
  static let ownPriority: UInt32 = 7
  /// All that a service can have.
  static var plain: Privileges { Privileges(kernelCalls: ~0, sendTo: ~0, asynchronousQuota: 8, grantQuota: 8) }

  var ipc: KernelTrap
  /// `b` is more important than the others, so that its notifications are heard at once, and may be called by processes.
  var a, b, c, d, e: Puppet
  var user: Puppet
  /// Entries of the tables that all of them have for `area`.
  let leaves: UnsafeMutablePointer<UInt64>
  /// Which expectation of the present scene this is, and the first that did not hold; 0 for none.
  private var step: UInt64 = 0
  private(set) var failed: UInt64 = 0

  init(_ probe: inout Probe) {
    ipc = probe.ipc
    leaves = probe.absentPages(at: Self.area)
    for page in 0..<Self.areaPages { leaves[page] = probe.takeFrame() | leaves[page] & (Page.size - 1 | PageEntry.noExecute) }
    a = probe.puppet(Endpoint(slot: 10, generation: 0))
    b = probe.puppet(.echo)
    c = probe.puppet(Endpoint(slot: 13, generation: 0))
    d = probe.puppet(Endpoint(slot: 14, generation: 0))
    e = probe.puppet(Endpoint(slot: 15, generation: 0))
    user = probe.puppet(.none)
  }

  // MARK: Scenes

  /// All of them anew, with nothing left over.
  mutating func begin() {
    step = 0
    failed = 0
    _ = try? ipc.kernel(Kernel.SetPrivileges(thread: .vm, priority: Self.ownPriority, privileges: Privileges(kernelCalls: ~0, sendTo: ~0)))
    cast()
  }

  /// The same within a scene.
  mutating func cast() {
    end()
    for puppet in 0..<5 { create(actor(puppet)) }
    user.name = createProcess()
    awake(user)
    hidePages()
  }

  mutating func hidePages() {
    for page in 0..<Self.areaPages { leaves[page] &= ~PageEntry.present }
  }

  mutating func end() {
    for puppet in 0..<5 { destroy(actor(puppet)) }
    destroy(user)
  }

  mutating func expect(_ holds: Bool) {
    step += 1
    if !holds, failed == 0 { failed = step }
  }

  func actor(_ index: Int) -> Puppet {
    switch index {
    case 0: a
    case 1: b
    case 2: c
    case 3: d
    default: e
    }
  }

  // MARK: Lives

  /// A service, for the first time or again under the same name.
  mutating func create(_ puppet: Puppet) {
    let call = Kernel.ThreadCreate(
      root: puppet.root, space: UInt32(puppet.name.slot), entry: address_of_probe_puppet(), stack: UInt64(UInt(bitPattern: puppet.cell)) + 4080,
      slot: UInt32(puppet.name.slot), supervisor: .none, priority: 4)
    _ = try? ipc.kernel(call)
    allow(puppet, Self.plain)
    awake(puppet)
  }

  /// A process in the place of `user` that does not run yet.
  mutating func createProcess() -> Endpoint {
    let call = Kernel.ThreadCreate(
      root: user.root, space: 99, entry: address_of_probe_puppet(), stack: UInt64(UInt(bitPattern: user.cell)) + 4080, slot: 0, supervisor: .none,
      priority: 4)
    return (try? ipc.kernel(call).thread) ?? .none
  }

  /// Lets it run to where it waits for orders.
  mutating func awake(_ puppet: Puppet) {
    puppet.cell[Puppet.Place.done] = 1
    puppet.cell[Puppet.Place.result] = 0
    puppet.cell[Puppet.Place.way] = 0
    _ = try? ipc.kernel(Kernel.ThreadStart(thread: puppet.name))
  }

  mutating func destroy(_ puppet: Puppet) { _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: puppet.name)) }

  /// A new life under the old name.
  mutating func restart(_ puppet: Puppet) {
    let call = Kernel.ThreadRestart(
      thread: puppet.name, root: puppet.root, space: UInt32(puppet.name.slot), entry: address_of_probe_puppet(),
      stack: UInt64(UInt(bitPattern: puppet.cell)) + 4080)
    _ = try? ipc.kernel(call)
    awake(puppet)
  }

  mutating func allow(_ puppet: Puppet, _ privileges: Privileges) {
    _ = try? ipc.kernel(Kernel.SetPrivileges(thread: puppet.name, priority: puppet.name == b.name ? 3 : 4, privileges: privileges))
  }

  // MARK: Orders

  /// What came of its last order: `.done`, an error, nil while it waits in the kernel.
  func status(_ puppet: Puppet) -> Errno? {
    puppet.cell[Puppet.Place.done] == 0 ? nil : Errno(rawValue: 0 &- Int32(truncatingIfNeeded: puppet.cell[Puppet.Place.result]))
  }

  /// What its last order has brought.
  func heard(_ puppet: Puppet) -> Delivery {
    let words = puppet.cell + Puppet.Place.result
    return Delivery(
      message: Message(header: words[2], payload: (words[3], words[4], words[5], words[6], words[7], words[8], words[9])),
      flags: Delivery.Flags(raw: words[1]))
  }

  mutating func state(_ puppet: Puppet) -> UInt32 { (try? ipc.kernel(Kernel.ThreadInfo(slot: UInt64(puppet.name.slot))).state) ?? ~0 }

  /// Whatever is in rax; `order` with a name for it is what the scenes use.
  mutating func order(
    _ puppet: Puppet, raw operation: UInt64, to destination: Endpoint = .none, from source: Endpoint = .any, deadline: UInt64 = 0,
    _ message: Message = Message()
  ) -> Errno? {
    // Who still waits cannot be told anything.
    guard puppet.cell[Puppet.Place.done] == 1 else { return Errno(rawValue: 4095) }
    let cell = puppet.cell
    (cell[0], cell[1], cell[2], cell[3]) = (operation, UInt64(destination.raw), UInt64(source.raw), deadline)
    (cell[4], cell[5], cell[6], cell[7]) = (message.header, message.payload.0, message.payload.1, message.payload.2)
    (cell[8], cell[9], cell[10], cell[11]) = (message.payload.3, message.payload.4, message.payload.5, message.payload.6)
    cell[Puppet.Place.done] = 0
    _ = try? ipc.kernel(Kernel.ThreadStart(thread: puppet.name))
    return status(puppet)
  }

  mutating func order(
    _ puppet: Puppet, _ operation: TrapOperation, to destination: Endpoint = .none, from source: Endpoint = .any, deadline: UInt64 = 0,
    _ message: Message = Message()
  ) -> Errno? { order(puppet, raw: operation.rawValue, to: destination, from: source, deadline: deadline, message) }

  mutating func send(_ from: Puppet, _ to: Endpoint, _ message: Message = Message()) -> Errno? { order(from, .send, to: to, message) }
  mutating func sendRec(_ from: Puppet, _ to: Endpoint, _ message: Message = Message()) -> Errno? { order(from, .sendRec, to: to, message) }
  mutating func sendAsync(_ from: Puppet, _ to: Endpoint, _ message: Message = Message()) -> Errno? { order(from, .sendAsync, to: to, message) }
  mutating func notify(_ from: Puppet, _ to: Endpoint) -> Errno? { order(from, .notify, to: to) }
  mutating func reply(_ from: Puppet, _ to: Endpoint, _ message: Message = Message()) -> Errno? { order(from, .reply, to: to, message) }
  mutating func replyReceive(_ from: Puppet, _ to: Endpoint, _ message: Message = Message()) -> Errno? {
    order(from, .replyReceive, to: to, message)
  }
  mutating func receive(_ puppet: Puppet, from source: Endpoint = .any) -> Errno? { order(puppet, .receive, from: source) }
  /// What is there, else `.timedOut`.
  mutating func poll(_ puppet: Puppet) -> Errno? { order(puppet, .receive, deadline: 1) }

  /// A kernel call; its own error counts.
  mutating func kernel<C: Call>(_ puppet: Puppet, _ call: C) -> Errno? { kernel(puppet, Message(call)) }
  mutating func kernel(_ puppet: Puppet, _ message: Message) -> Errno? {
    guard let status = order(puppet, .kernelCall, message) else { return nil }
    return status == .done ? Errno(rawValue: 0 &- heard(puppet).message.type) : status
  }

  /// Until all that was due by now has happened.
  mutating func sleep() {
    guard let now = try? ipc.kernel(Kernel.Clock()).now else { return }
    _ = try? ipc.receive(from: .none, deadline: now + 50_000)
  }

  mutating func statistics() -> Kernel.Statistics.Reply? { try? ipc.kernel(Kernel.Statistics()) }
  /// Asynchronous messages that nobody has received yet.
  mutating func queued() -> UInt16 { statistics()?.asynchronous ?? .max }
}

extension Errno {
  /// What a trap returns that has worked.
  static var done: Errno { Errno(rawValue: 0) }
}

extension Probe {
  /// A page and a space for a puppet.
  fileprivate mutating func puppet(_ name: Endpoint) -> Puppet {
    Puppet(name: name, cell: window(takeFrame()), root: secondSpace())
  }

  private mutating func scene(_ name: StaticString, _ stage: inout Stage, _ play: (inout Stage) -> Void) {
    stage.begin()
    play(&stage)
    check(name, stage.failed == 0, stage.failed)
  }

  /// M-E1: what messages and grants promise, by whatever way in this kernel was told to offer. A check that fails says at which
  /// expectation of its scene.
  mutating func checkMessages() {
    var stage = Stage(&self)
    let before = stage.statistics()
    scene("M-N1 a notification for who waits for its source", &stage) { $0.notifyOneSource() }
    scene("M-N1 notifications and a sendRec", &stage) { $0.notifyCaller() }
    scene("M-N2 an asynchronous message to who has no memory", &stage) { $0.asynchronousOnce() }
    scene("M-N2 an asynchronous message and the death of either", &stage) { $0.asynchronousAndDeath() }
    scene("M-N3 the old name of a slot", &stage) { $0.oldNames() }
    scene("M-N4 circles of senders", &stage) { $0.circles() }
    scene("M-N5 messages as if from the kernel", &stage) { $0.forgeries() }
    scene("M-N6 a grant that was revoked", &stage) { $0.revokedGrant() }
    scene("M-N7 chains and circles of grants", &stage) { $0.grantChains() }
    scene("M-N8 missing pages in a copy", &stage) { $0.missingPages() }
    scene("the order of receiving", &stage) { $0.receiveOrder() }
    scene("the quota of asynchronous messages", &stage) { $0.quota() }
    scene("calls, answers and all their words", &stage) { $0.calls() }
    scene("the death of a peer", &stage) { $0.deaths() }
    scene("requests over a restart", &stage) { $0.restarts() }
    scene("masks of kernel calls", &stage) { $0.callMasks() }
    scene("masks of receivers", &stage) { $0.sendMasks() }
    let after = stage.statistics()
    stage.end()
    _ = try? ipc.kernel(Kernel.SetPrivileges(thread: .vm, priority: 1, privileges: Privileges(kernelCalls: ~0, sendTo: ~0)))
    let fast = (after?.fastPath ?? 0) &- (before?.fastPath ?? 0)
    check("the fast path where it is on", hasWord("fastpath=off") ? fast == 0 : fast > 20, fast)
  }
}
