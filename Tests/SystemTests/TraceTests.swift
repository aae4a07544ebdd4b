import Testing
import ToolKit

@Suite("Trace of the booted system", .enabled(if: System.isReady)) struct TraceTests {
  @Test("every message of a command is there by name, and none is lost", arguments: [ToolKit.Host.metal, .processes])
  func booted(host: ToolKit.Host) throws {
    let result = try TraceRun(System.image()) { _ in }.run("ls /etc\nservice kill disk\ncat /bin/ls > /dev/null\n", on: host, kernelCalls: true, seconds: 200)
    #expect(result.ending == .shutdown(0) && result.output.contains("motd"))
    let trace = result.trace
    #expect(trace.lost == 0 && trace.events.count > 1000)
    #expect(trace.events.allSatisfy { $0.kind != .unknown })
    let names = Set(trace.events.map(\.name))
    for name in ["VFS.Open", "VFS.ReadDirectory", "FS.Lookup", "Block.Transfer", "PM.Exec", "VM.Fork", "RS.Kill", "Kernel.CopyGrant", "Char.Write"] {
      #expect(names.contains(name), "\(name)")
    }
    #expect(trace.events.contains { $0.kind == .restarted && EndpointNames.name($0.to) == "disk" })
    // Whoever waits is answered: each request but those of the last moment.
    let requests = trace.events.filter { $0.kind == .request || $0.kind == .fault }
    let answered = Set(trace.events.compactMap(\.answers))
    #expect(requests.count { !answered.contains($0.sequence) } < 10)
  }

  @Test("the simulator's records come from the same hook") func simulator() throws {
    let project = try Project.find()
    let result = try TraceRun.simulator(project, script: "open f0 1 create\nwrite f0 100 1\nclose f0\nunlink 1\nexit 0\n", kernelCalls: false, seconds: 60) { _ in }
    #expect(result.trace.lost == 0)
    for name in ["VFS.Open", "VFS.Write", "FS.Create", "Block.Transfer"] { #expect(result.trace.events.contains { $0.name == name }, "\(name)") }
  }
}
