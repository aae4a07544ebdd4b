import Foundation

/// Somebody outside the system, with `kill -9` for the Linux process of one service: again and again, at any moment of its
/// lives, its birth too.
final class OutsideKiller: @unchecked Sendable {
  private let machine: Int32
  private let name: String
  private let lock = NSLock()
  private var done = 0, limit: Int
  private var isOver = false
  private var random: UInt64

  /// - Parameters:
  ///   - machine: `Session.process`.
  ///   - service: as `ps` shows it without `apus:`.
  ///   - limit: kills, until `allow` says more.
  init(machine: Int32, service: String, limit: Int, seed: Int) {
    self.machine = machine
    name = "apus:" + service
    self.limit = limit
    random = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
  }

  var kills: Int { lock.withLock { done } }

  func allow(_ limit: Int) { lock.withLock { self.limit = limit } }

  /// No more kills; for when the machine has ended.
  func stop() { lock.withLock { isOver = true } }

  func start() { Thread.detachNewThread { self.run() } }

  private func run() {
    var last: Int32 = 0
    while !lock.withLock({ isOver }) {
      guard lock.withLock({ done < limit }), let pid = find(), pid != last else {
        usleep(50)
        continue
      }
      // Somewhere in the next two milliseconds of its life: at work, at birth.
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      usleep(UInt32(random >> 33 % 2000))
      if kill(pid, SIGKILL) == 0 { lock.withLock { done += 1 } }
      last = pid
    }
  }

  /// The service's process: a grandchild of `timeout`.
  private func find() -> Int32? {
    for broker in ProcessTree.children(of: machine) {
      for child in ProcessTree.children(of: broker) where ProcessTree.name(of: child) == name { return child }
    }
    return nil
  }
}
