import CFiber
import IPC
import PageTable
import Protocols
import SimulatedArch

/// How simulated code reaches the kernel core: its registers are those of its thread record, its trap is a switch to the
/// kernel's stack.
public struct FiberTransport: Transport {
  unowned(unsafe) let world: World
  private let hot: UnsafeMutablePointer<Hot>
  let slot: Int

  init(world: World, slot: Int) {
    self.world = world
    hot = world.hot
    self.slot = slot
  }

  @inline(__always)
  private func trap(
    _ operation: TrapOperation, _ destination: Endpoint, _ source: Endpoint, _ deadline: UInt64, _ message: Message
  ) -> UnsafeMutablePointer<SimulatedContext> {
    let context = hot.pointee.contexts[slot]
    if hot.pointee.traps >= hot.pointee.nextYield { world.giveWay(slot) }
    context.pointee.rax = operation.rawValue
    context.pointee.rdi = UInt64(destination.raw)
    context.pointee.rsi = UInt64(source.raw)
    context.pointee.rdx = deadline
    context.pointee.words.message = message
    hot.pointee.event = .trap
    apus_fiber_switch(hot.pointee.saved + slot, hot.pointee.saved[Fibers.kernel])
    if slot >= Endpoint.serviceSlots, context.pointee.instruction == ProgramAddress.handler { world.runHandlers(slot) }
    return context
  }

  @inline(__always)
  private func check(_ context: UnsafeMutablePointer<SimulatedContext>) throws(Errno) {
    let status = context.pointee.status
    if status != 0 { throw Errno(rawValue: Int32(truncatingIfNeeded: -status)) }
  }

  public mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) {
    try check(trap(.send, destination, .none, 0, message))
  }

  public mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery {
    try delivered(trap(.receive, .none, source, deadline, Message()))
  }

  public mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message {
    var message = message
    if message.type == VM.ExecWrite.number, destination == .vm { message = try staged(message) }
    let context = trap(.sendRec, destination, .none, 0, message)
    try check(context)
    return context.pointee.words.message
  }

  /// VM takes what it writes into a new program out of the caller's space, in which memory of the host is not: so the bytes go
  /// there first.
  private mutating func staged(_ message: Message) throws(Errno) -> Message {
    var call: VM.ExecWrite = message.body()
    guard call.source >= AddressSpace.mmapEnd, call.length <= World.stageSize else { return message }
    if !world.hasStage {
      _ = try self.call(.vm, VM.MMap(
        address: World.stage, length: World.stageSize, protection: VM.Protection.read | VM.Protection.write,
        flags: VM.Flags.private | VM.Flags.anonymous | VM.Flags.fixed))
      world.hasStage = true
    }
    var memory = SimulatedMemory(world: world, slot: slot)
    let source = UnsafeRawPointer(bitPattern: UInt(call.source)).unsafelyUnwrapped
    var done: UInt64 = 0
    while done < call.length {
      let count = min(4096, call.length - done)
      memory.place(World.stage + done, write: true).copyMemory(from: source + Int(done), byteCount: Int(count))
      done += count
    }
    call.source = World.stage
    return Message(call)
  }

  public mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery {
    try delivered(trap(.replyReceive, caller, .any, 0, reply))
  }

  private func delivered(_ context: UnsafeMutablePointer<SimulatedContext>) throws(Errno) -> Delivery {
    try check(context)
    if hot.pointee.hasMistake, world.swallows(slot) { return try delivered(trap(.receive, .none, .any, 0, Message())) }
    let delivery = Delivery(message: context.pointee.words.message, flags: context.pointee.flags)
    if delivery.message.type == Service.Inject.number, delivery.isAsynchronous, delivery.message.source == .rs {
      world.harm(slot, delivery.message.payload.0)
    }
    return delivery
  }

  public mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {
    try check(trap(.reply, caller, .none, 0, message))
  }

  public mutating func notify(_ destination: Endpoint) throws(Errno) {
    try check(trap(.notify, destination, .none, 0, Message()))
  }

  public mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {
    try check(trap(.sendAsync, destination, .none, 0, message))
  }

  public mutating func kernel(_ message: Message) -> Message {
    let context = trap(.kernelCall, .kernel, .none, 0, message)
    var answer = context.pointee.words.message
    if context.pointee.status != 0 { answer.type = Int32(truncatingIfNeeded: context.pointee.status) }
    return answer
  }
}

extension World {
  /// Somebody else of the same priority goes first: as if the quantum of `slot` had ended here.
  @inline(never)
  func giveWay(_ slot: Int) {
    hot.pointee.nextYield = traps &+ 1 &+ random.next() % 128
    contexts[slot].pointee.rax = TrapOperation.kernelCall.rawValue
    contexts[slot].pointee.words.message = Message(Protocols.Kernel.Yield())
    trap(slot)
    if slot >= Endpoint.serviceSlots { runHandlers(slot) }
  }

  /// What a drill asks of a service, done here and not by host code, so that it costs no host signal and an endless loop
  /// costs nothing at all. Nonsense answers are the server loop's business.
  func harm(_ slot: Int, _ kind: UInt64) {
    switch kind {
    case Service.Harm.nullDereference: crash(.fault(address: 8, write: false))
    case Service.Harm.trap: crash(.exception(vector: 6, signal: 4, address: 0))
    case Service.Harm.endlessLoop:
      spinning[slot] = true
      crash(.none)
    default: break
    }
  }
}
