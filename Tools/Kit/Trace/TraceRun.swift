/// Runs shell commands on a host that records its messages.
public struct TraceRun {
  let image: Image
  let say: (String) -> Void

  public init(_ image: Image, say: @escaping (String) -> Void) {
    self.image = image
    self.say = say
  }

  public struct Result {
    public var trace: Trace
    public var ending: Ending
    public var output: String
  }

  /// A script of `Userland/Script` in the simulator.
  public static func simulator(_ project: Project, script: String, kernelCalls: Bool, seconds: Int, say: (String) -> Void) throws -> Result {
    try Files.makeDirectory(project.output)
    let file = project.output + "/trace.script", records = project.output + "/trace.simulated"
    defer { for file in [file, records] { Files.remove(file) } }
    try Files.write(script, to: file)
    let program = try SimulatorProgram(project, say: say)
    let said = try program.output(["run", file, "--records", records] + (kernelCalls ? ["--kernel-calls"] : []), seconds: seconds)
    return Result(trace: Trace(host: "simulator", bytes: try Files.read(records)), ending: .shutdown(0), output: said)
  }

  /// - Parameters:
  ///   - host: metal or processes.
  ///   - kernelCalls: records them too.
  public func run(_ commands: String, on host: Host, kernelCalls: Bool, seconds: Int) throws -> Result {
    let project = image.project
    let disk = project.output + "/trace.\(host.rawValue).img", records = project.output + "/trace.\(host.rawValue).records"
    try Files.makeDirectory(project.logs)
    try image.makeDisk(disk)
    Files.remove(records)
    defer { for file in [disk, records] { Files.remove(file) } }
    var machine = Machine(media: try HostMedia.media(host, project, say: say), disk: .file(disk), log: project.logs + "/trace.\(host.rawValue).log")
    machine.words = [Batch.word, kernelCalls ? "trace=all" : "trace=on"]
    machine.trace = records
    let result = try Batch.run(machine, script: commands, seconds: seconds)
    if let complaint = result.ending.complaint { say("\(complaint); the kernel's log is \(machine.log)") }
    return Result(trace: Trace(host: host.rawValue, bytes: try Files.read(records)), ending: result.ending, output: result.output)
  }
}
