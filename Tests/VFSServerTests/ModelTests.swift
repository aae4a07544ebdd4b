import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

/// What POSIX says should happen, kept apart from any server: a tree of names and a table of descriptors.
private final class Model {
  final class File {
    var data: [UInt8] = []
  }
  final class Opened {
    let file: File
    var position = 0
    let flags: UInt32
    init(_ file: File, _ flags: UInt32) {
      self.file = file
      self.flags = flags
    }
  }
  var files: [String: File] = [:]
  var descriptors: [Int: Opened] = [:]

  func free() -> Int { (0...).first { descriptors[$0] == nil }! }
}

@Suite("against a model")
struct ModelTests {
  @Test("random operations of one process give what the model says", arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func oneProcess(_ seed: UInt64) throws {
    var dice = Dice(seed)
    let world = World()
    let p = Client(world, slot: 64)
    let model = Model()
    let names = (0..<6).map { "/tmp/file\($0)" }
    for _ in 0..<1500 {
      let name = dice.pick(names)
      let fd = dice.below(8)
      switch dice.below(12) {
      case 0, 1:
        guard model.descriptors.count < 8 else { continue }
        let flags = dice.pick([0, Flags.create, Flags.create | Flags.exclusive, Flags.truncate, Flags.create | Flags.append]) | UInt32(dice.below(3))
        let exists = model.files[name] != nil
        let expected: Errno? = exists ? (flags & Flags.exclusive != 0 ? .fileExists : nil) : (flags & Flags.create != 0 ? nil : .noSuchFile)
        var got: Int64 = -1
        #expect(failure { got = try p.open(name, flags) } == expected)
        guard expected == nil else { continue }
        let file = model.files[name] ?? Model.File()
        model.files[name] = file
        if flags & Flags.truncate != 0, flags & 3 != 0 { file.data = [] }
        let number = model.free()
        #expect(got == Int64(number))
        model.descriptors[number] = Model.Opened(file, flags)
      case 2:
        #expect(failure { try p.close(Int64(fd)) } == (model.descriptors.removeValue(forKey: fd) == nil ? .badFileDescriptor : nil))
      case 3, 4:
        let bytes = (0..<dice.below(3000)).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
        guard let open = model.descriptors[fd], open.flags & 3 != 0 else {
          #expect(failure { try p.write(Int64(fd), bytes) } == .badFileDescriptor)
          continue
        }
        #expect(try p.write(Int64(fd), bytes) == bytes.count)
        if bytes.isEmpty { continue }
        if open.flags & Flags.append != 0 { open.position = open.file.data.count }
        if open.file.data.count < open.position + bytes.count {
          open.file.data += Array(repeating: 0, count: open.position + bytes.count - open.file.data.count)
        }
        open.file.data.replaceSubrange(open.position..<open.position + bytes.count, with: bytes)
        open.position += bytes.count
      case 5, 6:
        let count = dice.below(5000)
        guard let open = model.descriptors[fd], open.flags & 3 != 1 else {
          #expect(failure { try p.read(Int64(fd), count) } == .badFileDescriptor)
          continue
        }
        let expected = open.position < open.file.data.count ? Array(open.file.data[open.position...].prefix(count)) : []
        #expect(try p.read(Int64(fd), count) == expected)
        open.position += expected.count
      case 7:
        guard let open = model.descriptors[fd] else { continue }
        let offset = dice.below(10000) - 2000, whence = dice.below(3)
        let base = [0, open.position, open.file.data.count][whence]
        if base + offset < 0 {
          #expect(failure { try p.seek(Int64(fd), Int64(offset), UInt64(whence)) } == .invalidArgument)
        } else {
          #expect(try p.seek(Int64(fd), Int64(offset), UInt64(whence)) == Int64(base + offset))
          open.position = base + offset
        }
      case 8:
        #expect(failure { try p.unlink(name) } == (model.files.removeValue(forKey: name) == nil ? .noSuchFile : nil))
      case 9:
        let target = dice.pick(names)
        if let file = model.files[name] {
          try p.rename(name, target)
          model.files[name] = nil
          model.files[target] = file
        } else {
          #expect(failure { try p.rename(name, target) } == .noSuchFile)
        }
      case 10:
        guard let open = model.descriptors[fd], model.descriptors.count < 8 else { continue }
        let number = model.free()
        #expect(try p.duplicate(Int64(fd)) == Int64(number))
        model.descriptors[number] = open
      default:
        if let file = model.files[name] { #expect(try p.stat(name).size == UInt64(file.data.count)) } else { #expect(failure { try p.stat(name) } == .noSuchFile) }
      }
    }
    world.audit()
    p.exit()
    world.run()
    #expect(world.filesInUse == 0)
    world.audit()
  }

  @Test("many processes, a slow and dying world: every call is answered once, and in the end nothing is left", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
  func manyProcesses(_ seed: UInt64) throws {
    var dice = Dice(seed &+ 100)
    let world = World()
    let first = Client(world, slot: 64)
    let tty = try first.open("/dev/tty", Flags.readWrite), hd = try first.open("/dev/hd0", Flags.readWrite)
    let (r, w) = try first.pipe()
    for n in 0..<5 { world.root.file("/f\(n)", [UInt8](repeating: UInt8(n), count: 5000)) }
    var clients = [first] + (1..<30).map { Client(world, parent: first, slot: 64 + $0) }
    var busy = Set<UInt32>()
    var generation: UInt32 = 1
    var restarts: UInt32 = 0
    func collect() {
      for client in clients where busy.contains(client.endpoint.raw) {
        if client.answer() != nil { busy.remove(client.endpoint.raw) }
      }
      for client in clients where !busy.contains(client.endpoint.raw) { #expect(client.answer() == nil, "an answer to nothing") }
    }
    for _ in 0..<6000 {
      let index = dice.below(clients.count)
      let client = clients[index]
      switch dice.below(20) {
      case 0: client.cancel()
      case 1 where index > 0:
        client.exit()
        busy.remove(client.endpoint.raw)
        clients[index] = Client(world, parent: clients[0], slot: 64 + index, generation: generation)
        generation += 1
      case 2: world.terminal.type("input")
      case 3:
        let service = dice.pick([Endpoint.tty, .disk])
        restarts += 1
        world.restart(service, restarts: restarts)
      case 4: world.services[dice.pick([Endpoint.tty, .disk, .rootfs]).raw]!.isHeld.toggle()
      case 5: world.quota = dice.below(6) == 0 ? .max : dice.below(8)
      case 6, 7, 8, 9: for _ in 0..<dice.below(5) { world.step() }
      default:
        guard !busy.contains(client.endpoint.raw) else { continue }
        busy.insert(client.endpoint.raw)
        switch dice.below(9) {
        case 0: client.start(client.readCall(tty, 10))
        case 1: client.start(client.writeCall(tty, [65]))
        case 2: client.start(client.readCall(hd, 1 + dice.below(2000)))
        case 3: client.start(client.openCall("/f\(dice.below(6))", dice.below(3) == 0 ? Flags.create : 0))
        case 4: client.start(client.readCall(r, 100))
        case 5: client.start(client.writeCall(w, [UInt8](repeating: 1, count: 1 + dice.below(9000))))
        case 6: client.start(VFS.Close(descriptor: Int64(4 + dice.below(8))))
        case 7: client.start(client.openCall(dice.pick(["/dev/tty", "/dev/hd0", "/dev/null"])))
        default: client.start(client.readCall(Int64(4 + dice.below(8)), 3000))
        }
      }
      collect()
    }
    for service in world.services.values { service.isHeld = false }
    world.quota = .max
    world.deliver(Message(VFS.Cancel(process: .none)), from: .pm)
    for service in [Endpoint.tty, .disk] {
      restarts += 1
      world.restart(service, restarts: restarts)
    }
    world.run()
    for client in clients { client.cancel() }
    world.run()
    collect()
    #expect(busy.isEmpty)
    world.audit()
    for client in clients { client.exit() }
    world.run()
    #expect(world.filesInUse == 0 && world.pipesInUse == 0)
    world.audit()
  }
}
