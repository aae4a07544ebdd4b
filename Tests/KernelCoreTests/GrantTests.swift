import BootImage
import IPC
import PageTable
import Protocols
import Testing

@testable import KernelCore

@Suite struct GrantTests {
  let world = World()
  let granter: Endpoint, grantee: Endpoint, other: Endpoint
  let base: UInt64 = 0x10_0000
  let local: UInt64 = 0x20_0000

  init() {
    granter = world.spawn(slot: 10)
    grantee = world.spawn(slot: 11)
    other = world.spawn(slot: 12)
    for thread in [granter, grantee, other] {
      world.map(thread, base, pages: 2)
      world.map(thread, local, pages: 2)
    }
  }

  func create(_ address: UInt64 = 0x10_0000, _ length: UInt64 = 100, access: UInt32 = 3) -> UInt64 {
    try! world.kernel(granter, Kernel.GrantCreate(address: address, length: length, grantee: grantee, access: access)).id
  }
  func copy(
    _ id: UInt64, by thread: Endpoint? = nil, from: Endpoint? = nil, offset: UInt64 = 0, address: UInt64 = 0x20_0000, length: UInt64 = 10, direction: UInt32 = 0
  ) -> Errno? {
    world.error(thread ?? grantee, Kernel.CopyGrant(
      granter: from ?? granter, id: id, offset: offset, address: address, length: length, direction: direction))
  }

  @Test("reads and writes through a grant, at an offset")
  func readAndWrite() {
    let id = create()
    world.store(granter, base, Array(0..<100))
    #expect(copy(id, offset: 20, length: 30) == nil)
    #expect(world.load(grantee, local, 31) == Array(20..<50) + [0])
    world.store(grantee, local, [200, 201, 202])
    #expect(copy(id, offset: 97, length: 3, direction: 1) == nil)
    #expect(world.load(granter, base + 96, 5) == [96, 200, 201, 202, 0])
  }

  @Test("SEC22 the range is checked without a wrap")
  func ranges() {
    let id = create()
    #expect(copy(id, offset: 90, length: 10) == nil)
    #expect(copy(id, offset: 91, length: 10) == .notPermitted)
    #expect(copy(id, offset: 101, length: 0) == .notPermitted)
    #expect(copy(id, offset: 100, length: 0) == nil)
    #expect(copy(id, offset: ~0, length: 2) == .notPermitted)
    #expect(copy(id, offset: 1, length: ~0) == .invalidArgument)
    #expect(copy(id, offset: ~0 - 5, length: 10) == .notPermitted)
  }

  @Test("SEC22 creation refuses ranges that wrap or leave user memory", arguments: [
    (UInt64.max, UInt64(1)), (1, UInt64.max), (0x7FFF_FFFF_F000, 1), (0x7FFF_FFFF_EFFF, 2), (0xFFFF_8000_0000_0000, 1),
    (0x8000_0000_0000, 0), (1 << 63, 1 << 63),
  ] as [(UInt64, UInt64)])
  func badRange(address: UInt64, length: UInt64) {
    let call = Kernel.GrantCreate(address: address, length: length, grantee: grantee, access: 1)
    #expect(world.error(granter, call) == .badAddress)
    #expect(world.statistics().grants == 0)
  }

  @Test("SEC22 access: reading needs read, writing needs write; none or unknown bits are refused")
  func access() {
    let readable = create(access: Kernel.Access.read)
    let writable = create(access: Kernel.Access.write)
    #expect(copy(readable) == nil && copy(readable, direction: 1) == .notPermitted)
    #expect(copy(writable, direction: 1) == nil && copy(writable) == .notPermitted)
    #expect(copy(readable, direction: 2) == .invalidArgument)
    for access: UInt32 in [0, 4, 7, ~0] {
      #expect(world.error(granter, Kernel.GrantCreate(address: 0, length: 1, grantee: grantee, access: access)) == .invalidArgument)
    }
  }

  @Test("SEC22 nobody but the grantee, from nobody but the granter")
  func wrongParties() {
    let id = create()
    #expect(copy(id, by: other) == .notPermitted)
    #expect(copy(id, from: other) == .notPermitted)
    #expect(copy(id, by: granter) == .notPermitted)
    #expect(copy(id, from: Endpoint(slot: 40, generation: 0)) == .deadEndpoint)
  }

