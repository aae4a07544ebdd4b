import IPC
import PageTable
import Protocols
import SimulatedArch

// Random kernel calls, each with arguments that are good more often than not.
extension Chaos {
  mutating func call(_ me: Int) -> Message {
    if me >= 64, random.next() % 4 > 0 { return random.next() % 2 == 0 ? Message(Kernel.Yield()) : Message(Kernel.Clock()) }
    if random.next() % 64 == 0 { return Message(type: Int32(truncatingIfNeeded: random.pick([36, 63, 64, 1 << 31, number() | 64]))) }
    return switch random.next() % 40 {
    case 0:
      switch random.next() % 3 {
      case 0: Message(Kernel.Null())
      case 1: Message(Kernel.ThreadBases(thread: random.next() % 2 == 0 ? .kernel : someone(), fs: entry(), gs: number()))
      default: Message(Kernel.ThreadWatch(thread: random.next() % 2 == 0 ? .kernel : someone(), addresses: (address(), 0, 0, number()), control: number()))
      }
    case 1: Message(Kernel.Log(count: random.next() % 50, text: (random.next(), 1, 2, 3, 4, number())))
    case 2: Message(Kernel.Clock())
    case 3, 4: Message(Kernel.Alarm(deadline: random.next() % 4 == 0 ? 0 : time()))
    case 5: me <= 2 || random.next() % 4 > 0 ? Message(Kernel.Yield()) : Message(Kernel.Exit(status: number()))
    case 6, 7: Message(Kernel.GrantCreate(address: address(), length: length() &* 8, grantee: someone(), access: access()))
    case 8: Message(Kernel.GrantCaller(client: client(of: me), address: address(), length: length() &* 8, grantee: someone(), access: access()))
    case 9, 10: indirect(me)
    case 11: Message(Kernel.GrantRevoke(id: grant { $0.owner == me }.id))
    case 12, 13, 14: copyGrant(me)
    case 15, 16, 17: Message(Kernel.CopyCaller(client: client(of: me), remote: address(), local: address(), length: length(), direction: UInt32(random.next() % 2)))
    case 18: Message(Kernel.PortRead(port: port(), width: width()))
    case 19: Message(Kernel.PortWrite(port: port(), width: width(), value: number()))
    case 20: Message(Kernel.AllowPorts(thread: someone(), first: port(), count: random.next() % 8))
    case 21: Message(Kernel.InterruptAttach(line: random.next() % 17))
    case 22: Message(Kernel.InterruptEnable(line: random.next() % 17))
    case 23, 24: Message(Kernel.ThreadCreate(
      root: root(), space: UInt32(random.next() % 8), entry: entry(), stack: stack(), slot: random.pick([0, 2, 3, 4, 5, 5, 68]),
      supervisor: someone(), priority: UInt32(random.next() % 9)))
    case 25: Message(Kernel.ThreadFork(parent: parent(), root: root(), space: UInt32(random.next() % 8)))
    case 26, 27, 28: Message(Kernel.ThreadStart(thread: someone()))
    case 29: random.next() % 3 == 0 ? Message(Kernel.ThreadStop(thread: someone())) : Message(Kernel.ThreadStart(thread: someone()))
    case 30: random.next() % 2 == 0 ? Message(Kernel.ThreadDestroy(thread: someone())) : Message(Kernel.ThreadStart(thread: someone()))
    case 31: Message(Kernel.ThreadRestart(thread: someone(), root: root(), space: 3, entry: entry(), stack: stack(), fault: random.next() % 2))
    case 32:
      switch random.next() % 4 {
      case 0: Message(Kernel.ThreadExec(
        thread: someone(), root: root(), space: 4, entry: entry(), stack: stack(), stackLow: stack(), stackSize: random.next() % 16384))
      case 1: Message(Kernel.ThreadStack(thread: process(), low: random.next() % 8 == 0 ? number() : ModelMemory.start, size: random.next() % 8 == 0 ? number() : 10_000))
      default: Message(Kernel.ThreadExec(thread: someone(), root: root(), space: 4, entry: entry(), stack: stack()))
      }
    case 33: Message(Kernel.ThreadInfo(slot: random.next() % 70))
    case 34: Message(Kernel.SpaceRoot(thread: someone(), root: root(), space: UInt32(random.next() % 8)))
    case 35: random.next() % 2 == 0 ? Message(Kernel.SpacePrepare(root: 1)) : Message(Kernel.SpaceFlush(root: root(), address: address(), count: number()))
    case 36: rights()
    case 37, 38: Message(Kernel.Signal(
      thread: process(), signal: UInt32(random.next() % 64), handler: entry(), restorer: number(), mask: random.next(), stackBase: address(),
      stackSize: random.next() % 3 > 0 ? 0 : random.next() % 16 == 0 ? number() : 256 + random.next() % 6000))
    default: signalReturn(me)
    }
  }

