/// Names for the kernel's addresses, so that a panic can say where it happened: the boot archive's module "symbols", made
/// by `apus image` from the kernel's ELF symbol table.
///
///     0 UInt64 magic, 8 UInt64 count, then per symbol 16 bytes: UInt64 address, UInt32 offset of the name from the
///     module's start, UInt32 length of the name; sorted by address. Then the names, in UTF-8, demangled if possible.
public struct SymbolTable: BitwiseCopyable {
  public static var magic: UInt64 { 0x3156_424D_5953_5041 }  // "APSYMBV1"
  public static var module: StaticString { "symbols" }

  let bytes: UnsafeRawBufferPointer
  let count: Int

  /// The empty table.
  public init() {
    bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    count = 0
  }

  /// Nil if `bytes` does not begin with a sound header.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 16, bytes.loadUnaligned(as: UInt64.self) == Self.magic else { return nil }
    let count = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    guard count <= UInt64((bytes.count - 16) / 16) else { return nil }
    self.bytes = bytes
    self.count = Int(count)
  }

  /// The symbol at or before `address`, and how far behind its start the address is.
  public func find(_ address: UInt64) -> (name: UnsafeRawBufferPointer, offset: UInt64)? {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if bytes.loadUnaligned(fromByteOffset: 16 + middle * 16, as: UInt64.self) <= address { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let entry = low * 16
    let start = bytes.loadUnaligned(fromByteOffset: entry, as: UInt64.self)
    let name = Int(bytes.loadUnaligned(fromByteOffset: entry + 8, as: UInt32.self))
    let length = Int(bytes.loadUnaligned(fromByteOffset: entry + 12, as: UInt32.self))
    guard name <= bytes.count, length <= bytes.count - name else { return nil }
    return (UnsafeRawBufferPointer(rebasing: bytes[name..<name + length]), address - start)
  }
}
