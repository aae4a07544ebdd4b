import IPC
import Protocols
import ServerKit
import Testing
@testable import ProcServer

/// PM, RS, VM, VFS and the kernel as proc asks them, with answers that a test sets.
final class World {
  struct Process {
    var index: UInt32
    var id: Int32
    var name: String
    var endpoint: Endpoint
    var state: Character = "S"
  }
  var processes: [Process] = []
  var services: [(String, UInt32, UInt32)] = []
  var regions: [(UInt64, UInt64, UInt8, UInt8)] = []
  /// Instead of `regions`: the first at or above an address.
  var regionAt: ((UInt64) -> (UInt64, UInt64, UInt8, UInt8)?)?
  var mounts: [(UInt16, Endpoint, Endpoint, String)] = []
  var commandLine = "root=disk quiet"
  var memory: [UInt8] = []
  var name: [UInt8] = []
  /// Bytes that a grant of VFS can hold.
  var room = 1 << 20
  var free: UInt64 = 1000
  var now: UInt64 = 12_345_678_900
  var failing: Endpoint?

  func words<each W>(_ text: String, _: (repeat each W).Type) -> (repeat each W) {
    let size = MemoryLayout<(repeat each W)>.size
    let bytes = Array(text.utf8.prefix(size)) + Array(repeating: 0, count: max(0, size - text.utf8.count))
    return bytes.withUnsafeBytes { $0.loadUnaligned(as: (repeat each W).self) }
  }

  func answer(_ message: Message, from server: Endpoint) throws(Errno) -> Message {
    if failing == server { throw .deadEndpoint }
    switch message.type {
    case PM.ProcessInformation.number:
      let call: PM.ProcessInformation = message.body()
      guard let p = processes.first(where: { UInt64($0.index) >= call.index }) else { throw .noSuchProcess }
      return Message(reply: PM.ProcessInformation.Reply(
        index: p.index, process: p.endpoint, id: p.id, parent: 1, group: 2, state: UInt32(p.state.asciiValue!), time: 55,
        name: words(p.name, (UInt64, UInt64, UInt64).self)))
    case RS.Status.number:
      let call: RS.Status = message.body()
      guard call.index < services.count else { throw .noSuchFile }
      let s = services[Int(call.index)]
      return Message(reply: RS.Status.Reply(
        name: words(s.0, (UInt64, UInt64).self), service: Endpoint(raw: UInt32(call.index) + 1), state: s.1, restarts: s.2, kills: 1, lastRecovery: 777,
        started: 0))
    case VM.Information.number:
      return Message(reply: VM.Information.Reply(total: 2000, free: free, user: 500, tables: 300, metadata: 200, spaces: 7, regions: 70, objects: 8, faults: 99))
    case PageCache.Information.number:
      return Message(reply: PageCache.Information.Reply(pages: 31, idle: 21, nodes: 2, files: 3, hits: 44, fills: 55, evictions: 6))
    case PageCache.StoreInformation.number:
      return Message(reply: PageCache.StoreInformation.Reply(pages: 17, limit: 1000, nodes: 4, files: 5))
    case PageCache.Pressure.number:
      return Message(reply: PageCache.Pressure.Reply(charge: 0, changed: 12, waiting: 1, kills: 2, waits: 9, writeBacks: 4, unmapped: 64))
    case VM.RegionInformation.number:
      let call: VM.RegionInformation = message.body()
      guard let r = regionAt.map({ $0(call.address) }) ?? regions.first(where: { $0.1 > call.address }) else { throw .noSuchFile }
      let isImage = r.3 == VM.RegionKind.image
      return Message(reply: VM.RegionInformation.Reply(
        start: r.0, end: r.1, protection: r.2, kind: r.3, resident: 3, shared: 1, offset: isImage ? 0x2000 : 0, name: isImage ? (0x74786574, 0) : (0, 0),
        flags: isImage ? VM.RegionFlags.locked | VM.RegionFlags.shared : 0, proportional: 10))
    case VM.GetLimit.number:
      let call: VM.GetLimit = message.body()
      return Message(reply: VM.GetLimit.Reply(soft: UInt64(call.resource) << 20, hard: VM.Resource.unlimited))
    case VM.CommandLine.number:
      let call: VM.CommandLine = message.body()
      let rest = String(decoding: Array(commandLine.utf8).dropFirst(Int(call.offset)).prefix(48), as: UTF8.self)
      return Message(reply: VM.CommandLine.Reply(text: words(rest, (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64).self)))
    case VFS.MountInformation.number:
      let call: VFS.MountInformation = message.body()
      guard let m = mounts.first(where: { UInt64($0.0) >= call.index }) else { throw .noSuchFile }
      return Message(reply: VFS.MountInformation.Reply(
        index: m.0, flags: 0, server: m.1, driver: m.2, minor: 0, path: words(m.3, (UInt64, UInt64, UInt64, UInt64, UInt64).self)))
    default: throw .noSuchCall
    }
  }
}

