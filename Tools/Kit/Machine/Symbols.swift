import Foundation

/// Addresses to function, file and line, by the toolchain's symbolizer.
public struct Symbols {
  public let file: String
  public init(file: String) { self.file = file }

  /// One text for each address: `function at file:line`, innermost first where code was inlined.
  public func describe(_ addresses: [UInt64]) throws -> [String] {
    if addresses.isEmpty { return [] }
    let command = [Toolchain.tool("llvm-symbolizer"), "--obj=\(file)", "--pretty-print", "--basenames", "--demangle"]
    let said = try Child.run(command + addresses.map { "0x" + String($0, radix: 16) }, errorsToo: false).succeeded("llvm-symbolizer")
    return Self.blocks(said).map(Self.demangled)
  }

  /// The symbolizer leaves an empty line after each address.
  static func blocks(_ text: String) -> [String] {
    var found: [String] = []
    var current: [Substring] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty {
        if !current.isEmpty { found.append(current.joined(separator: "\n")) }
        current = []
      } else {
        current.append(line)
      }
    }
    if !current.isEmpty { found.append(current.joined(separator: "\n")) }
    return found
  }

  /// Swift names as people write them.
  static func demangled(_ text: String) -> String {
    var text = text
    for name in Set(text.matches(of: #/\$s[A-Za-z0-9_]+/#).map { String($0.0) }) {
      guard let said = try? Child.run([Toolchain.tool("swift-demangle"), "--compact", "--simplified", name], seconds: 30, errorsToo: false),
        said.status == 0
      else { continue }
      text = text.replacingOccurrences(of: name, with: said.output.trimmingCharacters(in: .newlines))
    }
    return text
  }

  /// The addresses of kernel code in a text, in their order.
  public static func kernelAddresses(_ text: String) -> [UInt64] {
    text.matches(of: #/(?i)(?:0x)?(ffff[0-9a-f]{12})\b/#).compactMap { UInt64($0.1, radix: 16) }
  }

  /// Lines of a panic, each kernel address in them explained below it.
  public func explain(_ lines: [String]) -> [String] {
    lines.flatMap { line -> [String] in
      let addresses = Self.kernelAddresses(line)
      let texts = ((try? describe(addresses)) ?? []).filter { !$0.hasPrefix("??") }
      return [line] + texts.flatMap { $0.split(separator: "\n").map { "      \($0)" } }
    }
  }
}
