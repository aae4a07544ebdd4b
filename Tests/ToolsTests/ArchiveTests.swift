import BootImage
import Testing
import ToolKit

@Suite("Boot archive") struct ArchiveTests {
  static let sample = [
    Archive.Module(name: "vm", contents: Array(0...255)),
    Archive.Module(name: "sixteen-bytes-ok", contents: [UInt8](repeating: 7, count: 4096)),
    Archive.Module(name: "empty", contents: []),
    Archive.Module(name: "rs", contents: [UInt8](repeating: 9, count: 4097)),
  ]

  @Test("what is written is read back, names and bytes") func roundTrip() throws {
    #expect(Archive.modules(try Archive.bytes(Self.sample)) == Self.sample)
  }

  @Test("every module begins on a page") func pages() throws {
    let bytes = try Archive.bytes(Self.sample)
    #expect(bytes.count % 4096 == 0)
    bytes.withUnsafeBytes { raw in
      let archive = BootArchive(raw)
      for index in 0..<Self.sample.count { #expect((archive?.module(index)?.offset ?? 1) & 4095 == 0) }
      #expect(archive?.module(Self.sample.count) == nil)
    }
  }

  @Test("a full table fits in the first page, one more module is refused") func limit() throws {
    let many = (0..<BootArchive.moduleLimit).map { Archive.Module(name: "m\($0)", contents: [UInt8($0)]) }
    #expect(Archive.modules(try Archive.bytes(many)) == many)
    #expect(throws: Failure.self) { try Archive.bytes(many + [Archive.Module(name: "more", contents: [])]) }
  }

  @Test("names that do not fit or come twice are refused", arguments: ["", "seventeen-bytes-!", "vm"])
  func names(name: String) {
    #expect(throws: Failure.self) { try Archive.bytes([Self.sample[0], Archive.Module(name: name, contents: [])]) }
  }

  @Test("a damaged archive is no archive: cut short, other magic, offset outside") func damage() throws {
    var bytes = try Archive.bytes(Self.sample)
    #expect(Archive.modules(Array(bytes[..<4095])) == nil)
    #expect(Archive.modules(Array(bytes[..<(bytes.count - 4097)])) == nil)
    bytes[16 + 16 + 1] = 0xFF  // the first module's offset
    #expect(Archive.modules(bytes) == nil)
    bytes[0] ^= 1
    #expect(Archive.modules(bytes) == nil)
  }

  @Test("the archive's modules are those of the boot table, each once") func table() {
    let modules = MetalBuild.modules
    #expect(modules.starts(with: ["vm", "rs"]))
    #expect(Set(modules).count == modules.count)
    #expect(!modules.contains("ramdisk"))
  }
}

@Suite("Symbols for the panic") struct SymbolModuleTests {
  @Test("what is written is found again, between and past the functions too") func roundTrip() throws {
    let symbols = SymbolModule.read("b T 2000 10\n_a t 1000\ndata D 3000 8\n")
    #expect(symbols == [.init(address: 0x2000, name: "b"), .init(address: 0x1000, name: "_a")])
    try SymbolModule.bytes(symbols).withUnsafeBytes { raw in
      let table = try #require(SymbolTable(raw))
      #expect(table.find(0xFFF) == nil)
      for (address, name, offset) in [(UInt64(0x1000), "_a", UInt64(0)), (0x1FFF, "_a", 0xFFF), (0x2000, "b", 0), (0x9000, "b", 0x7000)] {
        let found = try #require(table.find(address))
        #expect(String(decoding: found.name, as: UTF8.self) == name && found.offset == offset)
      }
    }
  }

  @Test("an empty table finds nothing") func empty() {
    SymbolModule.bytes([]).withUnsafeBytes { #expect(SymbolTable($0)?.find(1) == nil) }
  }
}
