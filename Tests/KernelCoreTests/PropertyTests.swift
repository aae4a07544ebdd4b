import IPC
import PageTable
import Protocols
import SimulatedArch
import Testing

@testable import KernelCore

/// Eight threads do whatever the seed says; after every step the tables must be in order.
@Suite struct PropertyTests {
  /// Threads that all may do everything, so that every path is open: five services, three processes.
  final class Chaos {
    let world = World(threads: 72, grants: 24, envelopes: 12, frames: 256)
    var random: Random
    var roots: [UInt64] = []

    init(seed: UInt64) {
      random = Random(seed: seed)
      for _ in 0..<4 { roots.append(world.core.machine.takeFrame()!) }
      for slot: UInt32 in 3..<8 { world.spawn(slot: slot, priority: 2 + slot % 3, supervisor: .pm, privileges: World.all) }
      for _ in 0..<3 { world.spawn(priority: 5, supervisor: .pm) }
      for root in roots {
        let frame = world.core.machine.takeFrame()!
        world.core.machine.map(root, 0x10_0000, frame: frame)
        world.core.machine.map(root, 0x10_1000, frame: frame, flags: PageEntry.present | PageEntry.user)
      }
    }

    /// One of the slots in use, with a generation that is mostly right.
    func someone() -> Endpoint {
      let slots = [1, 3, 4, 5, 6, 7, 64, 65, 66, 67]
      let slot = random.pick(slots)
      var name = world.core.threads[slot].endpoint
      switch random.next() % 40 {
      case 0: name = Endpoint(slot: slot, generation: name.generation &- 1)
      case 1: name = .any
      case 2: name = .none
      case 3: name = .kernel
      default: break
      }
      return name
    }

    func number() -> UInt64 {
      switch random.next() % 8 {
      case 0: 0
      case 1: 1 << (random.next() % 64)
      case 2: ~(1 << (random.next() % 64))
      case 3: 0x10_0000 + random.next() % 0x2000
      case 4: world.core.machine.clock &+ random.next() % 2000
      case 5: random.next()
      case 6: UInt64(someone().raw)
      default: random.next() % 16
      }
    }

    func message() -> Message {
      var message = Message(header: random.next() << 32 | random.next() % 40)
      message.payload = (number(), number(), number(), number(), number(), number(), number())
      return message
    }

    /// A kernel call that makes sense more often than random words do.
    func call() -> Message {
      switch random.next() % 16 {
      case 0: Message(Kernel.GrantCreate(address: 0x10_0000, length: random.next() % 8192, grantee: someone(), access: 3))
      case 1: Message(Kernel.GrantCaller(client: someone(), address: 0x10_0000, length: 4096, grantee: someone(), access: 3))
      case 2: Message(Kernel.GrantIndirect(granter: someone(), id: grant(), offset: 0, length: 10, grantee: someone()))
      case 3: Message(Kernel.GrantRevoke(id: grant()))
      case 4: Message(Kernel.CopyGrant(granter: someone(), id: grant(), offset: 0, address: 0x10_0000, length: random.next() % 9000, direction: UInt32(random.next() % 2)))
      case 5: Message(Kernel.CopyCaller(client: someone(), remote: 0x10_0000, local: 0x10_0800, length: random.next() % 9000, direction: UInt32(random.next() % 2)))
      case 6: Message(Kernel.ThreadStart(thread: someone()))
      case 7: random.next() % 3 == 0 ? Message(Kernel.ThreadStop(thread: someone())) : Message(Kernel.ThreadStart(thread: someone()))
      case 8: Message(Kernel.ThreadDestroy(thread: random.next() % 2 == 0 ? someone() : .any))
      case 9: Message(Kernel.ThreadCreate(
        root: random.pick(roots), space: 1, entry: 0x1000, stack: 0x10_1000, slot: UInt32(random.next() % 9), supervisor: someone(),
        priority: UInt32(random.next() % 8)))
      case 10: Message(Kernel.ThreadFork(parent: someone(), root: random.pick(roots), space: 2))
      case 11: Message(Kernel.ThreadRestart(thread: someone(), root: random.pick(roots), space: 3, entry: 0x1000, stack: 0x10_1000, fault: random.pick([0, 1])))
      case 12: Message(Kernel.ThreadExec(thread: someone(), root: random.pick(roots), space: 4, entry: 0x1000, stack: 0x10_1000))
      case 13: Message(Kernel.Signal(thread: someone(), signal: 5, handler: 0x2000, restorer: 0, mask: 1))
      case 14: Message(Kernel.SignalReturn(thread: someone(), frame: 0x10_0000 + random.next() % 4096))
      default: Message(Kernel.SetPrivileges(thread: someone(), priority: UInt32(random.next() % 9), privileges: World.all))
      }
    }

    func grant() -> UInt64 {
      let index = Int(random.next() % 24)
      return UInt64(world.core.grants[index].generation) << 32 | UInt64(index)
    }

    func step() {
      guard let current = world.core.current else {
        world.core.machine.clock += 10_000
        world.core.timer()
        // Everybody may be waiting for somebody: one gets what it waits for.
        if world.core.current == nil { unstick() }
        return
      }
      switch random.next() % 32 {
      case 0:
        if current.pointee.slot > 2 { world.core.pageFault(address: number(), access: UInt32(truncatingIfNeeded: number())) }
      case 1:
        if current.pointee.slot > 2 { world.core.exception(vector: number(), signal: UInt32(truncatingIfNeeded: number()), address: number()) }
      case 2: world.core.interrupt(line: Int(random.next() % 18))
      case 3:
        world.core.machine.clock += random.next() % 20_000_000
        world.core.timer()
      default: trap(current)
      }
    }

