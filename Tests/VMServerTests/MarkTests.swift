import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Immutable regions, names, limits.
@Suite struct MarkTests {
  let system = TestSystem()
  static let name: RS.Name = ("a name of 15 by" as StaticString).packed

  @Test("V52 X5 an immutable region refuses to be changed in six ways, and still works") func immutable() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 4, at: 0x3000_0000_0000, flags: VM.Flags.fixed)
    let normal = try system.map(process, pages: 2, at: memory + 0x4000, flags: VM.Flags.fixed, shared: true)
    system.write(process, memory, 1)
    system.write(process, normal, 2)
    try system.call(VM.MImmutable(address: memory, length: 4 << 12), from: process)
    let before = system.regions(process).map { "\($0.start) \($0.end) \($0.protection) \($0.flags) \($0.name)" }
    func refused<C: Call>(_ call: C, _ location: SourceLocation = #_sourceLocation) {
      #expect(system.error(call, from: process) == .notPermitted, sourceLocation: location)
    }
    for protection: UInt32 in [0, 1, 3, 5] {
      refused(VM.MProtect(address: memory, length: 4096, protection: protection))
      refused(VM.MProtect(address: memory + 0x3000, length: 0x2000, protection: protection))
    }
    for (start, pages): (UInt64, UInt64) in [(0, 4), (0, 1), (1, 2), (3, 1), (3, 3), (0, 6)] {
      refused(VM.MUnmap(address: memory + start << 12, length: pages << 12))
      let fixed = VM.MMap(
        address: memory + start << 12, length: pages << 12, protection: 3, flags: VM.Flags.fixed | VM.Flags.private | VM.Flags.anonymous)
      refused(fixed)
    }
    let move = VM.Remap.mayMove | VM.Remap.fixed
    refused(VM.MRemap(address: memory, oldLength: 4096, newLength: 8192, flags: VM.Remap.mayMove))
    refused(VM.MRemap(address: memory, oldLength: 8192, newLength: 4096, flags: 0))
    refused(VM.MRemap(address: memory, oldLength: 4096, newLength: 4096, flags: move, newAddress: 0x3100_0000_0000))
    refused(VM.MRemap(address: normal, oldLength: 4096, newLength: 4096, flags: move, newAddress: memory))
    for advice in [VM.Advice.normal, VM.Advice.random, VM.Advice.sequential, VM.Advice.willNeed, VM.Advice.dontNeed, VM.Advice.free] {
      refused(VM.MAdvise(address: memory, length: 4096, advice: advice))
    }
    refused(VM.NameRegion(address: memory, length: 4096, name: Self.name))
    refused(VM.NameRegion(address: memory + 0x3000, length: 0x2000, name: Self.name))
    refused(VM.MImmutable(address: memory, length: 4096))
    #expect(system.regions(process).map { "\($0.start) \($0.end) \($0.protection) \($0.flags) \($0.name)" } == before)
    #expect(system.read(process, memory) == 1 && system.write(process, memory + 0x1000, 5) && system.read(process, normal) == 2)
    let child = try system.fork(process)
    #expect(system.write(child, memory, 8) && system.read(process, memory) == 1)
    #expect(system.error(VM.MUnmap(address: memory, length: 4096), from: child) == .notPermitted)
    system.expectSound()
    system.exit(child)
    system.exit(process)
    system.expectSound()
  }

  @Test("V52 what is not all mapped, or not by mmap, cannot be made immutable") func immutableErrors() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 3)
    try system.unmap(process, memory + 0x1000, pages: 1)
    func failure(_ address: UInt64, _ length: UInt64) -> Errno? { system.error(VM.MImmutable(address: address, length: length), from: process) }
    #expect(failure(memory, 3 << 12) == .noMemory)
    #expect(failure(memory + 1, 1) == .invalidArgument)
    #expect(failure(memory, 0) == .invalidArgument)
    #expect(failure(memory, UInt64.max) == .invalidArgument)
    #expect(failure(AddressSpace.stackTop - 4096, 4096) == .notPermitted)
    #expect(failure(AddressSpace.stub, 4096) == .notPermitted)
    try system.unmap(process, memory, pages: 3)
    system.expectSound()
  }

  @Test("S3 names, advice and immutability stay with both halves of a split and with the child of a fork") func marksStay() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 6)
    try system.call(VM.NameRegion(address: memory, length: 6 << 12, name: Self.name), from: process)
    try system.call(VM.MAdvise(address: memory, length: 6 << 12, advice: VM.Advice.random), from: process)
    try system.unmap(process, memory + 0x2000, pages: 1)
    try system.call(VM.MImmutable(address: memory + 0x3000, length: 1 << 12), from: process)
    let child = try system.fork(process)
    for thread in [process, child] {
      let found = system.mappings(thread)
      #expect(found.map(\.start) == [memory, memory + 0x3000, memory + 0x4000])
      #expect(found.allSatisfy { $0.name == Self.name && $0.flags & VM.RegionFlags.random != 0 })
      #expect(found.map { $0.flags & VM.RegionFlags.immutable != 0 } == [false, true, false])
    }
    try system.protect(child, memory, pages: 1, 1)
    #expect(system.mappings(child)[0].name == Self.name)
    system.expectSound()
  }

  @Test("V77 a name is up to 15 printable bytes; a part of a region gets it alone") func names() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 3)
    func name(_ text: StaticString, _ address: UInt64, pages: UInt64 = 1) -> Errno? {
      system.error(VM.NameRegion(address: address, length: pages << 12, name: text.packed), from: process)
    }
    #expect(name("pool", memory + 0x1000) == nil)
    #expect(system.mappings(process).map(\.name) .map(\.0) == [0, 0x6C6F_6F70, 0])
    for bad: StaticString in ["sixteen bytes ..", "a[b", "a]b", "a$b", "a\\b", "a`b", "a\u{7}b", "\u{7F}"] { #expect(name(bad, memory) == .invalidArgument) }
    let gap: RS.Name = (0x6100_0061, 0)
    #expect(system.error(VM.NameRegion(address: memory, length: 4096, name: gap), from: process) == .invalidArgument)
    #expect(name("pool", memory + 1) == .invalidArgument)
    #expect(name("pool", memory, pages: 4) == .noMemory)
    #expect(name("", memory, pages: 3) == nil)
    #expect(system.mappings(process).count == 1)
    system.expectSound()
  }

  // MARK: Limits

  private func limit(_ process: Endpoint, _ resource: UInt32, _ soft: UInt64, _ hard: UInt64 = VM.Resource.unlimited) throws(Errno) {
    try system.call(VM.SetLimit(resource: resource, soft: soft, hard: hard), from: process)
  }

  @Test("setrlimit: soft up to hard, hard only downwards; a fork inherits, exec keeps") func setting() throws {
    let process = system.process()
    for resource in [VM.Resource.addressSpace, VM.Resource.data, VM.Resource.stack, VM.Resource.locked] {
      let old = try system.call(VM.GetLimit(resource: resource), from: process)
      #expect(old.soft <= old.hard)
      #expect(throws: Errno.invalidArgument) { try limit(process, resource, 100 << 12, 99 << 12) }
      try limit(process, resource, 7 << 20, 7 << 20)
      #expect(throws: Errno.notPermitted) { try limit(process, resource, 7 << 20, 8 << 20) }
      try limit(process, resource, 6 << 20, 7 << 20)
      let child = try system.fork(process)
      let now = try system.call(VM.GetLimit(process: child, resource: resource), from: process)
      #expect(now.soft == 6 << 20 && now.hard == 7 << 20)
      try system.call(VM.ExecBegin(process: child), from: .vfs)
      let built = system.space(child).pointee.building!.pointee.limits[resource]!
      #expect(built.soft == 6 << 20 && built.hard == 7 << 20)
      system.exit(child)
      try limit(process, resource, 7 << 20, 7 << 20)
    }
    for resource: UInt32 in [0, 1, 4, 7, 10, UInt32.max] {
      #expect(system.error(VM.GetLimit(resource: resource), from: process) == .invalidArgument)
      #expect(system.error(VM.SetLimit(resource: resource, soft: 0, hard: 0), from: process) == .invalidArgument)
    }
    system.expectSound()
  }

  @Test("RLIMIT_AS bounds mmap, brk, mremap and exec by ENOMEM; what is replaced counts for nothing") func addressSpace() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 4)
    let now = system.space(process).pointee.regions.totals.all
    try limit(process, VM.Resource.addressSpace, (now + 2) << 12)
    #expect(throws: Errno.noMemory) { try system.map(process, pages: 3) }
    try system.map(process, pages: 6, at: memory, flags: VM.Flags.fixed)
    #expect(throws: Errno.noMemory) { try system.map(process, pages: 1) }
    #expect(throws: Errno.noMemory) { try system.map(process, pages: 1, protection: 0) }
    #expect(try system.call(VM.Brk(address: 0x50_1000), from: process).address == 0x50_0000)
    #expect(system.error(VM.MRemap(address: memory, oldLength: 6 << 12, newLength: 7 << 12, flags: 1), from: process) == .noMemory)
    let moved = try system.call(VM.MRemap(address: memory, oldLength: 6 << 12, newLength: 6 << 12, flags: 3, newAddress: 0x3000_0000_0000), from: process)
    try system.unmap(process, moved.address, pages: 2)
    try system.map(process, pages: 2)
    try system.call(VM.ExecBegin(process: process), from: .vfs)
    #expect(system.error(VM.ExecMap(process: process, address: 0x40_0000, length: 7 << 12, protection: 3), from: .vfs) == .noMemory)
    try system.call(VM.ExecAbort(process: process), from: .vfs)
    system.expectSound()
  }

  @Test("RLIMIT_DATA counts private memory that may be written, and no other") func data() throws {
    let process = system.process()
    let now = system.space(process).pointee.regions.totals.data
    try limit(process, VM.Resource.data, (now + 3) << 12)
    try system.map(process, pages: 10, shared: true)
    let constant = try system.map(process, pages: 10, protection: VM.Protection.read)
    #expect(throws: Errno.noMemory) { try system.map(process, pages: 4) }
    #expect(try system.call(VM.Brk(address: 0x50_4000), from: process).address == 0x50_0000)
    #expect(try system.call(VM.Brk(address: 0x50_2000), from: process).address == 0x50_2000)
    #expect(throws: Errno.noMemory) { try system.protect(process, constant, pages: 2, TestSystem.readWrite) }
    try system.protect(process, constant, pages: 1, TestSystem.readWrite)
    try system.protect(process, constant, pages: 1, TestSystem.readWrite)
    #expect(throws: Errno.noMemory) { try system.map(process, pages: 1) }
    try system.protect(process, constant, pages: 1, VM.Protection.read)
    try system.map(process, pages: 1)
    system.expectSound()
  }

  @Test("RLIMIT_STACK: the first stack grows to it and no further; what is there stays") func stack() throws {
    let process = system.process()
    let top = AddressSpace.stackTop
    #expect(system.write(process, top - 1 << 20, 1) && system.write(process, top - 8, 2))
    try limit(process, VM.Resource.stack, 512 << 10)
    #expect(system.read(process, top - 1 << 20) == 1)
    #expect(!system.write(process, top - 1 << 20 - 8192, 1))
    try limit(process, VM.Resource.stack, 16 << 20)
    #expect(system.write(process, top - 16 << 20, 1))
    #expect(!system.write(process, top - 16 << 20 - 1, 1))
    let child = try system.fork(process)
    #expect(system.write(child, top - 15 << 20, 1) && !system.write(child, top - 17 << 20, 1))
    let small = system.process()
    try limit(small, VM.Resource.stack, 1 << 20)
    #expect(!system.write(small, top - 1 << 20 - 1, 1) && system.write(small, top - 1 << 20, 1))
    try limit(small, VM.Resource.stack, VM.Resource.unlimited)
    #expect(system.write(small, top - 100 << 20, 1))
    system.expectSound()
  }
}
