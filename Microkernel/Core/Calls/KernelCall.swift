import IPC
import Protocols

// Kernel calls: each checks everything before it changes anything. What a handler returns is answered in the caller's
// registers; `.suspend` if there is nothing to answer now: the caller waits for a page and its call is done again.
extension Core where M: ~Copyable {
  mutating func kernelCall(_ me: ThreadPointer) {
    do throws(Errno) {
      try dispatch(me)
    } catch {
      // A copy that was half done and may not go on.
      me.pointee.copied = 0
      answer(me, error)
    }
  }

  /// The source of a kernel call's answer is the kernel: 0.
  @inline(__always)
  mutating func answer<Reply: Wire>(_ me: ThreadPointer, _ reply: Reply) {
    me.pointee.context.message = Message(reply: reply)
    me.pointee.context.setResult(status: 0, flags: 0)
  }

  @inline(__always)
  private mutating func answer<Reply: Wire>(_ me: ThreadPointer, _ answer: Answer<Reply>) {
    if case .reply(let reply) = answer { self.answer(me, reply) }
  }

  mutating func answer(_ me: ThreadPointer, _ error: Errno) {
    me.pointee.context.message = Message(error: error)
    me.pointee.context.setResult(status: 0, flags: 0)
  }

  @inline(__always)
  private mutating func body<Body: Wire>(_ me: ThreadPointer) -> Body { me.pointee.context.message.body() }

  private mutating func dispatch(_ me: ThreadPointer) throws(Errno) {
    guard let number = Kernel.Number(rawValue: me.pointee.context.message.type) else { throw .noSuchCall }
    guard me.pointee.privileges.kernelCalls & (1 << UInt64(number.rawValue)) != 0 else { throw .notPermitted }
    switch number {
    case .null: answer(me, Done())
    case .log: answer(me, try log(body(me)))
    case .clock: answer(me, clock(me))
    case .alarm: answer(me, setAlarm(body(me), me))
    case .exit: exit(body(me), me)
    case .grantCreate: answer(me, try grantCreate(body(me), me))
    case .grantCaller: answer(me, try grantCaller(body(me), me))
    case .grantIndirect: answer(me, try grantIndirect(body(me), me))
    case .grantRevoke: answer(me, try grantRevoke(body(me), me))
    case .copyGrant: answer(me, try copyGrant(body(me), me))
    case .copyCaller: answer(me, try copyCaller(body(me), me))
    case .portRead: answer(me, try portRead(body(me), me))
    case .portWrite: answer(me, try portWrite(body(me), me))
    case .interruptAttach: answer(me, try interruptAttach(body(me), me))
    case .interruptEnable: answer(me, try interruptEnable(body(me), me))
    case .threadCreate: answer(me, try threadCreate(body(me)))
    case .threadFork: answer(me, try threadFork(body(me)))
    case .threadStart: answer(me, try threadStart(body(me)))
    case .threadStop: answer(me, try threadStop(body(me)))
    case .threadDestroy: answer(me, try threadDestroy(body(me), me))
    case .threadRestart: answer(me, try threadRestart(body(me), me))
    case .threadExec: answer(me, try threadExec(body(me), me))
    case .threadStack: answer(me, try threadStack(body(me)))
    case .threadInfo: answer(me, try threadInfo(body(me)))
    case .spaceRoot: answer(me, try spaceRoot(body(me)))
    case .spacePrepare: answer(me, try spacePrepare(body(me)))
    case .spaceFlush: answer(me, try spaceFlush(body(me)))
    case .setPrivileges: answer(me, try setPrivileges(body(me)))
    case .allowPorts: answer(me, try allowPorts(body(me)))
    case .signal: answer(me, try signal(body(me), me))
    case .signalReturn: answer(me, try signalReturn(body(me), me))
    case .threadBases: answer(me, try threadBases(body(me), me))
    case .threadWatch: answer(me, try threadWatch(body(me), me))
    case .statistics: answer(me, statistics())
    case .shutdown: answer(me, shutdown(body(me)))
    case .yield:
      // The answer is there before the turn is over.
      answer(me, Done())
      rotate()
    }
  }
}
