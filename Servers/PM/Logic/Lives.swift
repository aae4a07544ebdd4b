import IPC
import Protocols
import ServerKit

// Fork, exec and exit, and the first process, which nobody forked.
extension ProcessManager {
  /// RS hands over the first process, stopped: process 1.
  mutating func adopt(_ call: PM.Adopt, _ ipc: inout T) throws(Errno) {
    guard table.count == 0, let index = table.reserveSlot() else { throw .busy }
    try ipc.sendAsync(Message(VFS.ProcessForked(parent: .none, child: call.process)), to: .vfs)
    var process = Process()
    process.life = .alive
    process.endpoint = call.process
    process.id = table.nextID()
    process.parent = index
    process.group = process.id
    process.session = process.id
    process.name = (call.name.0, call.name.1, 0)
    table.insert(process, at: index)
    try ipc.kernel(Kernel.ThreadStart(thread: call.process))
  }

  /// fork(2): returns the child's id; the child's own answer, 0, is on its way.
  mutating func fork(_ me: Int, _ ipc: inout T) throws(Errno) -> Int32 {
    let isNearRoot = table[me].parent == Self.first || me == Self.first
    guard table.free > (isNearRoot ? 0 : ProcessTable.reserve), let index = table.reserveSlot() else { throw .wouldBlock }
    let id = table.nextID()
    let child = try ipc.call(.vm, VM.Fork(parent: table[me].endpoint, id: id)).thread
    do throws(Errno) {
      // Before anything that the child can send: VFS hears of it first.
      try ipc.sendAsync(Message(VFS.ProcessForked(parent: table[me].endpoint, child: child)), to: .vfs)
    } catch {
      _ = try ipc.call(.vm, VM.Exit(process: child))
      throw .wouldBlock
    }
    var process = table[me]
    process.endpoint = child
    process.id = id
    process.parent = me
    process.hasExecuted = false
    process.wait = .none
    process.requester = nil
    process.pageToken = 0
    process.pending = SignalSet()
    process.isStopped = false
    process.news = 0
    process.time = 0
    process.childrenTime = 0
    table.insert(process, at: index)
    do throws(Errno) { try ipc.reply(Message(reply: PM.IDReply(id: 0)), to: child) } catch {}
    return process.id
  }

  /// The first process is the first in the table and stays there.
  static var first: Int { 0 }

  // MARK: Exec

  mutating func execute(_ call: PM.Exec, _ me: Int, _ delivery: Delivery, _ ipc: inout T) throws(Errno) {
    guard call.pathLength >= 1 else { throw .noSuchFile }
    guard call.pathLength <= 4095 else { throw .nameTooLong }
    guard call.argumentsLength <= ArgumentBlock.limit else { throw .argumentListTooLong }
    guard !call.path.addingReportingOverflow(call.pathLength).overflow else { throw .badAddress }
    let client = table[me].endpoint
    let grant = try ipc.kernel(Kernel.GrantCaller(
      client: client, address: call.path, length: call.pathLength, grantee: .vfs, access: Kernel.Access.read)).id
    lastToken &+= 1
    var load = Message(VFS.ExecLoad(
      process: client, grant: grant, pathLength: UInt32(truncatingIfNeeded: call.pathLength), arguments: call.arguments,
      argumentsLength: call.argumentsLength))
    load.token = lastToken
    do throws(Errno) { try ipc.sendAsync(load, to: .vfs) } catch {
      _ = ipc.kernel(Message(Kernel.GrantRevoke(id: grant)))
      throw error
    }
    suspend(me, .exec(token: lastToken), delivery)
    table[me].grant = grant
  }

  /// VFS's answer to `ExecLoad` or `BringPage`. One for a process that has died meanwhile finds nobody.
  mutating func loaded(_ message: Message, _ ipc: inout T) {
    for index in 0..<table.top where table.isAlive(index) {
      if table[index].pageToken == message.token, message.token != 0 { return pageCame(index, message, &ipc) }
      guard case .exec(let token) = table[index].wait, token == message.token else { continue }
      _ = ipc.kernel(Message(Kernel.GrantRevoke(id: table[index].grant)))
      if message.type == 0 {
        // It runs its new image already and waits for nothing.
        table[index].wait = .none
        table[index].requester = nil
        table[index].name = message.body(VFS.ExecLoad.Reply.self).name
        table[index].hasExecuted = true
        table[index].stackSize = 0
        for signal in 0..<64 where table[index].actions[signal].isHandler { table[index].actions[signal] = Action() }
      } else {
        wake(index, Message(type: message.type), &ipc)
      }
      deliver(index, &ipc)  // what came in between
      return
    }
  }

  // MARK: The end

  /// A process ends: `status` as wait(2) tells it. Its parent hears of it, its children go to the first process.
  mutating func terminate(_ index: Int, status: Int32, _ ipc: inout T) {
    guard table.isAlive(index) else { return }
    timers.cancel(index, .sleep)
    timers.cancel(index, .alarm)
    if table[index].isLoading { _ = ipc.kernel(Message(Kernel.GrantRevoke(id: table[index].grant))) }
    table[index].time = processorTime(index, &ipc)
    let endpoint = table[index].endpoint
    do throws(Errno) { _ = try ipc.call(.vm, VM.Exit(process: endpoint)) } catch {}
    table.forgetThread(index)
    table[index].life = .zombie
    table[index].status = status
    table[index].wait = .none
    table[index].requester = nil
    table[index].pageToken = 0
    table[index].pending = SignalSet()
    table[index].news = 0
    table[index].owesExit = true
    debts = true
    payDebts(&ipc)
    if index == Self.first {
      // Nobody is left to care for orphans, and nobody to talk to.
      ipc.log("PM: the first process has ended\n")
      do throws(Errno) { _ = try ipc.call(.rs, RS.Shutdown(status: RS.Shutdown.vitalDied)) } catch {}
      return
    }
    adoptOrphans(of: index, &ipc)
    childEnded(index, &ipc)
  }

  private mutating func adoptOrphans(of index: Int, _ ipc: inout T) {
    for child in 0..<table.top where child != index && table.isUsed(child) && table[child].parent == index {
      table[child].parent = Self.first
      if table.isZombie(child) { childEnded(child, &ipc) }
    }
  }

  /// `VFS.ProcessExited` must not get lost when the queue is full: it is sent as soon as there is room.
  mutating func payDebts(_ ipc: inout T) {
    guard debts else { return }
    for index in 0..<table.top where table[index].owesExit {
      do throws(Errno) { try ipc.sendAsync(Message(VFS.ProcessExited(process: table[index].endpoint)), to: .vfs) } catch {
        if error == .wouldBlock { return }
      }
      table[index].owesExit = false
    }
    debts = false
  }
}
