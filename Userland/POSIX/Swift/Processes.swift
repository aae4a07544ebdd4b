import IPC
import Protocols

// Processes: fork, exec, wait and what they have of identity and time.

/// fork(2): 0 in the child. What is in `standardOutput` is written first, so that it is not written twice.
public func fork() throws(Errno) -> Int {
  standardOutput.flush()
  return Int(try request(PM.Fork(), of: .pm).id)
}

/// execve(2): returns only if it fails.
public func execute(_ path: [UInt8], _ arguments: [[UInt8]], _ environment: [[UInt8]]) -> Errno {
  standardOutput.flush()
  do throws(Errno) {
    try checkPath(path)
    let block = try argumentBlock(arguments, environment)
    let reply = path.withUnsafeBytes { path in
      block.withUnsafeBytes { block in
        exchange(
          PM.Exec(path: address(of: path), pathLength: UInt64(path.count), arguments: address(of: block), argumentsLength: UInt64(block.count)),
          with: .pm)
      }
    }
    _ = try reply.reply(Done.self)
    return .notExecutable  // a reply that says it worked came to a process that still runs
  } catch { return error }
}

/// See `ArgumentBlock`.
func argumentBlock(_ arguments: [[UInt8]], _ environment: [[UInt8]]) throws(Errno) -> [UInt8] {
  guard arguments.count + environment.count <= Int(ArgumentBlock.countLimit) else { throw .argumentListTooLong }
  var block: [UInt8] = []
  for count in [arguments.count, environment.count] {
    for shift in 0..<4 { block.append(UInt8(truncatingIfNeeded: count >> (8 * shift))) }
  }
  for list in [arguments, environment] {
    for string in list {
      block.append(contentsOf: string)
      block.append(0)
    }
  }
  guard block.count <= Int(ArgumentBlock.limit) else { throw .argumentListTooLong }
  return block
}

/// _exit(2).
public func terminate(_ status: Int) -> Never {
  _ = exchange(PM.Exit(status: Int64(status)), with: .pm)
  while true {}  // PM is dead or wrong: nothing is left to do
}

/// exit(3): what is in `standardOutput` is written first. An output error makes a success a failure.
public func exit(_ status: Int) -> Never {
  standardOutput.flush()
  terminate(status == 0 && standardOutput.failed != nil ? 1 : status)
}

/// What waitpid(2) tells of a child.
public struct WaitStatus {
  public var raw: Int32
  public init(raw: Int32) { self.raw = raw }
  public var exited: Bool { raw & 0x7F == 0 }
  public var exitStatus: Int { Int(raw >> 8) & 0xFF }
  public var stopped: Bool { raw & 0xFF == 0x7F }
  /// The signal that ended or stopped it, 0 if none did.
  public var signal: Int { exited ? 0 : stopped ? exitStatus : Int(raw & 0x7F) }
  /// As a shell's `$?`.
  public var shellStatus: Int { exited ? exitStatus : 128 + signal }
}

public enum WaitOptions {
  public static var noHang: UInt32 { 1 }
  public static var untraced: UInt32 { 2 }
}

/// waitpid(2): process id 0 with `noHang` and nothing to tell. After a handler with SA_RESTART it waits on.
public func wait(for id: Int = -1, _ options: UInt32 = 0) throws(Errno) -> (id: Int, status: WaitStatus) {
  let reply = try lastingRequest(PM.WaitPID(id: Int32(truncatingIfNeeded: id), options: options), of: .pm)
  return (Int(reply.id), WaitStatus(raw: reply.status))
}

/// Waits for one child to end, whatever signals come.
public func waitUntilEnd(of id: Int) -> WaitStatus {
  while true {
    do throws(Errno) {
      return try wait(for: id).status
    } catch {
      if error != .interrupted { return WaitStatus(raw: 127 << 8) }
    }
  }
}

public func identity() throws(Errno) -> PM.Identity.Reply { try request(PM.Identity(), of: .pm) }

/// getpid(2).
public func processID() -> Int {
  do throws(Errno) { return Int(try identity().id) } catch { return 0 }
}

/// setpgid(2); 0 is oneself.
public func setProcessGroup(_ id: Int, _ group: Int) throws(Errno) {
  _ = try request(PM.SetProcessGroup(id: Int32(truncatingIfNeeded: id), group: Int32(truncatingIfNeeded: group)), of: .pm)
}

/// times(2), in nanoseconds.
public func times() throws(Errno) -> PM.Times.Reply { try request(PM.Times(), of: .pm) }

/// nanosleep(2).
public func sleep(nanoseconds: UInt64) throws(Errno) { _ = try request(PM.Sleep(nanoseconds: nanoseconds), of: .pm) }

/// alarm(2), in nanoseconds; what was left of the last.
@discardableResult
public func alarm(nanoseconds: UInt64) throws(Errno) -> UInt64 { try request(PM.Alarm(nanoseconds: nanoseconds), of: .pm).left }

/// The bases of the segments FS and GS of this thread, for what it keeps per thread: user addresses. fork(2) copies them, a new image
/// has 0. Costs the kernel's fast path as long as one is not 0.
public func setThreadBases(fs: UInt64, gs: UInt64 = 0) throws(Errno) { _ = try kernelRequest(Kernel.ThreadBases(fs: fs, gs: gs)) }

/// Nanoseconds since boot.
public func now() -> UInt64 {
  do throws(Errno) { return try kernelRequest(Kernel.Clock()).now } catch { return 0 }
}

/// execvp(3): a name without a slash is looked for in the directories of PATH. Returns only if it fails.
public func executeFound(_ name: [UInt8], _ arguments: [[UInt8]], _ environment: [[UInt8]]) -> Errno {
  if name.firstIndex(of: "/") != nil { return execute(name, arguments, environment) }
  if name.isEmpty { return .noSuchFile }
  var path = [UInt8]("/bin")
  for entry in environment where entry.starts(with: "PATH=") { path = entry.slice(from: 5) }
  var denied = false
  for directory in split(path, at: ":") {
    let error = execute(join(directory.isEmpty ? [UInt8](".") : directory, name), arguments, environment)
    switch error {
    case .noSuchFile, .notDirectory: continue
    case .accessDenied: denied = true
    default: return error
    }
  }
  return denied ? .accessDenied : .noSuchFile
}
