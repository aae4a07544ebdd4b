import Testing
@testable import ToolKit

@Suite("What a drill has the guest do, and the judgement") struct PlayTests {
  static let drill = try! Drill(name: "d", "about x\ntype cp a b &\nkill disk\nkill tty loop\nexpect one\nexpect two\nlog RS: disk\nbalanced\n")

  static func output(_ text: String, grants: Int = 3) -> String {
    "one warm-up two\n== record\n== before\ngrants 3\n== services\nname pages\n== processes\nPID NAME\n1 init\n== end\n\(text)\n== after\ngrants \(grants)\n== services\nname pages\n== processes\nPID NAME\n1 init\n== end\n"
  }
  static let log = "RS: disk restarted (kill) recovery 5 ns count 1\nRS: tty restarted (hang) recovery 6 ns count 1\n"

  static let all = String(repeating: log, count: Player.rounds)

  @Test("steps become shell commands, expectations do not") func commands() {
    #expect(Player.commands(Self.drill) == ["cp a b &", "service kill disk", "service inject tty loop"])
    #expect(Player.play.filter { $0 == "sh /drill/steps" }.count == Player.rounds)
  }

  @Test("what was expected came, in order, in the half that counts") func passes() {
    let report = Player.judge(Self.drill, seed: 1, output: Self.output("one\ntwo"), log: Self.all)
    #expect(report.passed, "\(report.text)")
    #expect(report.kills == 6 && report.restarts.count == 6 && report.leaks == ["grants": 0])
  }

  @Test("what fails a drill", arguments: [
    (output("two\none"), all, "did not print 'two'"), (output("one two", grants: 4), all, "grants 1"),
    (output("one two"), "", "has no 'RS: disk'"), (output("one two"), log, "kills 6, restarts 2"), ("", all, "did not print 'one'"),
    (String(output("one two").dropLast(7)), all, "counters"),
  ])
  func fails(output: String, log: String, reason: String) {
    let report = Player.judge(Self.drill, seed: 1, output: output, log: log)
    #expect(!report.passed)
    #expect(report.text.contains(reason), "\(report.text)")
  }

  @Test("a script is played by /bin/play, and its history must be the simulator's") func scripts() throws {
    let drill = try Drill(name: "d", "about x\nscript files\ntype true\n")
    #expect(drill.scripts == ["files"])
    #expect(Player.commands(drill) == ["play -c \"$(cat /drill/files.script)\"", "true"])
    let output = Self.output("nothing of a script")
    #expect(Player.judge(drill, seed: 1, output: output, log: "", histories: ["files": ""]).passed)
    let report = Player.judge(drill, seed: 1, output: output, log: "", histories: ["files": "0 0 open 0\n"])
    #expect(!report.passed && report.text.contains("'nothing', not '0 0 open 0'"), "\(report.text)")
  }

  @Test("in the simulator a script is compared with itself without faults, line by line") func withoutFaults() {
    let text = "open f0 1\nkill disk\nread f0 5\nrecover disk 1\n:child\ninject tty hang\nexit 0\n"
    #expect(ScriptPlayer.faults(in: text) == 2)
    #expect(ScriptPlayer.withoutFaults(text) == "open f0 1\nsleep 0\nread f0 5\nsleep 0\n:child\nsleep 0\nexit 0\n")
    let plain = "0 0 open 0\n0 1 sleep 0\n0 2 read 5 abc\n0 3 sleep 0\n"
    #expect(ScriptPlayer.differences("0 0 open 0\n0 1 kill 0\n0 2 read 5 abc\n0 3 recover 0\n", plain) == 0)
    #expect(ScriptPlayer.differences("0 0 open 0\n0 1 kill 0\n0 2 read -5\n0 3 recover 0\n", plain) == 1)
    #expect(ScriptPlayer.differences("0 0 open 0\n", plain) == 1)
  }

