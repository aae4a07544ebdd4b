import IPC
import Protocols
import Trap

// Scenes of names: what a name reaches, who may use it, and what becomes of who waits when it ends.
extension Stage {
  private static let greeting = Message(header: 0x77, payload: (1, 2, 3, 4, 5, 6, 7))

  /// M-N3: slots come back with other names. An old name reaches nobody, also when the slot's next thread waits for just that.
  mutating func oldNames() {
    let limit = statistics()?.threadLimit ?? 0
    for _ in 0..<2 {
      let old = user.name
      expect(receive(b) == nil)
      expect(sendRec(user, b.name, Self.greeting) == nil)
      expect(status(b) == .done)
      destroy(user)
      var lives: UInt32 = 0
      repeat {
        if lives > 0 { destroy(user) }
        user.name = createProcess()
        lives += 1
      } while user.name.slot != old.slot && lives < 2 * limit
      expect(user.name.slot == old.slot && user.name != old && lives > 1)
      expect(reply(b, old) == .deadEndpoint)
      // The same request of the next life, heard by the same server.
      awake(user)
      expect(sendRec(user, b.name, Self.greeting) == nil)
      expect(receive(b) == .done)
      expect(heard(b).message.source == user.name)
      expect(reply(b, old) == .deadEndpoint && receive(b, from: old) == .deadEndpoint)
      expect(send(b, old) == .deadEndpoint && sendRec(b, old) == .deadEndpoint)
      expect(notify(b, old) == .deadEndpoint && sendAsync(b, old) == .deadEndpoint)
      expect(kernel(b, Kernel.CopyCaller(client: old, remote: user.memory, local: b.memory, length: 8, direction: 0)) == .deadEndpoint)
      expect(kernel(b, Kernel.GrantCreate(address: b.memory, length: 8, grantee: old, access: 1)) == .deadEndpoint)
      expect(kernel(c, Kernel.ThreadStop(thread: old)) == .deadEndpoint && kernel(c, Kernel.ThreadStart(thread: old)) == .deadEndpoint)
      expect(kernel(c, Kernel.ThreadDestroy(thread: old)) == .deadEndpoint)
      // An answer to the old name is dropped, and the server waits.
      expect(replyReceive(b, old, Self.greeting) == nil)
      expect(status(user) == nil && state(user) == Kernel.ThreadState.waitingForReply)
      expect(notify(a, b.name) == .done)
      expect(reply(b, user.name, Self.greeting) == .done && status(user) == .done)
    }
    // A service's name with a generation that it never had, while it waits.
    let wrong = Endpoint(slot: b.name.slot, generation: 1)
    expect(receive(b) == nil)
    expect(sendRec(a, wrong) == .deadEndpoint && send(a, wrong) == .deadEndpoint && notify(a, wrong) == .deadEndpoint)
    expect(sendAsync(a, wrong) == .deadEndpoint && status(b) == nil)
    expect(sendRec(a, .any) == .deadEndpoint && sendRec(a, .none) == .deadEndpoint && sendRec(a, .kernel) == .deadEndpoint)
    expect(notify(a, .any) == .deadEndpoint && notify(a, .kernel) == .deadEndpoint && reply(a, .any) == .deadEndpoint)
  }

  /// EDEADSRCDST for who waits when its peer ends, at whatever point it stands, and for who comes later.
  mutating func deaths() {
    for point in 0..<5 {
      switch point {
      case 0: expect(sendRec(a, b.name) == nil)
      case 1: expect(send(a, b.name) == nil)
      case 2: expect(receive(a, from: b.name) == nil)
      case 3:
        expect(sendRec(a, b.name) == nil)
        expect(receive(b) == .done)
      default:
        expect(receive(b) == nil)
        expect(sendRec(a, b.name) == nil)
      }
      destroy(b)
      expect(status(a) == .deadEndpoint)
      expect(sendRec(a, b.name) == .deadEndpoint && send(a, b.name) == .deadEndpoint && receive(a, from: b.name) == .deadEndpoint)
      expect(notify(a, b.name) == .deadEndpoint && sendAsync(a, b.name) == .deadEndpoint)
      create(b)
      expect(poll(b) == .timedOut)
    }
    // A client ends: in line, heard, while the server waits for it alone.
    for point in 0..<3 {
      switch point {
      case 0: expect(sendRec(user, b.name) == nil)
      case 1:
        expect(sendRec(user, b.name) == nil)
        expect(receive(b) == .done)
      default: expect(receive(b, from: user.name) == nil)
      }
      let old = user.name
      destroy(user)
      expect(point < 2 || status(b) == .deadEndpoint)
      expect(reply(b, old) == .deadEndpoint && poll(b) == .timedOut)
      user.name = createProcess()
      awake(user)
    }
  }

