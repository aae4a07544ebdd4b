/// What a drill or a campaign found out, as one page that needs nothing but itself: key figures, a timeline of faults
/// and recoveries, a histogram of recovery times, throughput, tables. Each part is left out if there is nothing to show.
public struct Page: Sendable {
  /// A death and the return, in nanoseconds since boot.
  public struct Mark: Codable, Sendable, Equatable {
    public var service, cause: String
    public var died, back: Int
    public init(service: String, cause: String, died: Int, back: Int) {
      self.service = service
      self.cause = cause
      self.died = died
      self.back = back
    }
    public init(_ restart: KernelLog.Restart) {
      self.init(service: restart.service, cause: restart.cause, died: restart.time - restart.recovery, back: restart.time)
    }
  }

  public struct Figure: Sendable {
    public var value, what: String
    /// Nil: neither good nor bad.
    public var isGood: Bool?
    public init(_ value: String, _ what: String, isGood: Bool? = nil) {
      self.value = value
      self.what = what
      self.isGood = isGood
    }
  }

  public struct Table: Sendable {
    public var title: String
    public var rows: [[String]]
    /// Columns whose numbers are bad when they are not 0.
    public var bad: Set<Int> = []
    /// The first row is the heading.
    public init(_ title: String, _ rows: [[String]], bad: Set<Int> = []) {
      self.title = title
      self.rows = rows
      self.bad = bad
    }
  }

  public var title: String
  public var about = ""
  public var passed: Bool
  public var figures: [Figure] = []
  /// What the timeline shows, as part of its heading.
  public var timelineTitle = "Faults and recoveries"
  public var marks: [Mark] = []
  /// Nanoseconds, or instructions where one takes one.
  public var recoveries: [Int] = []
  public var throughput: [(name: String, value: Int)] = []
  public var throughputUnit = ""
  public var tables: [Table] = []
  public var complaints: [String] = []
  public var notes: [String] = []

  public init(title: String, passed: Bool) {
    self.title = title
    self.passed = passed
  }

  public var html: String {
    var parts: [String] = []
    let verdict = "<span class=\"verdict \(passed ? "good" : "bad")\">\(passed ? "passed" : "failed")</span>"
    parts.append("<header><h1>\(Markup.escaped(title)) \(verdict)</h1><p>\(Markup.escaped(about))</p></header>")
    if !figures.isEmpty { parts.append("<section class=\"figures\">\(figures.map(tile).joined())</section>") }
    if !complaints.isEmpty { parts.append("<h2>What went wrong</h2><ul class=\"bad\">\(complaints.map(item).joined())</ul>") }
    if !marks.isEmpty { parts.append("<h2>\(Markup.escaped(timelineTitle))</h2>\(Timeline(marks).svg)") }
    if !recoveries.isEmpty { parts.append("<h2>Time from death to ready</h2>\(Histogram(recoveries).svg)") }
    if !throughput.isEmpty { parts.append("<h2>Throughput</h2>\(Bars(throughput, unit: throughputUnit).svg)") }
    for table in tables { parts.append("<h2>\(Markup.escaped(table.title))</h2>\(markup(table))") }
    if !notes.isEmpty { parts.append("<h2>Notes</h2><ul>\(notes.map(item).joined())</ul>") }
    return Markup.page(title, style: Self.style, body: parts.joined(separator: "\n"))
  }

  private func tile(_ figure: Figure) -> String {
    let kind = figure.isGood.map { $0 ? " good" : " bad" } ?? ""
    return "<div class=\"tile\(kind)\"><b>\(Markup.escaped(figure.value))</b><span>\(Markup.escaped(figure.what))</span></div>"
  }

  private func item(_ text: String) -> String { "<li>\(Markup.escaped(text))</li>" }

  private func markup(_ table: Table) -> String {
    guard let head = table.rows.first else { return "" }
    let heading = head.map { "<th>\(Markup.escaped($0))</th>" }.joined()
    let rows = table.rows.dropFirst().map { row in
      "<tr>" + row.enumerated().map { column, cell in
        let wrong = table.bad.contains(column) && cell != "0" && cell != "" && cell != "-"
        return "<td\(wrong ? " class=\"bad\"" : "")>\(Markup.escaped(cell))</td>"
      }.joined() + "</tr>"
    }
    return "<div class=\"scroll\"><table><thead><tr>\(heading)</tr></thead><tbody>\(rows.joined(separator: "\n"))</tbody></table></div>"
  }

  private static let style = """
    :root{--good:light-dark(#23764a,#5fc38d);--bad:light-dark(#b3261e,#ff8a80);--accent:light-dark(#2f6fb2,#7db4ee)}
    body{max-width:1040px} header p{color:var(--soft);margin:.1rem 0 0}
    .verdict{font-size:.85rem;padding:.12rem .55rem;border-radius:1rem;border:1px solid currentColor;vertical-align:middle}
    .good{color:var(--good)} .bad{color:var(--bad)}
    .figures{display:flex;flex-wrap:wrap;gap:.7rem;margin:1rem 0}
    .tile{border:1px solid var(--faint);border-radius:.5rem;padding:.5rem .8rem;min-width:7.5rem}
    .tile b{display:block;font-size:1.3rem;font-variant-numeric:tabular-nums} .tile span{color:var(--soft);font-size:.82rem}
    svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif;fill:var(--ink)}
    .axis{stroke:var(--faint);fill:none} .soft{fill:var(--soft)} .bar{fill:var(--accent)} .guide{stroke:var(--bad);stroke-dasharray:3 3}
    .scroll{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums}
    th,td{text-align:right;padding:.22rem .7rem;border-bottom:1px solid var(--faint)} th{color:var(--soft);font-weight:600}
    th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left} ul{padding-left:1.2rem}
    .c0{--k:#2f7fd1}.c1{--k:#d1702f}.c2{--k:#7a52c7}.c3{--k:#2c9a6a}.c4{--k:#c2397a}.c5{--k:#8a8a2a}.c6{--k:#6b7785}.c7{--k:#b3261e}
    .mark{fill:var(--k);stroke:var(--k)}
    """
}
