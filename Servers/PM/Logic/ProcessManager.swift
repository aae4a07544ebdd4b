import IPC
import Protocols
import ServerKit

/// PM: processes and what happens to them. It asks VM and the kernel, which answer at once; VFS it only tells,
/// or asks by `sendAsync`. Who waits is a `Wait` in the table.
public struct ProcessManager<T: Transport>: Server {
  public typealias IPCTransport = T
  public internal(set) var table = ProcessTable()
  var timers = TimerQueue()
  /// What the kernel's alarm is set to.
  var armed: UInt64 = 0
  /// Tokens of `VFS.ExecLoad` and `VFS.BringPage`; none is used twice.
  var lastToken: UInt64 = 0
  /// Some process `owesExit`.
  var debts = false
  public init() {}

  public mutating func start(_ ipc: inout T) {}

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {
    guard source == .kernel, events & KernelEvent.alarm != 0 else { return }
    armed = 0
    let now = now(&ipc)
    while let timer = timers.popDue(now) {
      switch timer.kind {
      case .sleep: wake(timer.process, Message(reply: Done()), &ipc)
      case .alarm: post(Signals.alarm, to: timer.process, &ipc)
      }
    }
    payDebts(&ipc)
    arm(&ipc)
  }

  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    let answer: Message?
    do throws(Errno) { answer = try dispatch(delivery, &ipc) } catch { answer = Message(error: error) }
    if debts { payDebts(&ipc) }
    arm(&ipc)
    return answer
  }

  private mutating func dispatch(_ delivery: Delivery, _ ipc: inout T) throws(Errno) -> Message? {
    let message = delivery.message
    if !delivery.isRequest {
      tell(delivery, &ipc)
      return nil
    }
    switch PM.Number(rawValue: message.type) {
    case .processInformation: return Message(reply: try information((message.body() as PM.ProcessInformation).index, &ipc))
    case .endpointOf: return Message(reply: try endpoint(of: (message.body() as PM.EndpointOf).id))
    case .adopt:
      guard message.source == .rs else { throw .notPermitted }
      try adopt(message.body(), &ipc)
      return Message(reply: Done())
    case .signalGroup, .signalProcess: throw .notPermitted
    case nil: throw .noSuchCall
    default: break
    }
    // From here on the caller is one of ours.
    guard let me = table.find(message.source) else { throw .noSuchProcess }
    return try request(delivery, from: me, &ipc)
  }

  private mutating func request(_ delivery: Delivery, from me: Int, _ ipc: inout T) throws(Errno) -> Message? {
    let message = delivery.message
    switch PM.Number(rawValue: message.type) {
    case .fork: return Message(reply: PM.IDReply(id: Int64(try fork(me, &ipc))))
    case .exec: try execute(message.body(), me, delivery, &ipc)
    case .exit: terminate(me, status: Int32(truncatingIfNeeded: (message.body() as PM.Exit).status & 0xFF) << 8, &ipc)
    case .waitPID: return try waitPID(message.body(), me, delivery, &ipc)
    case .kill:
      try kill(message.body(), by: me, &ipc)
      return Message(reply: Done())
    case .signalAction: return Message(reply: try signalAction(message.body(), me))
    case .signalReturn: signalReturn((message.body() as PM.SignalReturn).frame, me, &ipc)
    case .signalMask: return Message(reply: try signalMask(message.body(), me, &ipc))
    case .signalStack: return Message(reply: try signalStack(message.body(), me, &ipc))
    case .pause: suspend(me, .pause, delivery)
    case .identity: return Message(reply: identity(me))
    case .setProcessGroup:
      try setProcessGroup(message.body(), me)
      return Message(reply: Done())
    case .setSession: return Message(reply: PM.IDReply(id: Int64(try setSession(me))))
    case .times: return Message(reply: times(me, &ipc))
    case .sleep: sleep((message.body() as PM.Sleep).nanoseconds, me, delivery, &ipc)
    case .alarm: return Message(reply: alarm((message.body() as PM.Alarm).nanoseconds, me, &ipc))
    case .adopt, .signalGroup, .signalProcess, .processInformation, .endpointOf, nil: throw .noSuchCall
    }
    return nil
  }

  /// What is not asked but told: by the kernel, VM, VFS, RS and tty. Anything else is not heard (M-N5).
  private mutating func tell(_ delivery: Delivery, _ ipc: inout T) {
    let message = delivery.message
    switch message.type {
    case KernelEvent.Exception.number:
      if delivery.isFromKernel || (delivery.isAsynchronous && message.source == .vm) { exception(message.body(), &ipc) }
    case PM.SignalGroup.number:
      guard message.source == .tty, delivery.isAsynchronous else { return }
      let call: PM.SignalGroup = message.body()
      signalGroup(call.group, call.signal, &ipc)
    case PM.SignalProcess.number:
      guard message.source == .vfs, delivery.isAsynchronous else { return }
      let call: PM.SignalProcess = message.body()
      guard call.signal >= 1, call.signal <= Signals.limit, let index = table.find(call.process) else { return }
      post(call.signal, to: index, &ipc)
    case PM.Adopt.number:
      guard message.source == .rs, delivery.isAsynchronous else { return }
      let answer: Message
      do throws(Errno) {
        try adopt(message.body(), &ipc)
        answer = Message(reply: Done())
      } catch { answer = Message(error: error) }
      ipc.answer(Requester(delivery), answer)
    default:
      if message.source == .vfs, message.type <= 0, delivery.isAsynchronous { loaded(message, &ipc) }
    }
  }

  // MARK: Waiting

  mutating func suspend(_ index: Int, _ wait: Process.Wait, _ delivery: Delivery) {
    table[index].wait = wait
    table[index].requester = Requester(delivery)
  }

  /// Ends a wait with an answer; nothing if there is none.
  mutating func wake(_ index: Int, _ answer: Message, _ ipc: inout T) {
    guard let requester = table[index].requester else { return }
    table[index].wait = .none
    table[index].requester = nil
    ipc.answer(requester, answer)
  }

  // MARK: Time

  func now(_ ipc: inout T) -> UInt64 {
    do throws(Errno) { return try ipc.kernel(Kernel.Clock()).now } catch { return 0 }
  }

  /// Processor time of a living process.
  func processorTime(_ index: Int, _ ipc: inout T) -> UInt64 {
    do throws(Errno) {
      let thread = try ipc.kernel(Kernel.ThreadInfo(slot: UInt64(table[index].endpoint.slot)))
      return thread.thread == table[index].endpoint ? thread.time : 0
    } catch { return 0 }
  }

  private mutating func arm(_ ipc: inout T) {
    guard timers.earliest != armed else { return }
    armed = timers.earliest
    _ = ipc.kernel(Message(Kernel.Alarm(deadline: armed)))
  }

  private mutating func sleep(_ nanoseconds: UInt64, _ me: Int, _ delivery: Delivery, _ ipc: inout T) {
    let (deadline, overflow) = now(&ipc).addingReportingOverflow(nanoseconds)
    suspend(me, .sleep, delivery)
    timers.set(overflow ? .max : deadline, me, .sleep)
  }

  private mutating func alarm(_ nanoseconds: UInt64, _ me: Int, _ ipc: inout T) -> PM.Alarm.Reply {
    let now = now(&ipc)
    let left = timers.cancel(me, .alarm).map { $0 > now ? $0 - now : 1 } ?? 0
    if nanoseconds > 0 {
      let (deadline, overflow) = now.addingReportingOverflow(nanoseconds)
      timers.set(overflow ? .max : deadline, me, .alarm)
    }
    return PM.Alarm.Reply(left: left)
  }

  private func times(_ me: Int, _ ipc: inout T) -> PM.Times.Reply {
    PM.Times.Reply(own: processorTime(me, &ipc), children: table[me].childrenTime, sinceBoot: now(&ipc))
  }
}
