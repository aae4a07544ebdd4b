import BootImage

/// Writes what `BootArchive` reads.
public enum Archive {
  public struct Module: Equatable, Sendable {
    public var name: String
    public var contents: [UInt8]
    public init(name: String, contents: [UInt8]) {
      self.name = name
      self.contents = contents
    }
  }

  static let page = 4096

  /// - Throws: if there are too many modules, or a name does not fit or comes twice.
  public static func bytes(_ modules: [Module]) throws -> [UInt8] {
    guard modules.count <= BootArchive.moduleLimit else {
      throw Failure("the boot archive holds at most \(BootArchive.moduleLimit) modules, not \(modules.count)")
    }
    var head: [UInt8] = []
    var body: [UInt8] = []
    append(BootArchive.magic, to: &head)
    append(UInt64(modules.count), to: &head)
    var seen: Set<String> = []
    for module in modules {
      let name = Array(module.name.utf8)
      guard (1...16).contains(name.count), seen.insert(module.name).inserted else {
        throw Failure("'\(module.name)' cannot name a module of the boot archive: 1 to 16 bytes, each name once")
      }
      head += name + [UInt8](repeating: 0, count: 16 - name.count)
      append(UInt64(page + body.count), to: &head)
      append(UInt64(module.contents.count), to: &head)
      body += module.contents
      body += [UInt8](repeating: 0, count: (page - body.count % page) % page)
    }
    return head + [UInt8](repeating: 0, count: page - head.count) + body
  }

  /// The modules of an archive; nil if it is damaged.
  public static func modules(_ bytes: [UInt8]) -> [Module]? {
    bytes.withUnsafeBytes { raw -> [Module]? in
      guard let archive = BootArchive(raw) else { return nil }
      var found: [Module] = []
      for index in 0..<archive.count {
        guard let module = archive.module(index) else { return nil }
        let name = withUnsafeBytes(of: module.name) { Array($0.prefix { $0 != 0 }) }
        found.append(Module(name: String(decoding: name, as: UTF8.self), contents: Array(archive.contents(module))))
      }
      return found
    }
  }

  private static func append(_ word: UInt64, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: word.littleEndian) { bytes += $0 }
  }
}
