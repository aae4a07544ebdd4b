import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct PermissionTests {
  @Test("SEC26 P1 to P5: each call from everybody who may not make it is refused", arguments: VM.Number.allCases.map(\.rawValue))
  func callers(_ number: Int32) {
    let system = TestSystem()
    let process = system.process()
    for endpoint: Endpoint in [.pm, .vfs, .rs, .disk, .proc] { _ = system.service(endpoint) }
    let before = system.information
    for caller: Endpoint in [.pm, .vfs, .rs, .disk, .proc, process] {
      let allowed: [Endpoint]
      switch VM.Number(rawValue: number)! {
      case .mmap, .munmap, .mprotect, .brk, .information, .regionInformation, .commandLine: continue
      case .mapPhysical, .mapContiguous, .mapModule: allowed = [.pm, .vfs, .rs, .disk, .proc]
      case .madvise, .mincore, .mlock, .munlock, .mlockall, .msync, .mremap, .immutable, .nameRegion, .getLimit, .setLimit, .signalStack: continue
      case .lend, .borrow, .endLoan: continue
      case .fork, .exit: allowed = [.pm]
      case .execBegin, .execMap, .execWrite, .execCommit, .execAbort: allowed = [.vfs]
      case .spawn, .release, .allowPhysical: allowed = [.rs]
      }
      guard !allowed.contains(caller) else { continue }
      var message = Message(type: number)
      message.payload.0 = UInt64(process.raw)
      #expect(system.deliver(message, from: caller)?.type == -1)
    }
    #expect(system.information.free == before.free && system.information.spaces == before.spaces)
  }

  @Test("P4 P3 exec and exit never touch a service", arguments: [Endpoint.vfs.raw, Endpoint.disk.raw, Endpoint.vm.raw, Endpoint.none.raw, Endpoint.any.raw])
  func services(_ raw: UInt32) {
    let system = TestSystem()
    _ = system.service(.vfs)
    _ = system.service(.disk)
    let target = Endpoint(raw: raw)
    #expect(system.error(VM.Exit(process: target), from: .pm) == .noSuchProcess)
    #expect(system.error(VM.Fork(parent: target), from: .pm) == .noSuchProcess)
    #expect(system.error(VM.ExecBegin(process: target), from: .vfs) == .noSuchProcess)
    #expect(system.error(VM.ExecCommit(process: target, entry: 0, arguments: 0, argumentsLength: 0), from: .vfs) == .noSuchProcess)
    #expect(system.error(VM.AllowPhysical(service: Endpoint(slot: 100, generation: 0), base: 0xF000_0000, length: 1), from: .rs) == .noSuchProcess)
    system.expectSound()
  }

  @Test("SEC8 numbers next to the known ones are no calls", arguments: [-1, 0, 0xFF, 0x113, 0x114, 0x115, 0x7FFF_FFFF, Int32.min, 0x901, 0x902, 0x900])
  func numbers(_ number: Int32) {
    guard VM.Number(rawValue: number) == nil else { return }
    let system = TestSystem()
    let process = system.process()
    #expect(system.deliver(Message(type: number), from: process)?.type == -38)
  }

  @Test("what is no request gets no answer and does nothing") func noRequest() {
    let system = TestSystem()
    let process = system.process()
    let call = Message(VM.MMap(address: 0, length: 4096, protection: 3, flags: 0x22))
    for flags in [Delivery.Flags(raw: 0), .asynchronous, .notification, .fromKernel, .again] {
      #expect(system.deliver(call, from: process, flags: flags) == nil)
    }
    #expect(system.mappings(process).isEmpty)
  }

  @Test("threads without a space get an error") func strangers() {
    let system = TestSystem()
    for raw: UInt32 in [0, 1, 99, 0x1000_0042, UInt32.max, UInt32.max - 1] {
      #expect(system.error(VM.Brk(address: 0), from: Endpoint(raw: raw)) == .noSuchProcess)
      #expect(system.error(VM.Information(), from: Endpoint(raw: raw)) == nil)
    }
  }

  @Test("messages from anyone with any content: errors only", arguments: 0..<3)
  func random(_ seed: UInt64) throws {
    let system = TestSystem(frames: 3000)
    var random = Random(state: seed)
    let callers: [Endpoint] = [.pm, .vfs, .rs, .disk].map { system.service($0) } + (0..<3).map { _ in system.process() }
    let interesting: [UInt64] = [
      0, 1, 4095, 4096, 0x1000_0, 0x40_0000, 0x50_0000, AddressSpace.mmapStart, AddressSpace.mmapStart + 0x1000, AddressSpace.mmapEnd,
      AddressSpace.stub, AddressSpace.stackTop, AddressSpace.userEnd, AddressSpace.kernelLinear, UInt64.max, UInt64.max - 4095, 1 << 63, 0xF000_0000,
    ]
    func word() -> UInt64 {
      switch random.below(6) {
      case 0: random.next()
      case 1: UInt64(random.below(1 << 20))
      case 2: UInt64(callers[random.below(callers.count)].raw) | UInt64(random.below(8)) << 32
      case 3: UInt64(random.below(64)) << 12
      default: interesting[random.below(interesting.count)]
      }
    }
    for step in 0..<60_000 {
      var message = Message(type: Int32(random.below(8) == 0 ? Int(Int32(truncatingIfNeeded: random.next())) : 0xFF + random.below(VM.Number.allCases.count + 2)))
      message.payload = (word(), word(), word(), word(), word(), word(), word())
      let caller = random.below(10) == 0 ? Endpoint(raw: UInt32(truncatingIfNeeded: random.next())) : callers[random.below(callers.count)]
      let isFault = random.below(5) == 0
      if isFault { message = Message(KernelEvent.PageFault(address: word(), access: UInt32(random.below(16)), space: UInt32(truncatingIfNeeded: word()), instruction: word(), stack: word())) }
      let flags: Delivery.Flags = isFault ? .request | .fromKernel : .request
      guard let answer = system.deliver(message, from: caller, flags: flags) else {
        Issue.record("seed \(seed), step \(step): no answer")
        return
      }
      #expect(answer.type <= 0 && answer.type > -4096)
      if step % 2000 == 0 { system.expectSound() }
    }
    system.expectSound()
  }
}
