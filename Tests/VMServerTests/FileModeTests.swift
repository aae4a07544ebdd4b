import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite("VM: modes of files")
struct FileModeTests {
  private enum Word: UInt32, CaseIterable { case none = 0, r = 1, rw = 3, rx = 5 }

  /// VM's side of the table that `/bin/compared` prints; VFS tells it what the file's mode allows (`MappedFiles.swift`).
  @Test("X11 V53 144 cells: file's mode, private or shared, protection, later protection, descriptor closed in between") func cells() throws {
    let stage = try CacheTests.Stage()
    let system = stage.system
    try stage.fill(7, page: 0)
    var cells = 0
    for (isReadable, isWritable) in [(true, false), (false, true), (true, true)] {
      for shared in [false, true] {
        for first in [Word.none, .r, .rw] {
          for later in Word.allCases {
            // A closed descriptor changes nothing in VM; it is two cells of the table.
            cells += 2
            // VFS refuses who may not read.
            guard isReadable else { continue }
            let allowed: UInt32 = !shared || isWritable ? 7 : 5
            func map() throws -> UInt64 {
              try FileMappingTests.map(stage, pages: 1, protection: first.rawValue, allowed: allowed, shared: shared)
            }
            let mayMap = first.rawValue & ~allowed == 0, mayChange = later.rawValue & ~allowed == 0
            guard mayMap else {
              #expect(throws: Errno.accessDenied) { try map() }
              continue
            }
            let address = try map()
            check(system, stage.process, address, first)
            if mayChange { try system.protect(stage.process, address, pages: 1, later.rawValue) } else {
              #expect(throws: Errno.accessDenied) { try system.protect(stage.process, address, pages: 1, later.rawValue) }
            }
            check(system, stage.process, address, mayChange ? later : first)
            try system.unmap(stage.process, address, pages: 1)
          }
        }
      }
    }
    #expect(cells == 144)
    system.expectSound()
  }

  /// Each access is answered by a page or by SIGSEGV.
  private func check(_ system: TestSystem, _ process: Endpoint, _ address: UInt64, _ word: Word) {
    let told = system.kernel.exceptions.count
    #expect((system.touch(process, address, .read) != nil) == (word != .none))
    #expect((system.touch(process, address, .write) != nil) == (word == .rw))
    #expect((system.touch(process, address, .execute) != nil) == (word == .rx))
    let refused = [word != .none, word == .rw, word == .rx].count { !$0 }
    #expect(system.kernel.exceptions.count == told + refused)
    #expect(system.kernel.exceptions[told...].allSatisfy { $0.event.signal == 11 })
  }
}
