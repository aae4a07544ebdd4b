import IPC
import Protocols
import Testing

@testable import VMServer

/// What becomes of one page, by who shows it and what is done: the cells of X9. Sharing a page that is private does not
/// exist here: memory is shared from its mapping on (V67).
@Suite struct FrameStateTests {
  enum State: CaseIterable, CustomTestStringConvertible {
    case free, one, copyOnWrite, shared
    var testDescription: String { "\(self)" }
  }
  enum Operation: CaseIterable, CustomTestStringConvertible {
    case addByFork, addByRead, remove, write
    var testDescription: String { "\(self)" }
  }

  /// Frames more than before, and copies made.
  private static func expected(_ state: State, _ operation: Operation) -> (frames: Int, copies: UInt64) {
    switch (state, operation) {
    case (.free, .addByRead), (.free, .write): (1, 0)
    case (.free, .addByFork), (.free, .remove): (0, 0)
    case (.one, .remove): (-1, 0)
    case (.one, _): (0, 0)
    case (.copyOnWrite, .write): (1, 1)
    case (.copyOnWrite, _): (0, 0)
    case (.shared, _): (0, 0)
    }
  }

  @Test("V67 X9 each operation on a page that is free, one's own, shared until a write, shared for good", arguments: State.allCases, Operation.allCases)
  func cell(_ state: State, _ operation: Operation) throws {
    let system = TestSystem()
    let process = system.process()
    let address = try system.map(process, pages: 3, shared: state == .shared)
    var all = [process]
    if state != .free { system.write(process, address + 0x1000, 9) }
    if state == .copyOnWrite || state == .shared { for _ in 0..<3 { all.append(try system.fork(process)) } }
    let last = try #require(all.last)
    let before = system.information
    let copies = system.space(last).pointee.copyFaults
    switch operation {
    case .addByFork: all.append(try system.fork(last))
    case .addByRead: #expect(system.read(last, address + 0x1000) == (state == .free ? 0 : 9))
    case .remove: try system.unmap(last, address + 0x1000, pages: 1)
    case .write: #expect(system.write(last, address + 0x1000, 8))
    }
    let expected = Self.expected(state, operation)
    #expect(Int(system.information.user) - Int(before.user) == expected.frames)
    #expect(system.space(last).pointee.copyFaults - copies == expected.copies)
    // What the others see.
    for other in all.dropLast() where other != last && state != .free {
      #expect(system.read(other, address + 0x1000) == (state == .shared && operation == .write ? 8 : 9))
    }
    system.expectSound()
    for process in all { system.exit(process) }
    #expect(system.information.user == 0)
    system.expectSound()
  }
}
