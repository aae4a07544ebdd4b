import Foundation
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Messages that nobody sane would send: the worst answer is an error, and VM's tables are sound afterwards.
@Suite("VM: hostile messages") struct HostileMessageTests {
  /// Memory of all kinds in three processes; files, a store, a space that exec builds, and ids that were somebody's.
  private final class World {
    let system = TestSystem(frames: 1500)
    let vfs: Endpoint
    var processes: [Endpoint] = []
    var dead: [Endpoint] = []
    var deadSpaces: [UInt32] = []
    let buffer: UInt64
    var random: Random

    init(seed: UInt64) throws {
      random = Random(state: seed)
      vfs = system.service(.vfs)
      buffer = try system.map(vfs, pages: 4)
      _ = system.fill(vfs, buffer, [1])
      for service: Endpoint in [.pm, .rs, .disk, .proc] { _ = system.service(service) }
      try system.call(VM.AllowPhysical(service: .disk, base: 0xF000_0000, length: 1 << 20), from: .rs)
      try system.call(PageCache.MakeStore(mount: 2, pages: 40), from: vfs)
      for index in 0..<3 as Range<UInt64> {
        let process = system.process()
        processes.append(process)
        try system.map(process, pages: 5, at: 0x2000_0000_0000, flags: VM.Flags.fixed)
        try system.map(process, pages: 3, at: 0x2000_0001_0000, protection: 1, flags: VM.Flags.fixed, shared: true)
        try system.map(process, pages: 2, at: 0x2000_0002_0000, protection: 0, flags: VM.Flags.fixed)
        for (mount, flags): (UInt32, UInt32) in [(1, VM.Flags.private), (1, VM.Flags.shared), (2, VM.Flags.shared)] {
          try system.call(
            PageCache.Map(
              process: process, mount: mount, inode: 7 + index, position: 0, address: 0x2000_0100_0000 + UInt64(mount << 16 | flags << 20), length: 6 << 12,
              size: 4 << 12, protection: 3, allowed: 7, flags: flags | VM.Flags.fixed), from: vfs)
        }
        try system.call(VM.Brk(address: 0x50_3000), from: process)
      }
      let gone = try system.fork(processes[0])
      deadSpaces.append(system.space(gone).pointee.id)
      system.exit(gone)
      dead.append(gone)
      processes.append(try system.fork(processes[1]))
      try system.call(VM.ExecBegin(process: processes[2]), from: vfs)
    }

    /// Borders of everything that there is, and of what there can be.
    lazy var borders: [UInt64] = {
      var all: [UInt64] = [
        0, 4096, AddressSpace.userStart, 0x40_0000, 0x50_0000, AddressSpace.mmapStart, AddressSpace.mmapEnd, AddressSpace.stub, AddressSpace.stubEnd,
        AddressSpace.stackTop, AddressSpace.userEnd, AddressSpace.kernelLinear, 1 << 63, 1 << 47, UInt64.max << 47, UInt64.max & ~4095, 0xF000_0000,
      ]
      for process in processes { for region in system.regions(process) { all += [region.start, region.end] } }
      return all
    }()

    func address() -> UInt64 {
      let border = borders[random.below(borders.count)]
      switch random.below(6) {
      case 0: return border
      case 1: return border &- 1
      case 2: return border &+ 1
      case 3: return border &- 4096
      case 4: return border &+ UInt64(random.below(8)) << 12
      default: return border ^ 1 << UInt64(random.below(64))
      }
    }

    func endpoint() -> Endpoint {
      switch random.below(8) {
      case 0: Endpoint(raw: UInt32(truncatingIfNeeded: random.next()))
      case 1: dead[random.below(dead.count)]
      case 2: [.vfs, .pm, .rs, .disk, .proc, .vm, .none, .any][random.below(8)]
      default: processes[random.below(processes.count)]
      }
    }

    func word() -> UInt64 {
      switch random.below(8) {
      case 0: random.next()
      case 1: UInt64(random.below(64))
      case 2: UInt64(endpoint().raw) | UInt64(random.below(4)) << 32
      case 3: UInt64(random.below(9)) << 12
      case 4: 1 << UInt64(random.below(64))
      case 5: UInt64(random.below(4)) | UInt64(random.below(16)) << 32
      default: address()
      }
    }

    /// VFS brings what is asked for, or not.
    func serve() {
      for request in system.kernel.pageRequests {
        if random.once(in: 2) {
          _ = system.error(PageCache.Fill(mount: request.mount, inode: request.inode, position: request.position, source: buffer, length: 4096), from: vfs)
        }
        _ = system.error(PageCache.Fail(mount: request.mount, inode: request.inode, position: request.position, error: .ioError), from: vfs)
      }
      system.kernel.pageRequests = []
      system.kernel.exceptions = []
      system.kernel.calls = []
      system.kernel.replies = []
    }
  }

