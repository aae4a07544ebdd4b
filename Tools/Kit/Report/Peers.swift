/// The figures of others and our own aims, in guest instructions: QEMU 7.2, `-accel tcg -icount shift=0,sleep=off
/// -cpu max`, one TSC tick an instruction. "Linux" is Debian 12's 6.1 with `-cpu max,-erms`, since ERMS makes
/// QEMU count every byte that is moved; seL4 is 16.0.0-dev with its fast path on; xv6 is the 32-bit x86 one.
public struct Peer: Sendable {
  public var name: String
  public var what: String
  public var others: [(name: String, figure: Int)]
  /// What must be reached; nil: only reported.
  public var bar: Int?
  /// What we are after.
  public var goal: Int?

  public static let table: [Peer] = [
    Peer("calibration", "a loop of 2,001 instructions", [:], bar: 2_001, goal: 2_001),
    Peer("null-call", "kernel call that does nothing", ["seL4": 89, "Linux": 323], bar: 100, goal: 50),
    Peer("ipc-roundtrip", "sendRec and replyReceive, 56 bytes, two spaces", ["seL4, 0 words": 415, "seL4, 8 words": 1_621], bar: 200, goal: 130),
    Peer("ipc-roundtrip-sysenter", "the same by SYSENTER", [:], bar: nil, goal: 140),
    Peer("ipc-roundtrip-int", "the same by int", [:], bar: nil, goal: 160),
    Peer("ipc-slowpath", "the same with the fast path off", ["seL4": 1_591], bar: 900, goal: 500),
    Peer("notify-wake", "notify until the waiting server runs", ["seL4": 538], bar: 400, goal: 200),
    Peer("fault-to-server", "fault to VM and back, page already there", ["seL4": 1_257], bar: 800, goal: 400),
    Peer("demand-zero", "fault and zeroed page, one page a fault", ["Linux": 3_145, "seL4 pager": 5_812, "userfaultfd": 14_018], bar: 2_500, goal: 1_200),
    Peer("demand-zero-around", "per page, sequential, with fault-around", ["Linux, huge pages": 879], bar: 1_200, goal: 700),
    Peer("cow-fault", "write to a page shared since fork", ["Linux": 4_317, "Linux at best": 3_778], bar: 3_700, goal: 2_000),
    Peer("mmap-munmap", "one page", ["seL4, no policy": 1_350, "Linux": 9_936], bar: 3_000, goal: 1_500),
    Peer("munmap-split", "the middle page of three", ["Linux": 18_051], bar: 5_000, goal: 2_500),
    Peer("mprotect-split", "split and rejoin, mean", ["Linux": 8_860], bar: 4_000, goal: 2_000),
    Peer("pipe-roundtrip", "1 byte through VFS", ["Linux": 10_159], bar: 8_000, goal: 3_000),
    Peer("fork-exit-wait", "small process", ["Linux": 89_580], bar: 60_000, goal: 20_000),
    Peer("fork-exec-wait", "tiny program", ["Linux": 183_295], bar: 105_000, goal: 50_000),
    Peer("fork-1MiB", "fork alone, 4 KiB pages touched", [:], bar: nil, goal: 50_000),
    // The bar of this one is twice the figure of the one before.
    Peer("fork-256MiB", "fork alone, 4 KiB pages touched", ["Linux": 7_864_266], bar: nil, goal: 50_000),
    // One touched page a region; each in thousands of regions at most three times what it is in a hundred.
    Peer("scale-mmap-100", "mmap of one page, 100 regions", [:], bar: nil, goal: nil),
    Peer("scale-mmap-65536", "mmap of one page, 65,536 regions", [:], bar: nil, goal: nil),
    Peer("scale-fault-100", "its first write, 100 regions", [:], bar: nil, goal: nil),
    Peer("scale-fault-65536", "its first write, 65,536 regions", [:], bar: nil, goal: nil),
    Peer("scale-mprotect-100", "mprotect of one page, 100 regions", [:], bar: nil, goal: nil),
    Peer("scale-mprotect-65536", "mprotect of one page, 65,536 regions", [:], bar: nil, goal: nil),
    Peer("scale-munmap-100", "munmap of one page, 100 regions", [:], bar: nil, goal: nil),
    Peer("scale-munmap-65536", "munmap of one page, 65,536 regions", [:], bar: nil, goal: nil),
    Peer("scale-fork-100", "fork, for each region, 100 regions", [:], bar: nil, goal: nil),
    Peer("scale-fork-65536", "fork, for each region, 65,536 regions", [:], bar: nil, goal: nil),
    Peer("lend-64KiB", "lend, borrow pinned, add up, give back, end", [:], bar: nil, goal: nil),
    Peer("lend-64KiB-again", "add up what was lent before", [:], bar: nil, goal: nil),
    Peer("read-per-KiB", "1 MiB read from a cached file", ["Linux": 252], bar: 300, goal: 150),
    Peer("boot-to-shell", "power-on to the first prompt (peers: to the first user instruction)",
      ["xv6": 71_193_950, "seL4": 210_725_738, "Linux": 1_612_417_975], bar: 150_000_000, goal: 50_000_000),
  ]

  public static func named(_ name: String) -> Peer? { table.first { $0.name == name } }

  /// `scale` stands for all figures that begin so: the guest takes them together.
  public static let scale = "scale"
  public static var ofScale: [String] { table.map(\.name).filter { $0.hasPrefix(scale + "-") } }

  private init(_ name: String, _ what: String, _ others: KeyValuePairs<String, Int>, bar: Int?, goal: Int?) {
    self.name = name
    self.what = what
    self.others = others.map { ($0.key, $0.value) }
    self.bar = bar
    self.goal = goal
  }
}
