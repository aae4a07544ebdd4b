import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct EndpointTests {
  let world = World(threads: 68)

  func destroy(_ thread: Endpoint) { try! world.kernel(.vm, Kernel.ThreadDestroy(thread: thread)) }

  @Test("SEC25 a new thread in an old slot has another name; the old one is dead for every call")
  func generations() {
    let a = world.spawn(slot: 10)
    let old = world.spawn()
    destroy(old)
    let new = (0..<4).map { _ in world.spawn() }.last!
    #expect(new != old && new.slot == old.slot && new.generation == old.generation + 1)
    #expect(world.send(a, old) == .deadEndpoint)
    #expect(world.sendRec(a, old) == .deadEndpoint)
    #expect(world.notify(a, old) == .deadEndpoint)
    #expect(world.sendAsync(a, old) == .deadEndpoint)
    #expect(world.reply(a, old) == .deadEndpoint)
    world.trap(a, .receive, from: old)
    #expect(world.status(a) == .deadEndpoint)
    let grant = Kernel.GrantCreate(address: 0x1000, length: 1, grantee: old, access: Kernel.Access.read)
    #expect(world.error(a, grant) == .deadEndpoint)
    #expect(world.error(.vm, Kernel.ThreadStop(thread: old)) == .deadEndpoint)
    #expect(world.error(.vm, Kernel.ThreadStart(thread: old)) == .deadEndpoint)
    #expect(world.error(.vm, Kernel.ThreadDestroy(thread: old)) == .deadEndpoint)
    #expect(world.error(.vm, Kernel.SetPrivileges(thread: old, priority: 1, privileges: World.all)) == .deadEndpoint)
    let signal = Kernel.Signal(thread: old, signal: 1, handler: 0x1000, restorer: 0, mask: 0)
    #expect(world.error(.vm, signal) == .deadEndpoint)
  }

  @Test("a service that was taken down is dead for every call, and has its well-known name again when it is up")
  func services() {
    let a = world.spawn(slot: 10)
    let service = world.spawn(slot: 11)
    destroy(service)
    #expect(world.sendRec(a, service) == .deadEndpoint)
    #expect(world.notify(a, service) == .deadEndpoint)
    #expect(world.error(.vm, Kernel.ThreadStart(thread: service)) == .deadEndpoint)
    #expect(world.spawn(slot: 11) == service)
  }

  @Test("M-N3 the slot that is free for longest is used first")
  func oldestFirst() {
    let first = (0..<4).map { _ in world.spawn() }
    #expect(first.map(\.slot) == [64, 65, 66, 67])
    #expect(world.error(.vm, create()) == .wouldBlock)
    destroy(first[2])
    destroy(first[0])
    destroy(first[3])
    #expect(world.spawn().slot == 66)
    #expect(world.spawn().slot == 64)
    #expect(world.spawn().slot == 67)
  }

  func create(slot: UInt32 = 0) -> Kernel.ThreadCreate {
    Kernel.ThreadCreate(root: 0x1000, space: 0, entry: 0, stack: 0, slot: slot, supervisor: .pm, priority: 4)
  }

  @Test("M-N3 SEC25 200,000 lives in four slots: no name comes twice")
  func manyLives() {
    var last = [UInt32](repeating: 0, count: 68)
    var seen = [Bool](repeating: false, count: 68)
    for _ in 0..<200_000 {
      let thread = world.core.freeThreads.first!
      let name = thread.pointee.endpoint
      #expect(!seen[name.slot] || name.generation == last[name.slot] + 1)
      seen[name.slot] = true
      last[name.slot] = name.generation
      world.core.live(
        thread, root: 0x1000, space: 0, context: .init(entry: 0, stack: 0), supervisor: .pm, priority: 4)
      world.core.destroy(thread)
    }
    world.check()
  }

  @Test("after its last generation a slot begins again, and never takes the names any and none")
  func generationWraps() {
    #expect(Endpoint(slot: 100, generation: 0xF_FFFF).successor == Endpoint(slot: 100, generation: 0))
    #expect(Endpoint(slot: 4095, generation: 0xF_FFFE).successor == Endpoint(slot: 4095, generation: 0))
    #expect(Endpoint(slot: 4094, generation: 0xF_FFFE).successor == Endpoint(slot: 4094, generation: 0))
    #expect(Endpoint(slot: 4093, generation: 0xF_FFFE).successor.generation == 0xF_FFFF)
  }

  @Test("a slot that is taken, out of range or the kernel's cannot be chosen")
  func slots() {
    world.spawn(slot: 10)
    #expect(world.error(.vm, create(slot: 10)) == .busy)
    #expect(world.error(.vm, create(slot: 68)) == .invalidArgument)
    #expect(world.error(.vm, create(slot: ~0)) == .invalidArgument)
    #expect(world.error(.vm, create(slot: 1)) == .busy)
  }

  @Test("init gets the first process slot by its well-known name")
  func initProcess() {
    #expect(world.spawn(slot: 64) == .initProcess)
    #expect(world.spawn().slot == 65)
    let other = World()
    #expect(other.spawn() == .initProcess)
  }

  @Test("nothing to begin with that could fault on the way out of the kernel")
  func badStart() {
    let root: UInt64 = 0x1000
    func create(_ entry: UInt64, _ stack: UInt64, root: UInt64 = root, priority: UInt32 = 3) -> Kernel.ThreadCreate {
      Kernel.ThreadCreate(root: root, space: 0, entry: entry, stack: stack, slot: 20, supervisor: .pm, priority: priority)
    }
    #expect(world.error(.vm, create(0xFFFF_8000_0000_0000, 0)) == .badAddress)
    #expect(world.error(.vm, create(0x8000_0000_0000, 0)) == .badAddress)
    #expect(world.error(.vm, create(0x7FFF_FFFF_F000, 0)) == .badAddress)
    #expect(world.error(.vm, create(0, 1 << 63)) == .badAddress)
    #expect(world.error(.vm, create(0, 0, root: 0x1001)) == .invalidArgument)
    #expect(world.error(.vm, create(0, 0, root: 1 << 51)) == .invalidArgument)
    #expect(world.error(.vm, create(0, 0, priority: 8)) == .invalidArgument)
    #expect(world.error(.vm, create(0, 0)) == nil)
  }
}
