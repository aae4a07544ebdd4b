import IPC
import PageTable
import Protocols
import SimulatedArch

// The kernel calls: what each answers and does. `statistics` is not here: it counts what a model has not.
extension Model {
  func kernelCall(_ me: Int) {
    do throws(Errno) {
      guard let answer = try answer(me) else { return }
      put(answer, Delivery.Flags(raw: 0), into: me)
      // The answer is there before the turn is over.
      if isYielding { rotate() }
    } catch {
      rows[me].copied = 0
      put(Message(error: error), Delivery.Flags(raw: 0), into: me)
    }
    isYielding = false
  }

  /// Nil if there is none now.
  private func answer(_ me: Int) throws(Errno) -> Message? {
    let request = rows[me].registers.message
    guard let number = Kernel.Number(rawValue: request.type) else { throw .noSuchCall }
    guard rows[me].privileges.kernelCalls >> UInt64(number.rawValue) & 1 == 1 else { throw .notPermitted }
    switch number {
    case .null, .statistics: break
    case .yield: isYielding = true
    case .log:
      let call: Kernel.Log = request.body()
      guard call.count <= 48 else { throw .invalidArgument }
      withUnsafeBytes(of: call.text) { text += $0.prefix(Int(call.count)) }
    case .clock: return Message(reply: Kernel.Clock.Reply(now: now, threadTime: rows[me].time, idle: idle))
    case .alarm: rows[me].alarm = request.body(Kernel.Alarm.self).deadline
    case .exit:
      rows[me].hasEnded = true
      report(me, signal: 0, address: request.body(Kernel.Exit.self).status, vector: 0)
      return nil
    case .shutdown: shutdownStatus = request.body(Kernel.Shutdown.self).status
    case .grantCreate, .grantCaller, .grantIndirect, .grantRevoke: return try grantCall(number, request, me)
    case .copyGrant:
      let call: Kernel.CopyGrant = request.body()
      let reads = try direction(call.length, call.direction)
      let remote = try resolve(call.granter, call.id, call.offset, call.length, reads ? 1 : 2, for: rows[me].name)
      return try copied(me, remote, call.address, call.length, reads)
    case .copyCaller:
      let call: Kernel.CopyCaller = request.body()
      let reads = try direction(call.length, call.direction)
      return try copied(me, (try client(call.client, of: me), call.remote), call.local, call.length, reads)
    case .portRead, .portWrite, .allowPorts, .interruptAttach, .interruptEnable: return try deviceCall(number, request, me)
    case .threadCreate, .threadFork, .threadStart, .threadStop, .threadDestroy, .threadRestart, .threadExec, .threadStack, .threadInfo:
      return try threadCall(number, request, me)
    case .spaceRoot:
      let call: Kernel.SpaceRoot = request.body()
      let thread = try named(call.thread)
      rows[thread].space = try space(call.root)
      rows[thread].spaceName = call.space
    case .spacePrepare: _ = try space(request.body(Kernel.SpacePrepare.self).root)
    case .spaceFlush:
      let call: Kernel.SpaceFlush = request.body()
      _ = try space(call.root)
      guard call.count <= AddressSpace.userEnd / 4096, ModelMemory.isUserRange(call.address, call.count * 4096) else { throw .badAddress }
    case .setPrivileges:
      let call: Kernel.SetPrivileges = request.body()
      let thread = try named(call.thread)
      guard thread < 64 else { throw .notPermitted }
      guard call.priority < 8 else { throw .invalidArgument }
      leaveReady(thread)
      rows[thread].priority = Int(call.priority)
      rows[thread].privileges = call.privileges
      settle(thread)
      for line in lineOwners.indices where lineOwners[line] == thread && call.privileges.lines >> UInt32(line) & 1 == 0 {
        lineOwners[line] = nil
        openLines &= ~(1 << UInt32(line))
      }
    case .threadBases:
      let call: Kernel.ThreadBases = request.body()
      try own(call.thread, me)
      guard call.fs < AddressSpace.userEnd, call.gs < AddressSpace.userEnd else { throw .badAddress }
    case .threadWatch:
      try own(request.body(Kernel.ThreadWatch.self).thread, me)
      return Message(reply: Kernel.ThreadWatch.Reply(status: 0))
    case .signal: return try signal(request.body(), me)
    case .signalReturn: return try signalReturn(request.body(), me)
    }
    return Message(type: 0)
  }

