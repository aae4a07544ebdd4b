import IPC
import Protocols
import ServerKit
@testable import VFSServer

/// The kernel, VM, PM and RS as VFS sees them, and services that a test can slow down, kill or make lie. One thread,
/// no time: `run` delivers messages in order until nothing moves.
final class World {
  struct Grant {
    var grantee: Endpoint
    /// Whose memory it is; `.none`: VFS's own, which is this test process's.
    var client: Endpoint
    var address, length: UInt64
    var access: UInt32
  }

  var vfs: VirtualFileSystem<FakeKernel>!
  var grants: [UInt64: Grant] = [:]
  var nextGrant: UInt64 = 1
  /// Grants cannot be made any more.
  var failsGrants = false
  /// Memory of processes: one block each, at `Client.base`.
  var spaces: [UInt32: [UInt8]] = [:]
  /// Queued by VFS, not taken yet, and how many may be.
  var queue: [(to: Endpoint, message: Message)] = []
  var quota = Int.max
  /// Answers to processes.
  var answers: [UInt32: [Message]] = [:]
  var toPM: [Message] = []
  var text = ""
  var commandLine = ""
  var services: [UInt32: FakeService] = [:]
  var vm = FakeVM()
  /// Whom VFS complained about to RS.
  var complaints: [Endpoint] = []
  var acceptsComplaints = true

  init(_ limits: Limits = .small, rootfs: FakeService? = MemoryFileSystem(), start: Bool = true, commandLine: String = "root=ram") {
    self.commandLine = commandLine
    vfs = VirtualFileSystem(FakeKernel(world: self), limits: limits)
    if let rootfs { add(rootfs, .rootfs) }
    add(MemoryFileSystem(), .proc)
    add(MemoryFileSystem(), .extfs)
    add(FakeTerminal(), .tty)
    add(FakeDisk(size: 1 << 16), .memory)
    add(FakeDisk(size: 1 << 16), .disk)
    add(FakeEcho(), .echo)
    if start { boot() }
  }

  deinit { vfs.dispose() }

  func boot() {
    var ipc = FakeKernel(world: self)
    vfs.start(&ipc)
    run()
    for service in services.values { deliver(Message(VFS.ServiceUp(service: service.endpoint, restarts: 0)), from: .rs) }
    run()
  }

  func add(_ service: FakeService, _ endpoint: Endpoint) {
    service.world = self
    service.endpoint = endpoint
    services[endpoint.raw] = service
  }
  func service<S: FakeService>(_ endpoint: Endpoint, _: S.Type = S.self) -> S { services[endpoint.raw] as! S }
  var root: MemoryFileSystem { service(.rootfs) }
  var terminal: FakeTerminal { service(.tty) }
  var disk: FakeDisk { service(.disk) }

  // MARK: Deliveries

  /// Everything that can happen happens.
  func run() {
    while step() {}
  }

  /// The next message of a service that takes messages. False if there is none.
  @discardableResult
  func step() -> Bool {
    for index in queue.indices {
      let item = queue[index]
      if item.to == .pm {
        queue.remove(at: index)
        toPM.append(item.message)
        return true
      }
      guard let service = services[item.to.raw], service.isAlive, !service.isHeld else { continue }
      queue.remove(at: index)
      service.take(item.message)
      return true
    }
    return false
  }

  /// An asynchronous message to VFS.
  func deliver(_ message: Message, from source: Endpoint) {
    var message = message
    message.source = source
    hand(Delivery(message: message, flags: .asynchronous))
  }

  func hand(_ delivery: Delivery) {
    var ipc = FakeKernel(world: self)
    guard let answer = vfs.handle(delivery, &ipc) else { return }
    if delivery.isRequest {
      answers[delivery.message.source.raw, default: []].append(answer)
    } else if delivery.isAsynchronous {
      ipc.answer(Requester(delivery), answer)
    }
  }

  /// RS: the service died and is there again.
  func restart(_ endpoint: Endpoint, restarts: UInt32 = 1) {
    services[endpoint.raw]?.restart()
    deliver(Message(VFS.ServiceUp(service: endpoint, restarts: restarts)), from: .rs)
  }

