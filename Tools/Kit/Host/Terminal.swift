import Foundation

/// The user's terminal while a guest has it.
public enum Terminal {
  nonisolated(unsafe) private static let saved = UnsafeMutablePointer<termios>.allocate(capacity: 1)
  nonisolated(unsafe) private static var isChanged = false

  /// Runs `body` while a line feed is nothing but that: the guest's driver writes carriage returns itself. (QEMU makes
  /// the terminal raw on its input side only.)
  public static func plain<Result>(_ body: () throws -> Result) rethrows -> Result {
    guard tcgetattr(0, saved) == 0 else { return try body() }
    var settings = saved.pointee
    settings.c_oflag &= ~tcflag_t(ONLCR)
    isChanged = true
    _ = tcsetattr(0, TCSADRAIN, &settings)
    defer { restore() }
    return try body()
  }

  /// As it was; may be called by a signal handler.
  static func restore() {
    guard isChanged else { return }
    isChanged = false
    _ = tcsetattr(0, TCSADRAIN, saved)
  }
}
