import Foundation

/// A Linux process of ours. It never outlives its deadline: `timeout` of coreutils stands in front of it, so that
/// this holds even if we are killed ourselves.
public struct Child {
  public let pid: pid_t

  public struct Pipes: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }
    public static let input = Pipes(rawValue: 1)
    public static let output = Pipes(rawValue: 2)
    /// Standard error goes where standard output goes.
    public static let errorsToo = Pipes(rawValue: 4)
    /// Keeps our terminal and our process group: for a program that the user talks to.
    public static let terminal = Pipes(rawValue: 8)
    /// Standard output is our standard error: progress, not results.
    public static let outputIsProgress = Pipes(rawValue: 16)
  }

  private static let starting = NSLock()

  /// The ends we hold; -1 where there is no pipe. Both are non-blocking.
  public let input, output: Int32

  public init(_ command: [String], seconds: Int, pipes: Pipes = [], environment: [String: String] = [:], folder: String? = nil) throws {
    var arguments = ["timeout", "-k", "5"]
    if pipes.contains(.terminal) { arguments.append("--foreground") }
    arguments += ["\(max(1, seconds))"] + (folder.map { ["env", "-C", $0] } ?? []) + command

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var ours: (Int32, Int32) = (-1, -1)
    var theirs: [Int32] = []
    // Ours must not be inherited by a child that another thread starts meanwhile.
    Self.starting.lock()
    defer { Self.starting.unlock() }
    func makePipe() throws -> (Int32, Int32) {
      var ends: [Int32] = [0, 0]
      guard pipe(&ends) == 0 else { throw Failure("no pipe: \(String(cString: strerror(errno)))") }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      return (ends[0], ends[1])
    }
    if pipes.contains(.input) {
      let ends = try makePipe()
      posix_spawn_file_actions_adddup2(&actions, ends.0, 0)
      theirs.append(ends.0)
      ours.0 = ends.1
    } else if !pipes.contains(.terminal) {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    if pipes.contains(.output) {
      let ends = try makePipe()
      posix_spawn_file_actions_adddup2(&actions, ends.1, 1)
      if pipes.contains(.errorsToo) { posix_spawn_file_actions_adddup2(&actions, ends.1, 2) }
      theirs.append(ends.1)
      ours.1 = ends.0
    } else if pipes.contains(.outputIsProgress) {
      posix_spawn_file_actions_adddup2(&actions, 2, 1)
    }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var flags = Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)  // worker threads of ours block signals
    if !pipes.contains(.terminal) { flags |= Int16(POSIX_SPAWN_SETPGROUP) }
    posix_spawnattr_setflags(&attributes, flags)
    var defaults = sigset_t()
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    var blocked = sigset_t()
    sigemptyset(&blocked)
    posix_spawnattr_setsigmask(&attributes, &blocked)
    posix_spawnattr_setsigdefault(&attributes, &defaults)

    var merged = ProcessInfo.processInfo.environment
    merged.merge(environment) { $1 }
    var argv = arguments.map { strdup($0) } + [nil]
    var envp = merged.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { (argv + envp).forEach { free($0) } }
    var pid: pid_t = 0
    let failed = posix_spawnp(&pid, "timeout", &actions, &attributes, &argv, &envp)
    for end in theirs { close(end) }
    guard failed == 0 else {
      if ours.0 >= 0 { close(ours.0) }
      if ours.1 >= 0 { close(ours.1) }
      throw Failure("cannot start \(command[0]): \(String(cString: strerror(failed)))")
    }
    for end in [ours.0, ours.1] where end >= 0 { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL, 0) | O_NONBLOCK) }
    self.pid = pid
    (input, output) = ours
    Living.add(pid)
  }

  /// Waits for its end: exit status, or 128 + signal. 124 and 137 mean that time ran out.
  public func wait() -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    Living.remove(pid)
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }

  /// Ends it and all that it started, at once and without a word of theirs. Not for one with our terminal, which is
  /// in our own group.
  public func kill() {
    _ = Foundation.kill(-pid, SIGKILL)
  }

  /// What a command said and how it ended.
  public struct Result: Sendable {
    public var status: Int32
    public var output: String
    /// `output`, or the failure if the status is not 0.
    public func succeeded(_ what: String) throws -> String {
      guard status == 0 else { throw Failure("\(what) failed with status \(status)\(output.isEmpty ? "" : ":\n" + output)") }
      return output
    }
  }

  /// Runs a command to its end and gives back what it wrote, errors too unless `errorsToo` is false.
  public static func run(
    _ command: [String], seconds: Int = 600, errorsToo: Bool = true, environment: [String: String] = [:], folder: String? = nil
  ) throws -> Result {
    let child = try Child(command, seconds: seconds, pipes: errorsToo ? [.output, .errorsToo] : .output, environment: environment, folder: folder)
    var bytes: [UInt8] = []
    while let more = readable(child.output, milliseconds: -1) { bytes += more }
    close(child.output)
    return Result(status: child.wait(), output: String(decoding: bytes, as: UTF8.self))
  }

  /// What can be read from `fd`: empty if nothing came in time, nil at its end.
  public static func readable(_ fd: Int32, milliseconds: Int32) -> [UInt8]? {
    var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    guard poll(&entry, 1, milliseconds) > 0 else { return [] }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = read(fd, &buffer, buffer.count)
    if count < 0 { return errno == EAGAIN || errno == EINTR ? [] : nil }
    return count == 0 ? nil : Array(buffer[..<count])
  }
}

/// The process groups to end when we are told to end.
enum Living {
  nonisolated(unsafe) static let slots = UnsafeMutablePointer<pid_t>.allocate(capacity: 64)
  private static let lock = NSLock()
  private static let prepared: Void = {
    slots.initialize(repeating: 0, count: 64)
    signal(SIGPIPE, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { number in
        for index in 0..<64 where Living.slots[index] > 0 { kill(Living.slots[index], SIGTERM) }
        // QEMU puts the terminal back as it found it; then we do.
        for index in 0..<64 where Living.slots[index] > 0 { waitpid(Living.slots[index], nil, 0) }
        Terminal.restore()
        _exit(128 + number)
      }
    }
  }()

  static func add(_ pid: pid_t) {
    lock.lock()
    defer { lock.unlock() }
    _ = prepared
    for index in 0..<64 where slots[index] == 0 {
      slots[index] = pid
      return
    }
  }

  static func remove(_ pid: pid_t) {
    lock.lock()
    defer { lock.unlock() }
    for index in 0..<64 where slots[index] == pid { slots[index] = 0 }
  }
}
