import Foundation
import Testing

@testable import ToolKit

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("Report pages") struct PageTests {
  static func report() -> DrillReport {
    var report = DrillReport(drill: "a <drill>", seed: 7)
    report.about = "dies & comes back"
    report.kills = 3
    report.restarts = [
      .init(service: "disk", cause: "kill", recovery: 100_000, count: 1, time: 5_000_000),
      .init(service: "disk", cause: "hang", recovery: 1_200_000, count: 2, time: 9_000_000),
      .init(service: "tty", cause: "kill", recovery: 90_000, count: 1, time: 9_500_000),
    ]
    report.leaks = ["grants": 0, "frames-free": 2]
    report.throughput = (900_000, 1_000_000)
    report.complaints = ["the guest did not print '<same>'"]
    return report
  }

  @Test("a drill's page is well-formed, stands alone and shows every part") func page() {
    let html = Self.report().page.html
    #expect(XMLParser(data: Data(html.utf8)).parse())
    for outside in ["<script", "src=", "href=", "@import", "url("] { #expect(!html.contains(outside)) }
    for text in [
      "a &lt;drill&gt;", "dies &amp; comes back", "failed</span>", "Faults and recoveries", "Time from death to ready", "Throughput", "Losses",
      "disk kill at 4.9 ms, away 100 µs", "did not print '&lt;same&gt;'", "<td class=\"bad\">2</td>",
    ] { #expect(html.contains(text), "\(text)") }
  }

  @Test("what there is nothing of is left out") func empty() {
    let html = DrillReport(drill: "d", seed: 1).page.html
    #expect(XMLParser(data: Data(html.utf8)).parse())
    for text in ["Faults and recoveries", "Time from death", "Throughput", "What went wrong"] { #expect(!html.contains(text)) }
    #expect(html.contains("passed</span>"))
  }

  @Test("the histogram counts every value once and says the quantiles") func histogram() {
    let histogram = Histogram([5, 50, 51, 52, 60, 500, 100_000])
    #expect(histogram.bins.map(\.count).reduce(0, +) == 7)
    #expect(histogram.bins.first!.count > 0 && histogram.bins.last!.count > 0)
    for value in [5.0, 50, 60, 500, 100_000] { #expect(histogram.bins.contains { $0.from <= value && value < $0.to && $0.count > 0 }) }
    #expect(histogram.svg.contains("7 recoveries: median 52 ns, 99 % within 100 µs, longest 100 µs"))
    #expect(Histogram([0, 1, 1]).bins.map(\.count) == [3])
  }

  @Test("numbers in the unit that fits") func durations() {
    #expect([999, 1_500, 75_678, 212_832, 50_845_697, 3_000_000_000].map { Picture.duration(Double($0)) } == [
      "999 ns", "1.5 µs", "75.7 µs", "213 µs", "50.8 ms", "3 s",
    ])
    #expect(Picture.step(10, 8) == 2 && Picture.step(2_000_000_000, 8) == 500_000_000)
  }

  @Test("the JSON beside the page has the timeline") func json() throws {
    let folder = NSTemporaryDirectory() + "apus-pages-\(getpid())"
    defer { Files.remove(folder) }
    let report = Self.report()
    try report.page.write(report.fullJSON, to: folder, name: "d")
    let object = try #require(try JSONSerialization.jsonObject(with: Data(Files.read(folder + "/d.json"))) as? [String: Any])
    let timeline = try #require(object["timeline"] as? [[String: Any]])
    #expect(timeline.count == 3 && timeline[1]["died"] as? Int == 7_800_000 && timeline[1]["service"] as? String == "disk")
    #expect(try String(decoding: Files.read(folder + "/d.html"), as: UTF8.self) == report.page.html)
  }

  @Test("several pages behind one: failed if one is") func index() {
    var good = Self.report()
    good.complaints = []
    good.leaks = [:]
    #expect(good.passed)
    let pages = [("good", good.page), ("bad", Self.report().page)]
    let index = Page.index(pages, title: "Drills")
    #expect(!index.passed && index.complaints.count == 1 && index.html.contains("2 reports"))
    #expect(Page.index([pages[0]], title: "Drills").passed)
  }
}
