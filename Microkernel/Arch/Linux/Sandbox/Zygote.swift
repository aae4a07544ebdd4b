import CLinux
import Glibc

/// The process from which all others are forked, and the listener of the filter that they have from it. A fork of it
/// is cheap, as it has no memory but the stub; a fork of the broker would copy the tables of all frames.
final class Zygote {
  let listener: Int32
  /// The two places from which a process may speak: see Stub/C/stub.S.
  let notified, ordered: UInt64
  private let pid: Int32
  private let socket: Int32

  init(stub: String, frames: Int32, contexts: Int32) throws(SandboxFailure) {
    let filters = try Filters()
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SandboxFailure("no socket for the zygote", -Int64(errno)) }
    let pid: Int32
    do throws(SandboxFailure) {
      defer { Glibc.close(ends[1]) }
      // It closes all other descriptors.
      pid = try Spawn.start(stub, ["linux-stub"], descriptors: [frames, contexts, ends[1]], from: STUB_FRAMES_FD, advice: "the metal build makes it")
    } catch {
      Glibc.close(ends[0])
      throw error
    }
    let report: sandbox_report, listener: Int32
    do throws(SandboxFailure) {
      try Self.greet(ends[0], filters)
      (report, listener) = try Self.receive(ends[0])
      guard listener >= 0 else { throw SandboxFailure("the zygote sent no listener") }
    } catch {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
      Glibc.close(ends[0])
      throw error
    }
    self.pid = pid
    socket = ends[0]
    self.listener = listener
    (notified, ordered) = (report.notified, report.ordered)
  }

  /// The id of a new process, which will say that it is ready.
  func fork(slot: Int, name: String) throws(SandboxFailure) -> Int32 {
    var request = sandbox_request()
    request.slot = Int64(slot)
    withUnsafeMutableBytes(of: &request.name) { $0.copyBytes(from: name.utf8.prefix($0.count - 1)) }
    let size = MemoryLayout<sandbox_request>.size
    guard send(socket, &request, size, Int32(MSG_NOSIGNAL)) == size else {
      throw SandboxFailure("the zygote is gone", -Int64(errno), advice: "it was ended from outside; start again")
    }
    return Int32(truncatingIfNeeded: try Self.receive(socket).report.status)
  }

  func answer(_ notification: UInt64, value: Int64, flags: UInt32 = 0) {
    var answer = linux_answer(id: notification, value: value, error: 0, flags: flags)
    // ENOENT: it has died meanwhile, and we shall hear of that.
    withUnsafeMutablePointer(to: &answer) {
      _ = linux(LINUX_ioctl, Int64(listener), Int64(LINUX_NOTIF_SEND), address($0))
    }
  }

  func close() {
    Glibc.close(socket)
    Glibc.close(listener)
    kill(pid, SIGKILL)
    while waitpid(pid, nil, 0) < 0 && errno == EINTR {}
  }

  private static func greet(_ socket: Int32, _ filters: Filters) throws(SandboxFailure) {
    let header = sandbox_hello(broker: getpid(), first: UInt32(filters.common.count), second: UInt32(filters.own.count), reserved: 0)
    var letter = withUnsafeBytes(of: header) { Array($0) }
    filters.common.withUnsafeBytes { letter += $0 }
    filters.own.withUnsafeBytes { letter += $0 }
    guard send(socket, letter, letter.count, Int32(MSG_NOSIGNAL)) == letter.count else {
      throw SandboxFailure("the zygote does not listen", -Int64(errno))
    }
  }

  /// What the zygote says, and the descriptor that came with it, or -1.
  private static func receive(_ socket: Int32) throws(SandboxFailure) -> (report: sandbox_report, descriptor: Int32) {
    var report = sandbox_report()
    var rights = linux_rights()
    let count = withUnsafeMutableBytes(of: &report) { bytes in
      withUnsafeMutableBytes(of: &rights) { control in
        var piece = linux_piece(base: UInt64(UInt(bitPattern: bytes.baseAddress)), length: UInt64(bytes.count))
        return withUnsafeMutablePointer(to: &piece) { piece in
          var message = linux_socket_message()
          message.pieces = UInt64(UInt(bitPattern: piece))
          message.piece_count = 1
          message.control = UInt64(UInt(bitPattern: control.baseAddress))
          message.control_length = 24
          return withUnsafeMutablePointer(to: &message) {
            var count: Int64
            repeat {
              count = linux(LINUX_recvmsg, Int64(socket), address($0), 0x4000_0000)  // MSG_CMSG_CLOEXEC
            } while count == -Int64(EINTR)
            return count
          }
        }
      }
    }
    guard count == MemoryLayout<sandbox_report>.size else { throw SandboxFailure("the zygote has ended") }
    if report.status < -0xFFFF_FFFF { throw SandboxFailure(step: -report.status >> 32, error: -report.status & 0xFFFF_FFFF) }
    if report.status < 0 { throw SandboxFailure("no new process", report.status, advice: "see ulimit -u and the limit of tasks of this session") }
    return (report, rights.type == 1 ? rights.descriptor : -1)  // SCM_RIGHTS
  }
}
