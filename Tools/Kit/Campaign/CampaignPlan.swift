import BootImage

/// Which runs a campaign makes.
public struct CampaignPlan: Sendable {
  /// A run before it is made.
  public struct Item: Equatable, Sendable {
    public var workload: Workload
    public var seed: UInt64
    public var faults: [CampaignFault]
    public init(workload: Workload, seed: UInt64, faults: [CampaignFault]) {
      self.workload = workload
      self.seed = seed
      self.faults = faults
    }
  }

  /// Services by what the boot table says of them.
  public static func services(vital: Bool) -> [String] {
    (0..<BootTable.count).map(BootTable.entry).filter { $0.kind != .process && ($0.policy == .vital) == vital }.map { "\($0.name)" }
  }

  /// Every message of every workload as a crash point of every driver, killed before, after and during. The start and the end of
  /// the system are the same in all workloads and belong to the first. In an order in which any beginning of it is spread over all.
  /// - Parameter references: outcomes of the workloads without faults, with their points.
  public static func exhaustive(_ workloads: [Workload], references: [CampaignOutcome]) -> [Item] {
    var items: [Item] = []
    for (index, (workload, reference)) in zip(workloads, references).enumerated() {
      let points = reference.points ?? []
      let first = index == 0 ? 0 : points.firstIndex { $0.from.hasPrefix("process.") } ?? 0
      let last = index == 0 ? points.count : (points.lastIndex { $0.from.hasPrefix("process.") } ?? points.count - 1) + 1
      guard first < last else { continue }
      // A service that takes no part need not be killed in its sleep at every step.
      let busy = Set(points[first..<last].flatMap { [$0.from, $0.to] })
      for point in points[first..<last] {
        for service in services(vital: false) where busy.contains(service) {
          for kind in [CampaignFault.Kind.killBefore, .killAfter, .killDuring] {
            items.append(Item(workload: workload, seed: 1, faults: [CampaignFault(kind, at: point.index, service: service)]))
          }
        }
      }
    }
    return spread(items)
  }

  /// The same elements; each prefix is spread evenly over them.
  static func spread<T>(_ items: [T]) -> [T] {
    guard items.count > 2 else { return items }
    var step = Int(Double(items.count) * 0.6180339887) | 1
    while divisor(step, items.count) != 1 { step += 2 }
    return (0..<items.count).map { items[$0 * step % items.count] }
  }

  private static func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }

  /// Those of shard `index` of `count`, counted from 1.
  public static func shard<T>(_ items: [T], _ index: Int, of count: Int) -> [T] {
    items.enumerated().filter { $0.offset % count == index - 1 }.map(\.element)
  }
}

/// Numbers from a seed: the same on every machine (SplitMix64).
public struct CampaignRandom: Sendable {
  private var state: UInt64
  public init(seed: UInt64) { state = seed }
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
  public mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(1, limit))) }
  public mutating func pick<T>(_ items: [T]) -> T { items[below(items.count)] }
}

extension CampaignPlan {
  /// A random workload, schedule and one to three faults: of every kind, in every service.
  /// - Parameter reference: the workload without faults, with its points: they tell whose message it is, more or less, for other
  ///   schedules number them otherwise.
  public static func random(_ random: inout CampaignRandom, workload: Workload, reference: CampaignOutcome) -> Item {
    var faults: [CampaignFault] = []
    let drivers = services(vital: false), vital = services(vital: true)
    func sender(_ at: UInt64) -> String {
      let name = reference.points?.first { $0.index == at }?.from ?? "process"
      return name.hasPrefix("process.") ? "process" : name
    }
    for _ in 0..<[1, 1, 2, 3][random.below(4)] {
      let at = 1 + UInt64(random.below(Int(reference.messages)))
      switch random.below(12) {
      case 0...4:
        faults.append(CampaignFault(random.pick([.killBefore, .killAfter, .killDuring]), at: at, service: random.pick(drivers)))
      case 5...6: faults.append(CampaignFault(.harm, at: at, service: random.pick(drivers), amount: 1 + UInt64(random.below(5))))
      case 7: faults.append(CampaignFault(random.pick([.killBefore, .killAfter, .killDuring]), at: at, service: random.pick(vital)))
      case 8: faults.append(CampaignFault(.refuse, at: at, service: sender(at)))
      case 9: faults.append(CampaignFault(.delay, at: at, service: sender(at), amount: UInt64(1 + random.below(3_000_000))))
      case 10: faults.append(CampaignFault(.exhaust, at: at, service: "vm"))
      default: faults.append(CampaignFault(.writeError, at: 1 + UInt64(random.below(Int(max(1, reference.writes)))), service: "disk"))
      }
    }
    return Item(workload: workload, seed: random.next() >> 16, faults: faults)
  }
}
