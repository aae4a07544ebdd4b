import IPC
import PageTable
import Protocols
import SimulatedArch

/// What the threads do and what happens to them, from a seed: mostly what makes sense, sometimes what does not. It looks at the model
/// only, so that a mistake of the core does not change what happens next.
struct Chaos {
  var random: Random
  let model: Model
  private var opening: [Step] = []

  init(seed: UInt64, model: Model) {
    random = Random(seed: seed)
    self.model = model
    // Four services and three processes besides VM, who makes them.
    for slot: UInt32 in [2, 3, 4, 5, 0, 0, 0] {
      let priority = slot == 0 ? 4 : 1 + slot % 3
      open(Kernel.ThreadCreate(
        root: model.roots[Int(slot) % 4], space: slot, entry: 0x1000, stack: stack(), slot: slot, supervisor: slot == 0 ? .pm : .rs, priority: priority))
      let name = Endpoint(slot: slot == 0 ? 64 + opening.count { isCreation($0) } - 5 : Int(slot), generation: 0)
      if slot != 0 { open(Kernel.SetPrivileges(thread: name, priority: priority, privileges: World.all)) }
      open(Kernel.ThreadStart(thread: name))
    }
    opening.reverse()
  }

  private func isCreation(_ step: Step) -> Bool {
    if case .trap(let registers, _) = step { registers.message.type == Kernel.ThreadCreate.number } else { false }
  }

  private mutating func open<C: Call>(_ call: C) {
    var registers = SimulatedContext(entry: 0x40_0000, stack: 0x50_0000)
    registers.message = Message(call)
    opening.append(.trap(registers, traced: false))
  }

  // MARK: Steps

  mutating func next() -> Step {
    if let step = opening.popLast() { return step }
    guard let me = model.running else { return idle() }
    switch random.next() % 48 {
    case 0, 1: if me > 2 { return .pageFault(address: address(), access: UInt32(random.next() % 16)) }
    case 2: if me > 2 { return .exception(vector: random.next() % 32, signal: UInt32(random.next() % 32), address: address()) }
    case 3: return .interrupt(Int(random.next() % 18) - 1)
    case 4, 5: return .timer(random.next() % 8 == 0 ? random.next() % 20_000_000 : random.next() % 3000)
    case 6: if random.next() % 4 == 0 { return .died(3 + Int(random.next() % 66)) }
    case 7: return .rights(2 + Int(random.next() % 4))
    case 8...15:
      let others = model.ready.joined().filter { !model.rows[$0].isToRepeat }
      if !others.isEmpty { return .turn(random.pick(others)) }
    case 16: return page(Int(random.next() % 4), Int(random.next() % 4))
    default: break
    }
    return trap(me)
  }

  /// Nobody can run.
  private mutating func idle() -> Step {
    let soon = model.now + 5000
    let isSoon = model.slots.contains { slot in [model.rows[slot].alarm, model.rows[slot].deadline].contains { $0 != 0 && $0 < soon } }
    if random.next() % 16 == 0 || isSoon && random.next() % 2 == 0 { return .timer(random.next() % 6000) }
    let living = Twins.slots.filter { model.rows[$0].state != .free }
    let candidates = living.filter { model.rows[$0].state == .receiving || model.rows[$0].isHeld }
    return .freed(candidates.isEmpty ? 1 : random.pick(candidates))
  }

  private mutating func page(_ space: Int, _ page: Int) -> Step {
    .page(space: space, page: page, isThere: random.next() % 3 > 0, isWritable: random.next() % 2 == 0)
  }

