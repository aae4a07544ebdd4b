import CX86
import PageTable

/// DR6 and DR7 (SDM vol. 3, 18.2), as programs may have them: local breakpoints on user memory.
public enum DebugControl {
  /// DR7 with nothing switched on; bit 10 is always 1.
  @inlinable public static var off: UInt32 { 0x400 }
  /// DR6 with nothing noticed.
  @inlinable public static var calm: UInt64 { 0xFFFF_0FF0 }
  /// What DR6 may have noticed: the four registers, and a single step.
  @inlinable public static var noticed: UInt64 { 0x400F }

  public enum Refusal: Error { case badAddress, invalidArgument }

  /// What DR7 becomes. No global bits, no GD, no port breakpoints; nothing of a register that is not switched on.
  public static func sanitized(_ control: UInt64, _ addresses: (UInt64, UInt64, UInt64, UInt64)) throws(Refusal) -> UInt32 {
    guard control & ~(0xFFFF_0055 | UInt64(off)) == 0 else { throw .invalidArgument }
    var result = off
    for index in 0..<4 where control >> UInt64(2 &* index) & 1 != 0 {
      let address = index < 2 ? (index == 0 ? addresses.0 : addresses.1) : (index == 2 ? addresses.2 : addresses.3)
      let kind = control >> UInt64(16 &+ 4 &* index) & 3, code = control >> UInt64(18 &+ 4 &* index) & 3
      guard kind != 2, kind != 0 || code == 0 else { throw .invalidArgument }
      let length: UInt64 = code == 0 ? 1 : code == 1 ? 2 : code == 2 ? 8 : 4
      guard address & (length &- 1) == 0 else { throw .invalidArgument }
      guard address < AddressSpace.userEnd, address &+ length <= AddressSpace.userEnd else { throw .badAddress }
      result |= 1 << UInt32(2 &* index) | UInt32(kind | code << 2) << UInt32(16 &+ 4 &* index)
    }
    return result
  }

  /// Whether one of the registers that `status` (DR6) names stops before an instruction: then the thread needs RF to get past it.
  public static func isBeforeInstruction(status: UInt64, control: UInt32) -> Bool {
    for index in 0..<4 where status >> UInt64(index) & 1 != 0 && control >> UInt32(2 &* index) & 1 != 0 {
      if control >> UInt32(16 &+ 4 &* index) & 3 == 0 { return true }
    }
    return false
  }
}
