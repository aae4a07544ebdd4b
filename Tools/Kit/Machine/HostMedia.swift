/// What a host boots from.
public struct HostMedia {
  /// The kernel's files of the metal build, or the broker, which is built when it is first wanted.
  public static func media(_ host: Host, _ project: Project, say: (String) -> Void) throws -> Machine.Media {
    switch host {
    case .metal: .direct(kernel: project.kernel, archive: project.archive)
    case .processes: .processes(broker: try broker(project, say: say), stub: project.product("linux-stub"), archive: project.archive)
    case .simulator: throw Failure("the simulator runs scripts, not shells")
    }
  }

  /// The path of the broker's program.
  public static func broker(_ project: Project, say: (String) -> Void) throws -> String { try HostBuild(project, "broker").run(say: say) }
}
