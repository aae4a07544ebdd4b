import IPC
import Protocols
import ServerKit

// Pipes: a ring of bytes each, and two queues of processes that wait. No fibers: a waiting end is a table entry.
extension VirtualFileSystem {
  func makePipe(_ index: Int, _ call: VFS.Pipe) throws(Errno) -> VFS.Pipe.Reply {
    typealias Flags = VFS.OpenFlags
    let flags = UInt32(truncatingIfNeeded: call.flags)
    guard call.flags & ~UInt64(Flags.nonBlocking | Flags.closeOnExec) == 0 else { throw .invalidArgument }
    let readEnd = try freeDescriptor(index)
    let writeEnd = try freeDescriptor(index, from: readEnd + 1)
    guard let pipe = (0..<limits.pipes).first(where: { !tables.pipes[$0].isUsed }) else { throw .tooManyOpenFilesInSystem }
    let reader = try makeFile(vnode: -1, pipe: pipe, flags: flags | Flags.readOnly)
    tables.pipes[pipe] = Pipe()
    tables.pipes[pipe].isUsed = true
    tables.pipes[pipe].readers = 1
    let writer: Int
    do throws(Errno) { writer = try makeFile(vnode: -1, pipe: pipe, flags: flags | Flags.writeOnly) } catch {
      releaseFile(reader)
      throw error
    }
    tables.pipes[pipe].writers = 1
    install(index, readEnd, reader, closeOnExec: flags & Flags.closeOnExec != 0)
    install(index, writeEnd, writer, closeOnExec: flags & Flags.closeOnExec != 0)
    return VFS.Pipe.Reply(readEnd: Int64(readEnd), writeEnd: Int64(writeEnd))
  }

  func closePipeEnd(_ pipe: Int, isReader: Bool) {
    if isReader { tables.pipes[pipe].readers = 0 } else { tables.pipes[pipe].writers = 0 }
    if tables.pipes[pipe].readers + tables.pipes[pipe].writers == 0 {
      tables.pipes[pipe] = Pipe()
    } else {
      servePipe(pipe)
    }
  }

