import Foundation
import IPC
import Protocols
import Testing

@testable import POSIX
@testable import Programs

@Suite("What programs print and read") struct FormatTests {
  @Test("file modes", arguments: [(0o100644, "-rw-r--r--"), (0o040755, "drwxr-xr-x"), (0o120777, "lrwxrwxrwx"), (0o020600, "crw-------"), (0o060660, "brw-rw----"), (0o010000, "p---------"), (0o104755, "-rwsr-xr-x"), (0o102644, "-rw-r-Sr--"), (0o041777, "drwxrwxrwt"), (0, "----------")])
  func modes(_ mode: UInt32, _ expected: String) { #expect(text(modeText(mode)) == expected) }

  @Test("dates in UTC") func dates() {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "UTC")
    formatter.dateFormat = "yyyy-MM-dd HH:mm"
    for seconds in [0, 59, 86399, 86400, 951_782_400, 951_868_799, 1_077_926_400, 1_709_164_800, 1_795_223_247, 4_102_444_799, 4_107_542_400, 13_574_563_200] {
      #expect(text(dateText(UInt64(seconds))) == formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds))))
    }
    _ = dateText(.max)
  }

  @Test("columns") func columns() {
    #expect(text(inColumns(["a", "b", "c"].map(bytes), width: 80)) == "a  b  c\n")
    #expect(text(inColumns(["a", "b", "c", "d", "e"].map(bytes), width: 9)) == "a  c  e\nb  d\n")
    #expect(text(inColumns(["long name", "b"].map(bytes), width: 4)) == "long name\nb\n")
    #expect(inColumns([], width: 80).isEmpty)
  }

  @Test("times", arguments: [(0, "0:00.00"), (1_234_567_890, "0:01.23"), (61_000_000_000, "1:01.00"), (UInt64.max, "307445734:33.70")])
  func times(_ nanoseconds: UInt64, _ expected: String) throws {
    if nanoseconds == .max { #expect(text(timeText(nanoseconds)).contains(":")) } else { #expect(text(timeText(nanoseconds)) == expected) }
  }

  @Test("a row of ps") func row() {
    #expect(text(Programs.row(id: bytes("7"), parent: bytes("1"), state: UInt8(ascii: "S"), time: 20_000_000, name: bytes("sh"))) == "    7     1 S      0:00.02 sh\n")
    #expect(text(Programs.row(id: bytes("-"), parent: bytes("-"), state: UInt8(ascii: "R"), time: nil, name: bytes("vm"))) == "    -     - R            - vm\n")
  }

  @Test("a region of vmmap") func region() {
    let region = VM.RegionInformation.Reply(start: 0x400000, end: 0x403000, protection: 5, kind: 7, resident: 3, shared: 2, offset: 0x2000, name: (0x74786574, 0), flags: VM.RegionFlags.locked)
    #expect(text(regionText(region)) == "    000000400000     000000403000 r-xp image      00002000      3      2 locked text\n")
    #expect(text(regionText(VM.RegionInformation.Reply(start: 0, end: .max, protection: .max, kind: .max, resident: .max, shared: .max))).contains("rwx"))
  }

  @Test("a line of service status") func service() throws {
    let reply = RS.Status.Reply(name: try #require(packed(bytes("disk"))), service: .disk, state: RS.State.running, restarts: 3, kills: 2, lastRecovery: 1_234_000, started: 0)
    #expect(text(statusLine(bytes("disk"), reply)) == "disk             running          3     2    1234 us\n")
  }

  @Test("counts of wc", arguments: [("", 0, 0), ("a", 0, 1), ("a b\n", 1, 2), (" a  b\tc \n\n", 2, 3), ("\n\n", 2, 0), ("a\u{B}b", 0, 2)])
  func counts(_ message: String, _ lines: UInt64, _ words: UInt64) {
    var counts = TextCounts()
    for byte in bytes(message) { [byte].withUnsafeBytes { counts.count($0) } }
    #expect(counts.lines == lines && counts.words == words && counts.bytes == UInt64(message.utf8.count))
  }

  @Test("seconds of sleep", arguments: [("1", 1_000_000_000), ("0.5", 500_000_000), (".25", 250_000_000), ("2.", 2_000_000_000), ("1.0000000019", 1_000_000_001), ("0", 0), ("", nil), (".", nil), ("x", nil), ("1x", nil), ("1.x", nil), ("-1", nil), ("99999999999", nil)])
  func seconds(_ word: String, _ expected: UInt64?) { #expect(nanoseconds(bytes(word)) == expected) }

  @Test("sizes of dd", arguments: [("512", 512), ("1k", 1024), ("2M", 2 << 20), ("1G", 1 << 30), ("3b", 1536), ("", nil), ("k", nil), ("1x", nil), ("99999999999999999999", nil), ("99999999999999999G", nil)])
  func sizes(_ word: String, _ expected: UInt64?) { #expect(sizeWithSuffix(bytes(word)) == expected) }

  @Test("operands of dd") func dd() throws {
    var bad: [UInt8] = []
    let request = try #require(DdRequest(["if=a", "of=b", "bs=4k", "count=2", "skip=1", "seek=3", "conv=notrunc,sync", "status=none"].map(bytes), bad: &bad))
    #expect(request.input == bytes("a") && request.output == bytes("b") && request.inputBlock == 4096 && request.outputBlock == 4096)
    #expect(request.count == 2 && request.skip == 1 && request.seek == 3 && request.noTruncation && request.pad && request.quiet && !request.noError)
    for wrong in ["x", "bs=0", "bs=99G", "count=-1", "conv=what", "foo=1", "bs="] {
      #expect(DdRequest([bytes(wrong)], bad: &bad) == nil)
      #expect(bad == bytes(wrong))
    }
  }

  @Test("modes of mkdir", arguments: [("755", 0o755), ("0", 0), ("1777", 0o1777), ("8", nil), ("", nil), ("123456", nil), ("-1", nil)])
  func octals(_ word: String, _ expected: UInt32?) { #expect(octal(bytes(word)) == expected) }

  @Test("a storm's words") func storm() throws {
    let plan = try #require(StormPlan(["--every", "50", "--count", "200", "--seed", "7", "--mixed"].map(bytes)))
    #expect(plan.every == 50_000_000 && plan.count == 200 && plan.seed == 7 && plan.mixed)
    #expect(StormPlan([])?.count == 1)
    for wrong in [["--every"], ["--every", "x"], ["--every", "0"], ["--what", "1"], ["5"]] { #expect(StormPlan(wrong.map(bytes)) == nil) }
  }

  @Test("the harms of a mixed storm: the same for a seed, half of them kills, every kind among them") func harms() {
    var first = HarmSequence(seed: 3, mixed: true), second = HarmSequence(seed: 3, mixed: true), other = HarmSequence(seed: 4, mixed: true)
    let a = (0..<1000).map { _ in first.next() }
    #expect(a == (0..<1000).map { _ in second.next() } && a != (0..<1000).map { _ in other.next() })
    let kills = a.count { $0 == 0 }
    #expect(kills > 400 && kills < 600)
    for harm in 1...5 as ClosedRange<UInt64> { #expect(a.count { $0 == harm } > 60) }
    var plain = HarmSequence(seed: 3, mixed: false)
    #expect((0..<100).allSatisfy { _ in plain.next() == 0 })
    #expect(Harm.parse(bytes("loop")) == Service.Harm.endlessLoop && Harm.parse(bytes("kill")) == nil)
  }
}
