import Foundation

/// A rectangle of the picture, in its units (CSS pixels).
struct MapBox: Equatable {
  var x, y, width, height: Double
  var right: Double { x + width }
  var bottom: Double { y + height }
  func overlaps(_ other: MapBox) -> Bool { x < other.right && other.x < right && y < other.bottom && other.y < bottom }
}

/// Where everything of the picture stands. Columns of spaces, low addresses at the top, some in a row; a region's height grows with
/// the logarithm of its pages, so that one page can be read beside 65,536. Above them the bar of frames, to scale.
struct MapLayout {
  struct Column {
    var space: MemorySpace
    /// The whole column with its heading; what belongs to it stands inside.
    var box: MapBox
    /// One for each region: the block itself, and the place for its two lines of text at the right.
    var blocks, labels: [MapBox]
  }

  struct Part {
    var name, kind: String
    var frames: UInt64
    /// Its piece of the bar, and the place for its line in the legend.
    var box, legend: MapBox
  }

  private(set) var width = 0.0
  private(set) var height = 0.0
  private(set) var parts: [Part] = []
  private(set) var columns: [Column] = []

  static let margin = 24.0, columnWidth = 316.0, blockWidth = 84.0, gap = 6.0, heading = 44.0, title = 54.0, bar = 34.0, legendLine = 18.0
  static let columnsInRow = 5, legendsInLine = 3

  init(_ map: MemoryMap) {
    let across = max(4, min(map.spaces.count, Self.columnsInRow))
    width = 2 * Self.margin + Double(across) * Self.columnWidth
    placeBar(map.frames)
    let lines = (parts.count + Self.legendsInLine - 1) / Self.legendsInLine
    var top = Self.title + Self.bar + Self.gap + Double(lines) * Self.legendLine + Self.heading
    var row: [Column] = []
    for (index, space) in map.spaces.enumerated() {
      row.append(Self.column(space, x: Self.margin + Double(row.count) * Self.columnWidth, y: top))
      guard row.count == across || index == map.spaces.count - 1 else { continue }
      columns += row
      top = row.map(\.box.bottom).max()! + Self.gap * 3
      row = []
    }
    height = top + Self.margin
  }

  /// Units for a region of so many pages: two lines of text at least.
  static func height(pages: UInt64) -> Double { 26 + 5 * log2(Double(max(pages, 1))) }

  private mutating func placeBar(_ frames: FrameTotals) {
    let room = width - 2 * Self.margin
    var x = Self.margin
    let legendWidth = room / Double(Self.legendsInLine)
    for (index, part) in frames.parts.enumerated() {
      let share = room * Double(part.frames) / Double(frames.total)
      parts.append(Part(
        name: part.name, kind: part.kind, frames: part.frames, box: MapBox(x: x, y: Self.title, width: share, height: Self.bar),
        legend: MapBox(
          x: Self.margin + legendWidth * Double(index % Self.legendsInLine),
          y: Self.title + Self.bar + Self.gap + Self.legendLine * Double(index / Self.legendsInLine), width: legendWidth, height: Self.legendLine)))
      x += share
    }
  }

  private static func column(_ space: MemorySpace, x: Double, y: Double) -> Column {
    var blocks: [MapBox] = [], labels: [MapBox] = []
    var at = y + heading
    for (index, region) in space.regions.enumerated() {
      // Neighbours touch; where addresses are left out, so is a bit of the column.
      if index > 0, space.regions[index - 1].end != region.start { at += gap }
      let height = height(pages: region.pages)
      blocks.append(MapBox(x: x, y: at, width: blockWidth, height: height))
      labels.append(MapBox(x: x + blockWidth + 6, y: at, width: columnWidth - blockWidth - 18, height: height))
      at += height
    }
    return Column(space: space, box: MapBox(x: x, y: y, width: columnWidth - 12, height: at - y), blocks: blocks, labels: labels)
  }
}
