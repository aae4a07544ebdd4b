import Terminal

/// A terminal with a person in front of it.
struct Typist {
  var terminal = LineDiscipline()
  var signals: [UInt32] = []

  init(_ change: (inout Settings) -> Void = { _ in }) {
    var settings = terminal.settings
    change(&settings)
    terminal.apply(settings)
  }

  static func raw(minimum: UInt8 = 1) -> Typist {
    Typist {
      $0.local = 0
      $0.input = 0
      $0[.minimum] = minimum
    }
  }

  mutating func type(_ text: String) { type(Array(text.utf8)) }

  mutating func type(_ bytes: [UInt8]) {
    for byte in bytes {
      let signal = terminal.receive(byte)
      if signal != 0 { signals.append(signal) }
    }
  }

  /// What a read gets; nil: it waits.
  mutating func read(_ limit: Int = 4096) -> String? {
    var buffer = [UInt8](repeating: 0, count: min(limit, 8192))
    let chunk = buffer.withUnsafeMutableBytes { terminal.peek(limit, into: $0) }
    guard let chunk else { return nil }
    terminal.consume(chunk)
    return String(decoding: buffer[..<chunk.count], as: UTF8.self)
  }

  mutating func screen() -> String {
    var bytes: [UInt8] = []
    while let byte = terminal.nextOutput() { bytes.append(byte) }
    return String(decoding: bytes, as: UTF8.self)
  }

  @discardableResult
  mutating func write(_ text: String) -> Int { Array(text.utf8).withUnsafeBytes { terminal.write($0) } }
}
