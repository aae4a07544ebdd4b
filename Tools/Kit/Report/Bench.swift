/// Runs the guest program `bench` where one TSC tick is one instruction.
public struct Bench {
  let image: Image
  public init(_ image: Image) { self.image = image }

  /// Given by the log, not by the guest's program.
  static let boot = "boot-to-shell"

  /// The figures asked for, all if `names` is empty; without those that the guest did not give.
  public func run(_ names: [String], cpu: String, seconds: Int) throws -> FigureReport {
    let project = image.project
    try Files.makeDirectory(project.logs)
    let disk = project.output + "/bench.img"
    let inside = names.filter { $0 != Self.boot }
    let script = !names.isEmpty && inside.isEmpty ? "" : (["bench"] + inside).joined(separator: " ")
    try image.makeDisk(disk, files: ["run": script + "\n"])
    defer { Files.remove(disk) }
    var machine = Machine(
      media: .direct(kernel: project.kernel, archive: project.archive), disk: .copyOnWrite(disk), log: project.logs + "/bench.log")
    machine.counted = true
    machine.cpu = cpu
    machine.memory = 1024
    machine.words = ["run=/run"]
    let result = try Batch.run(machine, script: nil, seconds: seconds)
    if let complaint = result.ending.complaint { throw Failure("bench: \(complaint); the kernel's log is \(machine.log)") }
    guard case .shutdown(0) = result.ending else { throw Failure("bench ended with status \(result.ending.exitStatus):\n\(result.output)") }
    var figures = Figure.read(result.output)
    if names.isEmpty || names.contains(Self.boot), let ticks = KernelLog.bootTicks(result.log), !figures.contains(where: { $0.name == Self.boot }) {
      figures.append(Figure(name: Self.boot, median: ticks, min: ticks, max: ticks, samples: 1))
    }
    let order = Dictionary(uniqueKeysWithValues: Peer.table.enumerated().map { ($1.name, $0) })
    figures.sort { (order[$0.name] ?? .max, $0.name) < (order[$1.name] ?? .max, $1.name) }
    return FigureReport(figures)
  }
}
