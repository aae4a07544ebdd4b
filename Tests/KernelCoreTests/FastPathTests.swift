import IPC
import Protocols
import SimulatedArch
import Testing

@testable import KernelCore

/// Two worlds live through the same: one with the fast path, one without.
@Suite struct FastPathTests {
  final class Twin {
    let world = World(threads: 72)
    enum Path { case fast, slow, traced }
    let path: Path
    var random: Random
    /// What VM was told of the last page fault.
    var heard: [UInt64] = []
    let servers: [Endpoint]
    let clients: [Endpoint]

    init(seed: UInt64, _ path: Path) {
      random = Random(seed: seed)
      self.path = path
      servers = (4..<7).map { [world] in world.spawn(slot: $0, priority: $0 == 4 ? 2 : 3, privileges: World.all) }
      clients = (0..<3).map { [world] number in world.spawn(priority: 5 + number % 2) }
      world.receive(.vm)
      if path == .slow { world.core.takeSlowPath() }
    }

    func step() {
      // In all less than a quantum: its end is the one thing that the fast path does not restart.
      world.core.machine.clock += 1 + random.next() % 20
      guard let current = world.core.current else {
        world.core.machine.clock += 1000
        world.core.timer()
        // A server that has forgotten its callers is reminded of them.
        for server in servers where world.core.current == nil {
          let thread = world.pointer(server)
          if thread.pointee.state == .receiving, (!thread.pointee.waiters.isEmpty || world.asker(of: server) != nil) { world.core.endReceive(thread, .interrupted) }
          world.core.schedule()
        }
        return
      }
      let me = current.pointee.endpoint
      var operation = TrapOperation.sendRec
      var destination = random.pick(servers)
      var source = Endpoint.any
      var deadline = world.core.machine.clock + 500
      if me.isService {
        operation = random.pick(random.next() % 3 > 0 ? [.replyReceive] : [.reply, .receive, .notify, .notify, .sendAsync, .sendRec, .kernelCall])
        if operation == .replyReceive || operation == .reply {
          destination = world.asker(of: me)?.pointee.endpoint ?? random.pick(clients)
          if random.next() % 20 > 0 { deadline = 0 }
        }
        if random.next() % 20 == 0 { source = destination }
      } else if random.next() % 8 == 0 {
        operation = .kernelCall
      }
      var message = Message(header: random.next() << 32 | random.next() % 3, payload: (1, 2, 3, 4, 5, 6, random.next()))
      if operation == .kernelCall, random.next() % 2 == 0 { message.type = 31 }
      let (rax, raw) = (random.next() % 100 == 0 ? 77 : operation.rawValue, random.next() % 100 == 0 ? Endpoint.vm : destination)
      current.pointee.context.rax = rax
      current.pointee.context.rdi = UInt64(raw.raw)
      current.pointee.context.rsi = UInt64(source.raw)
      current.pointee.context.rdx = deadline
      current.pointee.context.message = message
      if !me.isService, random.next() % 8 == 0 {
        world.core.pageFault(address: random.next() & 0xFFFF_F000, access: 2)
      } else {
        enter(current)
      }
      // VM answers whoever has asked it by chance.
      while let asker = world.asker(of: .vm) {
        if asker.pointee.purpose == .fault, let vm = world.core.current, vm == world.pointer(.vm) {
          heard = withUnsafeBytes(of: vm.pointee.context) { Array($0.bindMemory(to: UInt64.self)) }
          heard += [UInt64(asker.pointee.deliveries), asker.pointee.heardAt, asker.pointee.fault.payload.0]
          vm.pointee.context.rax = (random.next() % 8 == 0 ? TrapOperation.reply : .replyReceive).rawValue
          vm.pointee.context.rdi = UInt64(asker.pointee.endpoint.raw)
          vm.pointee.context.rsi = UInt64(Endpoint.any.raw)
          vm.pointee.context.rdx = 0
          vm.pointee.context.message = Message(type: 0)
          enter(vm)
          if world.core.current == vm {
            vm.pointee.context.rax = TrapOperation.receive.rawValue
            enter(vm)
          }
          continue
        }
        world.core.wake(asker)
        world.core.unlink(world.pointer(.vm))
        world.pointer(.vm).pointee.state = .receiving
        world.pointer(.vm).pointee.source = .any
        world.pointer(.vm).pointee.shortcut = .open
        if world.core.current == world.pointer(.vm) { world.core.current = nil }
        world.core.schedule()
      }
    }

    /// The trap in the registers of `current`.
    private func enter(_ current: World.Pointer) {
      switch path {
      case .fast: world.core.trap()
      case .slow:
        world.core.perform(current)
        world.core.schedule()
      case .traced: world.core.tracedTrap()
      }
    }

    /// Whatever anybody could tell of each thread.
    func picture() -> [[UInt64]] {
      func names(_ queue: ThreadQueue<SimulatedContext>) -> [UInt64] {
        var names: [UInt64] = [1 << 40]
        var next = queue.first
        while let thread = next {
          names.append(UInt64(thread.pointee.slot))
          next = thread.pointee.next
        }
        return names
      }
      let core = world.core.threads
      var rows = [[UInt64(world.core.current?.pointee.slot ?? 0), UInt64(world.core.readyMask)], heard]
      for priority in 0..<8 { rows.append(names(world.core.ready[priority])) }
      for endpoint in [.vm] + servers + clients {
        let thread = core[endpoint.slot]
        var words = withUnsafeBytes(of: thread.context) { Array($0.bindMemory(to: UInt64.self)) }
        words += [UInt64(thread.peer?.pointee.slot ?? 0), UInt64(thread.serial), UInt64(thread.deliveries), UInt64(thread.suspicion), thread.messages]
        words += [thread.time, thread.deadline, thread.notifications, UInt64(thread.holds.raw), thread.state == .waiting ? 1 : 0]
        words += [thread.heardAt]
        rows.append(words + names(thread.callers) + names(thread.waiters))
      }
      return rows
    }
  }

  @Test("the fast path does what the slow path does, word for word", arguments: [21, 22, 23, 24] as [UInt64])
  func fastIsSlow(seed: UInt64) {
    let (fast, slow) = (Twin(seed: seed, .fast), Twin(seed: seed, .slow))
    for step in 0..<10_000 {
      fast.step()
      slow.step()
      if fast.picture() != slow.picture() {
        Issue.record("seed \(seed), step \(step): the two differ")
        return
      }
      if step % 16 == 0 { fast.world.check() }
    }
    #expect(slow.world.core.fastPath == 0)
    #expect(fast.world.core.fastPath > 300)
  }
  @Test("a traced kernel does what any other does, word for word", arguments: [31, 32] as [UInt64])
  func tracedIsFast(seed: UInt64) {
    let (fast, traced) = (Twin(seed: seed, .fast), Twin(seed: seed, .traced))
    traced.world.core.startTrace(.everything)
    for step in 0..<5_000 {
      fast.step()
      traced.step()
      if fast.picture() != traced.picture() {
        Issue.record("seed \(seed), step \(step): the two differ")
        return
      }
    }
    let records = traced.world.core.machine.trace
    #expect(records.map(\.sequence) == Array(0..<UInt32(records.count)))
    #expect(Set(records.map(\.kind)).isSuperset(of: [2, 3, 4, 5, 8, 9]))
    #expect(fast.world.core.machine.trace.isEmpty)
  }
}
