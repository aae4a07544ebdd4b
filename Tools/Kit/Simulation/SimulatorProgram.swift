import Foundation

/// The executable `simulator`, a release build that is made when it is first wanted.
public struct SimulatorProgram {
  let path: String

  public init(_ project: Project, say: (String) -> Void) throws { path = try HostBuild(project, "simulator").run(say: say) }

  /// Runs it with these arguments; its output and errors are ours. Returns its status.
  public func run(_ arguments: [String], seconds: Int) throws -> Int32 {
    try Child([path] + arguments, seconds: seconds, pipes: .terminal).wait()
  }

  /// What it prints.
  public func output(_ arguments: [String], seconds: Int) throws -> String {
    try Child.run([path] + arguments, seconds: seconds).succeeded("simulator")
  }
}
