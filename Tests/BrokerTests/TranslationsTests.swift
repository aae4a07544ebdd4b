@testable import Broker
import Foundation
import PageTable
@testable import Sandbox
import Testing
import ToolKit

/// Page tables in the frames of a sandbox, written as VM writes them: the top table in frame 1, others from frame 2 on.
final class Tables {
  let sandbox: Sandbox
  var translations: Translations
  let root: UInt64 = 4096
  private var next: UInt64 = 8192

  init(frames: Int = 1024) throws {
    sandbox = try Sandbox(frames: frames * 4096, slots: 4, stub: Tables.stub.get())
    translations = Translations(sandbox)
  }

  deinit {
    sandbox.close()
    translations.deallocate()
  }

  private static let stub = Result {
    let project = try Project.find()
    let build = try Child.run(
      ["swift", "build", "-c", "release", "--triple", "x86_64-unknown-none-elf", "--scratch-path", project.metal, "--product", "linux-stub"],
      environment: ["METAL": "x86_64"], folder: project.root)
    _ = try build.succeeded("the build of linux-stub")
    return project.product("linux-stub")
  }

  static var all: UInt64 { PageEntry.present | PageEntry.user | PageEntry.writable }

  func entry(_ address: UInt64, level: UInt64, above flags: UInt64 = all) -> UnsafeMutablePointer<UInt64> {
    var table = root
    var at: UInt64 = 4
    while true {
      let place = (sandbox.memory + Int(table) + Page.index(address, level: at) * 8).assumingMemoryBound(to: UInt64.self)
      if at == level { return place }
      if place.pointee == 0 {
        place.pointee = next | flags
        next += 4096
      }
      table = PageEntry(raw: place.pointee).frame
      at -= 1
    }
  }

  func map(_ address: UInt64, _ frame: UInt64, _ flags: UInt64 = all) { entry(address, level: 1).pointee = frame | flags }

  func find(_ address: UInt64, write: Bool = false, execute: Bool = false) -> (isPresent: Bool, run: Translations.Run?) {
    translations.find(root, address, write: write, execute: execute)
  }
}

@Suite("Broker: page tables to mappings", .serialized) struct TranslationsTests {
  @Test("an address that no table has is absent, one with fewer rights than asked is present, and neither is mapped") func rights() throws {
    let tables = try Tables()
    #expect(tables.find(0x40_0000) == (false, nil))
    tables.map(0x40_0000, 0x10_0000, PageEntry.present | PageEntry.user | PageEntry.noExecute)
    #expect(tables.find(0x40_0123).run == .init(address: 0x40_0000, frame: 0x10_0000, length: 4096, isWritable: false, isExecutable: false))
    #expect(tables.find(0x40_0000, write: true) == (true, nil))
    #expect(tables.find(0x40_0000, execute: true) == (true, nil))
    #expect(tables.find(0x40_1000) == (false, nil))
  }

  @Test("rights are those of all levels together, and the kernel's pages are nobody's") func levels() throws {
    let tables = try Tables()
    _ = tables.entry(0x40_0000, level: 1, above: PageEntry.present | PageEntry.user)
    tables.map(0x40_0000, 0x10_0000)
    #expect(tables.find(0x40_0000).run?.isWritable == false)
    tables.map(0x40_1000, 0x10_1000, PageEntry.present | PageEntry.writable)
    #expect(tables.find(0x40_1000) == (false, nil))
    #expect(tables.find(0xFFFF_8000_0000_0000) == (false, nil))
    #expect(tables.find(AddressSpace.userEnd) == (false, nil))
  }

  @Test("neighbours that are neighbours in memory, with the same rights, are one mapping") func runs() throws {
    let tables = try Tables()
    for page in 0..<10 as Range<UInt64> { tables.map(0x40_0000 + page * 4096, 0x10_0000 + page * 4096) }
    tables.map(0x40_5000, 0x20_0000)
    #expect(tables.find(0x40_0000).run?.length == 5 * 4096)
    #expect(tables.find(0x40_3000).run == .init(address: 0x40_3000, frame: 0x10_3000, length: 2 * 4096, isWritable: true, isExecutable: true))
    #expect(tables.find(0x40_5000).run?.length == 4096)
    tables.map(0x40_8000, 0x10_8000, PageEntry.present | PageEntry.user)
    #expect(tables.find(0x40_6000).run?.length == 2 * 4096)
  }

  @Test("a large page is one mapping, cut where RAM ends") func large() throws {
    let tables = try Tables(frames: 600)
    tables.entry(0x20_0000, level: 2).pointee = 0 | Tables.all | PageEntry.large
    tables.entry(0x40_0000, level: 2).pointee = 0x20_0000 | Tables.all | PageEntry.large
    #expect(tables.find(0x20_0000).run?.length == 600 * 4096)
    #expect(tables.find(0x40_0000).run == .init(address: 0x40_0000, frame: 0x20_0000, length: 88 * 4096, isWritable: true, isExecutable: true))
    #expect(tables.find(0x40_0000 + 100 * 4096).run == nil)
  }

  @Test("tables outside RAM, or anywhere odd, lead nowhere") func wildTables() throws {
    let tables = try Tables()
    for entry: UInt64 in [0x4000_0000, 0xF_FFFF_FFFF_F000, UInt64(tables.sandbox.size)] {
      tables.entry(0x40_0000, level: 2).pointee = entry | Tables.all
      #expect(tables.find(0x40_0000) == (false, nil))
      tables.map(0x80_0000, entry)
      #expect(tables.find(0x80_0000) == (false, nil))
    }
    for root: UInt64 in [4097, UInt64(tables.sandbox.size), ~0] { #expect(tables.translations.find(root, 0x40_0000, write: false, execute: false) == (false, nil)) }
  }
}

extension Translations.Run: Equatable {
  public static func == (a: Self, b: Self) -> Bool {
    a.address == b.address && a.frame == b.frame && a.length == b.length && a.isWritable == b.isWritable && a.isExecutable == b.isExecutable
  }
}

private func == (a: (isPresent: Bool, run: Translations.Run?), b: (Bool, Translations.Run?)) -> Bool { a.isPresent == b.0 && a.run == b.1 }
