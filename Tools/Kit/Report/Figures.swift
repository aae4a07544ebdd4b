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
  public var figures: [Figure]
  public init(_ figures: [Figure]) { self.figures = figures }

  /// A clock that does not count instructions makes all other figures worthless.
  public var isCalibrated: Bool { figures.first { $0.name == "calibration" }.map { $0.median == 2_001 } ?? true }

  public var json: [String: Any] {
    var all: [String: Any] = [:]
    for figure in figures {
      let peer = Peer.named(figure.name)
      let others = Dictionary(uniqueKeysWithValues: (peer?.others ?? []).map { ($0.name, $0.figure) })
      all[figure.name] = [
        "median": figure.median, "min": figure.min, "max": figure.max, "samples": figure.samples,
        "bar": peer?.bar ?? NSNull() as Any, "goal": peer?.goal ?? NSNull() as Any, "peers": others,
      ] as [String: Any]
    }
    return ["figures": all]
  }

  /// A line a figure: what we have, bar and goal, and how the others do.
  public var table: String {
    let rows = figures.map { figure -> [String] in
      let peer = Peer.named(figure.name)
      let bar = peer?.bar.map { "\(grouped($0)) \(figure.median <= $0 ? "met" : "missed")" } ?? "-"
      let others = (peer?.others ?? []).map { "\($0.name) \(grouped($0.figure))" }.joined(separator: "; ")
      return [figure.name, grouped(figure.median), grouped(figure.min), grouped(figure.max), "\(figure.samples)", bar, peer?.goal.map(grouped) ?? "-", others]
    }
    return columns([["figure", "median", "min", "max", "samples", "bar", "goal", "others"]] + rows, left: [0, 7])
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
