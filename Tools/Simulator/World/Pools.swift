import Script

/// X3 on the whole system: the same script of hogs, forks, files and a dying disk driver with memories of many sizes, from the least that
/// boots upwards. With little memory processes are killed and calls fail; what must hold with every size is in `complaints`.
public struct Pools {
  let image: [UInt8]
  /// The run with more memory than the script wants.
  public let reference: Outcome
  /// Frames of the smallest memory in which the system boots, plays nothing and ends well.
  public let least: Int

  /// Frames from the least memory to one that is enough for nearly all.
  public static var range: Int { 1200 }

  public init(disk image: [UInt8]) {
    self.image = image
    reference = World(Self.scenario(frames: 6144, Self.script), disk: image).run()
    var (low, high) = (720, 6144)
    while low < high {
      let middle = (low + high) / 2
      let outcome = World(Self.scenario(frames: middle, "exit 0\n"), disk: image).run()
      if outcome.ending == .shutdown(0), outcome.leaks.isEmpty { high = middle } else { low = middle + 1 }
    }
    least = high
  }

  static func scenario(frames: Int, _ text: String) -> Scenario {
    var scenario = Scenario(text: Array(text.utf8))
    scenario.frames = frames
    scenario.seed = UInt64(frames)
    return scenario
  }

  /// `count` sizes, evenly over the range.
  public func sizes(_ count: Int) -> [Int] { (0..<count).map { least + $0 * Self.range / max(count, 1) } }

  public func run(frames: Int) -> Outcome { World(Self.scenario(frames: frames, Self.script), disk: image).run() }

  /// The first process, which takes little, comes to its end; nothing leaks, nobody waits for ever, no service dies but the driver that the
  /// script kills; and whatever bytes a process reads are those that it reads when there is memory for all.
  public func complaints(_ outcome: Outcome) -> [String] {
    var all: [String] = []
    if outcome.ending != .shutdown(0) { all.append("end: \(outcome.ending)") }
    if outcome.contradictions > 0 { all.append("\(outcome.contradictions) lines of history contradict each other") }
    all += outcome.leaks.map { "leak: \($0)" } + outcome.unanswered.map { "unanswered: \($0)" }
    if let broken = outcome.broken { all.append("kernel: \(broken)") }
    for slot in outcome.restarts.indices where outcome.restarts[slot] != reference.restarts[slot] {
      all.append("\(ServiceName.text(slot)) was restarted \(outcome.restarts[slot]) times")
    }
    let right = Dictionary(uniqueKeysWithValues: Self.contents(reference))
    for (place, words) in Self.contents(outcome) where words[1].first != "-" && right[place] != words {
      all.append("bytes: '\(place) \(words.joined(separator: " "))' should be '\(right[place]?.joined(separator: " ") ?? "not there")'")
    }
    return all
  }

  /// Lines of a history that tell of contents, by process and number.
  private static func contents(_ outcome: Outcome) -> [(String, [String])] {
    String(decoding: outcome.history, as: UTF8.self).split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ").map(String.init)
      return words.count > 3 && ["sum", "read"].contains(words[2]) ? ("\(words[0]) \(words[1])", Array(words[2...])) : nil
    }
  }

  /// How many processes were killed for memory.
  public static func kills(_ outcome: Outcome) -> Int {
    String(decoding: outcome.log, as: UTF8.self).split(separator: "\n").count { $0.hasPrefix("VM: out of memory") }
  }

  public static var script: String {
    let touches = { (region: Int, pages: Int) in (0..<pages).map { "touch m\(region) \($0) \($0)\n" }.joined() }
    return """
      open f0 1 create
      write f0 60000 7
      fsync f0
      seek f0 0
      read f0 100000
      map m0 8
      \(touches(0, 8))sum m0
      fork c0 hog
      fork c1 hog
      fork c2 small
      fork c3 hog
      fork c4 hog
      kill disk
      wait c0
      wait c1
      wait c2
      wait c3
      wait c4
      recover disk 1
      sum m0
      seek f0 0
      read f0 100000
      open f1 2 create
      write f1 30000 9
      fsync f1
      close f1
      unlink 2
      fork c5 hog
      wait c5
      sum m0
      close f0
      unlink 1
      unmap m0
      exit 0
      :small
      touch m0 3 7
      sum m0
      open f2 1
      read f2 100000
      close f2
      sum m0
      exit 4
      :hog
      map m1 250
      \(touches(1, 250))sum m1
      exit 5

      """
  }
}
