import Foundation
import Testing
@testable import ToolKit

@Suite("Drills") struct DrillTests {
  @Test("kills from outside begin to count when the client knows how many there were, not at the snapshot before")
  func counting() {
    #expect(!OutsidePlayer.isCounting("steady: asks\nsteady: 9 answers\n== before\n"))
    #expect(!OutsidePlayer.isCounting("steady: asks\nsteady: 9 answers\n== before\n== end"))
    #expect(!OutsidePlayer.isCounting("steady: asks\n== end\nsteady: "))
    #expect(OutsidePlayer.isCounting("steady: asks\n== end\nsteady: asks\n"))
  }

  @Test("every drill of the tree can be read and says what it shows") func tree() throws {
    let project = Project(root: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path)
    let drills = try Drill.all(project)
    #expect(drills.contains { $0.name == "disk-driver-dies" && $0.storm?.kills == 200 })
    for drill in drills { #expect(!drill.about.isEmpty, "\(drill.name)") }
  }

  @Test("at least eight drills run on every host, each by a script that is there") func hosts() throws {
    let project = try Project.find()
    let drills = try Drill.all(project).filter { !$0.scripts.isEmpty }
    #expect(drills.count >= 8)
    for name in drills.flatMap(\.scripts) { #expect(Files.exists(project.root + "/Tests/Scenarios/\(name).script"), "\(name)") }
    for name in [
      "disk-driver-dies-in-a-copy", "tty-dies-under-a-shell", "driver-hangs", "driver-always-crashes", "driver-answers-garbage", "two-deaths-at-once",
      "death-during-recovery", "storm-of-kills",
    ] { #expect(drills.contains { $0.name == name }, "\(name)") }
  }

  @Test("steps, comments and empty lines") func steps() throws {
    let drill = try Drill(name: "d", "# x\nabout it  is so\nseed 9\nmemory 64\n\ntype a && b &\nkill disk\nkill tty crash\nexpect a b\nlog RS: x\nbalanced\n")
    #expect(drill.about == "it  is so" && drill.seed == 9 && drill.memory == 64 && drill.balanced)
    #expect(drill.steps == [.type("a && b &"), .kill(service: "disk", harm: nil), .kill(service: "tty", harm: "crash"), .expect("a b"), .log("RS: x")])
  }

  @Test("what is no step is refused with its line", arguments: [
    "kill", "seed x", "type", "storm disk 50 200", "balanced now", "explode disk", "files 1 1", "type a\nfiles 1 1\nstorm a every 1 kills 1", "",
  ])
  func refused(text: String) { #expect(throws: Failure.self) { try Drill(name: "d", text) } }

  static let output = """
    == before\r
    nanoseconds 1000
    frames free 5000\r
    grants 3
    == services
    name  endpoint state      restarts kills recovery-ns  pages
    disk         8 running           0     0           0     72\r
    tty          6 running           0     0           0     12
    == processes
      PID COMMAND
        1 init
        2 sh
    == end
    something
    == after
    nanoseconds 2000
    frames free 4990
    grants 3
    == services
    name  endpoint state      restarts kills recovery-ns  pages
    disk         8 running           0     0           0     73
    tty          6 running           0     0           0     12
    == processes
      PID COMMAND
        1 init
        9 ps
    == end
    """

  @Test("what leaked and who is gone, by the guest's own word") func snapshots() throws {
    let before = try #require(Snapshot("before", in: Self.output)), after = try #require(Snapshot("after", in: Self.output))
    #expect(before.nanoseconds == 1000)
    #expect(after.leaks(since: before) == ["frames free": 10, "grants": 0])
    #expect(after.processesLost(since: before) == 1)
    #expect(after.movedPages(since: before) == ["disk +1"])
    #expect(before.leaks(since: before).values.allSatisfy { $0 == 0 })
    #expect(Snapshot("later", in: Self.output) == nil)
    #expect(Snapshot("after", in: String(Self.output.dropLast(8))) == nil)
  }

  @Test("the report: quantiles, verdict and the JSON that others script on") func report() throws {
    var report = DrillReport(drill: "d", seed: 3)
    report.kills = 100
    report.restarts = (1...100).map { .init(service: "disk", cause: $0 % 2 == 0 ? "killed" : "crash", recovery: 1000 - $0, count: $0) }
    report.leaks = ["grants": 0]
    #expect(report.passed)
    #expect(report.recovery == (950, 999, 999))
    let data = try JSONSerialization.data(withJSONObject: report.json)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(Set(object.keys) == [
      "drill", "host", "seed", "kills", "restarts", "processesLost", "digestsDiffering", "leaks", "recovery", "verdict",
    ])
    #expect(object["verdict"] as? String == "passed" && object["restarts"] as? Int == 100)
    #expect(Set((object["recovery"] as? [String: Int] ?? [:]).keys) == ["median", "p99", "max"])
    #expect(report.text.contains("crash 50, killed 50"))

    for spoil in [{ $0.kills = 101 }, { $0.leaks = ["grants": 1] }, { $0.processesLost = 1 }, { $0.digestsDiffering = 1 }, { $0.complaints = ["x"] }]
      as [(inout DrillReport) -> Void]
    {
      var spoiled = report
      spoil(&spoiled)
      #expect(!spoiled.passed)
      #expect(spoiled.json["verdict"] as? String == "failed")
    }
  }
}

@Suite("Files of the host") struct HostFileTests {
  static let many = (0..<100).map { HostFiles.File(path: "f\($0)", size: $0 % 10 * 10) }

  @Test("an even sample, small files giving way until it is enough") func choose() throws {
    let even = try #require(HostFiles.choose(Self.many, count: 40, bytes: 1500))
    #expect(even.count == 40 && even == even.sorted { Int($0.path.dropFirst())! < Int($1.path.dropFirst())! })
    let large = try #require(HostFiles.choose(Self.many, count: 40, bytes: 2600))
    #expect(large.count == 40)
    #expect((2600..<2700).contains(large.reduce(0) { $0 + $1.size }))
    #expect(HostFiles.choose(Self.many, count: 40, bytes: 2600) == large)
  }

  @Test("none of too few, too small, or files that are most of the disk") func tooLittle() {
    #expect(HostFiles.choose(Self.many, count: 101, bytes: 1) == nil)
    #expect(HostFiles.choose(Self.many, count: 10, bytes: 1 << 30) == nil)
    #expect(HostFiles.choose([.init(path: "a", size: 100), .init(path: "b", size: 1)], count: 2, bytes: 100) == nil)
  }

  @Test("lines of sha256sum") func digests() {
    let a = String(repeating: "a", count: 64), b = String(repeating: "b", count: 64)
    #expect(HostFiles.readDigests("\(a)  files/d00/f000\n\(b) *x y\nshort  z\nsha256sum: q: I/O error\n") == ["files/d00/f000": a, "x y": b])
  }
}
