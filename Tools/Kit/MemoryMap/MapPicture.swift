import Foundation

/// The picture as one SVG file that needs nothing but itself: no script, nothing from outside. Colours stand in attributes, for light
/// paper; where style sheets work, dark paper turns them round.
public struct MapPicture {
  let map: MemoryMap
  let title: String

  public init(_ map: MemoryMap, title: String) {
    self.map = map
    self.title = title
  }

  public var svg: String {
    let layout = MapLayout(map)
    let (width, height) = (Self.figure(layout.width), Self.figure(layout.height))
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" role="img" font-family="system-ui, sans-serif" font-size="10">
      <title>\(Markup.escaped(title))</title>
      <style>\(Self.style)</style>
      <defs>\(Self.hatch)</defs>
      <rect class="paper" width="100%" height="100%" fill="#ffffff"/>
      <text class="ink" x="\(Self.figure(MapLayout.margin))" y="26" font-size="16" font-weight="bold" fill="#1c1f24">\(Markup.escaped(Self.cut(title, 100)))</text>
      <text class="soft" x="\(Self.figure(MapLayout.margin))" y="43" font-size="11" fill="#5c626b">\(Self.size(map.frames.total)) in frames of 4 KiB\(momentText)\(cacheText)</text>
      \(layout.parts.map(part).joined(separator: "\n"))
      \(layout.kinds.map(kind).joined())\(zip(Self.states, layout.states).map(state).joined())
      \(layout.columns.map(column).joined(separator: "\n"))
      <text class="soft" x="\(Self.figure(MapLayout.margin))" y="\(Self.figure(layout.height - 10))" fill="#5c626b">Heights grow with the logarithm of size, low addresses at the top. p and s: how many pages are present, and of these in another space too.</text>
      </svg>

      """
  }

  private var cacheText: String {
    let values = map.frames.values
    guard let files = values["cache-files"], let hits = values["cache-hits"], let fills = values["cache-fills"], let evictions = values["cache-evictions"]
    else { return "" }
    return "; page cache: \(files) files, \(hits) hits, \(fills) fills, \(evictions) evictions"
  }

  private var momentText: String {
    guard let nanoseconds = map.frames.values["nanoseconds"] else { return "" }
    return String(format: ", %.3f s after power-on", Double(nanoseconds) / 1e9)
  }

  /// A line of the legend: what a colour stands for.
  private func kind(_ kind: String, _ box: MapBox) -> String {
    Self.rectangle(MapBox(x: box.x, y: box.y + 4, width: 10, height: 10), "fill=\"\(Self.colours[kind] ?? Self.other)\"")
      + Self.text(kind, x: box.x + 15, y: box.y + 13, "class=\"ink\" font-size=\"11\" fill=\"#1c1f24\"")
  }

  private static let states = [("present", true, false), ("present, shared", true, true), ("mapped, not present", false, false)]

  private func state(_ state: (name: String, isFilled: Bool, isHatched: Bool), _ box: MapBox) -> String {
    let square = MapBox(x: box.x, y: box.y + 4, width: 10, height: 10)
    var body = Self.rectangle(square, "class=\"hollow\" fill=\"\(state.isFilled ? Self.other : "#f1f3f5")\" stroke=\"\(Self.other)\"")
    if state.isFilled { body = Self.rectangle(square, "fill=\"\(Self.other)\"") }
    if state.isHatched { body += Self.rectangle(square, "fill=\"url(#shared)\"") }
    return body + Self.text(state.name, x: box.x + 15, y: box.y + 13, "class=\"ink\" font-size=\"11\" fill=\"#1c1f24\"")
  }

  private func part(_ part: MapLayout.Part) -> String {
    let words = "\(part.name): \(Self.size(part.frames)), \(Self.percent(part.frames, map.frames.total))"
    let colour = Self.colours[part.kind] ?? Self.other
    return """
      <g><title>\(Markup.escaped(words))</title>\(Self.rectangle(part.box, "fill=\"\(colour)\" stroke=\"#7d838c\" stroke-width=\"0.5\""))\
      <rect x="\(Self.figure(part.legend.x))" y="\(Self.figure(part.legend.y + 4))" width="10" height="10" fill="\(colour)"/>\
      \(Self.text(words, x: part.legend.x + 15, y: part.legend.y + 13, "class=\"ink\" font-size=\"11\" fill=\"#1c1f24\""))</g>
      """
  }

  private func column(_ column: MapLayout.Column) -> String {
    let space = column.space
    let sums = space.note.map { Self.cut($0, 55) } ?? "\(space.regions.count) regions, \(Self.size(space.resident)) present, \(Self.size(space.shared)) shared"
    let regions = zip(space.regions[column.regions], zip(column.blocks, column.labels)).map { region($0, $1.0, $1.1) }
    let title = Self.cut(space.title, 30) + (column.parts > 1 ? ", part \(column.part + 1) of \(column.parts)" : "")
    return """
      <g>\(Self.text(title, x: column.box.x, y: column.box.y + 16, "class=\"ink\" font-size=\"13\" font-weight=\"bold\" fill=\"#1c1f24\""))\
      \(Self.text(sums, x: column.box.x, y: column.box.y + 31, "class=\"soft\" fill=\"#5c626b\""))
      \(regions.joined(separator: "\n"))</g>
      """
  }

  private func region(_ region: MemoryRegion, _ block: MapBox, _ label: MapBox) -> String {
    let colour = Self.colours[region.kind] ?? Self.other
    let range = "\(String(region.start, radix: 16))-\(String(region.end, radix: 16))"
    let name = region.name.isEmpty ? region.kind : region.name
    let marks = region.marks.map { ", \($0)" }.joined()
    let whole = "\(range) \(region.access) \(region.kind)\(region.name.isEmpty ? "" : " [\(region.name)]")\(marks): \(region.resident) of \(region.pages) pages present, \(region.shared) shared; offset \(String(region.offset, radix: 16))"
    var body = Self.rectangle(block, "class=\"hollow\" fill=\"#f1f3f5\" stroke=\"\(colour)\"")
    // What is present fills the block from the left; shared pages are drawn first.
    func share(_ pages: UInt64) -> Double { pages == 0 ? 0 : max(1, block.width * Double(pages) / Double(region.pages)) }
    let filled = MapBox(x: block.x, y: block.y, width: share(region.resident), height: block.height)
    if region.resident > 0 { body += Self.rectangle(filled, "fill=\"\(colour)\"") }
    if region.shared > 0 {
      body += Self.rectangle(MapBox(x: block.x, y: block.y, width: share(region.shared), height: block.height), "fill=\"url(#shared)\"")
    }
    let first = Self.cut("\(name)\(marks)", 16) + "  \(region.access)  \(Self.size(region.pages))"
    let second = range + (region.resident == 0 ? "" : "  \(region.resident)p" + (region.shared == 0 ? "" : ", \(region.shared)s"))
    return """
      <g><title>\(Markup.escaped(whole))</title>\(body)\
      \(Self.text(first, x: label.x, y: label.y + 11, "class=\"ink\" fill=\"#1c1f24\""))\
      \(Self.text(second, x: label.x, y: label.y + 23, "class=\"soft\" fill=\"#5c626b\" font-family=\"monospace\" font-size=\"9\""))</g>
      """
  }

  // MARK: Pieces

  private static func rectangle(_ box: MapBox, _ attributes: String) -> String {
    "<rect x=\"\(figure(box.x))\" y=\"\(figure(box.y))\" width=\"\(figure(box.width))\" height=\"\(figure(box.height))\" \(attributes)/>"
  }

  private static func text(_ words: String, x: Double, y: Double, _ attributes: String) -> String {
    "<text x=\"\(figure(x))\" y=\"\(figure(y))\" \(attributes)>\(Markup.escaped(words))</text>"
  }

  /// Hundredths are enough, and the same everywhere.
  private static func figure(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    if hundredths % 100 == 0 { return "\(hundredths / 100)" }
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
  }

  private static func cut(_ text: String, _ count: Int) -> String { text.count <= count ? text : text.prefix(count - 1) + "\u{2026}" }

  private static func percent(_ part: UInt64, _ whole: UInt64) -> String {
    let tenths = Int((Double(part) / Double(whole) * 1000).rounded())
    return "\(tenths / 10).\(tenths % 10) %"
  }

  /// Pages in the unit that fits.
  static func size(_ pages: UInt64) -> String {
    var value = Double(pages) * 4
    for unit in ["KiB", "MiB", "GiB"] {
      if value < 1024 { return String(format: value.rounded() == value ? "%.0f \(unit)" : "%.1f \(unit)", value) }
      value /= 1024
    }
    return String(format: "%.1f TiB", value)
  }

  /// By the kind of a region, or of a part of the frames. Middle tones: they can be told apart on either paper.
  private static let colours = [
    "anonymous": "#4a86c5", "heap": "#2f9e8f", "stack": "#c98a2b", "image": "#8a6bb8", "file": "#5a9a3c", "module": "#a0612b", "stub": "#7a7f87",
    "physical": "#c44f4f", "contiguous": "#c0568f", "reserved": "#b3b9c1", "metadata": "#7a7f87", "tables": "#c98a2b", "idle": "#a9cf8f", "free": "#dde2e8",
  ]
  private static let other = "#96a0ac"

  private static let hatch = """
    <pattern id="shared" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M-1 1L1 -1M0 5L5 0M4 6L6 4" stroke="#ffffff" stroke-width="1.3" stroke-opacity="0.8"/></pattern>
    """

  private static let style = """
    @media (prefers-color-scheme:dark){.paper{fill:#16181c}.ink{fill:#e4e6ea}.soft{fill:#a2a9b3}.hollow{fill:#23262c}}g:hover>.ink{text-decoration:underline}
    """
}
