import Foundation

/// A line on the terminal that follows a long run: rewritten in place on a terminal, else now and then a new line.
public final class Progress {
  private let isTerminal: Bool
  private let pause: Double
  private var last = Date.distantPast
  private var lastText = ""
  private var isOpen = false

  public init() {
    isTerminal = isatty(2) == 1
    pause = isTerminal ? 0.2 : 15
  }

  /// Shows `text` if it is time; `always` also when it is not.
  public func show(_ text: @autoclosure () -> String, always: Bool = false) {
    guard always || Date().timeIntervalSince(last) >= pause else { return }
    let line = text()
    last = Date()
    guard line != lastText else { return }
    lastText = line
    isOpen = isTerminal
    FileHandle.standardError.write(Data((isTerminal ? "\r\u{1B}[K\(line)" : "apus: \(line)\n").utf8))
  }

  /// Leaves the line for good.
  public func finish() {
    if isOpen { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
    isOpen = false
  }
}
