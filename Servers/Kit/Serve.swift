import IPC
import Protocols

/// Who waits for an answer, and how it must be given. Plain data: a server that suspends a request keeps this.
public struct Requester: Wire, Equatable {
  public var endpoint: Endpoint
  /// 1 if the request came by `sendAsync`: then the answer goes that way, with the token.
  public var asynchronous: UInt32
  public var token: UInt64
  public init(_ delivery: Delivery) {
    endpoint = delivery.message.source
    asynchronous = delivery.isAsynchronous ? 1 : 0
    token = delivery.message.token
  }
  public static func == (a: Requester, b: Requester) -> Bool {
    a.endpoint == b.endpoint && a.asynchronous == b.asynchronous && a.token == b.token
  }
}

extension Transport {
  /// Answers a request that was suspended. A caller that is gone is no error: nobody is left to care.
  @inlinable public mutating func answer(_ requester: Requester, _ message: Message) {
    var message = message
    if requester.asynchronous != 0 {
      message.token = requester.token
      do throws(Errno) { try sendAsync(message, to: requester.endpoint) } catch {}
    } else {
      do throws(Errno) { try reply(message, to: requester.endpoint) } catch {}
    }
  }

  /// Text for the kernel's debug console.
  public mutating func log(_ text: StaticString) {
    text.withUTF8Buffer { log(UnsafeRawBufferPointer($0)) }
  }
}

/// A server: tables, and what it does with a delivery. Its Main is `serve(MyServer(), over: KernelTrap())`.
public protocol Server {
  associatedtype IPCTransport: Transport

  /// Before the first message. `ipc` may call servers that were started earlier.
  mutating func start(_ ipc: inout IPCTransport)

  /// A message that is no notification: request (answered by the returned message), asynchronous request (same),
  /// an answer to one of ours, or a plain message (nothing is returned). Nil: answered later, by
  /// `ipc.answer(Requester(delivery), ...)`, or not at all.
  mutating func handle(_ delivery: Delivery, _ ipc: inout IPCTransport) -> Message?

  /// A notification but RS's heartbeat, which the loop answers. From the kernel: `events` holds `KernelEvent` bits.
  mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout IPCTransport)
}

/// Get work, do it, answer; every server runs this loop and no other. It answers heartbeats and does the harm
/// that a drill asks for.
@inlinable public func serve<S: Server>(_ server: consuming S, over transport: S.IPCTransport) -> Never {
  var server = server
  var ipc = transport
  server.start(&ipc)
  do throws(Errno) { try ipc.sendAsync(Message(RS.Ready()), to: .rs) } catch {}
  var reply: Message? = nil
  var caller = Endpoint.none
  var spoil = false
  while true {
    let delivery: Delivery
    do throws(Errno) {
      if let answer = reply {
        delivery = try ipc.replyReceive(answer, to: caller)
      } else {
        delivery = try ipc.receive(from: .any, deadline: 0)
      }
    } catch { reply = nil; continue }
    reply = nil
    if delivery.isNotification {
      if delivery.message.source == .rs {
        do throws(Errno) { try ipc.notify(.rs) } catch {}
      } else {
        server.notified(by: delivery.message.source, events: delivery.message.payload.0, &ipc)
      }
      continue
    }
    if delivery.message.type == Service.Inject.number, delivery.isAsynchronous, delivery.message.source == .rs {
      harm(delivery.message.payload.0, &spoil, &ipc)
      continue
    }
    if delivery.isRequest && delivery.message.type <= 0 {
      // Only answers have such types; one who waits for an answer to an answer would wait for ever.
      reply = Message(error: .noSuchCall)
      caller = delivery.message.source
      continue
    }
    var answer = server.handle(delivery, &ipc)
    if spoil, delivery.isRequest || delivery.isAsynchronous {
      // Also for a request that was to be answered later.
      answer = Message(header: 0x7FFF_FFFF, payload: (~0, ~0, ~0, ~0, ~0, ~0, ~0))
      spoil = false
    }
    guard let answer else { continue }
    if delivery.isRequest {
      reply = answer
      caller = delivery.message.source
    } else if delivery.isAsynchronous {
      ipc.answer(Requester(delivery), answer)
    }
  }
}

/// Fault injection on request (drills): see `Service.Harm`.
@inlinable func harm<T: Transport>(_ kind: UInt64, _ spoil: inout Bool, _ ipc: inout T) {
  switch kind {
  case Service.Harm.nullDereference:
    // Page 0 is never mapped. What is read there counts for something, or the optimiser would not read it.
    if let null = UnsafePointer<UInt8>(bitPattern: 8), null.pointee == 0x5A { spoil = true }
  case Service.Harm.endlessLoop: while true { spin() }
  case Service.Harm.exit: _ = ipc.kernel(Message(Kernel.Exit(status: 1)))
  case Service.Harm.garbageReply: spoil = true
  case Service.Harm.trap: fatalError("injected")
  default: break
  }
}

/// Opaque to the optimiser, so that an endless loop stays one.
@inline(never) public func spin() {}