    func trap(_ thread: World.Pointer) {
      let operations: [UInt64] = [0, 0, 0, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7]
      var context = thread.pointee.context
      context.rax = random.next() % 50 == 0 ? number() : random.pick(operations)
      context.rdi = UInt64(someone().raw)
      context.rsi = UInt64(random.next() % 2 == 0 ? Endpoint.any.raw : someone().raw)
      context.rdx = random.next() % 3 == 0 ? world.core.machine.clock + random.next() % 5000 : 0
      context.message = context.rax == 0 ? (random.next() % 3 == 0 ? message() : call()) : message()
      let type = context.message.type
      let vital = thread.pointee.slot <= 2 && type == Kernel.Number.exit.rawValue
      if context.rax == 0, vital { context.message.type = 0 }
      // Answers are to somebody who waits, if there is one.
      if context.rax == 4 || context.rax == 7, let waiter = world.asker(of: thread.pointee.endpoint), random.next() % 4 > 0 {
        context.rdi = UInt64(waiter.pointee.endpoint.raw)
        if waiter.pointee.purpose != .request, random.next() % 4 > 0 { context.message.type = 0 }
      }
      thread.pointee.context = context
      world.core.trap()
    }

    private func unstick() {
      for slot in [1, 3, 4, 5, 6, 7, 64, 65, 66, 67] {
        let thread = world.core.threads + slot
        guard thread.pointee.isAlive else { continue }
        if thread.pointee.holds != .none {
          thread.pointee.holds = .none
          world.core.settle(thread)
          break
        }
        if thread.pointee.state == .receiving {
          world.core.endReceive(thread, .interrupted)
          break
        }
      }
      world.core.schedule()
    }

    /// Everything that was made is taken back: the counts are those of an empty kernel.
    func tearDown() {
      if world.blocked(.vm) {
        world.core.unlink(world.pointer(.vm))
        world.core.settle(world.pointer(.vm))
      }
      world.core.schedule()
      for slot in 2..<72 where world.core.threads[slot].isAlive { world.core.destroy(world.core.threads + slot) }
      let vm = world.pointer(.vm)
      while let grant = vm.pointee.grants { world.core.revoke(grant) }
      while let envelope = vm.pointee.inbox.first { world.core.discard(envelope) }
      if let current = world.core.current, !current.pointee.isAlive { world.core.current = nil }
      world.core.schedule()
    }
  }

  @Test("100,000 random steps of eight threads keep every invariant", arguments: [1, 2, 3, 4] as [UInt64])
  func randomSteps(seed: UInt64) {
    let chaos = Chaos(seed: seed)
    var reached: Set<Int32> = []
    for step in 0..<25_000 {
      chaos.step()
      if let current = chaos.world.core.current, current.pointee.context.status == 0 { reached.insert(current.pointee.context.message.type) }
      if step % 8 == 0 || step < 1000, let broken = chaos.world.core.brokenInvariant() {
        Issue.record("seed \(seed), step \(step): \(broken)")
        return
      }
    }
    #expect(reached.contains(0) && reached.count > 10, "the chaos does something")
    if let broken = chaos.world.core.brokenInvariant() { Issue.record("seed \(seed), at the end: \(broken)") }
    chaos.tearDown()
    let end = chaos.world.statistics()
    #expect(end.threads == 1 && end.grants == 0 && end.asynchronous == 0, "seed \(seed)")
    #expect(chaos.world.core.timerCount <= 1)
    if let broken = chaos.world.core.brokenInvariant() { Issue.record("seed \(seed), torn down: \(broken)") }
  }

  @Test("SEC46 powers of two and garbage in every register never trap the kernel", arguments: [11, 12] as [UInt64])
  func garbage(seed: UInt64) {
    var random = Random(seed: seed)
    let world = World(threads: 72, grants: 24, envelopes: 12)
    let service = world.spawn(slot: 10, privileges: World.all)
    let user = world.spawn()
    func word() -> UInt64 {
      switch random.next() % 6 {
      case 0: 1 << (random.next() % 64)
      case 1: (1 << (random.next() % 64)) &- 1
      case 2: ~(1 << (random.next() % 64))
      case 3: 0 &- (1 << (random.next() % 64))
      case 4: random.next() % 4
      default: random.next()
      }
    }
    for step in 0..<20_000 {
      for thread in [service, user] {
        let me = world.core.threads + thread.slot
        // Whatever became of it, it runs again.
        if !me.pointee.isAlive { continue }
        if !me.pointee.canRun {
          world.core.unlink(me)
          me.pointee.holds = .none
          world.core.settle(me)
        }
        world.run(thread)
        me.pointee.context.rax = random.next() % 4 == 0 ? word() : random.next() % 8
        me.pointee.context.rdi = random.next() % 2 == 0 ? word() : UInt64(Endpoint.vm.raw)
        me.pointee.context.rsi = word()
        me.pointee.context.rdx = word()
        me.pointee.context.stack = word()
        var message = Message(header: word())
        if me.pointee.context.rax == 0 { message.type = Int32(truncatingIfNeeded: random.next() % 34) }
        if message.type == Kernel.Number.shutdown.rawValue { message.type = 0 }
        message.payload = (word(), word(), word(), word(), word(), word(), word())
        me.pointee.context.message = message
        world.core.trap()
        world.core.schedule()
      }
      if step % 64 == 0, let broken = world.core.brokenInvariant() {
        Issue.record("seed \(seed), step \(step): \(broken)")
        return
      }
    }
  }
}
