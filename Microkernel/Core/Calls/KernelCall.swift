import IPC
import Protocols

// Kernel calls: each checks everything before it changes anything, then answers in the caller's registers. A
// handler returns nil if there is nothing to answer now: the caller waits for a page and its call is done again, or
// it will not come back.
extension Core where M: ~Copyable {
  mutating func kernelCall(_ me: ThreadPointer) {
    let request = me.pointee.context.message
    do throws(Errno) {
      if let answer = try dispatch(request, me) { answerCall(me, answer) }
    } catch {
      // A copy that was half done and may not go on.
      me.pointee.copied = 0
      answerCall(me, Message(error: error))
    }
  }

  /// The source of a kernel call's answer is the kernel: 0.
  mutating func answerCall(_ me: ThreadPointer, _ answer: Message) {
    me.pointee.context.message = answer
    me.pointee.context.setResult(status: 0, flags: 0)
  }

  private mutating func dispatch(_ request: Message, _ me: ThreadPointer) throws(Errno) -> Message? {
    guard let number = Kernel.Number(rawValue: request.type) else { throw .noSuchCall }
    guard me.pointee.privileges.kernelCalls & (1 << UInt64(number.rawValue)) != 0 else { throw .notPermitted }
    switch number {
    case .null: return Message(reply: Done())
    case .log: return try log(request.body())
    case .clock: return clock(me)
    case .alarm: return setAlarm(request.body(), me)
    case .exit: return exit(request.body(), me)
    case .grantCreate: return try grantCreate(request.body(), me)
    case .grantCaller: return try grantCaller(request.body(), me)
    case .grantIndirect: return try grantIndirect(request.body(), me)
    case .grantRevoke: return try grantRevoke(request.body(), me)
    case .copyGrant: return try copyGrant(request.body(), me)
    case .copyCaller: return try copyCaller(request.body(), me)
    case .portRead: return try portRead(request.body(), me)
    case .portWrite: return try portWrite(request.body(), me)
    case .interruptAttach: return try interruptAttach(request.body(), me)
    case .interruptEnable: return try interruptEnable(request.body(), me)
    case .threadCreate: return try threadCreate(request.body(), me)
    case .threadFork: return try threadFork(request.body(), me)
    case .threadStart: return try threadStart(request.body(), me)
    case .threadStop: return try threadStop(request.body(), me)
    case .threadDestroy: return try threadDestroy(request.body(), me)
    case .threadRestart: return try threadRestart(request.body(), me)
    case .threadExec: return try threadExec(request.body(), me)
    case .threadInfo: return try threadInfo(request.body())
    case .spaceRoot: return try spaceRoot(request.body())
    case .spacePrepare: return try spacePrepare(request.body())
    case .spaceFlush: return try spaceFlush(request.body())
    case .setPrivileges: return try setPrivileges(request.body())
    case .allowPorts: return try allowPorts(request.body())
    case .signal: return try signal(request.body(), me)
    case .signalReturn: return try signalReturn(request.body(), me)
    case .statistics: return statistics()
    case .shutdown: return shutdown(request.body())
    case .yield: return yield(me)
    }
  }

  var done: Message { Message(reply: Done()) }
}