struct FakeKernel: Transport {
  unowned let world: World
  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {}
  mutating func notify(_ destination: Endpoint) throws(Errno) {}
  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {}
  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message {
    do throws(Errno) { return try world.answer(message, from: destination) } catch {
      if error == .deadEndpoint { throw error }
      return Message(error: error)
    }
  }
  mutating func kernel(_ message: Message) -> Message {
    switch message.type {
    case Kernel.Clock.number: return Message(reply: Kernel.Clock.Reply(now: world.now, threadTime: 0))
    case Kernel.Statistics.number:
      return Message(reply: Kernel.Statistics.Reply(
        threads: 14, threadLimit: 1024, grants: 5, grantLimit: 4096, asynchronous: 1, asynchronousLimit: 2048, timers: 50, fastPath: 10, slowPath: 20, faults: 30,
        interrupts: 40))
    case Kernel.ThreadInfo.number:
      let call: Kernel.ThreadInfo = message.body()
      guard let p = world.processes.first(where: { $0.endpoint.slot == Int(call.slot) }) else { return Message(error: .noSuchProcess) }
      return Message(reply: Kernel.ThreadInfo.Reply(thread: p.endpoint, state: 5, peer: .vfs, priority: 5, time: 1, messages: 66, instruction: 0, stack: 0))
    case Kernel.CopyGrant.number:
      let call: Kernel.CopyGrant = message.body()
      guard call.granter == .vfs, call.id == 1, call.offset + call.length <= UInt64(world.room) else { return Message(error: .badAddress) }
      let local = UnsafeMutableRawPointer(bitPattern: UInt(call.address))!
      if call.direction == Kernel.Direction.read {
        local.copyMemory(from: world.name, byteCount: Int(call.length))
      } else {
        let end = Int(call.offset + call.length)
        if world.memory.count < end { world.memory += Array(repeating: 0, count: end - world.memory.count) }
        world.memory.replaceSubrange(Int(call.offset)..<end, with: UnsafeRawBufferPointer(start: local, count: Int(call.length)))
      }
      return Message(reply: Done())
    default: return Message(error: .noSuchCall)
    }
  }
}

@Suite("/proc")
final class ProcTests {
  let world = World()
  var proc = ProcFileSystem<FakeKernel>()

  init() {
    world.processes = [
      .init(index: 0, id: 1, name: "init", endpoint: Endpoint(slot: 64, generation: 0)),
      .init(index: 3, id: 42, name: "sh", endpoint: Endpoint(slot: 65, generation: 9), state: "R"),
    ]
    world.services = [("vm", RS.State.running, 0), ("disk", RS.State.backingOff, 12)]
    world.regions = [(0x40_0000, 0x41_0000, 5, VM.RegionKind.image), (0x7FFF_0000_0000, 0x7FFF_0001_0000, 3, VM.RegionKind.stack)]
    world.mounts = [(0, .rootfs, .disk, "/"), (2, .proc, .none, "/proc"), (3, .none, .none, "/dev")]
  }
  deinit { proc.dispose() }

