import Glibc
import IPC
import Protocols

// PM's part.

func processes(_ message: Message) throws(Errno) -> Message {
  switch PM.Number(rawValue: message.type) {
  case .fork:
    fflush(nil)
    let fork = symbol("fork", (@convention(c) () -> Int32).self)
    return Message(reply: PM.IDReply(id: Int64(try check(fork()))))
  case .exec: return try execute(message.body())
  case .exit: exit(Int32((message.body() as PM.Exit).status))
  case .waitPID:
    let call: PM.WaitPID = message.body()
    var status: Int32 = 0
    let id = try check(waitpid(call.id, &status, Int32(call.options)))
    return Message(reply: PM.WaitPID.Reply(id: Int32(id), status: status))
  case .kill:
    let call: PM.Kill = message.body()
    return done(try check(kill(call.id, Int32(call.signal))))
  case .signalAction: return try signalAction(message.body())
  case .signalMask:
    let call: PM.SignalMask = message.body()
    var new = sigset_t(), old = sigset_t()
    new.__val.0 = UInt(call.mask)
    _ = try check(call.how == 3 ? sigprocmask(SIG_BLOCK, nil, &old) : sigprocmask(Int32(call.how), &new, &old))
    return Message(reply: PM.SignalMask.Reply(mask: UInt64(old.__val.0)))
  case .pause: return done(try check(pause()))
  case .identity:
    return Message(reply: PM.Identity.Reply(id: getpid(), parent: getppid(), group: getpgrp(), session: getsid(0)))
  case .setProcessGroup:
    let call: PM.SetProcessGroup = message.body()
    return done(try check(setpgid(call.id, call.group)))
  case .times:
    var own = rusage(), children = rusage()
    getrusage(0 /* RUSAGE_SELF */, &own)
    getrusage(-1 /* RUSAGE_CHILDREN */, &children)
    func nanoseconds(_ usage: rusage) -> UInt64 {
      UInt64(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000_000 + UInt64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000
    }
    return Message(reply: PM.Times.Reply(own: nanoseconds(own), children: nanoseconds(children), sinceBoot: monotonic()))
  case .sleep:
    let call: PM.Sleep = message.body()
    var time = timespec(tv_sec: Int(call.nanoseconds / 1_000_000_000), tv_nsec: Int(call.nanoseconds % 1_000_000_000))
    return done(try check(nanosleep(&time, nil)))
  case .alarm:
    let call: PM.Alarm = message.body()
    var new = itimerval(), old = itimerval()
    new.it_value = timeval(tv_sec: Int(call.nanoseconds / 1_000_000_000), tv_usec: Int(call.nanoseconds / 1000 % 1_000_000))
    _ = try check(setitimer(0 /* ITIMER_REAL */, &new, &old))
    return Message(reply: PM.Alarm.Reply(left: UInt64(old.it_value.tv_sec) * 1_000_000_000 + UInt64(old.it_value.tv_usec) * 1000))
  default: throw .noSuchCall
  }
}

private func signalAction(_ call: PM.SignalAction) throws(Errno) -> Message {
  var new = sigaction(), old = sigaction()
  new.__sigaction_handler.sa_handler = unsafeBitCast(UInt(call.handler), to: (@convention(c) (Int32) -> Void)?.self)
  new.sa_flags = Int32(bitPattern: call.flags)
  _ = try check(sigaction(Int32(call.signal), &new, &old))
  let handler = unsafeBitCast(old.__sigaction_handler.sa_handler, to: UInt.self)
  return Message(reply: PM.SignalAction.Reply(handler: UInt64(handler), mask: 0))
}

/// Reads the block as VM does, and becomes the program.
private func execute(_ call: PM.Exec) throws(Errno) -> Message {
  let block = UnsafeRawBufferPointer(start: pointer(call.arguments), count: Int(call.argumentsLength))
  guard block.count >= 8, block.count <= Int(ArgumentBlock.limit) else { throw .argumentListTooLong }
  let counts = [block.loadUnaligned(as: UInt32.self), block.loadUnaligned(fromByteOffset: 4, as: UInt32.self)]
  var at = 8
  var lists: [[UnsafeMutablePointer<CChar>?]] = [[], []]
  for list in 0..<2 {
    for _ in 0..<counts[list] {
      guard at < block.count else { throw .invalidArgument }
      lists[list].append(strdup(block.baseAddress!.advanced(by: at).assumingMemoryBound(to: CChar.self)))
      while at < block.count, block[at] != 0 { at += 1 }
      at += 1
    }
    lists[list].append(nil)
  }
  _ = try check(execve(try path(call.path, call.pathLength), lists[0], lists[1]))
  throw .notExecutable
}

private func done(_: Int) -> Message { Message(reply: Done()) }
