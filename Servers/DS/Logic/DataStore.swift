import IPC
import Protocols
import ServerKit

/// Names of services, published by themselves: a fixed table, each service with at most four names.
public struct DataStore<T: Transport>: Server {
  public typealias IPCTransport = T
  static var capacity: Int { 64 }
  static var namesEach: Int { 4 }

  struct Entry: BitwiseCopyable {
    var name: RS.Name
    var service: Endpoint
  }

  var entries = InlineArray<64, Entry>(repeating: Entry(name: (0, 0), service: .none))
  var count = 0
  /// What services keep for their next lives: `DS.keyLimit` values for each slot.
  let kept: UnsafeMutablePointer<Kept>

  struct Kept: BitwiseCopyable {
    var isThere = false
    var value: DS.Value = (0, 0, 0, 0, 0)
  }

  public init() {
    let places = Endpoint.serviceSlots * Int(DS.keyLimit)
    kept = .allocate(capacity: places)
    kept.initialize(repeating: Kept(), count: places)
  }

  public mutating func start(_ ipc: inout T) {}

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {}

  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    guard delivery.isRequest || delivery.isAsynchronous, delivery.message.type > 0 else { return nil }
    do throws(Errno) { return try dispatch(delivery.message) } catch { return Message(error: error) }
  }

  private mutating func dispatch(_ message: Message) throws(Errno) -> Message {
    let source = message.source
    switch DS.Number(rawValue: message.type) {
    case .publish: try publish((message.body() as DS.Publish).name, source)
    case .lookup:
      guard let index = find((message.body() as DS.Lookup).name) else { throw .noSuchFile }
      return Message(reply: Kernel.ThreadReply(thread: entries[index].service))
    case .withdraw: try withdraw((message.body() as DS.Withdraw).name, source)
    case .list:
      let index = (message.body() as DS.List).index
      guard index < UInt64(count) else { throw .noSuchFile }
      let entry = entries[Int(index)]
      return Message(reply: DS.List.Reply(name: entry.name, service: entry.service))
    case .keep:
      let call: DS.Keep = message.body()
      kept[try place(call.key, source)] = Kept(isThere: true, value: call.value)
    case .recall:
      let kept = kept[try place((message.body() as DS.Recall).key, source)]
      guard kept.isThere else { throw .noSuchFile }
      return Message(reply: DS.Recall.Reply(value: kept.value))
    case nil: throw .noSuchCall
    }
    return Message(reply: Done())
  }

  private mutating func publish(_ name: RS.Name, _ source: Endpoint) throws(Errno) {
    guard source.isService else { throw .notPermitted }
    guard Self.isSound(name) else { throw .invalidArgument }
    if let index = find(name) {
      guard entries[index].service.slot == source.slot else { throw .fileExists }
      entries[index].service = source
      return
    }
    var own = 0
    for index in 0..<count where entries[index].service.slot == source.slot { own += 1 }
    guard own < Self.namesEach, count < Self.capacity else { throw .noSpace }
    entries[count] = Entry(name: name, service: source)
    count += 1
  }

  private mutating func withdraw(_ name: RS.Name, _ source: Endpoint) throws(Errno) {
    guard let found = find(name) else { throw .noSuchFile }
    guard entries[found].service.slot == source.slot else { throw .notPermitted }
    for index in found..<count - 1 { entries[index] = entries[index + 1] }
    count -= 1
  }

  /// A service has its own places and reaches no others.
  private func place(_ key: UInt64, _ source: Endpoint) throws(Errno) -> Int {
    guard source.isService else { throw .notPermitted }
    guard key < DS.keyLimit else { throw .invalidArgument }
    return source.slot * Int(DS.keyLimit) + Int(key)
  }

  private func find(_ name: RS.Name) -> Int? {
    for index in 0..<count where entries[index].name == name { return index }
    return nil
  }

  /// At least one byte, printable ASCII, then nothing but zeros: so that equal names are equal words.
  static func isSound(_ name: RS.Name) -> Bool {
    withUnsafeBytes(of: name) { bytes in
      var length = 0
      while length < bytes.count, bytes[length] != 0 {
        guard bytes[length] > 0x20, bytes[length] < 0x7F else { return false }
        length += 1
      }
      for index in length..<bytes.count where bytes[index] != 0 { return false }
      return length > 0
    }
  }
}
