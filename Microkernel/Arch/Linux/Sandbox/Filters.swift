import CLinux
import CSeccomp
import Glibc

/// A system call that sandboxed processes may make.
public struct AllowedCall: Sendable, Equatable {
  public enum Way: Sendable {
    /// Linux carries it out.
    case free
    /// The broker looks at every one: only its own order, to the last bit, goes through.
    case checked
    /// Not a call of Linux' at all: word to the broker.
    case message
  }
  public let number: Int
  public let name: String
  public let way: Way
}

extension Sandbox {
  /// All that a sandboxed process may call; any other number ends it with SIGSYS. The filters are made from this table.
  public static let allowedCalls: [AllowedCall] = [
    AllowedCall(number: Int(LINUX_rt_sigreturn.rawValue), name: "rt_sigreturn", way: .free),
    AllowedCall(number: Int(LINUX_mmap.rawValue), name: "mmap", way: .checked),
    AllowedCall(number: Int(LINUX_munmap.rawValue), name: "munmap", way: .checked),
    AllowedCall(number: Int(LINUX_arch_prctl.rawValue), name: "arch_prctl", way: .checked),
    AllowedCall(number: Int(STUB_TRAP), name: "trap", way: .message),
    AllowedCall(number: Int(STUB_FAULT), name: "fault", way: .message),
    AllowedCall(number: Int(STUB_EXCEPTION), name: "exception", way: .message),
    AllowedCall(number: Int(STUB_INTERRUPTED), name: "interrupted", way: .message),
    AllowedCall(number: Int(STUB_READY), name: "ready", way: .message),
    AllowedCall(number: Int(STUB_FAILED), name: "failed", way: .message),
  ]
}

/// Both filters as instructions. Linux asks both for every call, and the stricter answer counts: kill, then notify, then allow.
struct Filters {
  /// Of the zygote and so of all: what the broker decides is put before it. The zygote itself needs more than that.
  let common: [linux_filter_instruction]
  /// What each process adds: nothing but the table.
  let own: [linux_filter_instruction]

  init() throws(SandboxFailure) {
    common = try Self.make(otherwise: seccomp_action_allow()) { (filter: scmp_filter_ctx) throws(SandboxFailure) in
      for call in Sandbox.allowedCalls where call.way != .free {
        // The context pages are mapped before the process adds its own filter, which does not know their descriptor.
        if call.number == Int(LINUX_mmap.rawValue) {
          try Self.check(seccomp_add_if(filter, seccomp_action_notify(), Int32(call.number), 4, 0, UInt64(STUB_CONTEXTS_FD)))
        } else {
          try Self.check(seccomp_add(filter, seccomp_action_notify(), Int32(call.number)))
        }
      }
    }
    own = try Self.make(otherwise: seccomp_action_kill_process()) { (filter: scmp_filter_ctx) throws(SandboxFailure) in
      for call in Sandbox.allowedCalls {
        if call.number == Int(LINUX_mmap.rawValue) {
          try Self.check(seccomp_add_if(filter, seccomp_action_allow(), Int32(call.number), 4, 1, UInt64(STUB_FRAMES_FD)))
        } else {
          try Self.check(seccomp_add(filter, seccomp_action_allow(), Int32(call.number)))
        }
      }
    }
    guard common.count + own.count <= Int(FILTER_LIMIT) else { throw SandboxFailure("the filters are too long for the zygote") }
  }

  private static func make(
    otherwise: UInt32, rules: (scmp_filter_ctx) throws(SandboxFailure) -> Void
  ) throws(SandboxFailure) -> [linux_filter_instruction] {
    guard let filter = seccomp_init(otherwise) else { throw SandboxFailure("libseccomp cannot make a filter") }
    defer { seccomp_release(filter) }
    // A call by another convention (int 0x80, x32) has another architecture or bit 30 in its number.
    try check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, seccomp_action_kill_process()))
    try rules(filter)
    return try export(filter)
  }

  private static func export(_ filter: scmp_filter_ctx) throws(SandboxFailure) -> [linux_filter_instruction] {
    let file = Int32(truncatingIfNeeded: try Memory.make("apus-filter", executable: false))
    defer { Glibc.close(file) }
    try check(seccomp_export_bpf(filter, file))
    var instructions = [linux_filter_instruction](repeating: linux_filter_instruction(), count: Int(FILTER_LIMIT) + 1)
    let size = instructions.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) }
    guard size > 0 else { throw SandboxFailure("libseccomp wrote no filter") }
    return Array(instructions[..<(size / MemoryLayout<linux_filter_instruction>.size)])
  }

  private static func check(_ result: Int32) throws(SandboxFailure) {
    if result < 0 {
      throw SandboxFailure("libseccomp refuses a rule", Int64(result), advice: "it must know user notification: 2.5 or later")
    }
  }
}
