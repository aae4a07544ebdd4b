/// Shared by the pictures of a page: their width, and numbers with a unit that fits.
enum Picture {
  static let width = 1000

  /// 1234567 ns as `1.23 ms`.
  static func duration(_ nanoseconds: Double) -> String {
    switch nanoseconds {
    case ..<1e3: "\(Int(nanoseconds)) ns"
    case ..<1e6: short(nanoseconds / 1e3) + " µs"
    case ..<1e9: short(nanoseconds / 1e6) + " ms"
    default: short(nanoseconds / 1e9) + " s"
    }
  }

  static func short(_ value: Double) -> String {
    let digits = value < 10 ? 2 : value < 100 ? 1 : 0
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }

  static func place(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

  static func svg(_ height: Int, _ label: String, _ parts: [String]) -> String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" role="img" aria-label="\(Markup.escaped(label))">
    \(parts.joined(separator: "\n"))
    </svg>
    """
  }

  static func text(_ x: Double, _ y: Double, _ text: String, anchor: String = "start", kind: String = "soft") -> String {
    "<text x=\"\(place(x))\" y=\"\(place(y))\" text-anchor=\"\(anchor)\" class=\"\(kind)\">\(Markup.escaped(text))</text>"
  }

  /// A step of 1, 2 or 5 times a power of ten, so that `span` has about `count` of them.
  static func step(_ span: Double, _ count: Int) -> Double {
    var step = 1.0
    while step * 10 * Double(count) <= span { step *= 10 }
    for factor in [1.0, 2, 5, 10] where step * factor * Double(count) >= span { return step * factor }
    return step * 10
  }
}

/// A lane for each service, a mark for each death as long as the service was away; colours tell the cause.
struct Timeline {
  let marks: [Page.Mark]
  init(_ marks: [Page.Mark]) { self.marks = marks }

  private static let left = 90.0, lane = 34.0

  var svg: String {
    let services = marks.map(\.service).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.sorted()
    let causes = marks.map(\.cause).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.sorted()
    let start = Double(marks.map(\.died).min() ?? 0), end = max(Double(marks.map(\.back).max() ?? 1), start + 1)
    let room = Double(Picture.width) - Self.left - 20
    let scale = room / (end - start)
    let bottom = 26 + Self.lane * Double(services.count)
    var parts: [String] = []
    for (index, cause) in causes.enumerated() {
      let x = Self.left + Double(index) * 130
      parts.append("<rect class=\"mark c\(index % 8)\" x=\"\(Picture.place(x))\" y=\"2\" width=\"9\" height=\"9\"/>" + Picture.text(x + 14, 11, cause))
    }
    for (index, service) in services.enumerated() {
      let y = 26 + Self.lane * Double(index)
      parts.append(Picture.text(Self.left - 10, y + Self.lane / 2 + 4, service, anchor: "end", kind: "ink"))
      parts.append("<path class=\"axis\" d=\"M\(Self.left) \(Picture.place(y + Self.lane))H\(Picture.place(Self.left + room))\"/>")
    }
    for mark in marks {
      guard let lane = services.firstIndex(of: mark.service), let cause = causes.firstIndex(of: mark.cause) else { continue }
      let x = Self.left + (Double(mark.died) - start) * scale
      let width = max(1.6, Double(mark.back - mark.died) * scale)
      let title = "\(mark.service) \(mark.cause) at \(Picture.duration(Double(mark.died))), away \(Picture.duration(Double(mark.back - mark.died)))"
      parts.append(
        "<rect class=\"mark c\(cause % 8)\" x=\"\(Picture.place(x))\" y=\"\(Picture.place(26 + Self.lane * Double(lane) + 7))\" width=\"\(Picture.place(width))\" height=\"\(Self.lane - 12)\" stroke-width=\"0\"><title>\(Markup.escaped(title))</title></rect>")
    }
    let step = Picture.step(end - start, 8)
    var at = (start / step).rounded(.up) * step
    while at <= end {
      let x = Self.left + (at - start) * scale
      parts.append("<path class=\"axis\" d=\"M\(Picture.place(x)) \(bottom)v5\"/>" + Picture.text(x, bottom + 17, Picture.duration(at), anchor: "middle"))
      at += step
    }
    return Picture.svg(Int(bottom) + 26, "timeline of \(marks.count) deaths", parts)
  }
}

/// How often a recovery took how long; the axis is logarithmic.
struct Histogram {
  let values: [Int]
  init(_ values: [Int]) { self.values = values.map { max(1, $0) }.sorted() }

  /// Bins of a tenth of a decade: lower bound and count, without the empty ones at the ends.
  var bins: [(from: Double, to: Double, count: Int)] {
    guard let first = values.first, let last = values.last else { return [] }
    let low = Self.bin(first), high = Self.bin(last)
    var counts = [Int](repeating: 0, count: high - low + 1)
    for value in values { counts[Self.bin(value) - low] += 1 }
    return counts.enumerated().map { (Self.bound(low + $0), Self.bound(low + $0 + 1), $1) }
  }

  private static func bin(_ value: Int) -> Int {
    var bin = 0
    while bound(bin + 1) <= Double(value) { bin += 1 }
    return bin
  }

  private static let steps = [1, 1.2589, 1.5849, 1.9953, 2.5119, 3.1623, 3.9811, 5.0119, 6.3096, 7.9433]
  private static func bound(_ bin: Int) -> Double {
    var decade = 1.0
    for _ in 0..<(bin / 10) { decade *= 10 }
    return decade * steps[bin % 10]
  }

  func quantile(_ share: Double) -> Int { values[min(values.count - 1, Int(Double(values.count) * share))] }

  var svg: String {
    let bins = bins
    let left = 60.0, height = 170.0, top = 18.0
    let most = bins.map(\.count).max() ?? 1
    let width = min(46, (Double(Picture.width) - left - 20) / Double(bins.count))
    var parts: [String] = []
    for (index, bin) in bins.enumerated() {
      let tall = height * Double(bin.count) / Double(most), x = left + width * Double(index)
      let title = "\(bin.count) between \(Picture.duration(bin.from)) and \(Picture.duration(bin.to))"
      parts.append("<rect class=\"bar\" x=\"\(Picture.place(x + 1))\" y=\"\(Picture.place(top + height - tall))\" width=\"\(Picture.place(width - 2))\" height=\"\(Picture.place(tall))\"><title>\(Markup.escaped(title))</title></rect>")
      if bin.count > 0 { parts.append(Picture.text(x + width / 2, top + height - tall - 4, "\(bin.count)", anchor: "middle")) }
      if bins.count <= 12 || index % (bins.count / 8) == 0 { parts.append(Picture.text(x, top + height + 15, Picture.duration(bin.from), anchor: "middle")) }
    }
    parts.append("<path class=\"axis\" d=\"M\(left) \(top + height)H\(Picture.place(left + width * Double(bins.count)))\"/>")
    let words = "\(values.count) recoveries: median \(Picture.duration(Double(quantile(0.5)))), 99 % within \(Picture.duration(Double(quantile(0.99)))), longest \(Picture.duration(Double(values.last ?? 0)))"
    parts.append(Picture.text(left, top + height + 36, words))
    return Picture.svg(Int(top + height) + 44, words, parts)
  }
}

/// Numbers side by side, with each one's share of the greatest.
struct Bars {
  let values: [(name: String, value: Int)]
  let unit: String
  init(_ values: [(name: String, value: Int)], unit: String) {
    self.values = values
    self.unit = unit
  }

  var svg: String {
    let most = max(1, values.map(\.value).max() ?? 1)
    var parts: [String] = []
    for (index, (name, value)) in values.enumerated() {
      let y = 6 + 30 * Double(index), width = 560 * Double(value) / Double(most)
      parts.append(Picture.text(150, y + 15, name, anchor: "end", kind: "ink"))
      parts.append("<rect class=\"bar\" x=\"160\" y=\"\(Picture.place(y))\" width=\"\(Picture.place(max(1, width)))\" height=\"20\"/>")
      parts.append(Picture.text(168 + width, y + 15, "\(grouped(value)) \(unit) (\(value * 100 / most) %)"))
    }
    return Picture.svg(12 + 30 * values.count, "throughput", parts)
  }
}
