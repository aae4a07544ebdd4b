/// Where the system runs: the same sources, on bare metal also the same files as in processes.
public enum Host: String, CaseIterable, Sendable {
  /// In QEMU.
  case metal
  /// Each server, driver and program a sandboxed Linux process.
  case processes
  /// All of it in one Linux process, on fibers, in virtual time.
  case simulator
}
