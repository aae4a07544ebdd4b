/// Runs the guest program `bench` where one TSC tick is one instruction.
public struct Bench {
  let image: Image
  public init(_ image: Image) { self.image = image }

  /// Told by the tty driver when the shell reads for the first time.
  static let boot = "boot-to-shell"

  /// The round trip on kernels told to take another way, by a word on their command line.
  static let variants: [(name: String, word: String)] = [
    ("ipc-slowpath", "fastpath=off"), ("ipc-roundtrip-int", "ipc=int"), ("ipc-roundtrip-sysenter", "ipc=sysenter"),
  ]
  static let roundTrip = "ipc-roundtrip"
  /// How the kernel says that a processor lacks the way asked for, and that it takes another.
  static let lacks = "entry: this processor has no"

  /// The processor of the figures of others, and Intel's model: in 64-bit mode only Intel's have SYSENTER.
  public static let usual = "max", intel = "Skylake-Client-v1"
  /// Figures in which the processor's model plays a part: taken on both.
  public static let onBoth = ["calibration", "null-call", roundTrip, "notify-wake", "fault-to-server", boot] + variants.map(\.name)

  /// What no program can measure: taken by the probe (`Tests/InSystem/Probe`) alone with the kernel, in VM's place.
  static let probed = ["notify-wake", "fault-to-server"]

  /// The figures asked for, all if `names` is empty, on each of `models`; if that is empty, on the usual one, and those `onBoth` on Intel's too.
  /// Without those that the guest did not give.
  public func run(_ names: [String], models: [String], seconds: Int) throws -> FigureReport {
    try Files.makeDirectory(image.project.logs)
    if !models.isEmpty { return FigureReport(try models.map { (cpu: $0, figures: try take(names, cpu: $0, seconds: seconds)) }) }
    var columns = [(cpu: Self.usual, figures: try take(names, cpu: Self.usual, seconds: seconds))]
    let both = names.isEmpty ? Self.onBoth : names.filter(Self.onBoth.contains)
    if !both.isEmpty { columns.append((cpu: Self.intel, figures: try take(both, cpu: Self.intel, seconds: seconds))) }
    return FigureReport(columns)
  }

  /// The figures of one processor.
  private func take(_ names: [String], cpu: String, seconds: Int) throws -> [Figure] {
    var figures: [Figure] = []
    let inside = names.filter { name in name != Self.boot && !Self.probed.contains(name) && !Self.variants.contains { $0.name == name } }
    if names.isEmpty || !inside.isEmpty { figures += try measure(inside, cpu: cpu, seconds: seconds) }
    for (name, word) in Self.variants where names.isEmpty || names.contains(name) {
      figures += try measure([Self.roundTrip], cpu: cpu, seconds: seconds, words: [word]).filter { $0.name == Self.roundTrip }.map { figure in
        var figure = figure
        figure.name = name
        return figure
      }
    }
    if names.isEmpty || names.contains(where: Self.probed.contains) {
      figures += try probe(cpu: cpu, seconds: seconds).filter { Self.probed.contains($0.name) && (names.isEmpty || names.contains($0.name)) }
    }
    if names.isEmpty || names.contains(Self.boot) { figures.append(try measureBoot(cpu: cpu, seconds: seconds)) }
    return figures
  }

  /// Without a line for each feature that the emulator lacks.
  private static func quiet(_ cpu: String) -> String { cpu == usual ? cpu : cpu + ",check=off" }

  func machine(_ disk: String, cpu: String, words: [String]) -> Machine {
    let project = image.project
    var machine = Machine(
      media: .direct(kernel: project.kernel, archive: project.archive), disk: .copyOnWrite(disk), log: project.logs + "/bench.log")
    machine.counted = true
    machine.cpu = Self.quiet(cpu)
    machine.memory = 1024
    // Exact figures want the same addresses each time.
    machine.words = words + [Machine.sameAddresses]
    return machine
  }

  /// By the guest's program `bench`; nothing if the processor lacks the way into the kernel that `words` ask for.
  private func measure(_ names: [String], cpu: String, seconds: Int, words: [String] = []) throws -> [Figure] {
    let disk = image.project.output + "/bench.img"
    var operands = names.filter { $0 != "calibration" && !Peer.ofScale.contains($0) }
    if names.contains(where: Peer.ofScale.contains) { operands.append(Peer.scale) }
    let command = (["bench"] + (names.isEmpty ? [] : ["calibration"] + operands)).joined(separator: " ")
    try image.makeDisk(disk, files: ["run": command + "\n"])
    defer { Files.remove(disk) }
    let machine = machine(disk, cpu: cpu, words: [Batch.word, "run=/run"] + words)
    let result = try Batch.run(machine, script: nil, seconds: seconds)
    if let complaint = result.ending.complaint { throw Failure("bench: \(complaint); the kernel's log is \(machine.log)") }
    guard case .shutdown(0) = result.ending else { throw Failure("bench ended with status \(result.ending.exitStatus):\n\(result.output)") }
    return result.log.contains(Self.lacks) ? [] : Figure.read(result.output)
  }

  /// A machine with the probe in VM's place, whose archive is to be removed.
  func probeMachine(cpu: String, words: [String]) throws -> (machine: Machine, archive: String) {
    let project = image.project
    try Files.makeDirectory(project.logs)
    let archive = project.output + "/bench.archive"
    try Files.write(Archive.bytes([.init(name: "vm", contents: Files.read(project.product("probe")))]), to: archive)
    var machine = Machine(media: .direct(kernel: project.kernel, archive: archive), disk: .none, log: project.logs + "/bench.log")
    machine.counted = true
    machine.cpu = Self.quiet(cpu)
    machine.words = ["probe=figures", Machine.sameAddresses] + words
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

  /// Power-on to the first prompt of the console's shell, of a machine that nobody talks to: instructions that were executed. While all
  /// wait for the disk, which is the host's, the clock leaps to the next alarm; the kernel counts that as idle, and it is taken off.
  private func measureBoot(cpu: String, seconds: Int) throws -> Figure {
    let disk = image.project.output + "/bench.img"
    try image.makeDisk(disk)
    defer { Files.remove(disk) }
    var samples = try (0..<7).map { _ in
      let session = try Session(machine(disk, cpu: cpu, words: []), seconds: seconds)
      defer { session.stop() }
      return try Self.waitForPrompt(session)
    }
    samples.sort()
    return Figure(name: Self.boot, median: samples[samples.count / 2], min: samples[0], max: samples[samples.count - 1], samples: samples.count)
  }

  /// Instructions to the first prompt.
  static func waitForPrompt(_ session: Session) throws -> Int {
    guard session.expectInLog(Batch.ready), session.wait(until: { KernelLog.bootInstructions(session.log) != nil }),
      let executed = KernelLog.bootInstructions(session.log)
    else { throw Failure("bench: no prompt came; the kernel's log is \(session.machine.log)") }
    return executed
  }
}