  /// The caller, or one that it is the supervisor of.
  private func own(_ name: Endpoint, _ me: Int) throws(Errno) {
    if name == .kernel { return }
    let thread = try named(name)
    guard thread == me || rows[thread].supervisor == rows[me].name else { throw .notPermitted }
  }

  // MARK: What arguments mean

  func named(_ name: Endpoint) throws(Errno) -> Int {
    guard let slot = find(name) else { throw .deadEndpoint }
    return slot
  }

  /// The index of a space by its root, which must be one.
  private func space(_ root: UInt64) throws(Errno) -> Int {
    guard let space = roots.firstIndex(of: root) else { throw .invalidArgument }
    return space
  }

  /// Somebody who waits for the answer of `me` to a request of its own.
  private func client(_ name: Endpoint, of me: Int) throws(Errno) -> Int {
    let client = try named(name)
    guard rows[client].state == .waiting(me), rows[client].need == .answer else { throw .notReady }
    return client
  }

  private func direction(_ length: UInt64, _ direction: UInt32) throws(Errno) -> Bool {
    guard length <= 1 << 20, direction <= 1 else { throw .invalidArgument }
    return direction == 0
  }

  private func copied(_ me: Int, _ remote: (Int, UInt64), _ local: UInt64, _ length: UInt64, _ reads: Bool) throws(Errno) -> Message? {
    let done = try reads ? copy(me, from: remote, to: (me, local), length) : copy(me, from: (me, local), to: remote, length)
    return done ? Message(type: 0) : nil
  }

  // MARK: Groups

  private func grantCall(_ number: Kernel.Number, _ request: Message, _ me: Int) throws(Errno) -> Message {
    var row = GrantRow()
    switch number {
    case .grantCreate:
      let call: Kernel.GrantCreate = request.body()
      row = GrantRow(kind: .own, grantee: call.grantee, access: call.access, address: call.address, length: call.length)
    case .grantCaller:
      let call: Kernel.GrantCaller = request.body()
      row = GrantRow(kind: .caller, grantee: call.grantee, access: call.access, address: call.address, length: call.length, other: call.client)
    case .grantIndirect:
      let call: Kernel.GrantIndirect = request.body()
      let granter = try named(call.granter)
      guard let parent = grant(call.id), grants[parent].owner == granter, grants[parent].grantee == rows[me].name,
        covers(parent, call.offset, call.length)
      else { throw .notPermitted }
      guard grants[parent].depth < 4 else { throw .tooManyLevels }
      row = GrantRow(
        kind: .indirect, grantee: call.grantee, access: grants[parent].access, address: call.offset, length: call.length,
        depth: grants[parent].depth + 1, other: call.granter, parent: call.id)
      return Message(reply: Kernel.GrantReply(id: try create(row, me)))
    default:
      guard let index = grant(request.body(Kernel.GrantRevoke.self).id), grants[index].owner == me else { throw .notPermitted }
      revoke(index)
      return Message(type: 0)
    }
    guard (1...3).contains(row.access) else { throw .invalidArgument }
    guard ModelMemory.isUserRange(row.address, row.length) else { throw .badAddress }
    if row.kind == .caller { row.request = rows[try client(row.other, of: me)].requests }
    return Message(reply: Kernel.GrantReply(id: try create(row, me)))
  }