  /// RS: the service is given up.
  func bury(_ endpoint: Endpoint) {
    services[endpoint.raw]!.exists = false
    services[endpoint.raw]!.isAlive = false
    queue.removeAll { $0.to == endpoint }
    deliver(Message(VFS.ServiceUp(service: endpoint, restarts: 9)), from: .rs)
  }

  // MARK: Memory

  /// A service's copy out of a grant: false if the grant does not allow it.
  func copy(by grantee: Endpoint, _ id: UInt64, offset: UInt64, into bytes: inout [UInt8]) -> Bool {
    guard let grant = usable(by: grantee, id, offset, bytes.count, Kernel.Access.read) else { return false }
    if grant.client == .none {
      let source = UnsafeRawPointer(bitPattern: UInt(grant.address + offset))!
      bytes.withUnsafeMutableBytes { if $0.count > 0 { $0.baseAddress!.copyMemory(from: source, byteCount: $0.count) } }
      return true
    }
    guard let found = read(grant.client, grant.address &+ offset, bytes.count) else { return false }
    bytes = found
    return true
  }

  func copy(by grantee: Endpoint, _ id: UInt64, offset: UInt64, from bytes: [UInt8]) -> Bool {
    guard let grant = usable(by: grantee, id, offset, bytes.count, Kernel.Access.write) else { return false }
    if grant.client == .none {
      UnsafeMutableRawPointer(bitPattern: UInt(grant.address + offset))!.copyMemory(from: bytes, byteCount: bytes.count)
      return true
    }
    return write(grant.client, grant.address &+ offset, bytes)
  }

  private func usable(by grantee: Endpoint, _ id: UInt64, _ offset: UInt64, _ count: Int, _ access: UInt32) -> Grant? {
    guard let grant = grants[id], grant.grantee == grantee, grant.access & access != 0,
      offset <= grant.length, UInt64(count) <= grant.length - offset
    else { return nil }
    return grant
  }

  func read(_ client: Endpoint, _ address: UInt64, _ count: Int) -> [UInt8]? {
    guard let start = place(client, address, count) else { return nil }
    return Array(spaces[client.raw]![start..<start + count])
  }

  func write(_ client: Endpoint, _ address: UInt64, _ bytes: [UInt8]) -> Bool {
    guard let start = place(client, address, bytes.count) else { return false }
    spaces[client.raw]!.replaceSubrange(start..<start + bytes.count, with: bytes)
    return true
  }

  private func place(_ client: Endpoint, _ address: UInt64, _ count: Int) -> Int? {
    guard let space = spaces[client.raw], address >= Client.base, address - Client.base <= UInt64(space.count),
      UInt64(count) <= UInt64(space.count) - (address - Client.base)
    else { return nil }
    return Int(address - Client.base)
  }
}

/// What VFS reaches of the world.
struct FakeKernel: Transport {
  unowned let world: World

  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func notify(_ destination: Endpoint) throws(Errno) {}

  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {
    guard world.spaces[caller.raw] != nil else { throw .deadEndpoint }
    world.answers[caller.raw, default: []].append(message)
  }

  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {
    if destination != .pm {
      guard let service = world.services[destination.raw], service.exists else { throw .deadEndpoint }
    }
    guard world.queue.count < world.quota else { throw .wouldBlock }
    world.queue.append((destination, message))
  }

  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message {
    if destination == .vm { return world.vm.handle(message, world) }
    if destination == .rs, message.type == RS.Complain.number {
      world.complaints.append((message.body() as RS.Complain).about)
      return world.acceptsComplaints ? Message(reply: Done()) : Message(error: .notPermitted)
    }
    throw .deadEndpoint
  }

  mutating func kernel(_ message: Message) -> Message {
    do throws(Errno) { return try call(message) } catch { return Message(error: error) }
  }

