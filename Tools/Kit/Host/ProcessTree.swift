import Foundation

/// Linux processes as /proc shows them.
public enum ProcessTree {
  public static func children(of pid: Int32) -> [Int32] {
    text("/proc/\(pid)/task/\(pid)/children").split(separator: " ").compactMap { Int32($0) }
  }

  /// All below a process, parents first.
  public static func descendants(of pid: Int32) -> [Int32] {
    children(of: pid).flatMap { [$0] + descendants(of: $0) }
  }

  /// What `ps` calls it; empty if there is none.
  public static func name(of pid: Int32) -> String { text("/proc/\(pid)/comm").trimmingCharacters(in: .newlines) }

  /// Files of /proc have no size, so they are read in one piece.
  public static func text(_ path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(file, &bytes, bytes.count)
    return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
  }
}
