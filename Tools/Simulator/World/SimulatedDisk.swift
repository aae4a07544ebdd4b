import DeviceModels

/// A disk that takes its time: requests end in their order, each a while after it began, decided by the seed.
final class SimulatedDisk: BlockStore {
  private(set) var bytes: [UInt8]
  unowned(unsafe) var world: World!
  private struct Work {
    var request: BlockRequest
    var due: UInt64
  }
  private var works: [Work] = []
  private var first = 0
  /// When the next request ends; `UInt64.max` for none.
  private(set) var nextCompletion = UInt64.max

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var size: UInt64 { UInt64(bytes.count) }
  var isReadOnly: Bool { false }

  func begin(_ request: BlockRequest) -> BlockOutcome? {
    let now = world.kernel.pointee.machine.clock
    let start = works.last.map { max($0.due, now) } ?? now
    works.append(Work(request: request, due: start &+ 5_000 &+ world.random.next() % 60_000))
    nextCompletion = works[first].due
    return nil
  }

  /// Does what is due and reports it.
  func complete(upTo now: UInt64, _ report: (UInt64, BlockOutcome) -> Void) {
    while first < works.count, works[first].due <= now {
      let request = works[first].request
      first += 1
      report(request.token, perform(request))
    }
    if first == works.count {
      works.removeAll(keepingCapacity: true)
      first = 0
    }
    nextCompletion = works.isEmpty ? .max : works[first].due
  }

  private func perform(_ request: BlockRequest) -> BlockOutcome {
    let place = Int(request.position)..<Int(request.position) + request.length
    world.mix(request.position ^ UInt64(request.length) << 40)
    switch request.kind {
    case .read: bytes.withUnsafeBytes { request.fill(from: UnsafeRawBufferPointer(rebasing: $0[place])) }
    case .write:
      world.writes += 1
      if world.writeErrors.contains(world.writes) {
        world.struck += 1
        return .failed
      }
      if world.losesWrite() { break }
      bytes.withUnsafeMutableBytes { request.gather(into: UnsafeMutableRawBufferPointer(rebasing: $0[place])) }
    case .flush: break
    }
    return .done
  }
}
