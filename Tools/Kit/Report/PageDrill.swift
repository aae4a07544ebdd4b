// Drills as pages.
extension DrillReport {
  public var page: Page {
    var page = Page(title: "Drill \(drill)", passed: passed)
    page.about = "\(about)\(about.isEmpty ? "" : "; ")host: \(host.rawValue), seed \(seed). Times are nanoseconds of guest time\(host == .metal ? ", one an instruction" : "")."
    page.figures = [
      .init(grouped(kills), "kills"), .init(grouped(restarts.count), "restarts", isGood: restarts.count >= kills),
      .init("\(processesLost)", "processes lost", isGood: processesLost == 0),
      .init("\(digestsDiffering)", "digests differing", isGood: digestsDiffering == 0),
    ]
    if !restarts.isEmpty { page.figures.append(.init(Picture.duration(Double(recovery.median)), "median recovery")) }
    if !givenUp.isEmpty { page.figures.append(.init(givenUp.joined(separator: ", "), "given up, as expected")) }
    page.marks = restarts.filter { $0.time > 0 }.map(Page.Mark.init)
    page.recoveries = restarts.map(\.recovery)
    if let throughput {
      page.throughput = [("without kills", throughput.without / 1024), ("with kills", throughput.with / 1024)]
      page.throughputUnit = "KiB a second of guest time"
    }
    let losses = [["processes", "\(processesLost)"], ["digests", "\(digestsDiffering)"]] + leaks.sorted { $0.key < $1.key }.map { [$0.key, "\(max(0, $0.value))"] }
    page.tables = [.init("Losses", [["what", "lost"]] + losses, bad: [1])]
    let causes = Dictionary(grouping: restarts) { [$0.service, $0.cause] }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    if !causes.isEmpty {
      page.tables.append(.init("Restarts by service and cause", [["service", "cause", "restarts", "median", "longest"]] + causes.map { key, all in
        let sorted = all.map(\.recovery).sorted()
        return key + ["\(all.count)", Picture.duration(Double(sorted[sorted.count / 2])), Picture.duration(Double(sorted.last ?? 0))]
      }))
    }
    page.complaints = complaints
    page.notes = notes
    return page
  }

  /// All that the page shows, for programs.
  public var fullJSON: [String: Any] {
    var object = json
    object["about"] = about
    object["complaints"] = complaints
    object["notes"] = notes
    object["givenUp"] = givenUp
    object["timeline"] = restarts.map { ["service": $0.service, "cause": $0.cause, "died": $0.time - $0.recovery, "back": $0.time] as [String: Any] }
    if let throughput { object["throughput"] = ["with": throughput.with, "without": throughput.without] }
    return object
  }
}

extension Page {
  /// `NAME.html` and `NAME.json` in `folder`.
  public func write(_ json: [String: Any], to folder: String, name: String) throws {
    try Files.makeDirectory(folder)
    try Files.write(html, to: "\(folder)/\(name).html")
    try writeJSON(json, to: "\(folder)/\(name).json")
  }

  /// Several pages behind one: `index.html`.
  public static func index(_ pages: [(name: String, page: Page)], title: String) -> Page {
    var index = Page(title: title, passed: pages.allSatisfy(\.page.passed))
    index.about = "\(pages.count) reports"
    index.tables = [Table("Reports", [["name", "verdict", "about"]] + pages.map { [$0.name, $0.page.passed ? "passed" : "failed", $0.page.about] })]
    index.complaints = pages.flatMap { name, page in page.complaints.map { "\(name): \($0)" } }
    return index
  }
}
