import Glibc

/// Starts a program of ours: the zygote, or the process of a disk.
public enum Spawn {
  /// Starts `program` with copies of these descriptors from `first` on and without an environment; whatever else it inherits it closes itself.
  /// Signals are as a new process has them.
  /// - Parameters:
  ///   - words: its arguments, the name first.
  ///   - advice: for the user, if it does not start.
  /// - Returns: its process id.
  public static func start(
    _ program: String, _ words: [String], descriptors: [Int32], from first: Int32, advice: String? = nil
  ) throws(SandboxFailure) -> Int32 {
    var actions = posix_spawn_file_actions_t(), attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    // Copies above the numbers that they will have, lest one overwrite another.
    let copies = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 16) }
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
      for copy in copies { Glibc.close(copy) }
    }
    for (index, copy) in copies.enumerated() { posix_spawn_file_actions_adddup2(&actions, copy, first + Int32(index)) }
    var none = sigset_t(), all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    // A group of its own: Ctrl-C at the terminal is for the broker, which ends all others.
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var environment: [UnsafeMutablePointer<CChar>?] = [nil]
    var pid: Int32 = 0
    let error = posix_spawn(&pid, program, &actions, &attributes, &arguments, &environment)
    guard error == 0 else { throw SandboxFailure("cannot start \(program)", -Int64(error), advice: advice) }
    return pid
  }
}
