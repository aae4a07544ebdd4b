import BootImage

/// Writes what `SymbolTable` reads: the names of the kernel's functions, for the backtrace of a panic.
public enum SymbolModule {
  public struct Symbol: Equatable, Sendable {
    public var address: UInt64
    public var name: String
    public init(address: UInt64, name: String) {
      self.address = address
      self.name = name
    }
  }

  public static func bytes(_ symbols: [Symbol]) -> [UInt8] {
    let sorted = symbols.sorted { ($0.address, $0.name) < ($1.address, $1.name) }
    var head: [UInt8] = []
    var names: [UInt8] = []
    func append<T: FixedWidthInteger>(_ word: T) { withUnsafeBytes(of: word.littleEndian) { head += $0 } }
    append(SymbolTable.magic)
    append(UInt64(sorted.count))
    for symbol in sorted {
      append(symbol.address)
      append(UInt32(16 + sorted.count * 16 + names.count))
      append(UInt32(symbol.name.utf8.count))
      names += Array(symbol.name.utf8)
    }
    return head + names
  }

  /// The functions of an ELF file, by the toolchain's `llvm-nm` and `swift-demangle`.
  public static func functions(of file: String) throws -> [Symbol] {
    let listing = try Child.run([Toolchain.tool("llvm-nm"), "--defined-only", "--format=posix", file], errorsToo: false).succeeded("llvm-nm")
    var symbols = read(listing)
    for start in stride(from: 0, to: symbols.count, by: 200) {
      let part = start..<min(start + 200, symbols.count)
      let said = try Child.run([Toolchain.tool("swift-demangle"), "--compact", "--simplified"] + part.map { symbols[$0].name }, errorsToo: false)
      let names = said.output.split(separator: "\n", omittingEmptySubsequences: true)
      guard said.status == 0, names.count == part.count else { continue }
      for (index, name) in zip(part, names) { symbols[index].name = String(name.prefix(160)) }
    }
    return symbols
  }

  /// Lines `NAME TYPE ADDRESS SIZE`; only functions (T, t).
  public static func read(_ listing: String) -> [Symbol] {
    listing.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      guard words.count >= 3, words[1] == "T" || words[1] == "t", let address = UInt64(words[2], radix: 16) else { return nil }
      return Symbol(address: address, name: String(words[0]))
    }
  }
}
