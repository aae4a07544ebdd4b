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

  /// - Parameter kernelCalls: records them too.
  public func metal(_ commands: String, kernelCalls: Bool, seconds: Int) throws -> Result {
    let project = image.project
    let disk = project.output + "/trace.img", records = project.output + "/trace.records"
    try Files.makeDirectory(project.logs)
    try image.makeDisk(disk)
    Files.remove(records)
    defer { for file in [disk, records] { Files.remove(file) } }
    var machine = Machine(media: .direct(kernel: project.kernel, archive: project.archive), disk: .file(disk), log: project.logs + "/trace.log")
    machine.words = [Batch.word, kernelCalls ? "trace=all" : "trace=on"]
    machine.trace = records
    let result = try Batch.run(machine, script: commands, seconds: seconds)
    if let complaint = result.ending.complaint { say("\(complaint); the kernel's log is \(machine.log)") }
    return Result(trace: Trace(host: "metal", bytes: try Files.read(records)), ending: result.ending, output: result.output)
  }
}
