import PageTable
import Testing

@testable import X86State

@Suite struct DebugControlTests {
  static let none: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  func refusal(_ control: UInt64, _ addresses: (UInt64, UInt64, UInt64, UInt64) = none) -> DebugControl.Refusal? {
    do throws(DebugControl.Refusal) {
      _ = try DebugControl.sanitized(control, addresses)
      return nil
    } catch { return error }
  }

  @Test("each register, each length, each kind; nothing of one that is off") func good() throws {
    for index in 0..<4 {
      for (code, length) in [(0, 1), (1, 2), (3, 4), (2, 8)] as [(UInt64, UInt64)] {
        for kind in [0, 1, 3] as [UInt64] where kind != 0 || code == 0 {
          let last = AddressSpace.userEnd - length
          var addresses = Self.none
          withUnsafeMutableBytes(of: &addresses) { $0.storeBytes(of: last, toByteOffset: 8 * index, as: UInt64.self) }
          let bits = 1 << UInt64(2 * index) | (kind | code << 2) << UInt64(16 + 4 * index)
          #expect(try DebugControl.sanitized(bits, addresses) == UInt32(bits) | 0x400)
        }
      }
    }
    #expect(try DebugControl.sanitized(0xFFFF_0000, (.max, .max, .max, .max)) == DebugControl.off)
  }

  @Test("SEC3 no global breakpoint, no GD, no port, no odd address, nothing beyond user memory") func bad() {
    for bit in 0..<64 where bit < 16 ? ![0, 2, 4, 6, 10].contains(bit) : bit >= 32 { #expect(refusal(1 << UInt64(bit)) == .invalidArgument, "\(bit)") }
    #expect(refusal(0x2_0001) == .invalidArgument && refusal(0x4_0001) == .invalidArgument)
    #expect(refusal(0x5_0001, (1, 0, 0, 0)) == .invalidArgument && refusal(0x9_0004 | 0x90_0000, (0, 4, 0, 0)) == .invalidArgument)
    for address in [AddressSpace.userEnd, 0x8000_0000_0000, AddressSpace.kernelImage, UInt64.max] as [UInt64] {
      #expect(refusal(1, (address & ~7, 0, 0, 0)) == .badAddress)
      #expect(refusal(0x9000_0040, (0, 0, 0, address & ~7)) == .badAddress)
    }
  }

  @Test("only a breakpoint on execution comes before its instruction") func before() {
    #expect(DebugControl.isBeforeInstruction(status: 1, control: 0x401) && !DebugControl.isBeforeInstruction(status: 1, control: 0xD_0401))
    #expect(!DebugControl.isBeforeInstruction(status: 1, control: 0x404) && !DebugControl.isBeforeInstruction(status: 0x4000, control: 0x401))
    #expect(DebugControl.isBeforeInstruction(status: 8, control: 0x440))
  }
}
