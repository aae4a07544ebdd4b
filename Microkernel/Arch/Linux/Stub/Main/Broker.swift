import CLinux
import CStub

// What the zygote hears from the broker and tells it.

/// The broker's only letter: its process id and the instructions of both filters. It stays where it was received.
struct Hello {
  let header: UnsafePointer<sandbox_hello>

  static func receive() -> Hello {
    let size = Int64(MemoryLayout<sandbox_hello>.size)
    let count = call(LINUX_recvfrom, Int64(STUB_SOCKET_FD), Int64(address_of_stub_hello()), size + 8 * Int64(FILTER_LIMIT))
    guard count >= size, let header = UnsafePointer<sandbox_hello>(bitPattern: UInt(address_of_stub_hello())),
      Int64(header.pointee.first) + Int64(header.pointee.second) == (count - size) / 8
    else { exit(.hello) }
    return Hello(header: header)
  }

  var broker: Int32 { header.pointee.broker }

  /// Loads a filter; the first gives back its listener. A process that waits for the broker's answer is not to be
  /// disturbed by the broker's own signal, else every interruption would break a call.
  func load(first: Bool) -> Int64 {
    let all = UnsafeRawPointer(header + 1).assumingMemoryBound(to: linux_filter_instruction.self)
    var filter = linux_filter(
      count: UInt16(truncatingIfNeeded: first ? header.pointee.first : header.pointee.second),
      instructions: first ? all : all + Int(header.pointee.first))
    let flags = first ? LINUX_SECCOMP_NEW_LISTENER.rawValue | LINUX_SECCOMP_WAIT_KILLABLE_RECV.rawValue : 0
    return withUnsafePointer(to: &filter) { call(LINUX_seccomp, Int64(LINUX_SECCOMP_SET_MODE_FILTER.rawValue), Int64(flags), address($0)) }
  }
}

/// Sends a status, and with it a descriptor if there is one.
func report(_ status: Int64, passing descriptor: Int64 = -1) {
  var report = sandbox_report(status: status, notified: address_of_stub_notified(), ordered: address_of_stub_ordered())
  var rights = linux_rights(length: 20, level: 1, type: 1, descriptor: Int32(truncatingIfNeeded: descriptor), padding: 0)  // SOL_SOCKET, SCM_RIGHTS
  withUnsafePointer(to: &report) { report in
    withUnsafePointer(to: &rights) { rights in
      var piece = linux_piece(base: UInt64(address(report)), length: UInt64(MemoryLayout<sandbox_report>.size))
      withUnsafePointer(to: &piece) { piece in
        var message = linux_socket_message()
        message.pieces = UInt64(address(piece))
        message.piece_count = 1
        if descriptor >= 0 {
          message.control = UInt64(address(rights))
          message.control_length = 24
        }
        withUnsafePointer(to: &message) { _ = call(LINUX_sendmsg, Int64(STUB_SOCKET_FD), address($0), 0x4000) }  // MSG_NOSIGNAL
      }
    }
  }
}

/// Numbers of prctl, prlimit and clone.
enum Option {
  static var parentDeathSignal: Int64 { 1 }
  static var name: Int64 { 15 }
  static var noNewPrivileges: Int64 { 38 }
  static var coreFiles: Int64 { 4 }
  static var kill: Int64 { 9 }
  static var cloneParent: Int64 { 0x8000 }
}

@inline(__always)
func address<T>(_ pointer: UnsafePointer<T>) -> Int64 { Int64(Int(bitPattern: pointer)) }

@inline(__always) @discardableResult
func call(
  _ number: LinuxCall, _ a: Int64 = 0, _ b: Int64 = 0, _ c: Int64 = 0, _ d: Int64 = 0, _ e: Int64 = 0, _ f: Int64 = 0
) -> Int64 {
  linux_call(Int64(number.rawValue), a, b, c, d, e, f)
}

func check(_ result: Int64, _ step: Step) {
  if result < 0 { exit(step, result) }
}

/// The end, with a word to the broker if the socket is still there, and the step as the exit status.
func exit(_ step: Step, _ error: Int64 = -1) -> Never {
  report(-(step.rawValue << 32 | -error))
  while true { call(LINUX_exit_group, step.rawValue) }
}
