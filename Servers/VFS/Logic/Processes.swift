import IPC
import Protocols
import ServerKit

// Processes as PM tells of them, and their descriptors.
extension VirtualFileSystem {
  /// The record of a process, nil for strangers and the dead.
  func process(_ endpoint: Endpoint) -> Int? {
    let index = Int(tables.processBySlot[endpoint.slot])
    guard index >= 0, tables.processes[index].endpoint == endpoint else { return nil }
    return index
  }

  /// Not answered: if there is no room for the child, all its calls will be refused.
  func forked(_ call: VFS.ProcessForked) {
    guard !call.child.isService, call.child != .any, call.child != .none else { return }
    if let old = process(call.child) { drop(old) }
    // The slot's former thread is dead whatever we have heard of it.
    let former = Int(tables.processBySlot[call.child.slot])
    if former >= 0 { drop(former) }
    guard let index = (0..<limits.processes).first(where: { tables.processes[$0].endpoint == .none }) else { return }
    var record = ProcessRecord()
    if let parent = process(call.parent) {
      record.directory = tables.processes[parent].directory
      record.descriptors = tables.processes[parent].descriptors
      record.program = tables.processes[parent].program
    } else if isRooted {
      record.directory = tables.mounts[rootMount].root
    }
    if record.directory >= 0 { hold(record.directory) }
    if record.program >= 0 { run(record.program) }
    for number in 0..<Bound.descriptors where record.descriptors[number].file >= 0 {
      tables.files[Int(record.descriptors[number].file)].users += 1
    }
    record.endpoint = call.child
    tables.processes[index] = record
    tables.processBySlot[call.child.slot] = Int16(index)
  }

  func exited(_ endpoint: Endpoint) {
    if let index = process(endpoint) { drop(index) }
  }

  /// Ends what the process waited for, closes what it had. A job that runs for it goes on to its end, without it:
  /// it holds its own files and vnodes, and its grants of the dead process's memory lead nowhere.
  private func drop(_ index: Int) {
    switch tables.processes[index].waiting {
    case .nothing, .page: break
    case .queued: unqueue(index)
    case .worker(let worker): abandon(worker)
    case .pipeRead(let file), .pipeWrite(let file): leavePipe(index, file)
    case .device(let grant):
      let request = tables.outstanding[workerCount + index]
      if request.isSent, !request.isCancelled { post(Message(Char.Cancel(request: request.token)), to: request.service) }
      if !request.isSent { heldCount -= 1 }
      tables.outstanding[workerCount + index] = Outstanding()
      if grant != 0 { revoke(grant) }
    }
    tables.processes[index].waiting = .nothing
    for number in 0..<Bound.descriptors { _ = try? close(index, number) }
    if tables.processes[index].directory >= 0 { releaseVnode(tables.processes[index].directory) }
    if tables.processes[index].program >= 0 { stopRunning(tables.processes[index].program) }
    tables.processBySlot[tables.processes[index].endpoint.slot] = -1
    tables.processes[index] = ProcessRecord()
  }

  /// The process of a job is gone. Its transfer with a block driver ends now: the grants go, and nobody else
  /// cares for the answer. An open must be answered, or the driver would count one too many.
  private func abandon(_ worker: Int) {
    let request = tables.outstanding[worker]
    guard request.token != 0 else { return }
    switch request.message.type {
    case Block.Transfer.number, Block.Open.number: complete(worker, Message(error: .interrupted))
    case Char.Open.number: cancelRequest(worker)
    default: break
    }
  }

  /// A signal for the process: what can wait for ever is interrupted, with what was transferred.
  func cancel(_ call: VFS.Cancel) {
    guard let index = process(call.process) else { return }
    tables.processes[index].restarts = call.restart == 1
    switch tables.processes[index].waiting {
    case .nothing, .queued, .page: break
    case .worker(let worker):
      let request = tables.outstanding[worker]
      if request.token != 0, request.message.type == Char.Open.number { cancelRequest(worker) }
    case .pipeRead(let file), .pipeWrite(let file):
      leavePipe(index, file)
      tables.processes[index].waiting = .nothing
      let done = tables.processes[index].done
      respond(tables.processes[index].requester, done > 0 ? Message(reply: VFS.Count(count: done)) : Message(error: told(.interrupted, index)))
    case .device: cancelRequest(workerCount + index)
    }
  }

  /// What the process hears of an error: its library asks again after a handler with SA_RESTART.
  func told(_ error: Errno, _ index: Int) -> Errno { error == .interrupted && tables.processes[index].restarts ? .restarted : error }

  // MARK: Descriptors

  /// The open file behind a descriptor, EBADF if there is none.
  func file(_ index: Int, _ descriptor: Int64) throws(Errno) -> Int {
    guard descriptor >= 0, descriptor < Int64(Bound.descriptors) else { throw .badFileDescriptor }
    let file = tables.processes[index].descriptors[Int(descriptor)].file
    guard file >= 0 else { throw .badFileDescriptor }
    return Int(file)
  }

  func freeDescriptor(_ index: Int, from first: Int = 0) throws(Errno) -> Int {
    for number in first..<Bound.descriptors where tables.processes[index].descriptors[number].file < 0 { return number }
    throw .tooManyOpenFiles
  }

  /// Gives descriptor `number` to an open file; takes over one of its uses.
  func install(_ index: Int, _ number: Int, _ file: Int, closeOnExec: Bool) {
    tables.processes[index].descriptors[number] = DescriptorSlot(file: Int16(file), closeOnExec: closeOnExec)
  }

  func close(_ index: Int, _ number: Int) throws(Errno) {
    let file = try file(index, Int64(number))
    tables.processes[index].descriptors[number] = DescriptorSlot()
    releaseFile(file)
  }

  /// After a successful exec.
  func closeOnExec(_ index: Int) {
    for number in 0..<Bound.descriptors where tables.processes[index].descriptors[number].closeOnExec { _ = try? close(index, number) }
  }
}