  func readPipe(_ index: Int, _ delivery: Delivery, _ file: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> Message? {
    if length == 0 { return Message(reply: VFS.Count(count: 0)) }
    let pipe = tables.files[file].pipe
    // Who waits already comes first.
    if tables.pipes[pipe].firstReader < 0, let count = try take(pipe, tables.processes[index].endpoint, address, length) {
      servePipe(pipe)
      return Message(reply: VFS.Count(count: count))
    }
    if tables.files[file].flags & VFS.OpenFlags.nonBlocking != 0 { throw .wouldBlock }
    wait(index, delivery, .pipeRead(file: file), from: &tables.pipes[pipe].firstReader)
    return nil
  }

  func writePipe(_ index: Int, _ delivery: Delivery, _ file: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> Message? {
    if length == 0 { return Message(reply: VFS.Count(count: 0)) }
    let pipe = tables.files[file].pipe
    let client = tables.processes[index].endpoint
    guard tables.pipes[pipe].readers > 0 else {
      signalBrokenPipe(client)
      throw .brokenPipe
    }
    var done: UInt64 = 0
    if tables.pipes[pipe].firstWriter < 0 {
      done = try put(pipe, client, address, length, isWhole: length <= Bound.atomicPipeWrite)
      if done > 0 { servePipe(pipe) }
    }
    if done == length { return Message(reply: VFS.Count(count: done)) }
    if tables.files[file].flags & VFS.OpenFlags.nonBlocking != 0 {
      if done > 0 { return Message(reply: VFS.Count(count: done)) }
      throw .wouldBlock
    }
    wait(index, delivery, .pipeWrite(file: file), from: &tables.pipes[pipe].firstWriter)
    tables.processes[index].done = done
    // A reader that has waited may have emptied the pipe just now.
    servePipe(pipe)
    return nil
  }

  /// Puts a process at the end of a queue.
  private func wait(_ index: Int, _ delivery: Delivery, _ waiting: Waiting, from first: inout Int) {
    tables.processes[index].waiting = waiting
    tables.processes[index].request = delivery.message
    tables.processes[index].requester = Requester(delivery)
    tables.processes[index].done = 0
    tables.processes[index].next = -1
    if first < 0 {
      first = index
      return
    }
    var last = first
    while tables.processes[last].next >= 0 { last = tables.processes[last].next }
    tables.processes[last].next = index
  }

  /// Takes a process out of the queue that it waits in.
  func leavePipe(_ index: Int, _ file: Int) {
    let pipe = tables.files[file].pipe
    var isReader = false
    if case .pipeRead = tables.processes[index].waiting { isReader = true }
    let next = tables.processes[index].next
    var at = isReader ? tables.pipes[pipe].firstReader : tables.pipes[pipe].firstWriter
    if at == index {
      if isReader { tables.pipes[pipe].firstReader = next } else { tables.pipes[pipe].firstWriter = next }
      // A small write may have waited behind a large one.
      tables.processes[index].waiting = .nothing
      servePipe(pipe)
      return
    }
    while at >= 0, tables.processes[at].next != index { at = tables.processes[at].next }
    if at >= 0 { tables.processes[at].next = next }
    tables.processes[index].waiting = .nothing
  }

  /// Serves those who wait until nobody can go on.
  private func servePipe(_ pipe: Int) {
    while serveReader(pipe) || serveWriter(pipe) {}
  }

  private func serveReader(_ pipe: Int) -> Bool {
    let index = tables.pipes[pipe].firstReader
    guard index >= 0 else { return false }
    let call: VFS.Read = tables.processes[index].request.body()
    let answer: Message
    do throws(Errno) {
      guard let count = try take(pipe, tables.processes[index].endpoint, call.address, min(call.length, Bound.transfer)) else { return false }
      answer = Message(reply: VFS.Count(count: count))
    } catch { answer = Message(error: error) }
    tables.pipes[pipe].firstReader = tables.processes[index].next
    tables.processes[index].waiting = .nothing
    respond(tables.processes[index].requester, answer)
    return true
  }

  private func serveWriter(_ pipe: Int) -> Bool {
    let index = tables.pipes[pipe].firstWriter
    guard index >= 0 else { return false }
    let call: VFS.Write = tables.processes[index].request.body()
    let length = min(call.length, Bound.transfer)
    var done = tables.processes[index].done
    let client = tables.processes[index].endpoint
    let answer: Message
    do throws(Errno) {
      if tables.pipes[pipe].readers == 0 {
        // The signal also for a part written; the count is what the program learns of (M-F13).
        signalBrokenPipe(client)
        throw .brokenPipe
      }
      let count = try put(pipe, client, call.address &+ done, length - done, isWhole: length <= Bound.atomicPipeWrite)
      done += count
      tables.processes[index].done = done
      if done < length { return count > 0 }
      answer = Message(reply: VFS.Count(count: done))
    } catch {
      answer = done > 0 ? Message(reply: VFS.Count(count: done)) : Message(error: error)
    }
    tables.pipes[pipe].firstWriter = tables.processes[index].next
    tables.processes[index].waiting = .nothing
    respond(tables.processes[index].requester, answer)
    return true
  }

  /// EPIPE says the same, so a signal that finds the outbox crowded may be lost; its room is for what must not be.
  private func signalBrokenPipe(_ process: Endpoint) {
    guard outboxCount < limits.processes else { return }
    post(Message(PM.SignalProcess(process: process, signal: 13)), to: .pm)
  }

  // MARK: The ring

  private func bytes(_ pipe: Int) -> UnsafeMutableRawPointer { tables.pipeBuffers + pipe * limits.pipeCapacity }

  /// Bytes for a reader: nil if it must wait, 0 at the end. A failed copy takes nothing.
  private func take(_ pipe: Int, _ client: Endpoint, _ address: UInt64, _ length: UInt64) throws(Errno) -> UInt64? {
    let held = tables.pipes[pipe].count
    guard held > 0 else { return tables.pipes[pipe].writers == 0 ? 0 : nil }
    let count = Int(min(UInt64(held), length))
    let head = tables.pipes[pipe].head
    let first = min(count, limits.pipeCapacity - head)
    try copy(client, address, bytes(pipe) + head, first, Kernel.Direction.write)
    try copy(client, address &+ UInt64(first), bytes(pipe), count - first, Kernel.Direction.write)
    tables.pipes[pipe].count = held - count
    // An empty ring starts over, so that little traffic touches few pages.
    tables.pipes[pipe].head = held == count ? 0 : (head + count) % limits.pipeCapacity
    return UInt64(count)
  }

  /// Bytes from a writer: as many as there is room for, or, if they must stay together, all or none.
  private func put(_ pipe: Int, _ client: Endpoint, _ address: UInt64, _ length: UInt64, isWhole: Bool) throws(Errno) -> UInt64 {
    let room = limits.pipeCapacity - tables.pipes[pipe].count
    if room == 0 || isWhole && UInt64(room) < length { return 0 }
    let count = Int(min(UInt64(room), length))
    let tail = (tables.pipes[pipe].head + tables.pipes[pipe].count) % limits.pipeCapacity
    let first = min(count, limits.pipeCapacity - tail)
    try copy(client, address, bytes(pipe) + tail, first, Kernel.Direction.read)
    try copy(client, address &+ UInt64(first), bytes(pipe), count - first, Kernel.Direction.read)
    tables.pipes[pipe].count += count
    return UInt64(count)
  }
}
