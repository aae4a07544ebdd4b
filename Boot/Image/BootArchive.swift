import IPC

/// The boot archive: the one module that the boot loader hands to the kernel. A header page with a table, then
/// the modules, each on a page boundary, so that they can be mapped where they are. Written by `apus image`.
///
///     0 UInt64 magic, 8 UInt64 count, then per module 32 bytes: name (16, zero-padded), offset, length
///
/// Offsets and lengths in bytes from the archive's start. Modules have the index of their entry.
public struct BootArchive: BitwiseCopyable {
  public static let magic: UInt64 = 0x3156_4843_5241_5041  // "APARCHV1"
  public static let moduleLimit = 127

  public struct Module: BitwiseCopyable {
    public var name: (UInt64, UInt64)
    public var offset, length: UInt64
  }

  public let bytes: UnsafeRawBufferPointer
  public let count: Int

  /// Nil if `bytes` does not begin with a sound table.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 4096, bytes.loadUnaligned(as: UInt64.self) == Self.magic else { return nil }
    let count = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    guard count <= UInt64(Self.moduleLimit) else { return nil }
    self.bytes = bytes
    self.count = Int(count)
  }

  /// Nil past the end, or if the entry points outside the archive.
  public func module(_ index: Int) -> Module? {
    guard index >= 0, index < count else { return nil }
    let at = 16 + index * 32
    let module = Module(
      name: (bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)),
      offset: bytes.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self),
      length: bytes.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self))
    guard module.offset & 4095 == 0, module.offset <= UInt64(bytes.count),
      module.length <= UInt64(bytes.count) - module.offset
    else { return nil }
    return module
  }

  /// The module of that name.
  public func find(_ name: StaticString) -> Module? {
    let packed = packName(name)
    for index in 0..<count {
      if let module = module(index), module.name == packed { return module }
    }
    return nil
  }

  public func contents(_ module: Module) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[Int(module.offset)..<Int(module.offset + module.length)])
  }
}

/// A name of at most 16 bytes as two words, zero-padded: how services and modules are named in messages.
public func packName(_ name: StaticString) -> (UInt64, UInt64) {
  var words: (UInt64, UInt64) = (0, 0)
  name.withUTF8Buffer { bytes in
    withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<min(16, bytes.count)])) }
  }
  return words
}
