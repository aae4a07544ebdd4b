import Foundation
import Testing

@testable import ToolKit

@Suite("Figures") struct FigureTests {
  static let output = "hello\nfigure null-call 48 48 61 2001\r\nfigure calibration 2001 2001 2001 9\nfigure broken 1 2\nfigure own 5 4 6 3\n"

  @Test("the guest's lines are read, others are not") func read() {
    #expect(Figure.read(Self.output) == [
      Figure(name: "null-call", median: 48, min: 48, max: 61, samples: 2001),
      Figure(name: "calibration", median: 2001, min: 2001, max: 2001, samples: 9),
      Figure(name: "own", median: 5, min: 4, max: 6, samples: 3),
    ])
  }

  @Test("the JSON that others script on") func json() throws {
    let intel = [Figure(name: "null-call", median: 52, min: 51, max: 53, samples: 7), Figure(name: "ipc-roundtrip-sysenter", median: 229, min: 1, max: 2, samples: 3)]
    let report = FigureReport([("max", Figure.read(Self.output)), ("Intel's", intel)])
    let data = try JSONSerialization.data(withJSONObject: report.json)
    let figures = try #require((try JSONSerialization.jsonObject(with: data) as? [String: Any])?["figures"] as? [String: [String: Any]])
    let null = try #require(figures["null-call"])
    #expect(Set(null.keys) == ["median", "min", "max", "samples", "bar", "goal", "peers", "processors"])
    #expect(null["median"] as? Int == 48)
    #expect(null["samples"] as? Int == 2001)
    #expect(null["bar"] as? Int == 100)
    #expect(null["goal"] as? Int == 50)
    #expect(null["peers"] as? [String: Int] == ["seL4": 89, "Linux": 323])
    #expect(figures["own"]?["bar"] is NSNull)
    let processors = try #require(null["processors"] as? [String: [String: Int]])
    #expect(processors == ["max": ["median": 48, "min": 48, "max": 61, "samples": 2001], "Intel's": ["median": 52, "min": 51, "max": 53, "samples": 7]])
    #expect(figures["ipc-roundtrip-sysenter"]?["median"] as? Int == 229)
    #expect((figures["ipc-roundtrip-sysenter"]?["processors"] as? [String: Any])?.count == 1)
  }

  @Test("a trace of one iteration: the last one, each instruction in its function") func trace() throws {
    let log = ["401000", "401010", "ffffffff80100004", "402000", "401000", "600000000000", "ffffffff80100008", "ffffffff80100010", "401018", "402000", "401020"]
      .map { "Trace 0: 0x7f00 [00000000/" + String(repeating: "0", count: 16 - $0.count) + $0 + "/0040c0b3/ff020201] \n" }.joined()
    let addresses = try #require(BenchTrace.lastIteration(Data(log.utf8), from: 0x40_1000, to: 0x40_2000))
    #expect(addresses == [0x6000_0000_0000, 0xFFFF_FFFF_8010_0008, 0xFFFF_FFFF_8010_0010, 0x40_1018])
    let trace = BenchTrace(
      addresses, kernel: [.init(address: 0xFFFF_FFFF_8010_0000, name: "$entry_call"), .init(address: 0xFFFF_FFFF_8010_0020, name: "other")],
      user: [.init(address: 0x40_1010, name: "main")])
    #expect(trace.parts.map(\.function) == ["(stub page)", "entry_call", "main"] && trace.parts.map(\.instructions) == [1, 2, 1] && trace.total == 4)
    #expect(BenchTrace.lastIteration(Data(log.utf8), from: 0x40_1000, to: 0x40_3000) == nil)
  }

  @Test("the table says whether the bar is met, on each processor") func table() {
    let null = Figure(name: "null-call", median: 48, min: 48, max: 61, samples: 9), slow = Figure(name: "null-call", median: 101, min: 1, max: 2, samples: 9)
    let text = FigureReport([("max", [null, Figure(name: "cow-fault", median: 1_234_567, min: 1, max: 2, samples: 9)])]).table
    #expect(text.contains("100 met"))
    #expect(text.contains("3,700 missed"))
    #expect(text.contains("1,234,567"))
    let both = FigureReport([("max", [null]), ("Intel's", [slow])]).table
    #expect(both.contains("Intel's: median") && both.contains("100 missed"))
    #expect(FigureReport([("max", [null]), ("Intel's", [])]).table.contains("100 met"))
  }

  @Test("a clock that does not count instructions is found out, on either processor") func calibration() {
    let good = Figure.read(Self.output), bad = [Figure(name: "calibration", median: 2_000, min: 1, max: 1, samples: 1)]
    #expect(FigureReport([("max", good)]).isCalibrated)
    #expect(!FigureReport([("max", good), ("other", bad)]).isCalibrated)
    #expect(!FigureReport([("max", bad)]).isCalibrated)
  }

  @Test("a trace of a boot: each root's instructions in the program whose functions it entered, the rest in one line") func bootTrace() {
    let counts = "5/firmware/00000000000ffff0\n7/0/ffffffff80100004\n1/0a/ffffffff80100000\n2/0a/0000000000401000\n3/0a/0000000000401024\n4/0b/0000000000401008\n9/0b/0000000000401040\n"
    let trace = BenchTrace(
      counts: counts, kernel: [.init(address: 0xFFFF_FFFF_8010_0000, name: "start")],
      programs: [
        (name: "pm", functions: [.init(address: 0x40_1000, name: "a"), .init(address: 0x40_1020, name: "b")]),
        (name: "vm", functions: [.init(address: 0x40_1008, name: "c"), .init(address: 0x40_1040, name: "d")]),
      ])
    let rows = Set(trace.parts.map { "\($0.place) \($0.function) \($0.instructions)" })
    #expect(rows == ["firmware (and start.S below the kernel's half) 5", "kernel start 8", "pm a 2", "pm b 3", "vm c 4", "vm d 9"])
    #expect(trace.total == 31)
    let table = trace.table(rows: 2).split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
    #expect(table == ["instructions where function", "9 vm d", "8 kernel start", "14 4 more", "31 sum, to the prompt and a moment longer"])
  }

  @Test("digits in groups of three", arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")])
  func groups(number: Int, text: String) { #expect(grouped(number) == text) }

  @Test("every peer is named once and its bar is not below its goal") func peers() {
    #expect(Set(Peer.table.map(\.name)).count == Peer.table.count)
    for peer in Peer.table { if let bar = peer.bar, let goal = peer.goal { #expect(goal <= bar) } }
  }
}