  func ask(_ message: Message, from source: Endpoint = .vfs, flags: Delivery.Flags = .asynchronous) -> Message? {
    var ipc = FakeKernel(world: world)
    var message = message
    message.source = source
    return proc.handle(Delivery(message: message, flags: flags), &ipc)
  }
  func call<C: Call>(_ call: C) throws -> C.Reply { try ask(Message(call))!.reply() }
  func look(_ directory: UInt64, _ name: String) throws -> FS.Node {
    world.name = Array(name.utf8)
    return try call(FS.Lookup(directory: directory, grant: 1, offset: 0, length: UInt64(world.name.count)))
  }
  func find(_ path: String) throws -> FS.Node {
    var node = try call(FS.Mount(driver: .none, minor: 0, flags: 0))
    for part in path.split(separator: "/") { node = try look(node.inode, String(part)) }
    return node
  }
  func read(_ path: String, piece: Int = 100_000) throws -> String {
    let node = try find(path)
    var bytes: [UInt8] = []
    while true {
      world.memory = []
      let count = try call(FS.Read(inode: node.inode, position: UInt64(bytes.count), grant: 1, offset: 0, length: UInt64(piece))).count
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += world.memory[..<Int(count)]
    }
  }
  func list(_ path: String, room: Int = 1000) throws -> [String] {
    let node = try find(path)
    var names: [String] = []
    var position: UInt64 = 0
    while true {
      world.memory = []
      let reply = try call(FS.ReadDirectory(inode: node.inode, position: position, grant: 1, offset: 0, length: UInt64(room)))
      if reply.count == 0 { return names }
      var at = 0
      while at < Int(reply.count) {
        let length = Int(world.memory[at + 16]) | Int(world.memory[at + 17]) << 8
        names.append(String(decoding: world.memory[(at + 19)..<(at + length)].prefix { $0 != 0 }, as: UTF8.self))
        at += length
      }
      position = reply.next
    }
  }
  func failure<R>(_ body: () throws -> R) -> Errno? {
    do { _ = try body() } catch { return error as? Errno }
    return nil
  }

  @Test("the root lists its files and the processes, in pieces of any size")
  func root() throws {
    let all = [".", "..", "services", "meminfo", "kernel", "uptime", "cmdline", "version", "mounts", "vm", "1", "42"]
    #expect(try list("/") == all)
    #expect(try list("/", room: 32) == all)
    #expect(try list("/42") == [".", "..", "status", "maps", "cmdline", "smaps_rollup", "limits"])
    #expect(failure { try list("/", room: 8) } == .invalidArgument)
  }

  @Test("lookup: names, process ids, dots, and what is not there")
  func lookup() throws {
    #expect(try find("/42/status").mode & VFS.Mode.typeMask == VFS.Mode.regular)
    #expect(try find("/42").mode & VFS.Mode.typeMask == VFS.Mode.directory)
    #expect(try find("/42/..").inode == 1)
    #expect(try find("/..").inode == 1)
    for path in ["/nothing", "/7", "/042", "/+42", "/42x", "/99999999999", "/4294967338", "/0", "/42/nothing", "/x/y", "/ 42"] {
      #expect(failure { try find(path) } == .noSuchFile, "\(path)")
    }
    #expect(failure { try find("/version/x") } == .notDirectory)
    #expect(failure { try look(1, String(repeating: "n", count: 256)) } == .nameTooLong)
    #expect(failure { try look(1, "") } == .nameTooLong)
    #expect(failure { try look(999, "x") } == .noSuchFile)
  }

