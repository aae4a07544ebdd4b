import Foundation

/// A rectangle of the picture, in its units (CSS pixels).
struct MapBox: Equatable {
  var x, y, width, height: Double
  var right: Double { x + width }
  var bottom: Double { y + height }
  func overlaps(_ other: MapBox) -> Bool { x < other.right && other.x < right && y < other.bottom && other.y < bottom }
}

/// Where everything of the picture stands. Columns of spaces, low addresses at the top, each where there is room first; a region's
/// height grows with the logarithm of its pages, so that one page can be read beside 65,536. Above them the bar of frames, to scale.
struct MapLayout {
  /// A space, or a part of one that has many regions.
  struct Column {
    var space: MemorySpace
    /// Of the space's regions, those in this column; which part it is, and of how many.
    var regions: Range<Int>
    var part, parts: Int
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
  /// The kinds of regions that there are, and where each is explained; then what filling and hatching mean.
  private(set) var kinds: [(kind: String, box: MapBox)] = []
  private(set) var states: [MapBox] = []

  static let margin = 24.0, columnWidth = 316.0, blockWidth = 84.0, gap = 6.0, heading = 44.0, title = 54.0, bar = 34.0, legendLine = 18.0
  static let columnsInRow = 5, legendsInLine = 3, regionsInColumn = 40, kindWidth = 92.0, stateWidth = 168.0, stateCount = 3

  init(_ map: MemoryMap) {
    let across = max(4, min(map.spaces.count, Self.columnsInRow))
    width = 2 * Self.margin + Double(across) * Self.columnWidth
    placeBar(map.frames)
    let lines = (parts.count + Self.legendsInLine - 1) / Self.legendsInLine
    var top = Self.title + Self.bar + Self.gap + Double(lines) * Self.legendLine + Self.gap
    top = placeKinds(map, y: top) + Self.heading / 2
    var tops = Array(repeating: top, count: across)
    for space in map.spaces {
      for (index, regions) in Self.divided(space.regions.count).enumerated() {
        let place = tops.indices.min { tops[$0] < tops[$1] }!
        let column = Self.column(
          space, regions, part: index, of: Self.divided(space.regions.count).count, x: Self.margin + Double(place) * Self.columnWidth, y: tops[place])
        columns.append(column)
        tops[place] = column.box.bottom + Self.gap * 3
      }
    }
    height = tops.max()! + Self.margin
  }

  /// Parts of about the same length; one of no regions is a part as well.
  static func divided(_ count: Int) -> [Range<Int>] {
    let parts = max(1, (count + regionsInColumn - 1) / regionsInColumn)
    return (0..<parts).map { count * $0 / parts..<count * ($0 + 1) / parts }
  }

  /// The end of the last line.
  private mutating func placeKinds(_ map: MemoryMap, y: Double) -> Double {
    var seen: Set<String> = []
    var (x, y) = (Self.margin, y)
    func box(_ size: Double) -> MapBox {
      if x + size > width - Self.margin { (x, y) = (Self.margin, y + Self.legendLine) }
      defer { x += size }
      return MapBox(x: x, y: y, width: size, height: Self.legendLine)
    }
    for space in map.spaces {
      for region in space.regions where seen.insert(region.kind).inserted { kinds.append((region.kind, box(Self.kindWidth))) }
    }
    for _ in 0..<Self.stateCount { states.append(box(Self.stateWidth)) }
    return y + Self.legendLine
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

  private static func column(_ space: MemorySpace, _ regions: Range<Int>, part: Int, of parts: Int, x: Double, y: Double) -> Column {
    var blocks: [MapBox] = [], labels: [MapBox] = []
    var at = y + heading
    for index in regions {
      let region = space.regions[index]
      // Neighbours touch; where addresses are left out, so is a bit of the column.
      if index > regions.lowerBound, space.regions[index - 1].end != region.start { at += gap }
      let height = height(pages: region.pages)
      blocks.append(MapBox(x: x, y: at, width: blockWidth, height: height))
      labels.append(MapBox(x: x + blockWidth + 6, y: at, width: columnWidth - blockWidth - 18, height: height))
      at += height
    }
    return Column(
      space: space, regions: regions, part: part, parts: parts, box: MapBox(x: x, y: y, width: columnWidth - 12, height: at - y), blocks: blocks, labels: labels)
  }
}