  private func deviceCall(_ number: Kernel.Number, _ request: Message, _ me: Int) throws(Errno) -> Message {
    switch number {
    case .portRead:
      let call: Kernel.PortRead = request.body()
      let port = try port(call.port, call.width, me)
      return Message(reply: Kernel.PortRead.Reply(value: UInt64(portValues[port] ?? UInt32(truncatingIfNeeded: (1 as UInt64) << (8 * UInt64(call.width)) - 1))))
    case .portWrite:
      let call: Kernel.PortWrite = request.body()
      portValues[try port(call.port, call.width, me)] = UInt32(truncatingIfNeeded: call.value)
    case .allowPorts:
      let call: Kernel.AllowPorts = request.body()
      let thread = try named(call.thread)
      guard thread < 64 else { throw .notPermitted }
      guard call.count > 0, call.count <= 0x1_0000, UInt64(call.first) + call.count <= 0x1_0000 else { throw .invalidArgument }
      let row = PortRow(first: UInt64(call.first), count: call.count)
      if rows[thread].ports.contains(row) { break }
      guard rows[thread].ports.count < 4 else { throw .noSpace }
      rows[thread].ports.append(row)
    default:
      let line = request.payload.0
      guard line < 16 else { throw .invalidArgument }
      if number == .interruptEnable {
        guard lineOwners[Int(line)] == me else { throw .notPermitted }
        openLines |= 1 << UInt32(line)
      } else {
        guard rows[me].privileges.lines >> UInt32(line) & 1 == 1 else { throw .notPermitted }
        guard lineOwners[Int(line)] == nil || lineOwners[Int(line)] == me else { throw .busy }
        lineOwners[Int(line)] = me
      }
    }
    return Message(type: 0)
  }

  private func port(_ port: UInt32, _ width: UInt32, _ me: Int) throws(Errno) -> UInt16 {
    guard [1, 2, 4].contains(width), UInt64(port) + UInt64(width) <= 0x1_0000 else { throw .invalidArgument }
    let bytes = UInt64(port)..<UInt64(port + width)
    guard rows[me].ports.contains(where: { $0.first <= bytes.lowerBound && bytes.upperBound <= $0.first + $0.count }) else { throw .notPermitted }
    return UInt16(port)
  }

  // MARK: Signals

  private func signal(_ call: Kernel.Signal, _ me: Int) throws(Errno) -> Message? {
    let thread = try named(call.thread)
    guard thread >= 64 else { throw .notPermitted }
    guard call.handler < AddressSpace.userEnd else { throw .badAddress }
    guard rows[thread].signal == nil else { throw .busy }
    let top = try alternateStack(call, thread)
    switch rows[thread].state {
    case .able where rows[thread].isToRepeat, .sending, .waiting:
      rows[thread].signal = call
      rows[thread].signalTop = top
      return Message(reply: Kernel.Signal.Reply(deferred: 1))
    case .free, .able, .receiving: break
    }
    guard let address = frameAddress(thread, top: top) else { throw .badAddress }
    if let missing = memory.missing(rows[thread].space, address, UInt64(SimulatedContext.signalFrameSize), write: true) {
      if me == 1 { throw .badAddress }
      askVM(me, .pageForCall, owner: thread, address: missing.address, access: missing.access)
      return nil
    }
    let wasReady = rows[thread].canRun
    if rows[thread].state == .receiving { result(thread, .interrupted) }
    rows[thread].state = .able
    rows[thread].deadline = 0
    enter(thread, call, at: address)
    rows[thread].isFaulted = false
    if !wasReady { settle(thread) }
    return Message(reply: Kernel.Signal.Reply(deferred: 0))
  }

  private func signalReturn(_ call: Kernel.SignalReturn, _ me: Int) throws(Errno) -> Message? {
    let thread = try client(call.thread, of: me)
    let size = SimulatedContext.signalFrameSize
    guard ModelMemory.isUserRange(call.frame, UInt64(size)) else { throw .badAddress }
    if let missing = memory.missing(rows[thread].space, call.frame, UInt64(size), write: false) {
      if me == 1 { throw .badAddress }
      askVM(me, .pageForCall, owner: thread, address: missing.address, access: missing.access)
      return nil
    }
    let frame = (0..<UInt64(size)).map { memory.byte(rows[thread].space, call.frame + $0) }
    let mask = frame.withUnsafeBytes { rows[thread].registers.leaveSignal($0.baseAddress!) }
    guard let mask else { throw .invalidArgument }
    floatingPoint[thread] = frame.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: SimulatedContext.extendedStateOffset, as: UInt64.self) }
    wake(thread)
    return Message(reply: Kernel.SignalReturn.Reply(mask: mask))
  }
}
