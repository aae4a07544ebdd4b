import Foundation
import Testing

@testable import ToolKit

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("Memory maps") struct MemoryPictureTests {
  static let frames = """
    == vm
    nanoseconds 12345678900
    frames-total 65536
    frames-free 60000
    frames-user 2000
    frames-tables 536
    frames-metadata 3000
    page-faults 99
    cache-pages 500
    cache-idle 300
    cache-nodes 10
    cache-files 3
    cache-hits 44
    cache-fills 55
    cache-evictions 6

    """
  static let dump = frames + """
    == process 1
    Name: in<it>
    State: S
    Time: 5 ns
    0x000000400000-0x000000410000 r-xs 0x00002000       3       1 image locked [te"xt & co]
    0x000000410000-0x000000411000 rw-p 0x00000000       1       0 anonymous
    0x7fff00000000-0x7fff00100000 rw-p 0x00000000       0       0 stack
    == service disk
               start              end prot kind          offset  pages shared name
        000000400000     000000403000 r-xp image      00002000      3      2 locked text
        000000600000     000000601000 rw-p ?          00000000      1      0
    resident 16 KiB, of it shared 8 KiB; its share of all 10 KiB
    == service echo
    vmmap: echo: No such process

    """

  static func complaint(_ text: String) -> String {
    do { return "none: \(try MapText.parse(text))" } catch { return "\(error)" }
  }

  @Test("a dump is read: frames, processes by maps, services by vmmap, and who was not there") func parse() throws {
    let map = try MapText.parse(Self.dump)
    #expect(map.spaces.map(\.title) == ["in<it> (1)", "disk", "echo"] && map.spaces.map(\.regions.count) == [3, 2, 0])
    #expect(map.spaces[0].regions[0] == MemoryRegion(
      start: 0x400000, end: 0x410000, access: "r-xs", offset: 0x2000, resident: 3, shared: 1, kind: "image", marks: ["locked"], name: "te\"xt & co"))
    #expect(map.spaces[1].regions[0] == MemoryRegion(
      start: 0x400000, end: 0x403000, access: "r-xp", offset: 0x2000, resident: 3, shared: 2, kind: "image", marks: ["locked"], name: "text"))
    #expect(map.spaces[1].resident == 4 && map.spaces[1].shared == 2)
    #expect(map.spaces.map(\.note) == [nil, nil, "echo: No such process"])
    #expect(try MapText.parse(Self.dump.replacingOccurrences(of: "\n", with: "\r\n")) == map)
  }

  @Test("the parts of the frames are all frames, each once: what the cache can give up is not free, what it cannot is the users'") func parts() throws {
    var frames = try MapText.parse(Self.frames).frames
    #expect(frames.parts.map(\.frames) == [3000, 536, 1800, 200, 310, 59690])
    // Two answers of a running system need not fit together.
    (frames.cachePages, frames.cacheIdle, frames.cacheNodes) = (.max, 70_000, .max)
    #expect(frames.parts.map(\.frames).reduce(0, +) == frames.total)
    (frames.cachePages, frames.cacheIdle, frames.cacheNodes) = (5, 7, 0)
    #expect(frames.parts.map(\.frames).reduce(0, +) == frames.total)
  }

  @Test("what is no dump is refused, with its line", arguments: [
    ("hello", "line 1 of the dump: a dump begins"),
    ("== vm\nframes-total many", "line 2 of the dump: /proc/vm has lines of a name and a number"),
    ("== vm\na 1\n\na 2", "line 4 of the dump: 'a' stands here a second time"),
    ("== vm\na 1\n== vm", "line 3 of the dump: the frames stand here a second time"),
    ("== process x", "line 1 of the dump: 'x' is no process id"),
    ("== news today", "line 1 of the dump: there is no part 'news today'"),
    ("== process 1\nwhat", "line 2 of the dump: 'what' begins neither"),
    ("== process 1\n0x1000-0x2000 rw-p 0x0 0", "line 2 of the dump: a region has at least six words, this line 4"),
    ("== process 1\n0x1000 rw-p 0x0 0 0 heap", "line 2 of the dump: '0x1000' is no range"),
    ("== process 1\n0x1000-0x20z0 rw-p 0x0 0 0 heap", "line 2 of the dump: '0x20z0' is no hexadecimal number"),
    ("== process 1\n0x1000-0x2000 rw-p 0x0 -1 0 heap", "line 2 of the dump: '-1' is no number of pages"),
    ("== process 1\n0x1000-0x1000 rw-p 0x0 0 0 heap", "line 2 of the dump: a region is whole pages"),
    ("== process 1\n0x1000-0x2000 rw 0x0 0 0 heap", "line 2 of the dump: 'rw' is no access"),
    ("== process 1\n0x1000-0x2000 rw-p 0x0 2 0 heap", "line 2 of the dump: 2 pages are present in a region of 1"),
    ("== process 1\n0x1000-0x3000 rw-p 0x0 1 2 heap", "line 2 of the dump: 2 of 1 pages are shared"),
    ("== process 1\n0x1000-0x3000 rw-p 0x0 1 1 heap\n0x2000-0x4000 rw-p 0x0 1 1 heap", "line 3 of the dump: regions stand in the order"),
    ("== service x\n1000 2000 rw-p heap 0 0", "line 2 of the dump: a region has at least seven words, this line 6"),
    ("== process 1", "the dump has no line 'frames-total' of /proc/vm"),
  ]) func refused(text: String, start: String) {
    #expect(Self.complaint(text).hasPrefix(start), "\(Self.complaint(text))")
  }

  @Test("frames that do not add up are refused") func sums() {
    #expect(Self.complaint(Self.frames.replacingOccurrences(of: "free 60000", with: "free 60001")).hasPrefix("free, user, tables and metadata are 65537 frames"))
    #expect(Self.complaint(Self.frames.replacingOccurrences(of: "free 60000", with: "free \(UInt64.max)")).contains("more than there can be"))
    let nothing = Self.frames.replacingOccurrences(of: #"(frames-\w+) \d+"#, with: "$1 0", options: .regularExpression)
    #expect(Self.complaint(nothing).hasPrefix("free, user, tables and metadata are 0 frames"))
  }

  @Test("300 random maps: nothing overlaps, all is on the page, each region has its block") func layout() throws {
    let seed = UInt64.random(in: 1...UInt64.max)
    var state = seed
    func next(_ bound: UInt64) -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state % bound
    }
    let frames = try MapText.parse(Self.frames).frames
    for _ in 0..<300 {
      var map = MemoryMap(frames: frames, spaces: [])
      for _ in 0..<next(14) {
        var space = MemorySpace(name: "s", process: nil, regions: [])
        var at = next(1 << 20) << 12
        for _ in 0..<(next(20) == 0 ? next(500) : next(40)) {
          let pages = 1 + next(1 << next(28))
          space.regions.append(MemoryRegion(start: at, end: at + pages << 12, access: "rw-p", offset: 0, resident: 0, shared: 0, kind: "heap", marks: [], name: ""))
          at += (pages + (next(2) == 0 ? 0 : next(1000))) << 12
        }
        map.spaces.append(space)
      }
      let layout = MapLayout(map)
      let page = MapBox(x: 0, y: 0, width: layout.width, height: layout.height)
      // Long spaces go on in the next column.
      try #require(layout.columns.filter { $0.part == 0 }.map(\.space) == map.spaces, "seed \(seed)")
      for space in map.spaces {
        let parts = MapLayout.divided(space.regions.count)
        try #require(parts.flatMap { Array($0) } == Array(space.regions.indices) && parts.allSatisfy { $0.count <= 40 }, "seed \(seed)")
      }
      var boxes = layout.parts.map(\.legend) + layout.kinds.map(\.box) + layout.states + layout.columns.map(\.box) + [layout.parts.reduce(layout.parts[0].box) { whole, part in
        MapBox(x: whole.x, y: whole.y, width: part.box.right - whole.x, height: whole.height)
      }]
      try #require(Self.isApart(boxes, within: page), "seed \(seed)")
      for column in layout.columns {
        try #require(column.blocks.count == column.regions.count && column.labels.count == column.blocks.count, "seed \(seed)")
        boxes = column.blocks + column.labels
        try #require(Self.isApart(boxes, within: column.box), "seed \(seed)")
      }
    }
  }

  /// No two overlap and all are inside, but for what rounding does.
  static func isApart(_ boxes: [MapBox], within page: MapBox) -> Bool {
    for (index, box) in boxes.enumerated() {
      if box.x < page.x - 0.001 || box.y < page.y - 0.001 || box.right > page.right + 0.001 || box.bottom > page.bottom + 0.001 { return false }
      let inner = MapBox(x: box.x + 0.001, y: box.y + 0.001, width: box.width - 0.002, height: box.height - 0.002)
      if boxes[(index + 1)...].contains(where: inner.overlaps) { return false }
    }
    return true
  }

  @Test("the bar is to scale, and a larger region is a larger block") func scale() throws {
    let layout = MapLayout(try MapText.parse(Self.dump))
    #expect(abs(layout.parts.last!.box.width / layout.parts[0].box.width - 59690.0 / 3000) < 0.001)
    let blocks = layout.columns[0].blocks
    #expect(blocks[2].height > blocks[0].height && blocks[0].height > blocks[1].height && blocks[1].height >= 26)
    // Neighbours touch, others do not.
    #expect(blocks[0].bottom == blocks[1].y && blocks[1].bottom < blocks[2].y)
  }

  @Test("the picture is well-formed and stands alone, whatever the names are") func picture() throws {
    let svg = MapPicture(try MapText.parse(Self.dump), title: "a <b> & \"c\"\u{1B}").svg
    #expect(XMLParser(data: Data(svg.utf8)).parse())
    for outside in ["<script", "src=", "href=", "@import", "url(http", "onload"] { #expect(!svg.contains(outside)) }
    for text in [
      "in&lt;it&gt; (1)", "te&quot;xt &amp; co", "a &lt;b&gt; &amp;", "400000-410000 r-xs image [te&quot;xt &amp; co], locked: 3 of 16 pages present, 1 shared",
      "echo: No such process", "256 MiB in frames of 4 KiB, 12.346 s after power-on; page cache: 3 files, 44 hits, 55 fills, 6 evictions", "free: 233.2 MiB, 91.1 %",
    ] { #expect(svg.contains(text), "\(text)") }
    // Itself, six parts of the frames, five regions.
    #expect(svg.components(separatedBy: "<title>").count == 1 + 12)
    // Of 16 pages 3 are filled and 1 is hatched; of no pages neither.
    #expect(svg.contains("width=\"15.75\" height=\"46\" fill=\"#8a6bb8\"") && svg.contains("width=\"5.25\" height=\"46\" fill=\"url(#shared)\""))
    // And once in the legend.
    #expect(svg.components(separatedBy: "url(#shared)").count == 1 + 3)
    // A long title is cut where it would leave the page.
    let long = MapPicture(try MapText.parse(Self.dump), title: String(repeating: "long ", count: 50)).svg
    #expect(long.contains(">" + String(repeating: "long ", count: 19) + "long\u{2026}</text>"))
    #expect(MapPicture(try MapText.parse(Self.dump), title: "t").svg == MapPicture(try MapText.parse(Self.dump), title: "t").svg)
  }

  @Test("the lines that ask a system, and what it says back") func script() throws {
    let subjects = try ["7", "shell", "disk"].map { try #require(MapRun.Subject($0)) }
    #expect(subjects == [.process(7), .shell, .service("disk")])
    for word in ["0", "-1", "vm", "echo", "init", "", "disk; ls"] { #expect(MapRun.Subject(word) == nil, "\(word)") }
    #expect(MapRun.script("ls", subjects).split(separator: "\n").map(String.init) == [
      "ls", "echo '== apus vmmap'; echo '== vm'; cat /proc/vm", "echo '== process 7'; cat /proc/7/status /proc/7/maps",
      "echo == process $$; cat /proc/$$/status /proc/$$/maps", "echo '== service disk'; vmmap disk", "echo '== apus vmmap ends'",
    ])
    let said = "Apus\r\n== apus vmmap\r\nnot this\r\n== apus vmmap\r\n== vm\r\na 1\r\n== apus vmmap ends\r\n"
    #expect(MapRun.divide(said).dump == "== vm\na 1\n" && MapRun.divide(said).output == "Apus\n== apus vmmap\nnot this\n")
    #expect(MapRun.divide("Apus\n== apus vmmap\n").dump == nil)
  }
}
