import Foundation
import IPC
import Protocols
import Testing

@testable import ToolKit

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("Trace") struct TraceTests {
  static func record(_ kind: UInt32, _ from: Endpoint, _ to: Endpoint, _ message: Message, flags: UInt64 = 0, time: UInt64 = 1500) -> TraceRecord {
    TraceRecord(time: time, kind: kind, from: from, to: to, flags: flags, message: message)
  }

  static func numbered(_ records: [TraceRecord]) -> [TraceRecord] {
    records.enumerated().map { index, record in
      var record = record
      record.sequence = UInt32(index)
      return record
    }
  }

  static let shell = Endpoint(slot: 70, generation: 2)

  /// A program asks VFS, which asks a file system, whose disk dies and comes back.
  static let story: [TraceRecord] = {
    var asked = Message(FS.Sync())
    asked.token = 77
    var answered = Message(type: 0)
    answered.token = 77
    let transfer = Message(Block.Open(minor: 1))
    return numbered([
      record(2, shell, .vfs, Message(VFS.Sync()), flags: 1),
      record(5, .vfs, .rootfs, asked, flags: 4),
      record(2, .rootfs, .disk, transfer, flags: 1),
      record(12, .disk, .rs, Message(type: 11)),
      record(11, .kernel, .disk, Message()),
      record(2, .rootfs, .disk, transfer, flags: 17),
      record(3, .disk, .rootfs, Message(error: .ioError)),
      record(5, .rootfs, .vfs, answered, flags: 4),
      record(3, .vfs, shell, Message(type: 0), time: 2_000_000),
      record(4, .kernel, .tty, Message(header: 0x900, payload: (1 << 32 | 16, 0, 0, 0, 0, 0, 0)), flags: 10),
    ])
  }()

  @Test("every call of every protocol has a name and no two the same number") func shapes() {
    #expect(Set(CallShapes.all.map { $0.number }).count == CallShapes.all.count)
    let numbers = Kernel.Number.allCases.map(\.rawValue) + VM.Number.allCases.map(\.rawValue) + PM.Number.allCases.map(\.rawValue)
      + VFS.Number.allCases.map(\.rawValue) + FS.Number.allCases.map(\.rawValue) + Block.Number.allCases.map(\.rawValue)
      + Char.Number.allCases.map(\.rawValue) + RS.Number.allCases.map(\.rawValue) + DS.Number.allCases.map(\.rawValue) + PageCache.Number.allCases.map(\.rawValue) + Echo.Number.allCases.map(\.rawValue)
    for number in numbers { #expect(CallShapes.name(number) != nil, "\(number)") }
    #expect(CallShapes.name(VFS.Open.number) == "VFS.Open")
    #expect(CallShapes.name(0x7777) == nil)
  }

  @Test("arguments have the names and values of the payload's fields") func arguments() {
    let fields = CallShapes.arguments(of: Message(FS.Mount(driver: .disk, minor: 3, flags: 1 << 40)))
    #expect(fields == [Field(name: "driver", value: "disk"), Field(name: "minor", value: "3"), Field(name: "flags", value: "0x10000000000")])
    let name = CallShapes.arguments(of: Message(RS.Kill(name: (0x6B73_6964, 0))))
    #expect(name == [Field(name: "name", value: "'disk'")])
  }

  @Test("an answer knows its request, by the waiting thread or by the token") func pairs() {
    let events = Trace(host: "metal", records: Self.story).events
    #expect(events.map(\.name) == [
      "VFS.Sync", "FS.Sync", "Block.Open", "stopped", "restarted", "Block.Open", "Block.Open", "FS.Sync", "VFS.Sync", "notification",
    ])
    #expect(events.map(\.answers) == [nil, nil, nil, nil, nil, nil, 5, 1, 0, nil])
    #expect(events[5].again && !events[2].again)
    #expect(events[6].error == "EIO" && events[7].error == nil)
    #expect(events[9].what == "alarm, lines 4")
  }

  @Test("records that are lost are counted; half a record at the end is none") func lost() {
    var records = Self.story
    records.remove(at: 4)
    #expect(Trace(host: "metal", records: records).lost == 1)
    let bytes = records.withUnsafeBytes { Array($0) }
    let trace = Trace(host: "metal", bytes: bytes + [1, 2, 3])
    #expect(trace.events.count == 9 && trace.lost == 1)
    #expect(Trace(host: "metal", bytes: []).events.isEmpty)
  }

  @Test("text: the requester stands at the left of its answer") func text() {
    let lines = Trace(host: "metal", records: Self.story).text.split(separator: "\n")
    #expect(lines[0].contains("1.500     p70.2 -> vfs      VFS.Sync()"))
    #expect(lines[8].contains("2000.000     p70.2 <- vfs      VFS.Sync = done"))
    #expect(lines[5].hasSuffix("Block.Open(minor: 1) again"))
    #expect(lines[3].contains("disk -- rs       stopped (signal: 11)"))
  }

  @Test("JSON holds every event and can be read back") func json() throws {
    let text = try jsonText(Trace(host: "metal", records: Self.story).json)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let events = try #require(object["events"] as? [[String: Any]])
    #expect(events.count == 10 && object["lost"] as? Int == 0)
    #expect(events[6]["error"] as? String == "EIO" && events[6]["answers"] as? Int == 5)
    #expect((events[2]["fields"] as? [String: String])?["minor"] == "1")
  }

  @Test("the chart is well-formed, stands alone, and has a column for each thread and a row for each event") func chart() throws {
    let chart = TraceChart(Trace(host: "metal", records: Self.story), title: "a <b> & \"c\"")
    #expect(chart.participants.map(EndpointNames.name) == ["kernel", "rs", "vfs", "tty", "disk", "rootfs", "p70.2"])
    #expect(XMLParser(data: Data(chart.html.utf8)).parse())
    #expect(chart.html.components(separatedBy: "<title>").count == 12)
    for outside in ["<script", "src=", "href=", "@import", "url(http"] { #expect(!chart.html.contains(outside)) }
  }

  @Test("control characters and marks of HTML cannot break a page") func escaped() {
    let text = Markup.escaped("<&>\"\u{1}\u{1B}[0m\n")
    #expect(text == "&lt;&amp;&gt;&quot;\u{FFFD}\u{FFFD}[0m\n")
  }

  @Test("filters: by participant, by name, from the shell's first line on, not too many") func filters() {
    let read = Self.record(5, .vfs, .tty, Message(Char.Read(minor: 0, flags: 0, position: 0, grant: 0, offset: 0, length: 1)), flags: 4)
    let trace = Trace(host: "metal", records: Self.numbered(Self.story + [read] + Self.story))
    var filter = TraceFilter()
    filter.skipsBoot = true
    #expect(filter.apply(trace).events.count == 11)
    filter.participants = ["disk"]
    #expect(filter.apply(trace).events.count == 5)
    filter.name = "block"
    #expect(filter.apply(trace).events.count == 3)
    filter.limit = 2
    #expect(filter.apply(trace).events.map(\.name) == ["Block.Open", "Block.Open"])
  }
}
