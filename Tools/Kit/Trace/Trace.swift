import BootImage
import IPC
import Protocols

/// What was recorded in a run, in order.
public struct Trace: Sendable {
  public var events: [TraceEvent]
  /// Records that the run made and nobody kept: gaps in the numbers.
  public var lost: Int
  public var host: String

  public init(host: String, events: [TraceEvent], lost: Int = 0) {
    self.host = host
    self.events = events
    self.lost = lost
  }

  /// Out of records as they stand in memory; a last one that is cut off does not count.
  public init(host: String, bytes: [UInt8]) {
    let size = MemoryLayout<TraceRecord>.stride
    let records = bytes.withUnsafeBytes { raw in
      stride(from: 0, through: raw.count - size, by: size).map { raw.loadUnaligned(fromByteOffset: $0, as: TraceRecord.self) }
    }
    self.init(host: host, records: records)
  }

  public init(host: String, records: [TraceRecord]) {
    var pairing = Pairing()
    var lost = 0
    var expected = records.first?.sequence ?? 0
    events = records.map { record in
      lost += Int(record.sequence &- expected)
      expected = record.sequence &+ 1
      return pairing.event(record)
    }
    self.lost = lost
    self.host = host
  }
}

/// One event, named.
public struct TraceEvent: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case send, request, reply, notification, asynchronous, fault, faultReply, kernelCall, kernelReply, bereaved, restarted, stopped, unknown
  }

  public var sequence: Int
  /// Nanoseconds since boot.
  public var time: Int
  public var kind: Kind
  public var from, to: Endpoint
  /// Of the call; of an answer, the call that it answers.
  public var name: String
  public var fields: [Field]
  /// Of an answer: nil if it is good, else the error.
  public var error: String?
  public var isAnswer: Bool
  /// Sequence number of the request that this answers, if it is in the trace.
  public var answers: Int?
  /// Delivered before to a life of the receiver that did not answer.
  public var again: Bool
}

/// Finds for each answer its request: that of a waiting thread is the last one it made, an asynchronous one bears the
/// same token.
struct Pairing {
  private struct Request {
    var sequence: Int
    var number: Int32
  }
  private struct Token: Hashable {
    var asker, asked: UInt32
    var token: UInt64
  }
  private var waiting: [UInt32: Request] = [:]
  private var tokens: [Token: Request] = [:]
  private var kernelCalls: [UInt32: Request] = [:]

  mutating func event(_ record: TraceRecord) -> TraceEvent {
    let kind = Self.kind(record.kind)
    var event = TraceEvent(
      sequence: Int(record.sequence), time: Int(clamping: record.time), kind: kind, from: record.from, to: record.to, name: kind.rawValue, fields: [],
      error: nil, isAnswer: false, answers: nil, again: Delivery.Flags(raw: record.flags).contains(.again))
    let message = record.message
    let request = Request(sequence: event.sequence, number: message.type)
    switch kind {
    case .request, .fault:
      ask(message, &event)
      waiting[record.from.raw] = request
    case .kernelCall:
      ask(message, &event)
      kernelCalls[record.from.raw] = request
    case .reply, .faultReply: answer(message, waiting.removeValue(forKey: record.to.raw), &event)
    case .kernelReply: answer(message, kernelCalls.removeValue(forKey: record.to.raw), &event)
    case .asynchronous:
      if message.type <= 0 {
        let token = Token(asker: record.to.raw, asked: record.from.raw, token: message.token)
        answer(message, tokens.removeValue(forKey: token), &event)
      } else {
        ask(message, &event)
        if message.token != 0 { tokens[Token(asker: record.from.raw, asked: record.to.raw, token: message.token)] = request }
      }
    case .send: ask(message, &event)
    case .notification:
      if record.from == .kernel { event.fields = Self.events(message.payload.0) }
    case .bereaved:
      event.error = ErrnoNames.name(-message.type)
      event.answers = waiting.removeValue(forKey: record.to.raw)?.sequence
    case .stopped: event.fields = [Field(name: "signal", value: "\(message.type)")]
    case .restarted, .unknown: break
    }
    return event
  }

  private func ask(_ message: Message, _ event: inout TraceEvent) {
    event.name = CallShapes.name(message.type) ?? "type \(message.type)"
    event.fields = CallShapes.arguments(of: message)
  }

  private func answer(_ message: Message, _ request: Request?, _ event: inout TraceEvent) {
    event.isAnswer = true
    event.answers = request?.sequence
    event.name = request.flatMap { CallShapes.name($0.number) } ?? "?"
    if message.type == 0 {
      if event.kind != .faultReply, let request { event.fields = CallShapes.results(of: message, to: request.number) }
    } else {
      event.error = ErrnoNames.name(-message.type)
    }
  }

  private static func kind(_ raw: UInt32) -> TraceEvent.Kind {
    switch raw {
    case TraceRecord.Kind.send: .send
    case TraceRecord.Kind.request: .request
    case TraceRecord.Kind.reply: .reply
    case TraceRecord.Kind.notification: .notification
    case TraceRecord.Kind.asynchronous: .asynchronous
    case TraceRecord.Kind.fault: .fault
    case TraceRecord.Kind.faultReply: .faultReply
    case TraceRecord.Kind.kernelCall: .kernelCall
    case TraceRecord.Kind.kernelReply: .kernelReply
    case TraceRecord.Kind.bereaved: .bereaved
    case TraceRecord.Kind.restarted: .restarted
    case TraceRecord.Kind.stopped: .stopped
    default: .unknown
    }
  }

  /// What a notification of the kernel tells of.
  private static func events(_ bits: UInt64) -> [Field] {
    var fields: [Field] = []
    if bits & KernelEvent.alarm != 0 { fields.append(Field(name: "alarm", value: "due")) }
    let lines = (0..<16).filter { bits & KernelEvent.lines & 1 << UInt64($0) != 0 }
    if !lines.isEmpty { fields.append(Field(name: "lines", value: lines.map(String.init).joined(separator: " "))) }
    return fields
  }
}

/// Errors as POSIX writes them.
public enum ErrnoNames {
  private static let names: [Int32: String] = [
    1: "EPERM", 2: "ENOENT", 3: "ESRCH", 4: "EINTR", 5: "EIO", 6: "ENXIO", 7: "E2BIG", 8: "ENOEXEC", 9: "EBADF", 10: "ECHILD", 11: "EAGAIN",
    12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 15: "ENOTBLK", 16: "EBUSY", 17: "EEXIST", 18: "EXDEV", 19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR",
    22: "EINVAL", 23: "ENFILE", 24: "EMFILE", 25: "ENOTTY", 26: "ETXTBSY", 27: "EFBIG", 28: "ENOSPC", 29: "ESPIPE", 30: "EROFS", 31: "EMLINK",
    32: "EPIPE", 33: "EDOM", 34: "ERANGE", 35: "EDEADLK", 36: "ENAMETOOLONG", 38: "ENOSYS", 39: "ENOTEMPTY", 40: "ELOOP", 74: "EBADMSG",
    75: "EOVERFLOW", 95: "EOPNOTSUPP", 110: "ETIMEDOUT", 114: "EALREADY", 301: "EDEADSRCDST", 302: "ENOTREADY", 303: "ERESTART",
  ]
  public static func name(_ number: Int32) -> String { names[number] ?? "error \(number)" }
}
