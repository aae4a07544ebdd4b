/// Reads a dump. It is text from outside: every number is checked, and a complaint names the line.
public struct MapText {
  private var map = MemoryMap(
    frames: FrameTotals(total: 0, free: 0, user: 0, tables: 0, metadata: 0, cachePages: 0, cacheIdle: 0, cacheNodes: 0, values: [:]), spaces: [])
  private var part = Part.none
  private var line = 0

  private enum Part { case none, frames, process, service }

  /// - Throws: `Failure`, one sentence with the number of the line, counted from 1.
  public static func parse(_ text: String) throws -> MemoryMap {
    var reader = MapText()
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      reader.line += 1
      let words = line.split(separator: " ").map(String.init)
      if !words.isEmpty { try reader.read(words) }
    }
    return try reader.finish()
  }

  private mutating func read(_ words: [String]) throws {
    if words[0] == "==" { return try begin(Array(words.dropFirst())) }
    if (part == .process && words[0] == "cat:") || (part == .service && words[0] == "vmmap:") {
      map.spaces[map.spaces.count - 1].note = words.dropFirst().joined(separator: " ")
      return
    }
    switch part {
    case .none: throw complaint("a dump begins with a line '== vm', '== process ID' or '== service NAME'")
    case .frames:
      guard words.count == 2, let value = UInt64(words[1]) else { throw complaint("/proc/vm has lines of a name and a number") }
      guard map.frames.values.updateValue(value, forKey: words[0]) == nil else { throw complaint("'\(words[0])' stands here a second time") }
    case .process:
      // First the status, whose other lines are not for the picture, then the maps.
      if words[0].hasPrefix("0x") { return try append(mapsLine(words)) }
      guard words[0].hasSuffix(":") else { throw complaint("'\(words[0])' begins neither a region nor a line of the status") }
      if words[0] == "Name:" { map.spaces[map.spaces.count - 1].name = words.dropFirst().joined(separator: " ") }
    case .service:
      if words[0] == "start" || words[0] == "resident" { return }
      try append(vmmapLine(words))
    }
  }

  private mutating func begin(_ words: [String]) throws {
    switch (words.first, words.count) {
    case ("vm", 1):
      guard map.frames.values.isEmpty else { throw complaint("the frames stand here a second time") }
      part = .frames
    case ("process", 2):
      guard let id = Int(words[1]), id > 0 else { throw complaint("'\(words[1])' is no process id") }
      part = .process
      map.spaces.append(MemorySpace(name: "process", process: id, regions: []))
    case ("service", 2):
      part = .service
      map.spaces.append(MemorySpace(name: words[1], process: nil, regions: []))
    default: throw complaint("there is no part '\(words.joined(separator: " "))'")
    }
  }

  /// `0xSTART-0xEND rwxp 0xOFFSET RESIDENT SHARED KIND [MARK...] [[NAME]]`.
  private func mapsLine(_ words: [String]) throws -> MemoryRegion {
    guard words.count >= 6 else { throw complaint("a region has at least six words, this line \(words.count)") }
    let range = words[0].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
    guard range.count == 2 else { throw complaint("'\(words[0])' is no range of addresses") }
    var region = MemoryRegion(
      start: try hex(range[0]), end: try hex(range[1]), access: words[1], offset: try hex(words[2]), resident: try number(words[3]),
      shared: try number(words[4]), kind: words[5], marks: [], name: "")
    var rest = Array(words.dropFirst(6))
    if let first = rest.firstIndex(where: { $0.hasPrefix("[") }), rest.last!.hasSuffix("]") {
      region.name = String(rest[first...].joined(separator: " ").dropFirst().dropLast())
      rest.removeSubrange(first...)
    }
    region.marks = rest
    return region
  }

  /// `START END rwxp KIND OFFSET RESIDENT SHARED [MARK...] [NAME]`.
  private func vmmapLine(_ words: [String]) throws -> MemoryRegion {
    guard words.count >= 7 else { throw complaint("a region has at least seven words, this line \(words.count)") }
    let rest = words.dropFirst(7)
    let marks = rest.prefix { ["locked", "immutable", "sequential", "random"].contains($0) }
    return MemoryRegion(
      start: try hex(words[0]), end: try hex(words[1]), access: words[2], offset: try hex(words[4]), resident: try number(words[5]),
      shared: try number(words[6]), kind: words[3], marks: Array(marks), name: rest.dropFirst(marks.count).joined(separator: " "))
  }

  private mutating func append(_ region: MemoryRegion) throws {
    guard region.start < region.end, region.start & 4095 == 0, region.end & 4095 == 0 else { throw complaint("a region is whole pages, at least one") }
    guard region.access.count == 4 else { throw complaint("'\(region.access)' is no access such as 'rw-p'") }
    guard region.resident <= region.pages else { throw complaint("\(region.resident) pages are present in a region of \(region.pages)") }
    guard region.shared <= region.resident else { throw complaint("\(region.shared) of \(region.resident) pages are shared") }
    let last = map.spaces.count - 1
    if let before = map.spaces[last].regions.last, before.end > region.start { throw complaint("regions stand in the order of addresses and do not overlap") }
    map.spaces[last].regions.append(region)
  }

  private consuming func finish() throws -> MemoryMap {
    func value(_ name: String) throws -> UInt64 {
      guard let value = map.frames.values[name] else { throw Failure("the dump has no line '\(name)' of /proc/vm") }
      return value
    }
    var frames = map.frames
    (frames.total, frames.free, frames.user) = (try value("frames-total"), try value("frames-free"), try value("frames-user"))
    (frames.tables, frames.metadata) = (try value("frames-tables"), try value("frames-metadata"))
    (frames.cachePages, frames.cacheIdle, frames.cacheNodes) = (try value("cache-pages"), try value("cache-idle"), try value("cache-nodes"))
    var sum: UInt64 = 0
    for part in [frames.free, frames.user, frames.tables, frames.metadata] {
      let (next, overflow) = sum.addingReportingOverflow(part)
      guard !overflow else { throw Failure("the frames of /proc/vm are more than there can be") }
      sum = next
    }
    guard sum == frames.total, sum > 0 else { throw Failure("free, user, tables and metadata are \(sum) frames, frames-total says \(frames.total)") }
    return MemoryMap(frames: frames, spaces: map.spaces)
  }

  private func hex(_ text: String) throws -> UInt64 {
    guard let value = UInt64(text.hasPrefix("0x") ? String(text.dropFirst(2)) : text, radix: 16) else {
      throw complaint("'\(text)' is no hexadecimal number")
    }
    return value
  }

  private func number(_ text: String) throws -> UInt64 {
    guard let value = UInt64(text) else { throw complaint("'\(text)' is no number of pages") }
    return value
  }

  private func complaint(_ what: String) -> Failure { Failure("line \(line) of the dump: \(what)") }
}