  /// What its callers asked a service that begins again it is asked again, before what it had not heard yet.
  mutating func restarts() {
    for waits in 0..<2 {
      if waits == 1 { expect(receive(b) == nil) }
      expect(sendRec(a, b.name, Self.greeting) == nil)
      if waits == 0 { expect(receive(b) == .done) }
      expect(heard(b).flags == .request)
      expect(sendRec(user, b.name) == nil)
      expect(notify(c, b.name) == .done)
      restart(b)
      expect(status(a) == nil && status(user) == nil)
      expect(receive(b) == .done)
      expect(heard(b).isNotification && heard(b).message.source == c.name)
      expect(receive(b) == .done)
      expect(heard(b).flags == .request | .again && heard(b).message.source == a.name && heard(b).message.payload.6 == 7)
      expect(receive(b) == .done)
      expect(heard(b).flags == .request && heard(b).message.source == user.name)
      expect(reply(b, a.name) == .done && reply(b, user.name) == .done)
      expect(status(a) == .done && status(user) == .done)
    }
  }

  /// SEC26: each kernel call has a bit, and without it is refused, on either path. SEC8: what is no call is refused too.
  mutating func callMasks() {
    var number: Int32 = 0
    while Kernel.Number(rawValue: number) != nil {
      allow(a, Privileges(kernelCalls: ~(1 << UInt64(number)), sendTo: ~0))
      // `Shutdown` would end the machine with this status.
      let message = Message(header: UInt64(number), payload: (99, 0, 0, 0, 0, 0, 0))
      expect(kernel(a, message) == .notPermitted)
      if Privileges.user.kernelCalls & (1 << UInt64(number)) == 0 { expect(kernel(user, message) == .notPermitted) }
      number += 1
    }
    expect(number > Kernel.Number.yield.rawValue)
    expect(kernel(user, Kernel.Null()) == .done && kernel(user, Kernel.Clock()) == .done && kernel(user, Kernel.Yield()) == .done)
    allow(a, Self.plain)
    expect(kernel(a, Message(type: number)) == .noSuchCall && kernel(a, Message(type: -1)) == .noSuchCall)
    let unknown: InlineArray<7, UInt64> = [8, 9, 255, 1 << 31, 1 << 32, 1 << 63, ~0]
    for index in unknown.indices {
      expect(order(a, raw: unknown[index], to: b.name, Self.greeting) == .noSuchCall)
      expect(heard(a).message.type == 0x77 && heard(a).message.payload.6 == 7)
    }
  }

  /// SEC27: each service has a bit, and without it nothing of ours reaches it; an answer needs none. A process may call the servers that all
  /// may call, and do nothing else.
  mutating func sendMasks() {
    let bit: UInt64 = 1 << UInt64(b.name.slot)
    for waits in 0..<2 {
      if waits == 1 { expect(receive(b) == nil) }
      allow(a, Privileges(kernelCalls: ~0, sendTo: ~bit, asynchronousQuota: 8))
      expect(sendRec(a, b.name) == .notPermitted && send(a, b.name) == .notPermitted)
      expect(notify(a, b.name) == .notPermitted && sendAsync(a, b.name) == .notPermitted)
      expect(send(user, b.name) == .notPermitted && notify(user, b.name) == .notPermitted && sendAsync(user, b.name) == .notPermitted)
      expect(sendRec(user, c.name) == .notPermitted)
      if waits == 0 { expect(poll(b) == .timedOut) } else { expect(status(b) == nil) }
      allow(a, Privileges(kernelCalls: ~0, sendTo: bit))
      allow(b, Privileges(kernelCalls: ~0, sendTo: 0))
      expect(sendRec(a, b.name, Self.greeting) == nil)
      if waits == 0 { expect(receive(b) == .done) }
      expect(status(b) == .done && sendRec(b, a.name) == .notPermitted)
      if waits == 0 { expect(reply(b, a.name) == .done) } else { expect(replyReceive(b, a.name) == nil) }
      expect(status(a) == .done)
    }
    // Nobody but who answers it reaches a process.
    expect(send(d, user.name) == .notPermitted && sendRec(d, user.name) == .notPermitted)
    expect(notify(d, user.name) == .notPermitted && sendAsync(d, user.name) == .notPermitted)
  }
}
