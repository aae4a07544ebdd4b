import IPC

/// A trace as a sequence chart: one HTML page that needs nothing but itself. A column for each thread, a row for each
/// event, time in the margin; pointing at a row shows the fields of the message.
public struct TraceChart {
  let trace: Trace
  let title: String

  public init(_ trace: Trace, title: String) {
    self.trace = trace
    self.title = title
  }

  private static let margin = 110, column = 92, row = 18, foot = 24

  /// Services in the order of their slots, then processes as they appear.
  var participants: [Endpoint] {
    var services: Set<Endpoint> = []
    var processes: [Endpoint] = []
    var seen: Set<Endpoint> = []
    for endpoint in trace.events.flatMap({ [$0.from, $0.to] }) where seen.insert(endpoint).inserted {
      if endpoint.isService { services.insert(endpoint) } else { processes.append(endpoint) }
    }
    return services.sorted { $0.slot < $1.slot } + processes
  }

  public var html: String {
    let participants = participants
    let place = Dictionary(uniqueKeysWithValues: participants.enumerated().map { ($1, Self.margin + Self.column * $0 + Self.column / 2) })
    let width = Self.margin + Self.column * participants.count + Self.column
    let height = Self.row * trace.events.count + Self.foot
    let heads = participants.map { "<b style=\"left:\(place[$0]! - Self.column / 2)px\">\(Markup.escaped(EndpointNames.name($0)))</b>" }.joined()
    let lines = participants.map { "<path class=\"life\" d=\"M\(place[$0]!) 0V\(height)\"/>" }.joined(separator: "\n")
    let rows = trace.events.enumerated().map { row($1, at: $0, from: place[$1.from]!, to: place[$1.to]!) }.joined(separator: "\n")
    let lost = trace.lost == 0 ? "" : ", \(grouped(trace.lost)) lost"
    return Markup.page(title, style: Self.style, body: """
      <header><h1>\(Markup.escaped(title))</h1>
      <p>\(grouped(trace.events.count)) messages\(lost); host: \(Markup.escaped(trace.host)); time in microseconds since boot.
      <span class="key request">request</span> <span class="key reply">answer</span> <span class="key asynchronous">asynchronous</span>
      <span class="key notification">notification</span> <span class="key fault">page fault</span> <span class="key stopped">death and return</span></p></header>
      <div class="chart" style="width:\(width)px"><div class="heads">\(heads)</div>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" role="img" aria-label="sequence chart">
      <defs>\(Self.marker)</defs>
      \(lines)
      \(rows)
      </svg></div>
      """)
  }

  private static let marker = """
    <marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker>
    """

  private func row(_ event: TraceEvent, at index: Int, from: Int, to: Int) -> String {
    let y = Self.row * index + Self.row
    let text = Markup.escaped(event.what)
    let names = Markup.escaped("\(EndpointNames.name(event.from)) \(event.arrow) \(EndpointNames.name(event.to))")
    let mark: String
    switch event.kind {
    case .restarted: mark = "<circle cx=\"\(to)\" cy=\"\(y)\" r=\"5\"/>"
    case .stopped: mark = "<path d=\"M\(from - 5) \(y - 5)l10 10m0 -10l-10 10\"/>"
    default:
      mark = from == to
        ? "<path d=\"M\(from) \(y - 3)h14v6h-13\" marker-end=\"url(#tip)\"/>" : "<path d=\"M\(from) \(y)H\(to)\" marker-end=\"url(#tip)\"/>"
    }
    let short = event.error.map { "\(event.name) = \($0)" } ?? event.name + (event.again ? " again" : "")
    let label: (x: Int, anchor: String) = event.kind == .restarted || event.kind == .stopped || from == to
      ? (max(from, to) + 18, "start") : ((from + to) / 2, "middle")
    return """
      <g class="\(event.kind.rawValue)\(event.error == nil ? "" : " error")"><title>\(names)  \(text)</title>\
      <text class="time" x="\(Self.margin - 12)" y="\(y + 4)">\(microseconds(event.time))</text>\(mark)\
      <text class="label" x="\(label.x)" y="\(y - 3)" text-anchor="\(label.anchor)">\(Markup.escaped(short))</text></g>
      """
  }

  private static let style = """
    .chart{position:relative}
    .heads{position:sticky;top:0;height:26px;background:var(--paper);border-bottom:1px solid var(--faint);z-index:1}
    .heads b{position:absolute;width:\(column)px;text-align:center;line-height:26px;font-size:12px;overflow:hidden;text-overflow:ellipsis}
    svg{display:block;font:10px system-ui,sans-serif;fill:var(--ink)}
    svg g path,svg g circle{fill:none;stroke:var(--c);stroke-width:1.3}
    svg g:hover path{stroke-width:2.6} svg g:hover text{font-weight:700}
    .life{stroke:var(--faint);stroke-dasharray:2 3;fill:none}
    .time{text-anchor:end;fill:var(--soft);font-variant-numeric:tabular-nums}
    .label{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
    .request,.send{--c:#2f6fb2} .reply,.faultReply,.kernelReply{--c:#5a8f3c} .asynchronous{--c:#a0612b} .notification{--c:#8a6bb8}
    .fault{--c:#b58a00} .kernelCall{--c:#7a7f87} .stopped,.bereaved,.error{--c:#c03434} .restarted{--c:#c03434} .unknown{--c:#888}
    .reply path,.faultReply path,.kernelReply path{stroke-dasharray:5 3}
    .key{color:var(--c);font-weight:600;margin-left:.7em}
    """
}