  @Test("a service that RS gives up: expected, it is reported; unexpected, the drill fails") func givenUp() throws {
    let lines = String(repeating: "RS: echo given up (null) after 11 deaths in a row\n", count: Player.rounds)
    let output = Self.output("one")
    let expected = try Drill(name: "d", "about x\ntype a\nexpect one\ngiven-up echo\n")
    let report = Player.judge(expected, seed: 1, output: output, log: lines)
    #expect(report.passed && report.givenUp == ["echo"], "\(report.text)")
    #expect(!Player.judge(expected, seed: 1, output: output, log: "").passed)
    #expect(!Player.judge(try Drill(name: "d", "about x\ntype a\nexpect one\n"), seed: 1, output: output, log: lines).passed)
  }

  @Test("restarts that were asked for are counted in every round") func restarts() throws {
    let drill = try Drill(name: "d", "about x\ntype a\nrestarts disk 2\n")
    let line = "RS: disk restarted (kill) recovery 5 ns count 1 at 9\n"
    let (enough, short) = (Player.rounds * 2, Player.rounds * 2 - 1)
    #expect(Player.judge(drill, seed: 1, output: Self.output(""), log: String(repeating: line, count: enough)).passed)
    #expect(!Player.judge(drill, seed: 1, output: Self.output(""), log: String(repeating: line, count: short)).passed)
  }

  @Test("a round names every file once and copies some of them") func round() {
    let names = (0..<45).map { "files/f\($0)" }
    let copied = StormPlayer.copied(names)
    #expect(copied == ["files/f0", "files/f20", "files/f40"])
    let lines = StormPlayer.round(names, copied: copied).split(separator: "\n")
    #expect(lines.filter { $0.hasPrefix("sha256sum files") }.count == 3)
    #expect(lines.contains("cp files/f20 copies/c001"))
    #expect(lines.last == "sha256sum copies/c000 copies/c001 copies/c002")
    for name in names { #expect(lines.filter { $0.hasPrefix("sha256sum") && $0.split(separator: " ").contains { $0 == name } }.count == 1) }
  }

  @Test("the storm's scripts: warm-up, snapshots, rounds until it is over") func storm() {
    let storm = Drill.Storm(service: "disk", every: 50, kills: 200, mixed: true)
    let script = StormPlayer.script(storm, seed: 7).split(separator: "\n").map(String.init)
    #expect(script.contains("sh /drill/storm 200 7 /drill/over /drill/sums"))
    #expect(script.firstIndex(of: "sh /drill/round > /drill/sums.0")! < script.firstIndex(of: "echo '== before'")!)
    #expect(StormPlayer.stormScript(storm).hasPrefix("(service storm disk --every 50 --count $1 --seed $2 --mixed;"))
    #expect(StormPlayer.stormScript(storm).hasSuffix("wait\n"))
    let alone = StormPlayer.script(nil, seed: 7)
    #expect(!alone.contains("storm") && alone.contains("sums.1"))
  }

  @Test("throughput out of guest time, rounds and bytes") func throughput() {
    let output = "== before\nnanoseconds 1000\n== services\nname pages\n== processes\n== end\n== after\nnanoseconds 2000001000\n== services\nname pages\n== processes\n== end\n"
    let work = StormPlayer.Work(names: [], copied: [], digests: [:], bytes: 500, folder: "")
    var outcome = StormPlayer.Outcome(ending: .shutdown(0), output: output, log: "", disk: "", sums: [[:], [:], [:]])
    #expect(outcome.throughput(work) == 500)
    outcome.sums = [[:]]
    #expect(outcome.throughput(work) == nil)
  }

  @Test("what the symbolizer says, address by address") func symbolizer() {
    #expect(Symbols.blocks("a at x:1\n (inlined by) b at y:2\n\nc at z:3\n\n") == ["a at x:1\n (inlined by) b at y:2", "c at z:3"])
    #expect(Symbols.demangled("plain text") == "plain text")
    #expect(Symbols.demangled("$s4main3fooyyF at a:1").contains("foo()"))
  }

  @Test("folders of the tree that hold logic") func libraries() throws {
    let root = try Project.find().root
    let folders = TestRun.libraries(root)
    for folder in ["IPC", "Microkernel/Core", "Servers/RS/Logic", "Servers/FS/Ext2/Logic", "Userland/Shell"] { #expect(folders.contains(folder)) }
    #expect(!folders.contains("Userland/Bin"))
  }
}
