import Foundation
import Testing
import ToolKit

@Suite("Test events") struct TestEventTests {
  static func test(_ id: String, _ name: String, _ kind: String = "function") -> String {
    #"{"kind":"test","payload":{"displayName":"\#(name)","id":"\#(id)","kind":"\#(kind)","name":"f()"},"version":"6.3.0"}"#
  }
  static func event(_ kind: String, _ id: String, _ more: String = "") -> String {
    #"{"kind":"event","payload":{"kind":"\#(kind)","testID":"\#(id)"\#(more)},"version":"6.3.0"}"#
  }
  static let stream = [
    test("VMTests.Regions", "Regions", "suite"), test("VMTests.Regions/a()/R.swift:1:1", "V36 a hole"), test("VMTests.Regions/b()/R.swift:2:1", "M-B1 b"),
    test("VMTests.Regions/c()/R.swift:3:1", "c"), test("VMTests.Regions/d()/R.swift:4:1", "d"), "no JSON",
    event("testStarted", "VMTests.Regions"), event("testStarted", "VMTests.Regions/a()/R.swift:1:1"), event("testEnded", "VMTests.Regions/a()/R.swift:1:1"),
    event("testStarted", "VMTests.Regions/b()/R.swift:2:1"),
    event("issueRecorded", "VMTests.Regions/b()/R.swift:2:1",
      #","issue":{"isKnown":false,"sourceLocation":{"fileID":"VMTests/R.swift","line":7}},"messages":[{"text":"expected 1"}]"#),
    event("testEnded", "VMTests.Regions/b()/R.swift:2:1"),
    event("testStarted", "VMTests.Regions/c()/R.swift:3:1"), event("testSkipped", "VMTests.Regions/d()/R.swift:4:1"),
  ].joined(separator: "\n")

  @Test("passed, failed, skipped, and a test that took the process with it") func sums() {
    let events = TestEvents(Self.stream)
    #expect(events.functions.count == 4)
    #expect(events.passed == 1)
    #expect(events.failures.map(\.id) == ["VMTests.Regions", "VMTests.Regions/b()", "VMTests.Regions/c()"].filter { $0 != "VMTests.Regions" })
    #expect(events.failures.first?.issues == ["expected 1 (VMTests/R.swift:7)"])
  }

  @Test("a filter finds ids, names and suites, whatever the case") func filter() {
    let events = TestEvents(Self.stream)
    #expect(events.matching("v36") == ["VMTests.Regions/a()"])
    #expect(events.matching("regions").count == 4)
    #expect(events.matching("VMTests").count == 4)
    #expect(events.matching("nothing").isEmpty)
  }

  @Test("coverage by library") func coverage() throws {
    func file(_ name: String, _ lines: Int, _ covered: Int) -> String {
      #"{"filename":"\#(name)","summary":{"lines":{"count":\#(lines),"covered":\#(covered)}}}"#
    }
    let json = #"{"data":[{"files":[\#([file("/r/IPC/a", 10, 5), file("/r/IPC/b", 10, 10), file("/r/Tests/x", 9, 0), file("/q/IPC/a", 9, 0)].joined(separator: ","))]}]}"#
    let coverage = try #require(Coverage(Array(json.utf8), root: "/r", libraries: ["IPC", "Boot/Image"]))
    #expect(coverage.total.lines == 20 && coverage.total.covered == 15)
    #expect(coverage.folders.map(\.name) == ["IPC"])
    #expect(coverage.table.contains("75.0 %"))
    #expect(Coverage([1], root: "/r", libraries: []) == nil)
  }
}

@Suite("Child processes") struct ChildTests {
  @Test("status, output, errors beside it or not") func run() throws {
    let both = try Child.run(["sh", "-c", "echo out; echo err >&2; exit 3"], seconds: 60)
    #expect(both.status == 3 && both.output == "out\nerr\n")
    #expect(throws: Failure.self) { try both.succeeded("sh") }
    #expect(try Child.run(["pwd"], seconds: 60, folder: "/").succeeded("pwd") == "/\n")
    #expect(try Child.run(["sh", "-c", "echo $APUS_X"], seconds: 60, environment: ["APUS_X": "y"]).output == "y\n")
  }

  @Test("a program that does not exist, and one that does not end") func trouble() throws {
    #expect(try Child.run(["/no/such/program"], seconds: 60).status == 127)
    #expect(try Child.run(["sh", "-c", "while :; do :; done"], seconds: 1).status == 124)
  }
}

@Suite("Disk images") struct DiskImageTests {
  @Test("made of a folder, clean, the same bytes twice, updated in place") func make() throws {
    let folder = NSTemporaryDirectory() + "apus-disk-\(ProcessInfo.processInfo.globallyUniqueString)"
    defer { Files.remove(folder) }
    try Files.makeDirectory(folder + "/tree/bin")
    try Files.write("one", to: folder + "/tree/bin/x")
    try Files.write("user's", to: folder + "/tree/mine")
    let size = DiskImage.room(for: folder + "/tree", free: 1 << 20)
    try DiskImage.make(folder + "/a.img", from: folder + "/tree", size: size, blockSize: 1024)
    #expect(try DiskImage.complaint(folder + "/a.img") == nil)
    #expect(try DiskImage.contents(of: "/bin/x", in: folder + "/a.img") == Array("one".utf8))
    #expect(try DiskImage.contents(of: "/bin/y", in: folder + "/a.img") == nil)

    try Files.write("two", to: folder + "/x")
    try DiskImage.update(folder + "/a.img", [(inside: "/bin/x", outside: folder + "/x"), (inside: "/bin/y", outside: folder + "/x")])
    #expect(try DiskImage.contents(of: "/bin/x", in: folder + "/a.img") == Array("two".utf8))
    #expect(try DiskImage.contents(of: "/bin/y", in: folder + "/a.img") == Array("two".utf8))
    #expect(try DiskImage.contents(of: "/mine", in: folder + "/a.img") == Array("user's".utf8))
  }
}
