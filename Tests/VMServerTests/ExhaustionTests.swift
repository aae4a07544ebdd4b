import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct ExhaustionTests {
  @Test("V93 X3 the same script with pools of every size: results or clean errors, then everything is back")
  func poolSizes() throws {
    for frames: UInt64 in stride(from: 45, through: 400, by: 1) {
      let system = TestSystem(frames: frames)
      let before = system.information.free
      let first = (try? system.vm.makeSpace(.user, &system.ipc)).flatMap { space -> Endpoint? in
        do throws(Errno) {
          try system.vm.mapStub(space)
          try system.vm.addStack(space)
        } catch {
          system.vm.destroy(space)
          return nil
        }
        system.vm.placeHeap(space, imageEnd: 0x50_0000)
        let reply = try! system.ipc.kernel(Kernel.ThreadCreate(
          root: space.pointee.root.address, space: space.pointee.id, entry: 0, stack: 0, slot: 100, supervisor: .pm, priority: 5))
        space.pointee.supervisor = .pm
        system.vm.adopt(space, reply.thread)
        return reply.thread
      }
      system.vm.settle()
      if let first { script(system, first) }
      system.expectSound()
      for thread in system.kernel.threads.values { system.exit(thread.endpoint) }
      #expect(system.information.free == before, "pool of \(frames)")
    }
  }

  @Test("X3 M-A7 the same script with each allocation of it failing in turn: clean errors or a signal, then everything is back")
  func everyAllocation() {
    var failing: UInt64 = 1
    while failing < 2000 {
      let system = TestSystem(frames: 1000)
      let before = system.information.free
      let first = system.process()
      system.vm.failReservation(after: failing)
      script(system, first)
      let triggered = system.vm.frames.failing == 0
      system.vm.frames.failing = 0
      system.expectSound()
      for thread in system.kernel.threads.values { system.exit(thread.endpoint) }
      #expect(system.information.free == before, "allocation \(failing)")
      if !triggered {
        #expect(failing > 50)
        return
      }
      failing += 1
    }
    Issue.record("the script never got through")
  }

  /// 200 steps; a process that is told to die dies, as PM would see to.
  private func script(_ system: TestSystem, _ first: Endpoint) {
    var random = Random(state: 77)
    var living = [first]
    var mappings: [UInt64] = []
    for _ in 0..<200 {
      guard !living.isEmpty else { return }
      let index = random.below(living.count)
      let process = living[index]
      let told = system.kernel.exceptions.count
      switch random.below(6) {
      case 0: if let address = try? system.map(process, pages: 4) { mappings.append(address) }
      case 1: if living.count < 5, let child = try? system.fork(process) { living.append(child) }
      case 2: _ = try? system.call(VM.Brk(address: 0x50_0000 + UInt64(random.below(30)) << 12), from: process)
      case 3: if let address = mappings.randomElement(using: &random) { try? system.unmap(process, address + 0x1000, pages: 2) }
      default:
        let address = random.below(2) == 0 ? AddressSpace.stackTop - UInt64(random.below(40)) << 12 - 8 : mappings.randomElement(using: &random) ?? 0x50_0000
        system.write(process, address, 0x11)
      }
      if system.kernel.exceptions.count > told, system.kernel.exceptions.last!.event.signal == 9 {
        system.exit(process)
        living.remove(at: index)
      }
    }
  }

  @Test("V93 a fork bomb that writes gets errors and signals; a driver is restarted meanwhile") func forkBomb() throws {
    let system = TestSystem(frames: 4096, floors: true)
    let spawn = VM.Spawn(name: ("rs" as StaticString).packed, slot: 8, restart: 0, supervisor: .rs, priority: 3)
    let again = VM.Spawn(name: ("rs" as StaticString).packed, slot: 8, restart: 1, supervisor: .rs, priority: 3)
    let driver = try system.call(spawn, from: .rs).thread
    let first = system.process()
    let memory = try system.map(first, pages: 64)
    var living = [first]
    var refused = 0
    var killed = 0
    for round in 0..<3000 {
      let parent = living[round % living.count]
      if let child = try? system.fork(parent) {
        living.append(child)
        if !system.write(child, memory + UInt64(round % 64) << 12, 1) {
          killed += 1
          // Some signals take their time: meanwhile there is less for the next fork.
          if killed % 2 == 0 { system.exit(living.removeLast()) }
        }
      } else {
        refused += 1
      }
    }
    #expect(refused > 100)
    while system.write(first, memory + UInt64(killed % 64) << 12, 1), killed < 64 { killed += 1 }
    #expect(system.information.free >= system.vm.frames.serviceFloor)
    for _ in 0..<50 {
      #expect(system.error(again, from: .rs) == nil)
      #expect(system.write(driver, 0x40_3000, 1) && system.write(driver, AddressSpace.stackTop - 5000, 1))
      #expect(system.error(VM.MapContiguous(length: 16384), from: driver) == nil)
    }
    system.expectSound()
    for process in living { system.exit(process) }
    system.expectSound()
  }

  @Test("V93 R1 memory exhaustion by one process costs it its life and nobody else's") func hog() throws {
    let system = TestSystem(frames: 4096, floors: true)
    let other = system.process()
    let kept = try system.map(other, pages: 2)
    system.write(other, kept, 5)
    let hog = system.process()
    let memory = try system.map(hog, pages: 4000)
    var touched: UInt64 = 0
    while touched < 4000, system.write(hog, memory + touched << 12, 1) { touched += 1 }
    #expect(touched > 3000 && touched < 4000)
    #expect(system.kernel.exceptions.last?.event.signal == 9 && system.kernel.exceptions.last?.event.thread == hog)
    #expect(system.error(VM.Fork(parent: other), from: .pm) == .noMemory)
    #expect(system.read(other, kept) == 5)
    system.exit(hog)
    #expect(system.write(other, kept + 0x1000, 1))
    system.expectSound()
  }

  @Test("V45 65,536 regions in one space: little metadata, and finding room stays quick") func manyRegions() throws {
    let system = TestSystem(frames: 6000)
    let process = system.process()
    let before = system.information.metadata
    var addresses: [UInt64] = []
    for _ in 0..<65_536 { addresses.append(try system.map(process, pages: 1)) }
    let metadata = (system.information.metadata - before) * 4096
    #expect(metadata / 65_536 <= 128)
    func height(_ node: Region.Pointer?) -> UInt8 { node?.pointee.height ?? 0 }
    #expect(height(system.space(process).pointee.regions.root) <= 23)
    system.write(process, addresses[40_000], 3)
    let child = try? system.fork(process)
    #expect(child == nil || system.read(child!, addresses[40_000]) == 3)
    for address in addresses.reversed() { try system.unmap(process, address, pages: 1) }
    if let child { system.exit(child) }
    #expect(system.information.metadata == before)
    system.expectSound()
  }

  @Test("V77 V80 the map of a space lists what is there") func information() throws {
    let system = TestSystem(commandLine: "root=ram run=/bin/true and something that is longer than one answer")
    let process = system.process()
    try system.call(VM.Brk(address: 0x50_3000), from: process)
    let mapping = try system.map(process, pages: 4)
    for page: UInt64 in 0..<3 { system.write(process, mapping + page << 12, 1) }
    let child = try system.fork(process)
    system.write(child, mapping, 2)
    let kinds = system.regions(process).map(\.kind)
    #expect(kinds == [VM.RegionKind.heap, VM.RegionKind.anonymous, VM.RegionKind.stub, VM.RegionKind.reserved, VM.RegionKind.stack])
    let line = system.regions(process)[1]
    #expect(line.start == mapping && line.end == mapping + 4 << 12 && line.protection == 3 && line.resident == 3 && line.shared == 2)
    #expect(try system.call(VM.RegionInformation(process: .none, address: mapping), from: process).start == mapping)
    #expect(system.error(VM.RegionInformation(process: .none, address: UInt64.max), from: process) == .noSuchFile)
    #expect(system.error(VM.RegionInformation(process: .vm, address: 0), from: process) == .noSuchProcess)
    #expect(system.information.spaces == 2 && system.information.faults >= 3)

    var text: [UInt8] = []
    for part in 0..<3 {
      var words = try system.call(VM.CommandLine(offset: UInt64(part) * 48), from: process).text
      withUnsafeBytes(of: &words) { text += Array($0) }
    }
    #expect(String(decoding: text.prefix { $0 != 0 }, as: UTF8.self) == "root=ram run=/bin/true and something that is longer than one answer")
    for offset in [UInt64.max, UInt64.max - 20, 1 << 40] {
      let words = try system.call(VM.CommandLine(offset: offset), from: process).text
      #expect(words.0 == 0 && words.5 == 0)
    }
  }
}