  @Test("M-N6 SEC22 a revoked id never works again, and guesses do not either")
  func revoked() {
    let id = create()
    #expect(world.error(grantee, Kernel.GrantRevoke(id: id)) == .notPermitted)
    #expect(world.error(granter, Kernel.GrantRevoke(id: id)) == nil)
    #expect(copy(id) == .notPermitted)
    #expect(world.error(granter, Kernel.GrantRevoke(id: id)) == .notPermitted)
    let second = create()
    #expect(second & 0xFFFF_FFFF == id & 0xFFFF_FFFF && second != id, "the same row, another id")
    #expect(copy(id) == .notPermitted && copy(second) == nil)
    for guess in [0, 1, ~0, second + 1, second &- 1 << 32, second + 1 << 32] { #expect(copy(guess) == .notPermitted) }
  }

  @Test("SEC35 the quota is per granter, and comes back")
  func quota() {
    let ids = (0..<8).map { _ in create() }
    let call = Kernel.GrantCreate(address: 0, length: 1, grantee: grantee, access: 1)
    #expect(world.error(granter, call) == .noSpace)
    #expect(world.error(other, call) == nil)
    try! world.kernel(granter, Kernel.GrantRevoke(id: ids[3]))
    #expect(world.error(granter, call) == nil)
    #expect(world.statistics().grants == 9)
  }

  @Test("when the table is full everybody gets an error, and it comes back whole")
  func tableFull() {
    let granters = (20..<29).map { world.spawn(slot: UInt32($0)) }
    let call = Kernel.GrantCreate(address: 0, length: 1, grantee: grantee, access: 1)
    for granter in granters.prefix(8) { for _ in 0..<8 { #expect(world.error(granter, call) == nil) } }
    #expect(world.statistics().grants == world.statistics().grantLimit)
    #expect(world.error(granters[8], call) == .noSpace)
    for granter in granters { try! world.kernel(.vm, Kernel.ThreadDestroy(thread: granter)) }
    #expect(world.statistics().grants == 0)
  }

  // MARK: Chains

  func pass(_ holder: Endpoint, from: Endpoint, _ id: UInt64, offset: UInt64 = 0, length: UInt64 = 10, to: Endpoint) throws(Errno) -> UInt64 {
    try world.kernel(holder, Kernel.GrantIndirect(granter: from, id: id, offset: offset, length: length, grantee: to)).id
  }

  @Test("a grant is passed on in part; offsets add up, rights stay")
  func indirect() throws {
    let id = create(access: Kernel.Access.read)
    world.store(granter, base, Array(0..<100))
    let second = try pass(grantee, from: granter, id, offset: 30, length: 40, to: other)
    #expect(copy(second, by: other, from: grantee, offset: 5, length: 10) == nil)
    #expect(world.load(other, local, 10) == Array(35..<45))
    #expect(copy(second, by: other, from: grantee, offset: 35, length: 6) == .notPermitted)
    #expect(copy(second, by: other, from: grantee, direction: 1) == .notPermitted)
    #expect(copy(id, by: grantee, from: granter) == nil)
    try world.kernel(granter, Kernel.GrantRevoke(id: id))
    #expect(copy(second, by: other, from: grantee) == .notPermitted, "a link is missing")
  }

  @Test("M-N7 SEC22 a chain has at most four links")
  func chainLimit() throws {
    let parties = [granter, grantee] + (20..<25).map { world.spawn(slot: UInt32($0)) }
    world.map(parties[4], local)
    var id = create()
    for link in 1..<4 { id = try pass(parties[link], from: parties[link - 1], id, to: parties[link + 1]) }
    world.store(granter, base, [1, 2, 3])
    #expect(copy(id, by: parties[4], from: parties[3]) == nil)
    #expect(world.load(parties[4], local, 3) == [1, 2, 3])
    #expect(throws: Errno.tooManyLevels) { try pass(parties[4], from: parties[3], id, to: parties[5]) }
  }

  @Test("M-N7 a circle of grants cannot be made: an id is taken before it can be passed on")
  func noLoops() throws {
    var (first, second) = (granter, grantee)
    var id = create()
    for _ in 0..<3 {
      id = try pass(second, from: first, id, to: first)
      swap(&first, &second)
    }
    #expect(throws: Errno.tooManyLevels) { try pass(second, from: first, id, to: first) }
  }

  @Test("SEC22 one can pass on only what one holds, and no more of it")
  func passingRefused() throws {
    let id = create()
    #expect(throws: Errno.notPermitted) { try pass(other, from: granter, id, to: grantee) }
    #expect(throws: Errno.notPermitted) { try pass(grantee, from: other, id, to: other) }
    #expect(throws: Errno.notPermitted) { try pass(grantee, from: granter, id, offset: 95, length: 6, to: other) }
    #expect(throws: Errno.notPermitted) { try pass(grantee, from: granter, id, offset: ~0, length: 2, to: other) }
    #expect(throws: Errno.notPermitted) { try pass(grantee, from: granter, id + 1, to: other) }
    #expect(throws: Errno.deadEndpoint) { try pass(grantee, from: granter, id, to: Endpoint(slot: 40, generation: 0)) }
    #expect(world.statistics().grants == 1)
  }

  @Test("SEC22 SEC25 a granter that dies takes its grants along, also for what was passed on; its next life has other ids")
  func granterDies() throws {
    let id = create()
    let second = try pass(grantee, from: granter, id, to: other)
    #expect(copy(second, by: other, from: grantee) == nil)
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: granter))
    #expect(copy(id) == .deadEndpoint)
    #expect(copy(second, by: other, from: grantee) == .deadEndpoint)
    world.spawn(slot: 10)
    world.map(granter, base)
    #expect(copy(id) == .notPermitted, "the same name, but the grant is gone")
    #expect(copy(second, by: other, from: grantee) == .notPermitted)
    #expect(create() != id)
  }

  @Test("SEC22 a restarted granter has no grants either")
  func granterRestarts() throws {
    let id = create()
    try world.kernel(.vm, Kernel.ThreadRestart(thread: granter, root: world.root(granter), space: 1, entry: 0x1000, stack: 0, fault: 0))
    #expect(copy(id) == .notPermitted && world.statistics().grants == 0)
  }

  @Test("SEC23 grants of a caller's memory and indirect ones are for the servers that the boot table names, never for a process")
  func policy() {
    let user = world.spawn()
    let name = Endpoint(slot: 20, generation: 0)
    world.spawn(slot: 20)
    for index in 0..<BootTable.count {
      let row = BootTable.entry(index)
      world.pointer(name).pointee.privileges = row.privileges
      let caller = world.error(name, Kernel.GrantCaller(client: other, address: base, length: 1, grantee: other, access: 1))
      #expect((caller != .notPermitted) == ["pm", "vfs"].contains("\(row.name)"), "\(row.name)")
      let indirect = row.privileges.kernelCalls & (1 << UInt64(Kernel.Number.grantIndirect.rawValue)) != 0
      #expect(indirect == ("\(row.name)" == "vfs"), "\(row.name)")
    }
    #expect(world.error(user, Kernel.GrantCaller(client: other, address: base, length: 1, grantee: other, access: 1)) == .notPermitted)
    #expect(world.error(user, Kernel.GrantIndirect(granter: granter, id: create(), offset: 0, length: 1, grantee: other)) == .notPermitted)
  }

  // MARK: Memory of a caller

  @Test("V70 memory of a caller can be granted while it waits, and not after")
  func callerMemory() throws {
    let client = world.spawn(slot: 20)
    world.map(client, base)
    world.store(client, base, [7, 8, 9])
    func call() -> Kernel.GrantCaller { Kernel.GrantCaller(client: client, address: base, length: 3, grantee: other, access: 1) }
    #expect(world.error(grantee, call()) == .notReady)
    world.engage(client, grantee)
    let id = try world.kernel(grantee, call()).id
    #expect(world.error(granter, call()) == .notReady, "it waits for somebody else")
    #expect(copy(id, by: other, from: grantee, length: 3) == nil)
    #expect(world.load(other, local, 3) == [7, 8, 9])
    world.reply(grantee, client)
    #expect(copy(id, by: other, from: grantee, length: 3) == .notPermitted)
    world.engage(client, grantee)
    #expect(copy(id, by: other, from: grantee, length: 3) == .notPermitted, "another request is another leave")
    try world.kernel(grantee, Kernel.GrantRevoke(id: id))
  }

  @Test("V70 the grant of a dead client's memory is dead; the granter can still revoke it")
  func callerDies() throws {
    let client = world.spawn(slot: 20)
    world.map(client, base)
    world.engage(client, grantee)
    let id = try world.kernel(grantee, Kernel.GrantCaller(client: client, address: base, length: 3, grantee: other, access: 1)).id
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: client))
    world.spawn(slot: 20)
    #expect(copy(id, by: other, from: grantee, length: 3) == .notPermitted)
    #expect(world.statistics().grants == 1)
    try world.kernel(grantee, Kernel.GrantRevoke(id: id))
    #expect(world.statistics().grants == 0)
  }

  @Test("CopyCaller reaches who waits for us, both ways, and nobody else")
  func copyCaller() throws {
    let client = world.spawn(slot: 20)
    world.map(client, base)
    world.store(client, base, [1, 2, 3])
    func call(_ direction: UInt32, length: UInt64 = 3) -> Kernel.CopyCaller {
      Kernel.CopyCaller(client: client, remote: base, local: local, length: length, direction: direction)
    }
    #expect(world.error(grantee, call(0)) == .notReady)
    world.sendRec(client, grantee)
    #expect(world.error(grantee, call(0)) == .notReady, "not received yet")
    world.receive(grantee)
    #expect(world.error(other, call(0)) == .notReady)
    try world.kernel(grantee, call(0))
    #expect(world.load(grantee, local, 3) == [1, 2, 3])
    world.store(grantee, local, [4, 5, 6])
    try world.kernel(grantee, call(1))
    #expect(world.load(client, base, 3) == [4, 5, 6])
    #expect(world.error(grantee, call(2)) == .invalidArgument)
    #expect(world.error(grantee, call(0, length: Kernel.copyLimit + 1)) == .invalidArgument)
  }
}