  private mutating func trap(_ me: Int) -> Step {
    var registers = model.rows[me].registers
    if random.next() % 16 == 0 { registers.stack = random.next() % 8 == 0 ? number() : stack() }
    if random.next() % 16 == 0 { registers.kept.1 = random.next() }
    registers.rax = operation(me)
    registers.rdi = UInt64((random.next() % 4 == 0 ? someone() : model.rows[1 + Int(random.next() % 5)].name).raw)
    registers.rsi = UInt64(random.next() % 3 > 0 ? Endpoint.any.raw : someone().raw)
    registers.rdx = random.next() % 3 == 0 ? time() : 0
    registers.message = registers.rax == 0 ? call(me) : message()
    // Answers are for somebody who waits, if there is one; VM finds the page first, mostly.
    let askers = model.askers(of: me)
    if registers.rax == 4 || registers.rax == 7, !askers.isEmpty, random.next() % 8 > 0 {
      let asker = random.pick(askers)
      registers.rdi = UInt64(model.rows[asker].name.raw)
      if model.rows[asker].need != .answer {
        registers.message.type = random.next() % 4 == 0 ? 1 : 0
        let fault: KernelEvent.PageFault = model.rows[asker].pageFault.body()
        if let page = ModelMemory.page(fault.address), random.next() % 2 == 0 {
          // The answer comes with a later step.
          let owner = model.rows.first { $0.spaceName == fault.space && $0.state != .free }
          return .page(space: owner?.space ?? 0, page: page, isThere: true, isWritable: true)
        }
      }
    }
    return .trap(registers, traced: random.next() % 2 == 0)
  }

  private mutating func operation(_ me: Int) -> UInt64 {
    if random.next() % 64 == 0 { return random.next() % 2 == 0 ? 8 : number() }
    if !model.askers(of: me).isEmpty, random.next() % 2 == 0 { return random.pick([4, 4, 7]) }
    if me == 1 { return random.pick([0, 0, 0, 0, 2, 2, 2, 2, 5, 6, 7, 1]) }
    return me < 64 ? random.pick([0, 0, 0, 0, 0, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7]) : random.pick([0, 2, 3, 3, 3, 3, 3, 4, 1, 5, 6])
  }

  // MARK: Arguments

  /// A name, mostly of somebody who lives.
  mutating func someone() -> Endpoint {
    let slot = random.pick(Twins.slots)
    let name = model.rows[slot].name
    switch random.next() % 64 {
    case 0: return Endpoint(slot: slot, generation: name.generation &- 1)
    case 1: return Endpoint(slot: slot, generation: name.generation &+ 1)
    case 2: return .any
    case 3: return .none
    case 4: return .kernel
    case 5: return Endpoint(slot: 68 + Int(random.next() % 4000), generation: 0)
    default: return name
    }
  }

  mutating func number() -> UInt64 {
    switch random.next() % 6 {
    case 0: 0
    case 1: 1 << (random.next() % 64)
    case 2: ~(1 << (random.next() % 64))
    case 3: address()
    case 4: random.next()
    default: random.next() % 16
    }
  }

  mutating func message() -> Message {
    var message = Message(header: random.next() << 32 | random.next() % 4000)
    message.payload = (number(), random.next(), 0, number(), 0, 0, number())
    return message
  }

  /// Around the pages that there are, often near a border.
  mutating func address() -> UInt64 {
    if random.next() % 32 == 0 { return random.pick([0, 0x20_0000, AddressSpace.userEnd - 8, AddressSpace.userEnd, 1 << 63, .max]) }
    let page = ModelMemory.start + random.next() % UInt64(ModelMemory.pages) * 4096
    return random.next() % 2 == 0 ? page + random.next() % 4096 : page + 4096 - random.next() % 64
  }

  mutating func length() -> UInt64 {
    switch random.next() % 32 {
    case 0: random.pick([1 << 20, (1 << 20) + 1, 1 << 47, .max])
    case 1: 4000 + random.next() % 1000
    case 2, 3: 0
    default: random.next() % 96
    }
  }

  mutating func stack() -> UInt64 { ModelMemory.start + 512 + random.next() % 8192 }

  /// A time that nobody else waits for, so that the order is clear.
  mutating func time() -> UInt64 {
    if random.next() % 16 == 0 { return random.next() | 1 << 40 }
    var time = model.now + random.next() % 4000 - 500
    while model.slots.contains(where: { model.rows[$0].alarm == time || model.rows[$0].deadline == time }) { time += 1 }
    return time
  }
}
