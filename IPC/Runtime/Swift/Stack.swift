import _Volatile

/// Touches the stack's next pages, so that going deeper later needs nothing of VM: for a server that others' lives depend on.
/// - Parameter bytes: from here downwards; less than the stack's limit.
@inline(never)
public func makeStackResident(_ bytes: UInt) {
  var here: UInt8 = 0
  let top = withUnsafeMutablePointer(to: &here) { UInt(bitPattern: $0) }
  for offset in stride(from: 4096 as UInt, through: bytes, by: 4096) {
    // Below all that is in use: nobody has anything there yet.
    VolatileMappedRegister<UInt8>(unsafeBitPattern: top - offset).store(0)
  }
}
