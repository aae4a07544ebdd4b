/// Runs the guest program `bench` where one TSC tick is one instruction.
public struct Bench {
  let image: Image
  public init(_ image: Image) { self.image = image }

  /// Told by the tty driver when the shell reads for the first time.
  static let boot = "boot-to-shell"

  /// The round trip on kernels told to take another way, by a word on their command line. QEMU has SYSENTER in 64-bit mode
  /// only in Intel's models, of which `max` is none.
  static let variants: [(name: String, word: String, cpu: String?)] = [
    ("ipc-slowpath", "fastpath=off", nil), ("ipc-roundtrip-int", "ipc=int", nil), ("ipc-roundtrip-sysenter", "ipc=sysenter", intel),
  ]
  static let intel = "Skylake-Client-v1"
  private static let roundTrip = "ipc-roundtrip"

  /// What no program can measure: taken by the probe (`Tests/InSystem/Probe`) alone with the kernel, in VM's place.
  static let probed = ["notify-wake", "fault-to-server"]

  /// The figures asked for, all if `names` is empty; without those that the guest did not give.
  public func run(_ names: [String], cpu: String, seconds: Int) throws -> FigureReport {
    try Files.makeDirectory(image.project.logs)
    var figures: [Figure] = []
    let inside = names.filter { name in name != Self.boot && !Self.probed.contains(name) && !Self.variants.contains { $0.name == name } }
    if names.isEmpty || !inside.isEmpty { figures += try measure(inside, cpu: cpu, seconds: seconds) }
    for (name, word, special) in Self.variants where names.isEmpty || names.contains(name) {
      let taken = try measure([Self.roundTrip], cpu: special ?? cpu, seconds: seconds, words: [word])
      figures += taken.filter { $0.name == Self.roundTrip }.map { figure in
        var figure = figure
        figure.name = name
        return figure
      }
    }
    if names.isEmpty || names.contains(where: Self.probed.contains) {
      figures += try probe(cpu: cpu, seconds: seconds).filter { Self.probed.contains($0.name) && (names.isEmpty || names.contains($0.name)) }
    }
    if names.isEmpty || names.contains(Self.boot) { figures.append(try measureBoot(cpu: cpu, seconds: seconds)) }
    let order = Dictionary(uniqueKeysWithValues: Peer.table.enumerated().map { ($1.name, $0) })
    figures.sort { (order[$0.name] ?? .max, $0.name) < (order[$1.name] ?? .max, $1.name) }
    return FigureReport(figures)
  }

  private func machine(_ disk: String, cpu: String, words: [String]) -> Machine {
    let project = image.project
    var machine = Machine(
      media: .direct(kernel: project.kernel, archive: project.archive), disk: .copyOnWrite(disk), log: project.logs + "/bench.log")
    machine.counted = true
    machine.cpu = cpu
    machine.memory = 1024
    machine.words = words
    return machine
  }

  /// By the guest's program `bench`.
  private func measure(_ names: [String], cpu: String, seconds: Int, words: [String] = []) throws -> [Figure] {
    let disk = image.project.output + "/bench.img"
    let command = (["bench"] + (names.isEmpty ? [] : ["calibration"] + names.filter { $0 != "calibration" })).joined(separator: " ")
    try image.makeDisk(disk, files: ["run": command + "\n"])
    defer { Files.remove(disk) }
    let machine = machine(disk, cpu: cpu, words: [Batch.word, "run=/run"] + words)
    let result = try Batch.run(machine, script: nil, seconds: seconds)
    if let complaint = result.ending.complaint { throw Failure("bench: \(complaint); the kernel's log is \(machine.log)") }
    guard case .shutdown(0) = result.ending else { throw Failure("bench ended with status \(result.ending.exitStatus):\n\(result.output)") }
    return Figure.read(result.output)
  }

  /// A machine with the probe in VM's place, whose archive is to be removed.
  func probeMachine(cpu: String, words: [String]) throws -> (machine: Machine, archive: String) {
    let project = image.project
    try Files.makeDirectory(project.logs)
    let archive = project.output + "/bench.archive"
    try Files.write(Archive.bytes([.init(name: "vm", contents: Files.read(project.product("probe")))]), to: archive)
    var machine = Machine(media: .direct(kernel: project.kernel, archive: archive), disk: .none, log: project.logs + "/bench.log")
    machine.counted = true
    machine.cpu = cpu
    machine.words = ["probe=figures"] + words
    return (machine, archive)
  }

  private func probe(cpu: String, seconds: Int) throws -> [Figure] {
    let (machine, archive) = try probeMachine(cpu: cpu, words: [])
    defer { Files.remove(archive) }
    let session = try Session(machine, seconds: seconds)
    let ending = session.end()
    guard case .shutdown(0) = ending else { throw Failure("the probe ended with \(ending); the kernel's log is \(machine.log)") }
    return Figure.read(session.log)
  }

  /// Power-on to the first prompt of the console's shell, of a machine that nobody talks to. While all wait for the disk, which is
  /// the host's, the clock leaps to the next alarm: so the figure is a median, and its smallest sample the one with the least waiting.
  private func measureBoot(cpu: String, seconds: Int) throws -> Figure {
    let disk = image.project.output + "/bench.img"
    try image.makeDisk(disk)
    defer { Files.remove(disk) }
    var samples: [Int] = []
    for _ in 0..<7 {
      let session = try Session(machine(disk, cpu: cpu, words: []), seconds: seconds)
      defer { session.stop() }
      guard session.expectInLog(Batch.ready), session.wait(until: { KernelLog.bootTicks(session.log) != nil }),
        let ticks = KernelLog.bootTicks(session.log)
      else { throw Failure("bench: no prompt came; the kernel's log is \(session.machine.log)") }
      samples.append(ticks)
    }
    samples.sort()
    return Figure(name: Self.boot, median: samples[samples.count / 2], min: samples[0], max: samples[samples.count - 1], samples: samples.count)
  }
}
