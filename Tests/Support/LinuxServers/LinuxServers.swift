import Glibc
import IPC
import Protocols

// Linux plays VFS, PM and VM for one process: each request becomes the system call that it stands for. So the programs
// and the shell run on Linux as they are, and can be compared with Linux's own.

/// Answers a request; addresses in it are this process's.
public func answer(_ message: Message, _ server: Endpoint) -> Message {
  do throws(Errno) {
    switch server {
    case .vfs: return try files(message)
    case .pm: return try processes(message)
    case .vm: return try memory(message)
    case .kernel: return try clock(message)
    default: throw .deadEndpoint
    }
  } catch { return Message(error: error) }
}

// MARK: Helpers

/// The error of a call that returned -1.
func check(_ result: Int) throws(Errno) -> Int {
  if result == -1 { throw Errno(rawValue: errno) }
  return result
}
func check(_ result: Int32) throws(Errno) -> Int { try check(Int(result)) }

func pointer(_ address: UInt64) -> UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: UInt(address))! }

/// A path of a request, as C takes it.
func path(_ address: UInt64, _ length: UInt64) throws(Errno) -> [CChar] {
  guard length > 0, length < 4096 else { throw .invalidArgument }
  return [CChar](UnsafeRawBufferPointer(start: pointer(address), count: Int(length)).map { CChar(bitPattern: $0) } + [0])
}

/// A C function that Swift hides or takes for variadic.
func symbol<Function>(_ name: String, _: Function.Type) -> Function {
  unsafeBitCast(dlsym(nil, name)!, to: Function.self)
}

private func clock(_ message: Message) throws(Errno) -> Message {
  guard message.type == Kernel.Clock.number else { throw .notPermitted }
  return Message(reply: Kernel.Clock.Reply(now: monotonic(), threadTime: 0))
}

func monotonic() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
