import IPC
import Protocols

/// Who may make a call (SEC26); the table in README.md has the same rows.
enum Caller {
  /// P1: any thread that has a space; it can only mean its own.
  case anyone
  /// P2: threads in service slots.
  case service
  /// P3, P4, P5: one server alone.
  case pm, vfs, rs

  static func of(_ number: VM.Number) -> Caller {
    switch number {
    case .mmap, .munmap, .mprotect, .brk, .information, .regionInformation, .commandLine: .anyone
    case .madvise, .mincore, .mlock, .munlock, .mlockall, .msync, .mremap, .immutable, .nameRegion, .getLimit, .setLimit, .signalStack:
      .anyone
    case .lend, .borrow, .endLoan: .anyone
    case .mapPhysical, .mapContiguous, .mapModule: .service
    case .fork, .exit: .pm
    case .execBegin, .execMap, .execWrite, .execCommit, .execAbort: .vfs
    case .spawn, .release, .allowPhysical: .rs
    }
  }

  func includes(_ endpoint: Endpoint) -> Bool {
    switch self {
    case .anyone: true
    case .service: endpoint.isService
    case .pm: endpoint == .pm
    case .vfs: endpoint == .vfs
    case .rs: endpoint == .rs
    }
  }
}

extension VirtualMemory {
  /// What a message gets for an answer; nil for one that expects none. Whatever it holds, the worst is an error.
  public mutating func handle<K: Transport>(_ delivery: Delivery, _ ipc: inout K) -> Message? {
    guard delivery.isRequest else { return nil }
    let answer: Message?
    if delivery.isFromKernel {
      // P6: only the kernel's own flag makes a page fault (M-N5).
      answer = delivery.message.type == KernelEvent.PageFault.number ? pageFault(delivery.message, &ipc) : Message(error: .noSuchCall)
    } else {
      answer = perform(delivery.message, &ipc)
    }
    if pendingSignals > 0 { tellPending(&ipc) }
    if files.firstOwed != nil { tellOwed(&ipc) }
    if unsent > 0, !isCrowded { askAgain(&ipc) }
    if pressure.isUnsent { sendWriteBack(&ipc) }
    settle()
    if pressure.first != nil { feed(&ipc) }
    return answer
  }

  /// A call that finds no frames is done again as long as clean pages can be taken out of processes for it: it happened not at all.
  /// Nil: it waits for a page of a file.
  mutating func perform<K: Transport>(_ message: Message, tries: UInt64 = 0, _ ipc: inout K) -> Message? {
    while true {
      frames.isShort = false
      lacking = 0
      do throws(Errno) { return try call(message, &ipc) } catch {
        if lacking != 0 { return wait(message, tries, &ipc) }
        guard error == .noMemory || error == .wouldBlock || error == .noSpace, frames.isShort else { return Message(error: error) }
        settle()
        guard unmapClean(&ipc) else {
          _ = writesBack(&ipc)
          return Message(error: error)
        }
      }
    }
  }

  private mutating func call<K: Transport>(_ message: Message, _ ipc: inout K) throws(Errno) -> Message {
    if let number = PageCache.Number(rawValue: message.type) { return try pageCache(number, message, &ipc) }
    guard let number = VM.Number(rawValue: message.type) else { throw .noSuchCall }
    let source = message.source
    guard Caller.of(number).includes(source) else { throw .notPermitted }
    switch number {
    case .mmap: return Message(reply: VM.AddressReply(address: try mmap(try own(source), message.body(), &ipc)))
    case .munmap: try munmap(try own(source), message.body(), &ipc)
    case .mprotect: try mprotect(try own(source), message.body(), &ipc)
    case .brk: return Message(reply: VM.AddressReply(address: brk(try own(source), message.body(VM.Brk.self).address, &ipc)))
    case .fork:
      let parent = try process(message.body(VM.Fork.self).parent)
      return Message(reply: Kernel.ThreadReply(thread: try fork(parent, id: message.body(VM.Fork.self).id, &ipc)))
    case .execBegin: try execBegin(message.body(VM.ExecBegin.self).process, &ipc)
    case .execMap: try execMap(message.body())
    case .execWrite: try execWrite(message.body(), from: source, &ipc)
    case .execCommit: try execCommit(message.body(), &ipc)
    case .execAbort: try execAbort(message.body(VM.ExecAbort.self).process)
    case .exit: try exit(message.body(VM.Exit.self).process, &ipc)
    case .spawn: return Message(reply: Kernel.ThreadReply(thread: try spawn(message.body(), &ipc)))
    case .release: try releaseService(message.body(VM.Release.self).service, &ipc)
    case .mapPhysical: return Message(reply: VM.AddressReply(address: try mapPhysical(try own(source), message.body())))
    case .mapContiguous: return Message(reply: try mapContiguous(try own(source), message.body(VM.MapContiguous.self).length))
    case .mapModule: return Message(reply: try mapModule(try own(source), message.body(VM.MapModule.self).name))
    case .allowPhysical: try allowPhysical(message.body())
    case .information: return Message(reply: information())
    case .regionInformation:
      let call = message.body(VM.RegionInformation.self)
      let space = try own(call.process == .none ? source : call.process)
      return Message(reply: try regionInformation(space, from: call.address))
    case .madvise: try madvise(try own(source), message.body(), &ipc)
    case .mincore: return Message(reply: try mincore(try own(source), message.body()))
    case .mlock: try mlock(try own(source), message.body(), &ipc)
    case .munlock: try munlock(try own(source), message.body())
    case .mlockall: try mlockall(try own(source), message.body(VM.MLockAll.self).flags, &ipc)
    case .msync: try msync(try own(source), message.body())
    case .mremap: return Message(reply: VM.AddressReply(address: try mremap(try own(source), message.body(), &ipc)))
    case .immutable: try makeImmutable(try own(source), message.body())
    case .nameRegion: try nameRegion(try own(source), message.body())
    case .getLimit:
      let call = message.body(VM.GetLimit.self)
      return Message(reply: try getLimit(try own(call.process == .none ? source : call.process), call.resource))
    case .setLimit: try setLimit(try own(source), message.body(), &ipc)
    case .signalStack: try setSignalStack(try own(source), message.body(), &ipc)
    case .lend: return Message(reply: VM.Lend.Reply(loan: try lend(try own(source), message.body(), &ipc)))
    case .borrow: return Message(reply: VM.AddressReply(address: try borrow(try own(source), message.body())))
    case .endLoan: try endLoan(try own(source), message.body(VM.EndLoan.self).loan)
    case .commandLine: return Message(reply: commandLine(from: message.body(VM.CommandLine.self).offset))
    }
    return Message(reply: Done())
  }

  private func own(_ endpoint: Endpoint) throws(Errno) -> Space.Pointer {
    guard let space = spaces[endpoint] else { throw .noSuchProcess }
    return space
  }
}
