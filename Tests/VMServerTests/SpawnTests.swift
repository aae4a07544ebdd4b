import BootImage
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct SpawnTests {
  private func spawn(
    _ system: TestSystem, _ name: StaticString = "rs", slot: Int = 8, restart: UInt32 = 0, supervisor: Endpoint = .rs
  ) throws(Errno) -> Endpoint {
    try system.call(VM.Spawn(name: packName(name), slot: UInt32(slot), restart: restart, supervisor: supervisor, priority: 3), from: .rs).thread
  }

  @Test("the start of VM starts RS from the archive") func start() throws {
    let system = TestSystem()
    try system.vm.startReincarnationServer(&system.ipc)
    let thread = try #require(system.kernel.threads[2])
    #expect(thread.endpoint == .rs && thread.started && thread.entry == 0x40_0010 && thread.supervisor == .rs)
    system.expectSound()
  }

  @Test("a spawned service sees its image: text, data, zeroed memory") func image() throws {
    let system = TestSystem()
    let service = try spawn(system)
    #expect(service == Endpoint(slot: 8, generation: 0))
    for segment in TestELF.standard.segments {
      #expect(system.bytes(service, segment.address, segment.bytes.count) == segment.bytes)
      #expect(system.write(service, segment.address, 1) == (segment.flags & 2 != 0))
      #expect((system.touch(service, segment.address, .execute) != nil) == (segment.flags & 1 != 0))
    }
    for offset: UInt64 in stride(from: 4096 + 300, to: 20_000, by: 50) { #expect(system.read(service, 0x40_3000 + offset) == 0) }
    #expect(system.read(service, 0x40_8000) == nil)
    #expect(system.touch(service, AddressSpace.stub, .execute) != nil && !system.write(service, AddressSpace.stub, 1))
    #expect(try system.call(VM.Brk(address: 0), from: service).address == 0x40_8000)
    system.expectSound()
  }

  @Test("its stack carries its name") func name() throws {
    let system = TestSystem(modules: [("rs", TestELF.standard.bytes), ("a-name-of-16-byt", TestELF.standard.bytes)])
    for (index, name): (Int, StaticString) in [(0, "rs"), (1, "a-name-of-16-byt")] {
      let service = try spawn(system, name, slot: 8 + index)
      let stack = system.kernel.threads[8 + index]!.stack
      #expect(stack % 16 == 0 && system.readWord(service, stack) == 1)
      let text = try #require(system.readWord(service, stack + 8))
      #expect(system.bytes(service, text, name.utf8CodeUnitCount + 1) == Array("\(name)".utf8) + [0])
      #expect(system.readWord(service, stack + 16) == 0 && system.readWord(service, stack + 24) == 0)
      #expect(system.readWord(service, stack + 32) == 6)
    }
  }

  @Test("M-L4 text is mapped where it is, and data only copied when written") func shared() throws {
    let system = TestSystem()
    let first = try spawn(system)
    let user = system.information.user
    let second = try spawn(system, slot: 9)
    let cost = system.information.user - user
    #expect(cost <= 2)  // the part page of data, and the stack
    #expect(system.frame(first, 0x40_0000) == system.frame(second, 0x40_0000))
    #expect(system.frame(first, 0x40_0000) < TestSystem.freeBase)
    let original = system.read(second, 0x40_3000)
    system.write(first, 0x40_3000, 0xCC)
    #expect(system.read(second, 0x40_3000) == original)
    #expect(system.space(first).pointee.copyFaults == 1)
    #expect(system.vm.faults == 1)
    system.expectSound()
  }

  @Test("a restart gives the service a fresh image under its old name") func restart() throws {
    let system = TestSystem()
    let service = try spawn(system)
    let before = system.information
    system.write(service, 0x40_3000, 0xCC)
    let mapping = try system.map(service, pages: 5)
    system.write(service, mapping, 1)
    for _ in 0..<20 { #expect(try spawn(system, restart: 1) == service) }
    #expect(system.read(service, 0x40_3000) == TestELF.standard.segments[2].bytes[0])
    #expect(system.read(service, mapping) == nil)
    #expect(system.information.free == before.free)
    #expect(system.information.regions == before.regions)
    system.expectSound()
  }

  @Test("the kernel hears whether the last life ended by a fault of its own") func fault() throws {
    let system = TestSystem()
    let service = try spawn(system)
    for life in [VM.Life.next, VM.Life.afterFault] { #expect(try spawn(system, restart: life) == service) }
    #expect(system.kernel.restarts == [0, 1])
    #expect(throws: Errno.invalidArgument) { try spawn(system, restart: 3) }
  }

  @Test("slots, modules and priorities that do not fit are errors") func refused() throws {
    let system = TestSystem()
    _ = try spawn(system)
    let free = system.information.free
    #expect(throws: Errno.busy) { try spawn(system) }
    #expect(throws: Errno.noSuchFile) { try spawn(system, "none", slot: 9) }
    for slot in [0, 1, 65, 4096, 0xFFFF_FFFF] { #expect(throws: Errno.invalidArgument) { try spawn(system, slot: slot) } }
    #expect(throws: Errno.notExecutable) { try spawn(system, "ramdisk", slot: 9) }
    #expect(throws: Errno.deadEndpoint) { try spawn(system, slot: 9, restart: 1) }
    #expect(system.information.free == free)
    system.expectSound()
  }

  @Test("init gets slot 64 and is a process from then on") func initProcess() throws {
    let system = TestSystem()
    let process = try spawn(system, slot: 64, supervisor: .pm)
    #expect(process == .initProcess)
    #expect(system.space(process).pointee.supervisor == .pm)
    let child = try system.fork(process)
    #expect(system.bytes(child, 0x40_0000, 100) == Array(TestELF.standard.segments[0].bytes.prefix(100)))
    system.write(child, 0x40_3000, 9)
    #expect(system.read(process, 0x40_3000) == TestELF.standard.segments[2].bytes[0])
    system.exit(process)
    #expect(system.read(child, 0x40_3000) == 9)
    system.expectSound()
  }

  @Test("V41 SEC41 modules that are no sound executables are refused, byte by byte") func malformed() throws {
    let good = TestELF.standard.bytes
    var random = Random(state: 11)
    var modules: [(String, [UInt8])] = [("good", good)]
    for index in 0..<100 {
      var bad = good
      for _ in 0..<1 + random.below(4) { bad[random.below(232)] = UInt8(random.below(256)) }
      if index % 10 == 0 { bad = Array(good.prefix(random.below(300))) }
      modules.append(("m\(index)", bad))
    }
    let system = TestSystem(frames: 4000, modules: modules)
    let before = system.information
    var refused = 0
    for index in 0..<modules.count {
      let text = Array(modules[index].0.utf8) + [UInt8](repeating: 0, count: 16 - modules[index].0.utf8.count)
      let name = text.withUnsafeBytes { ($0.load(as: UInt64.self), $0.load(fromByteOffset: 8, as: UInt64.self)) }
      let call = VM.Spawn(name: name, slot: 9, restart: 0, supervisor: .rs, priority: 3)
      if let error = system.error(call, from: .rs) {
        refused += 1
        #expect(error == .notExecutable || error == .noMemory)
      } else {
        system.expectSound()
        try system.call(VM.Release(service: Endpoint(slot: 9, generation: system.kernel.generations[9, default: 0])), from: .rs)
      }
      #expect(system.information.free == before.free)
    }
    #expect(refused > 50)
    system.expectSound()
  }

  @Test("a segment that cannot be mapped in place is copied") func skewed() throws {
    var elf = TestELF.standard
    for index in 0..<3 { elf.segments[index].skew = 100 + index }
    let system = TestSystem(modules: [("rs", elf.bytes)])
    let service = try spawn(system)
    for segment in elf.segments { #expect(system.bytes(service, segment.address, segment.bytes.count) == segment.bytes) }
    #expect(!system.write(service, 0x40_0000, 1))
    system.expectSound()
  }

  @Test("release ends a service for good") func release() throws {
    let system = TestSystem()
    let before = system.information.free
    let service = try spawn(system)
    _ = try system.call(VM.MapContiguous(length: 8192), from: service)
    try system.call(VM.Release(service: service), from: .rs)
    #expect(system.kernel.threads[8] == nil && system.information.free == before)
    #expect(system.error(VM.Release(service: service), from: .rs) == .noSuchProcess)
    #expect(system.error(VM.Release(service: .vm), from: .rs) == .noSuchProcess)
    let next = try spawn(system)
    #expect(next != service)
    system.expectSound()
  }

  @Test("an archive that is none has no modules") func badArchive() throws {
    let system = TestSystem(modules: [])
    #expect(throws: Errno.noSuchFile) { try spawn(system) }
  }

  @Test("the server reads what the kernel tells, starts RS and answers; without an archive it ends") func server() throws {
    let system = TestSystem()
    var server = try #require(MemoryServer<FakeTransport>(UnsafePointer(system.boot), window: system.window))
    server.start(&system.ipc)
    #expect(system.kernel.threads[2]?.started == true)
    server.notified(by: .disk, events: 0, &system.ipc)
    var message = Message(VM.Brk(address: 0))
    message.source = .rs
    let reply = server.handle(Delivery(message: message, flags: .request), &system.ipc)
    #expect(try reply?.reply(VM.AddressReply.self).address == 0x40_8000)

    let empty = TestSystem(modules: [])
    var helpless = try #require(MemoryServer<FakeTransport>(UnsafePointer(empty.boot), window: empty.window))
    helpless.start(&empty.ipc)
    #expect(empty.kernel.calls.last == .exit)
    system.boot.pointee.magic = 1
    #expect(MemoryServer<FakeTransport>(UnsafePointer(system.boot), window: system.window) == nil)
    system.boot.pointee.magic = BootInformation.magic
    system.boot.pointee.freeCount = 0
    #expect(MemoryServer<FakeTransport>(UnsafePointer(system.boot), window: system.window) == nil)
  }
}
