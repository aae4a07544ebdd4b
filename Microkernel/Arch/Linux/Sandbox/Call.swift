import CLinux

/// A system call: its result or a negated errno.
@inline(__always) @discardableResult
func linux(
  _ number: LinuxCall, _ a: Int64 = 0, _ b: Int64 = 0, _ c: Int64 = 0, _ d: Int64 = 0, _ e: Int64 = 0, _ f: Int64 = 0
) -> Int64 {
  linux_call(Int64(number.rawValue), a, b, c, d, e, f)
}

@inline(__always)
func address(_ pointer: UnsafeRawPointer?) -> Int64 { Int64(Int(bitPattern: pointer)) }