  private func call(_ message: Message) throws(Errno) -> Message {
    switch Kernel.Number(rawValue: message.type) {
    case .log:
      let call: Kernel.Log = message.body()
      withUnsafeBytes(of: call.text) { world.text += String(decoding: $0.prefix(Int(call.count)), as: UTF8.self) }
    case .grantCreate:
      let call: Kernel.GrantCreate = message.body()
      return try make(World.Grant(grantee: call.grantee, client: .none, address: call.address, length: call.length, access: call.access))
    case .grantCaller:
      let call: Kernel.GrantCaller = message.body()
      guard world.spaces[call.client.raw] != nil else { throw .deadEndpoint }
      return try make(World.Grant(grantee: call.grantee, client: call.client, address: call.address, length: call.length, access: call.access))
    case .grantRevoke:
      let call: Kernel.GrantRevoke = message.body()
      guard world.grants.removeValue(forKey: call.id) != nil else { throw .invalidArgument }
    case .copyCaller:
      let call: Kernel.CopyCaller = message.body()
      let local = UnsafeMutableRawPointer(bitPattern: UInt(call.local))!
      if call.direction == Kernel.Direction.read {
        guard let bytes = world.read(call.client, call.remote, Int(call.length)) else { throw .badAddress }
        local.copyMemory(from: bytes, byteCount: bytes.count)
      } else {
        guard world.write(call.client, call.remote, Array(UnsafeRawBufferPointer(start: local, count: Int(call.length)))) else { throw .badAddress }
      }
    case .copyGrant:
      // The only grants that VFS reads are PM's, for the path of exec: the id is the address in `pathClient`.
      let call: Kernel.CopyGrant = message.body()
      guard call.granter == .pm, let client = world.vm.pathClient, let bytes = world.read(client, call.id &+ call.offset, Int(call.length))
      else { throw .badAddress }
      UnsafeMutableRawPointer(bitPattern: UInt(call.address))!.copyMemory(from: bytes, byteCount: bytes.count)
    default: throw .noSuchCall
    }
    return Message(reply: Done())
  }

  private func make(_ grant: World.Grant) throws(Errno) -> Message {
    if world.failsGrants { throw .noMemory }
    let id = world.nextGrant
    world.nextGrant += 1
    world.grants[id] = grant
    return Message(reply: Kernel.GrantReply(id: id))
  }
}

/// VM's part in exec, the page cache, and the command line.
struct FakeVM {
  var pathClient: Endpoint?
  var log: [String] = []
  var image: [UInt64: [UInt8]] = [:]
  var building: Endpoint?
  /// The call of exec that fails, counted from 1.
  var failingCall = 0
  var calls = 0

  var cache = FakeCache()

  mutating func handle(_ message: Message, _ world: World) -> Message {
    if let number = PageCache.Number(rawValue: message.type) {
      let map: PageCache.Map = message.body()
      if number == .map, map.flags & PageCache.Map.image != 0 {
        calls += 1
        if calls == failingCall { return Message(error: .noMemory) }
        log.append("show \(map.address) \(map.position) \(map.length) \(map.protection & 0xFF)")
      }
      return cache.handle(number, message, world)
    }
    if message.type == VM.CommandLine.number {
      let call: VM.CommandLine = message.body()
      var bytes = Array(world.commandLine.utf8.dropFirst(Int(call.offset)).prefix(48))
      bytes += Array(repeating: 0, count: 48 - bytes.count)
      return Message(reply: VM.CommandLine.Reply(text: bytes.withUnsafeBytes {
        $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64).self)
      }))
    }
    calls += 1
    if calls == failingCall { return Message(error: .noMemory) }
    switch message.type {
    case VM.ExecBegin.number:
      building = (message.body() as VM.ExecBegin).process
      image = [:]
      log.append("begin")
    case VM.ExecMap.number:
      let call: VM.ExecMap = message.body()
      log.append("map \(call.address) \(call.length) \(call.protection)")
    case VM.ExecWrite.number:
      let call: VM.ExecWrite = message.body()
      image[call.address] = Array(UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: UInt(call.source)), count: Int(call.length)))
      log.append("write \(call.address) \(call.length)")
    case VM.ExecCommit.number:
      let call: VM.ExecCommit = message.body()
      log.append("commit \(call.entry) \(call.arguments) \(call.argumentsLength)")
      building = nil
    case VM.ExecAbort.number:
      log.append("abort")
      building = nil
    default: return Message(error: .noSuchCall)
    }
    return Message(reply: Done())
  }
}

extension Limits {
  /// Debug code needs more stack; small tables are quick to make.
  static var small: Limits {
    var limits = Limits()
    limits.processes = 80
    limits.files = 128
    limits.vnodes = 128
    limits.pipes = 8
    limits.stackSize = 128 << 10
    return limits
  }
}
