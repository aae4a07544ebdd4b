import Foundation
import Testing

@testable import ToolKit

@Suite("Behaviours") struct BehaviourTests {
  static func test(_ id: String, _ name: String, _ events: String...) -> [String] {
    [TestEventTests.test(id, name)] + events.map { TestEventTests.event($0, id) }
  }
  static func events(_ tests: [String]...) -> TestEvents { TestEvents(tests.flatMap { $0 }.joined(separator: "\n")) }

  /// A list of all names, these lines in place of those that are `answered`.
  static func list(_ lines: String..., without: Set<String> = []) throws -> Behaviours {
    let own = Dictionary(uniqueKeysWithValues: lines.map { (String($0.prefix { $0 != "\t" }), $0) })
    let all = Behaviours.allNames.filter { !without.contains($0) }.map { own[$0] ?? "\($0)\tU\tanswered\tmeaning\tanswer" }
    return try Behaviours((["head"] + all).joined(separator: "\n"))
  }

  @Test("the project's list is whole and every line says something") func own() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    let list = try Behaviours(String(decoding: Files.read(Behaviours.path(Project(root: root))), as: UTF8.self))
    #expect(list.list.map(\.name) == Behaviours.allNames, "each name once, in order")
    // Which tests there are is for `apus test`, that has built them all.
    #expect(list.complaints([]).filter { !$0.contains("has lost its tests") } == [])
  }

  @Test("names in a display name") func names() {
    #expect(Behaviours.names(in: "V36 M-B1, SEC9: r8 and R12b, MV3 xV4; S7") == ["V36", "M-B1", "SEC9", "S7"])
    #expect(Behaviours.names(in: "the first restarts come at once: M-F2, SEC38") == ["M-F2", "SEC38"])
  }

  @Test("a required name whose test is gone fails; with the test it does not") func missing() throws {
    let list = try Self.list("V36\tU\trequired\tholes\t")
    #expect(list.complaints([]) == ["V36 has lost its tests: holes"])
    #expect(list.complaints(Self.events(Self.test("VMTests.R/a()", "V3 V360 V-36")).functions).contains("V36 has lost its tests: holes"))
    #expect(list.complaints(Self.events(Self.test("VMTests.R/a()", "V36 V36 a hole")).functions) == [])
  }

  @Test("a name that is not in the list, twice in it, or of no family") func listed() throws {
    #expect(try Self.list(without: ["M-K4"]).complaints([]) == ["M-K4 is missing in the list of behaviours"])
    #expect(try Self.list("V1\tU\tanswered\tm\ta\nV1\tU\tanswered\tm\ta").complaints([]) == ["V1 stands in the list of behaviours 2 times"])
    #expect(try Self.list("V1\tU\tanswered\tm\ta\nV101\tU\tanswered\tm\ta").complaints([]) == ["V101 is a name of no family of behaviours"])
    #expect(try Self.list().complaints(Self.events(Self.test("A.b()", "V999 c")).functions) == ["V999, which A.b() bears, is in no list"])
  }

  @Test("what is open has a reason and no test, what is answered an answer") func states() throws {
    #expect(try Self.list("X2\tU\topen\tm\t", "X3\tU\tanswered\tm\t").complaints([]) == ["X2 is open, and the list does not say why", "X3 is answered by nothing"])
    let tested = Self.events(Self.test("A.b()", "X2 c"))
    #expect(try Self.list("X2\tU\topen\tm\twhy").complaints(tested.functions) == ["X2 has a test now: its line in the list of behaviours becomes `required`"])
    #expect(try Self.list("X2\tU\topen\tm\twhy").complaints([]) == [])
  }

  @Test("lines that are none", arguments: ["V1\tU\trequired\tm", "V1\tU\tlater\tm\t", "V1\tH\trequired\tm\t", "V1\t\trequired\tm\t", "V1\tU\trequired\t\t"])
  func bad(line: String) { #expect(throws: Failure.self) { try Behaviours("head\n" + line) } }

  @Test("the table: tests under their names, what they did last, sums") func table() throws {
    let file = NSTemporaryDirectory() + "apus-results-\(ProcessInfo.processInfo.globallyUniqueString)"
    defer { Files.remove(file) }
    var results = TestResults(file: file)
    results.add(Self.events(Self.test("A.a()", "", "testStarted", "testEnded"), Self.test("A.b()", "", "testStarted"), Self.test("A.c()", "", "testStarted", "testSkipped")))
    try results.write(to: file)
    results = TestResults(file: file)
    results.add(Self.events(Self.test("A.d()", "", "testStarted", "testEnded"), Self.test("A.a()", "")))
    let tests = Self.events(
      Self.test("A.a()", "V1 one"), Self.test("A.b()", "V2 two"), Self.test("A.c()", "V3 three"), Self.test("A.d()", "V2 four")).functions
    let list = try Self.list("V1\tU\trequired\tfirst\t", "V2\tPQ\trequired\tsecond\thalf", "V3\tU\trequired\tthird\t", "V4\tU\topen\tfourth\twhy")
    let rows = list.table(tests, results).split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
    #expect(Array(rows[1...10]) == [
      "V1 U required passed first", "passed A: V1 one", "V2 PQ required failed second", "open: half", "failed A: V2 two", "passed A: V2 four",
      "V3 U required not run third", "not run A: V3 three", "V4 U open - fourth", "open: why",
    ])
    #expect(rows.last == "\(Behaviours.allNames.count) names: 1 passed, 1 failed, 1 not run, \(Behaviours.allNames.count - 4) answered, 1 open")
    #expect(list.table(tests, results, containing: "FOURTH").split(separator: "\n").count == 4)
  }
}