  @Test("SEC8 SEC9 SEC26 every call with random fields from every class of caller: errors or sound results", arguments: 0..<4)
  func calls(_ seed: UInt64) throws {
    let numbers = VM.Number.allCases.map(\.rawValue) + PageCache.Number.allCases.map(\.rawValue)
    var random = Random(state: seed &+ 100)
    var answered: [Int32: (errors: Int, results: Int)] = [:]
    for round in 0..<20 {
      let world = try World(seed: seed &* 1000 &+ UInt64(round))
      let callers: [Endpoint] = [.vfs, .vfs, .pm, .rs, .disk, .proc] + world.processes + world.dead + [.none, .any]
      for step in 0..<2000 {
        let number = random.once(in: 20) ? Int32(truncatingIfNeeded: random.next()) : numbers[random.below(numbers.count)]
        var message = Message(type: number)
        message.payload = (world.word(), world.word(), world.word(), world.word(), world.word(), world.word(), world.word())
        guard let answer = world.system.deliver(message, from: callers[random.below(callers.count)]) else {
          // These wait for pages of files.
          if number == VM.Number.mlock.rawValue || number == VM.Number.mlockall.rawValue, world.system.vm.parked?.pointee.call != 0 { continue }
          Issue.record("seed \(seed), round \(round), step \(step): no answer to \(number)")
          return
        }
        if answer.type > 0 || answer.type <= -4096 { Issue.record("seed \(seed), round \(round), step \(step): \(number) gave \(answer.type)") }
        if answer.type == 0 { answered[number, default: (0, 0)].results += 1 } else { answered[number, default: (0, 0)].errors += 1 }
      }
      world.serve()
      let problems = world.system.audit()
      if !problems.isEmpty {
        Issue.record("seed \(seed), round \(round): \(problems.prefix(3))")
        return
      }
    }
    for number in numbers { #expect((answered[number]?.errors ?? 0) + (answered[number]?.results ?? 0) > 100, "\(number)") }
  }

  static let faultCount = ProcessInfo.processInfo.environment["VM_FAULTS"].flatMap { Int($0) } ?? 1_000_000

  @Test("V18 V21 SEC46 1,000,000 mutated fault messages: an entry that its region allows, a signal, or an error; then all is sound", arguments: 0..<4)
  func faults(_ seed: UInt64) throws {
    let rounds = 10
    var answers = (resolved: 0, refused: 0, parked: 0)
    for round in 0..<rounds {
      let world = try World(seed: seed &* 77 &+ UInt64(round))
      let system = world.system
      let spaces = world.processes.map { system.space($0).pointee.id } + [system.space(.vfs).pointee.id, system.space(.disk).pointee.id] + world.deadSpaces
      let building = system.space(world.processes[2]).pointee.building!.pointee.id
      for step in 0..<Self.faultCount / 4 / rounds {
        let index = world.random.below(world.processes.count)
        var fault = KernelEvent.PageFault(
          address: world.address(), access: UInt32(world.random.below(16)), space: spaces[index], instruction: 0x40_1234, stack: AddressSpace.stackTop - 64)
        var source = world.processes[index]
        // Each field by itself may be what the kernel would never send.
        if world.random.once(in: 4) { fault.access = UInt32(truncatingIfNeeded: world.random.next()) }
        if world.random.once(in: 4) {
          fault.space = [spaces[world.random.below(spaces.count)], building, 0, UInt32.max, fault.space ^ 1 << UInt32(world.random.below(32))][world.random.below(5)]
        }
        if world.random.once(in: 4) { fault.stack = world.address() }
        if world.random.once(in: 8) { fault.instruction = world.random.next() }
        if world.random.once(in: 4) { source = world.endpoint() }
        guard let answer = system.deliver(Message(fault), from: source, flags: .request | .fromKernel) else {
          answers.parked += 1
          if system.vm.parked == nil {
            Issue.record("seed \(seed), round \(round), step \(step): no answer")
            return
          }
          continue
        }
        if answer.type == 0 { answers.resolved += 1 } else { answers.refused += 1 }
        if answer.type > 0 || answer.type <= -4096 {
          Issue.record("seed \(seed), round \(round), step \(step): \(answer.type)")
          return
        }
        if step % 64 == 0 { world.serve() }
        if step % 5000 == 0 { system.expectSound() }
      }
      world.serve()
      let problems = system.audit()
      if !problems.isEmpty {
        Issue.record("seed \(seed), round \(round): \(problems.prefix(3))")
        return
      }
    }
    #expect(answers.resolved > 1000 && answers.refused > 1000 && answers.parked > 100, "\(answers)")
    print("faults: seed \(seed), \(answers)")
  }
}
