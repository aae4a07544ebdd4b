import CLinux
import Glibc

/// Broker and processes on one processor: one of them works at a time, and waking another processor takes longer than
/// all the rest of a message.
struct Processors {
  private typealias Mask = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)  // 512 processors
  private let before: Mask

  /// Nil where the machine does not let us choose; then it chooses.
  static func pin() -> Processors? {
    var before: Mask = (0, 0, 0, 0, 0, 0, 0, 0)
    let size = MemoryLayout<Mask>.size
    guard withUnsafeMutableBytes(of: &before, { linux(LINUX_sched_getaffinity, 0, Int64(size), address($0.baseAddress)) }) > 0 else { return nil }
    var here: UInt32 = 0
    guard withUnsafeMutablePointer(to: &here, { linux(LINUX_getcpu, address($0)) }) == 0, Int(here) < size * 8 else { return nil }
    var one: Mask = (0, 0, 0, 0, 0, 0, 0, 0)
    withUnsafeMutableBytes(of: &one) { $0.storeBytes(of: 1 << UInt64(here & 63), toByteOffset: Int(here / 64 * 8), as: UInt64.self) }
    return choose(one) ? Processors(before: before) : nil
  }

  func restore() { _ = Self.choose(before) }

  private static func choose(_ mask: Mask) -> Bool {
    withUnsafeBytes(of: mask) { linux(LINUX_sched_setaffinity, 0, Int64($0.count), address($0.baseAddress)) } == 0
  }

  /// Raises the limit of open descriptors to `count` if the machine lets us.
  static func allowDescriptors(_ count: Int) {
    var limit: (soft: UInt64, hard: UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &limit) {
      let place = address($0.baseAddress), descriptors: Int64 = 7  // RLIMIT_NOFILE
      guard linux(LINUX_prlimit64, 0, descriptors, 0, place) == 0 else { return }
      let wanted = min(UInt64(count) + 256, $0.load(fromByteOffset: 8, as: UInt64.self))
      guard $0.load(as: UInt64.self) < wanted else { return }
      $0.storeBytes(of: wanted, as: UInt64.self)
      linux(LINUX_prlimit64, 0, descriptors, place)
    }
  }
}