  /// Somebody who waits for our answer, if there is one.
  private mutating func client(of me: Int) -> Endpoint {
    let askers = model.askers(of: me)
    return askers.isEmpty || random.next() % 8 == 0 ? someone() : model.rows[random.pick(askers)].name
  }

  /// A process that waits for an answer, if there is one.
  private mutating func parent() -> Endpoint {
    let waiting = Twins.slots.filter { $0 >= 64 && isWaiting(model.rows[$0].state) }
    return waiting.isEmpty || random.next() % 8 == 0 ? someone() : model.rows[random.pick(waiting)].name
  }
  private func isWaiting(_ state: Model.State) -> Bool {
    if case .waiting = state { true } else { false }
  }

  private mutating func process() -> Endpoint {
    random.next() % 8 == 0 ? someone() : model.rows[64 + Int(random.next() % 4)].name
  }

  /// A grant of this kind, if there is one, or any row.
  private mutating func grant(_ fits: (GrantRow) -> Bool) -> (id: UInt64, row: GrantRow) {
    let fitting = model.grants.indices.filter { model.grants[$0].kind != nil && fits(model.grants[$0]) }
    let index = fitting.isEmpty || random.next() % 8 == 0 ? Int(random.next() % UInt64(model.grants.count)) : random.pick(fitting)
    let row = model.grants[index]
    return ((row.generation &- (random.next() % 16 == 0 ? 1 : 0)) << 32 | UInt64(index), row)
  }

  private mutating func indirect(_ me: Int) -> Message {
    let name = model.rows[me].name
    let (id, row) = grant { $0.grantee == name }
    return Message(Kernel.GrantIndirect(granter: model.rows[row.owner].name, id: id, offset: offset(row), length: length(), grantee: someone()))
  }

  private mutating func copyGrant(_ me: Int) -> Message {
    let name = model.rows[me].name
    let (id, row) = grant { $0.grantee == name }
    return Message(Kernel.CopyGrant(
      granter: model.rows[row.owner].name, id: id, offset: offset(row), address: address(), length: length(), direction: UInt32(random.next() % 2)))
  }

  private mutating func offset(_ row: GrantRow) -> UInt64 {
    random.next() % 16 == 0 ? number() : row.length == 0 ? 0 : random.next() % row.length
  }

  private mutating func signalReturn(_ me: Int) -> Message {
    let name = client(of: me)
    let stack = model.rows[name.slot % model.rows.count].registers.stack
    return Message(Kernel.SignalReturn(thread: name, frame: random.next() % 4 == 0 ? address() : stack))
  }

  private mutating func rights() -> Message {
    let thread = someone()
    var privileges = World.all
    if random.next() % 3 == 0, thread != .vm {
      privileges = Privileges(
        kernelCalls: random.next() | random.next(), sendTo: random.next() | 2, lines: UInt32(random.next() & 0xFFFF),
        asynchronousQuota: UInt16(random.next() % 4), grantQuota: UInt16(random.next() % 4))
    }
    return Message(Kernel.SetPrivileges(thread: thread, priority: UInt32(random.next() % 9), privileges: privileges))
  }

  private mutating func access() -> UInt32 { random.next() % 8 == 0 ? UInt32(random.next() % 8) : 3 }
  private mutating func root() -> UInt64 { random.next() % 32 == 0 ? random.pick([1, 1 << 40, 0x1008, .max]) : random.pick(model.roots) }
  private mutating func entry() -> UInt64 { random.next() % 32 == 0 ? number() : 0x1000 }
  private mutating func port() -> UInt32 { random.next() % 4 == 0 ? random.pick([0, 0xFFFC, 0xFFFE, 0xFFFF, 0x1_0000, .max]) : 0x100 + UInt32(random.next() % 8) }
  private mutating func width() -> UInt32 { random.pick([1, 2, 4, 4, 3, 0]) }
}
