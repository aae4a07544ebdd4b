import Glibc

/// Why a sandbox cannot be, in words for the user, and what would change that.
public struct SandboxFailure: Error, CustomStringConvertible, Equatable {
  public let reason: String
  public let advice: String?

  public init(_ reason: String, advice: String? = nil) {
    self.reason = reason
    self.advice = advice
  }

  /// `what` failed with a negated errno.
  init(_ what: String, _ result: Int64, advice: String? = nil) {
    self.init("\(what): \(String(cString: strerror(Int32(truncatingIfNeeded: -result))))", advice: advice)
  }

  public var description: String { advice.map { "\(reason) (\($0))" } ?? reason }

  /// What the zygote could not do: `Step` in Stub/Main/Main.swift.
  init(step: Int64, error: Int64) {
    switch step {
    case 1: self.init("the zygote did not understand the broker", advice: "build the broker and linux-stub from the same sources")
    case 2: self.init("the zygote is not a child of the broker")
    case 3: self.init("a process cannot give up its privileges for good (prctl, setrlimit)", -error)
    case 4: self.init("a process cannot set its signal handlers", -error)
    case 5: self.init("a process cannot arrange its memory", -error)
    case 6:
      self.init(
        "the kernel does not take the seccomp filter", -error,
        advice: "it must have CONFIG_SECCOMP_FILTER and be Linux 5.19 or later; in a container, allow seccomp and"
          + " run under no other filter that has a listener")
    default: self.init("the zygote has stopped at its step \(step)", -error)
    }
  }
}
