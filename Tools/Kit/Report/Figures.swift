import Foundation

/// What a benchmark gave, in guest instructions.
public struct Figure: Equatable, Sendable {
  public var name: String
  public var median, min, max, samples: Int

  public init(name: String, median: Int, min: Int, max: Int, samples: Int) {
    self.name = name
    self.median = median
    self.min = min
    self.max = max
    self.samples = samples
  }

  /// Out of the guest's lines `figure NAME MEDIAN MIN MAX SAMPLES`.
  public static func read(_ text: String) -> [Figure] {
    text.split(whereSeparator: \.isNewline).compactMap { line in
      let words = line.split(separator: " ")
      guard words.count == 6, words[0] == "figure" else { return nil }
      let numbers = words[2...].compactMap { Int($0) }
      guard numbers.count == 4 else { return nil }
      return Figure(name: String(words[1]), median: numbers[0], min: numbers[1], max: numbers[2], samples: numbers[3])
    }
  }
}

public struct FigureReport: Sendable {
  /// What was measured on each processor, by QEMU's name of its model. Bars and goals hold for all of them.
  public var columns: [(cpu: String, figures: [Figure])]
  public init(_ columns: [(cpu: String, figures: [Figure])]) { self.columns = columns }

  /// In the order of `Peer.table`.
  public var names: [String] {
    let order = Dictionary(uniqueKeysWithValues: Peer.table.enumerated().map { ($1.name, $0) })
    return Set(columns.flatMap { $0.figures.map(\.name) }).sorted { (order[$0] ?? .max, $0) < (order[$1] ?? .max, $1) }
  }

  /// A figure on each processor; nil where there is none.
  public func figures(_ name: String) -> [Figure?] { columns.map { column in column.figures.first { $0.name == name } } }

  /// A clock that does not count instructions makes all other figures worthless.
  public var isCalibrated: Bool { figures("calibration").allSatisfy { $0 == nil || $0?.median == 2_001 } }

  /// The first processor's figures, and those of each by its name.
  public var json: [String: Any] {
    func numbers(_ figure: Figure) -> [String: Any] {
      ["median": figure.median, "min": figure.min, "max": figure.max, "samples": figure.samples]
    }
    var all: [String: Any] = [:]
    for name in names {
      let peer = Peer.named(name)
      let taken = zip(columns, figures(name)).compactMap { column, figure in figure.map { (column.cpu, numbers($0)) } }
      var entry = taken[0].1
      entry["bar"] = peer?.bar ?? NSNull() as Any
      entry["goal"] = peer?.goal ?? NSNull() as Any
      entry["peers"] = Dictionary(uniqueKeysWithValues: (peer?.others ?? []).map { ($0.name, $0.figure) })
      entry["processors"] = Dictionary(uniqueKeysWithValues: taken)
      all[name] = entry
    }
    return ["figures": all]
  }

  /// A line a figure: what we have on each processor, bar and goal, and how the others do.
  public var table: String {
    let rows = names.map { name -> [String] in
      let peer = Peer.named(name), taken = figures(name)
      let isMet = taken.allSatisfy { figure in peer?.bar.map { (figure?.median ?? 0) <= $0 } ?? true }
      let numbers = taken.flatMap { figure in figure.map { [grouped($0.median), grouped($0.min), grouped($0.max)] } ?? ["-", "", ""] }
      let others = (peer?.others ?? []).map { "\($0.name) \(grouped($0.figure))" }.joined(separator: "; ")
      return [name] + numbers + [peer?.bar.map { "\(grouped($0)) \(isMet ? "met" : "missed")" } ?? "-", peer?.goal.map(grouped) ?? "-", others]
    }
    let head = ["figure"] + columns.flatMap { ["\($0.cpu): median", "min", "max"] } + ["bar", "goal", "others"]
    return ToolKit.columns([head] + rows, left: [0, head.count - 1])
  }
}

/// 1234567 as 1,234,567.
public func grouped(_ number: Int) -> String {
  let digits = String(number.magnitude)
  var out = ""
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { out += "," }
    out.append(digit)
  }
  return (number < 0 ? "-" : "") + out
}

/// Rows as text in columns; those not in `left` are flush right.
public func columns(_ rows: [[String]], left: Set<Int>) -> String {
  let count = rows.map(\.count).max() ?? 0
  let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
  return rows.map { row in
    var line = ""
    for (column, cell) in row.enumerated() {
      let space = String(repeating: " ", count: widths[column] - cell.count)
      line += (column == 0 ? "" : "  ") + (left.contains(column) ? cell + space : space + cell)
    }
    while line.last == " " { line.removeLast() }
    return line
  }.joined(separator: "\n")
}

/// JSON with sorted keys, so that two files can be compared.
public func jsonText(_ object: [String: Any]) throws -> String {
  String(decoding: try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]), as: UTF8.self) + "\n"
}

public func writeJSON(_ object: [String: Any], to path: String) throws { try Files.write(try jsonText(object), to: path) }