  @Test("services: a line each")
  func services() throws {
    let lines = try read("/services").split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[2].split(separator: " ") == ["disk", "2", "backingOff", "12", "1", "777", "4"])
  }

  @Test("kernel: name and value a line, with frames and grants for the leak oracle, calls by either path and interrupts")
  func kernel() throws {
    var values: [Substring: Substring] = [:]
    for line in try read("/kernel").split(separator: "\n") {
      let words = line.split(separator: " ")
      #expect(words.count == 2)
      values[words[0]] = words[1]
    }
    #expect(values["frames-free"] == "1000" && values["grants"] == "5" && values["nanoseconds"] == "12345678900" && values["regions"] == "70" && values["objects"] == "8")
    #expect(values["fast-path"] == "10" && values["slow-path"] == "20" && values["faults"] == "30")
    #expect(values["interrupts"] == "40" && values["timer-interrupts"] == "50")
  }

  @Test("vm: frames by owner, which are all frames, then the page cache and what was done for lack of memory; a VM that is away is an error") func frames() throws {
    let text = try read("/vm")
    #expect(text == """
      nanoseconds 12345678900
      frames-total 2000
      frames-free 1000
      frames-user 500
      frames-tables 300
      frames-metadata 200
      spaces 7
      regions 70
      objects 8
      page-faults 99
      cache-pages 31
      cache-idle 21
      cache-nodes 2
      cache-files 3
      cache-hits 44
      cache-fills 55
      cache-evictions 6
      memory-file-pages 17
      memory-file-nodes 4
      memory-files 5
      cache-changed 12
      cache-written-back 4
      cache-unmapped 64
      memory-waiting 1
      memory-waits 9
      memory-kills 2

      """)
    #expect(try read("/vm", piece: 7) == text)
    world.failing = .vm
    #expect(failure { try read("/vm") } == .deadEndpoint)
  }

  @Test("meminfo, uptime, cmdline, version, mounts")
  func system() throws {
    #expect(try read("/meminfo").hasPrefix("MemTotal: 8000 kB\nMemFree: 4000 kB\n"))
    #expect(try read("/uptime") == "12.34\n")
    world.now = 1_050_000_000
    #expect(try read("/uptime") == "1.05\n")
    #expect(try read("/cmdline") == "root=disk quiet\n")
    world.commandLine = String(repeating: "long ", count: 80)
    #expect(try read("/cmdline") == world.commandLine + "\n")
    #expect(try read("/version").hasPrefix("Apus"))
    #expect(try read("/mounts") == "/dev/hd0 / ext2 rw\nnone /proc proc rw\nnone /dev devices rw\n")
  }

  @Test("status and cmdline of a process; a process that ended has no thread")
  func status() throws {
    let text = try read("/42/status")
    #expect(text.hasPrefix("Name: sh\nState: R\nPid: 42\nPPid: 1\nGroup: 2\n"))
    #expect(text.contains("WaitsFor: 4\n"))
    #expect(text.hasSuffix("""
      VmSize: 128 kB
      VmLck: 64 kB
      VmRSS: 24 kB
      RssAnon: 12 kB
      RssFile: 0 kB
      RssShmem: 12 kB
      VmData: 0 kB
      VmStk: 64 kB
      VmExe: 64 kB

      """))
    #expect(try read("/42/cmdline") == "sh\0")
    world.processes[1].endpoint = Endpoint(slot: 99, generation: 1)
    #expect(try read("/42/status").contains("Messages: 66\n"))
  }

  @Test("V77 maps: a region a line, in order")
  func maps() throws {
    let lines = try read("/42/maps").split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].split(separator: " ") == ["0x000000400000-0x000000410000", "r-xs", "0x00002000", "3", "1", "image", "locked", "[text]"])
    #expect(lines[1].hasSuffix("stack"))
  }

  @Test("V77 smaps_rollup: the sums of all regions; limits: what VM keeps to") func rollup() throws {
    #expect(try read("/42/smaps_rollup") == "Size: 128 kB\nRss: 24 kB\nPss: 20 kB\nShared: 8 kB\nPrivate: 16 kB\nLocked: 64 kB\n")
    #expect(try read("/42/limits").split(separator: "\n").map(String.init) == [
      "Max data size 2097152 unlimited bytes", "Max stack size 3145728 unlimited bytes", "Max locked memory 8388608 unlimited bytes",
      "Max address space 9437184 unlimited bytes",
    ])
  }

  /// Regions of one page, every second page.
  private func manyRegions(_ count: UInt64) { world.regionAt = { address in
    let index = address / 0x2000 + (address % 0x2000 >= 0x1000 ? 1 : 0)
    return index < count ? (index * 0x2000, index * 0x2000 + 0x1000, 7, 0) : nil
  } }

  @Test("V77 maps of 65,536 regions: each stands there once, in pieces of any size; from the middle as well")
  func long() throws {
    manyRegions(65_536)
    let text = try read("/42/maps")
    let lines = text.split(separator: "\n")
    #expect(lines.count == 65_536 && Set(lines.map { $0.prefix(29) }).count == 65_536)
    #expect(lines.allSatisfy { $0.utf8.count == lines[0].utf8.count && $0.hasSuffix("anonymous") })
    manyRegions(2000)
    let short = try read("/42/maps")
    #expect(try read("/42/maps", piece: 777) == short && text.hasPrefix(short.prefix(1000)))
    let node = try find("/42/maps")
    for position in [100_000, 60_000, 130_000, 32_768, 32_767, 5] as [UInt64] {
      world.memory = []
      let count = try call(FS.Read(inode: node.inode, position: position, grant: 1, offset: 0, length: 100)).count
      #expect(count > 0 && Array(world.memory[..<Int(count)]) == Array(short.utf8.dropFirst(Int(position)).prefix(Int(count))))
    }
  }

  @Test("V77 maps while the space changes: no address twice, and what is there throughout is not left out")
  func changing() throws {
    let node = try find("/42/maps")
    manyRegions(3000)
    var text: [UInt8] = []
    var round: UInt64 = 0
    while true {
      world.memory = []
      let count = try call(FS.Read(inode: node.inode, position: UInt64(text.count), grant: 1, offset: 0, length: 4096)).count
      if count == 0 { break }
      text += world.memory[..<Int(count)]
      round += 1
      // The even ones stay; the odd ones come and go, or are merged with what is before them into one that is already shown.
      let way = round % 3
      world.regionAt = { address in
        var index = address / 0x2000 + (address % 0x2000 >= 0x1000 ? 1 : 0)
        if way == 1, index % 2 == 1 { index += 1 }
        guard index < 3000 else { return nil }
        if way == 2, index % 2 == 1 { return ((index - 1) * 0x2000, index * 0x2000 + 0x1000, 7, 0) }
        return (index * 0x2000, index * 0x2000 + 0x1000, 7, 0)
      }
    }
    var end: UInt64 = 0
    var even = 0
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      let ends = line.prefix(29).split(separator: "-").compactMap { UInt64($0.dropFirst(2), radix: 16) }
      try #require(ends.count == 2 && ends[0] >= end && ends[1] > ends[0], "\(line)")
      end = ends[1]
      if ends[0] % 0x4000 == 0 { even += 1 }
    }
    #expect(even == 1500)
  }

  @Test("maps ends whatever VM says: a region that does not move on is an error, endless ones are cut")
  func lyingVM() throws {
    world.regions = [(0x1000, 0x1000, 0, 0)]
    #expect(failure { try read("/42/maps") } == .ioError)
    world.regions = [(0, .max, 9, 99)]
    #expect(try read("/42/maps").contains("unknown"))
    manyRegions(.max / 0x2000)
    let length = UInt64(try read("/42/maps").utf8.count)
    #expect(length >= Snapshot.longest && length < Snapshot.longest + UInt64(Snapshot.capacity))
  }

  @Test("who reads on gets the rest of the same moment; who begins again gets a new one")
  func consistent() throws {
    let node = try find("/meminfo")
    let before = try read("/meminfo", piece: 7)
    world.memory = []
    let first = try call(FS.Read(inode: node.inode, position: 0, grant: 1, offset: 0, length: 10)).count
    world.free = 1
    let rest = try call(FS.Read(inode: node.inode, position: first, grant: 1, offset: first, length: 1000)).count
    #expect(String(decoding: world.memory[..<Int(first + rest)], as: UTF8.self) == before)
    #expect(try read("/meminfo").contains("MemFree: 4 kB"))
  }

  @Test("more files are read at once than are remembered: each is still read to its end")
  func manyReaders() throws {
    let nodes = try ["/services", "/meminfo", "/kernel", "/uptime", "/cmdline", "/version", "/mounts"].map { try find($0) }
    for position in stride(from: UInt64(0), to: 40, by: 10) {
      for node in nodes { _ = try call(FS.Read(inode: node.inode, position: position, grant: 1, offset: 0, length: 10)) }
    }
    #expect(try call(FS.Read(inode: nodes[0].inode, position: .max, grant: 1, offset: 0, length: 10)).count == 0)
  }

  @Test("a process that ends while its file is open: ESRCH")
  func ended() throws {
    let node = try find("/42/status")
    world.processes.removeLast()
    #expect(failure { try call(FS.Read(inode: node.inode, position: 0, grant: 1, offset: 0, length: 10)) } == .noSuchProcess)
    #expect(try call(FS.ReadDirectory(inode: find("/1").inode, position: 0, grant: 1, offset: 0, length: 1000)).count > 0)
  }

  @Test("everything that would change something is EROFS; directories cannot be read")
  func readOnly() {
    #expect(failure { try call(FS.Write(inode: 2, position: 0, grant: 1, offset: 0, length: 1)) } == .readOnlyFileSystem)
    #expect(failure { try call(FS.Create(directory: 1, grant: 1, offset: 0, length: 1, mode: 0)) } == .readOnlyFileSystem)
    #expect(failure { try call(FS.Unlink(directory: 1, grant: 1, offset: 0, length: 1)) } == .readOnlyFileSystem)
    #expect(failure { try call(FS.Truncate(inode: 2, size: 0)) } == .readOnlyFileSystem)
    #expect(failure { try call(FS.Read(inode: 1, position: 0, grant: 1, offset: 0, length: 1)) } == .isDirectory)
    #expect(failure { try call(FS.ReadLink(inode: 2, grant: 1, offset: 0, capacity: 1)) } == .invalidArgument)
    #expect(failure { try call(FS.Statistics()) } == nil)
    #expect(failure { try call(FS.Sync()) } == nil)
    #expect(failure { try call(FS.Forget(inode: 5, count: 7)) } == nil)
    #expect(failure { try call(FS.Unmount()) } == nil)
  }

  @Test("only VFS is answered; a dead server behind it is an error")
  func others() {
    #expect(ask(Message(FS.Sync()), from: .tty) == nil)
    #expect(ask(Message(FS.Sync()), from: Endpoint(slot: 70, generation: 0), flags: .request)?.type == -Errno.notPermitted.rawValue)
    #expect(ask(Message(FS.Sync()), flags: .request)?.type == -Errno.notPermitted.rawValue)
    for server in [Endpoint.pm, .rs, .vm] {
      world.failing = server
      for path in ["/services", "/meminfo", "/kernel", "/42/status", "/42/maps", "/cmdline"] { _ = failure { try read(path) } }
    }
    world.failing = .rs
    #expect(failure { try read("/services") } == .deadEndpoint)
  }

  @Test("100,000 random requests: an answer to each, never a crash")
  func hostile() {
    var state: UInt64 = 88172645463325252
    func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
    let inodes: [UInt64] = [0, 1, 2, 8, 9, 16, 0x110, 0x2A10, 0x2A11, 0x2A12, 0x2AFF]
    let words: [UInt64] = inodes + [0x100_0000_0000, UInt64.max, UInt64.max - 1, 0x8000_0000_0000_0000, 255, 256]
    world.name = Array(repeating: 0x34, count: 300)
    world.room = 1 << 16
    for _ in 0..<100_000 {
      func word() -> UInt64 { next() % 4 == 0 ? next() : words[Int(next() % UInt64(words.count))] }
      var message = Message(type: next() % 10 == 0 ? Int32(truncatingIfNeeded: next()) : FS.Number.allCases[Int(next() % 20)].rawValue)
      message.payload = (word(), word(), 1, word() & 0xFFFF, word(), word(), word())
      if next() % 2 == 0 { message.payload.1 = 1 }
      let answer = ask(message)
      #expect((answer == nil) == (message.type <= 0))
    }
  }
}
