import CX86
import Testing

@testable import X86State

@Suite struct ExtendedAreaTests {
  func withArea<T>(_ byte: UInt8, _ body: (UnsafeMutableRawPointer) -> T) -> T {
    let area = UnsafeMutableRawPointer.allocate(byteCount: ExtendedArea.size, alignment: 64)
    defer { area.deallocate() }
    area.initializeMemory(as: UInt8.self, repeating: byte, count: ExtendedArea.size)
    return body(area)
  }

  @Test("the area is what XSAVE writes for x87, SSE and AVX, and a signal frame holds all of it")
  func sizes() {
    #expect(ExtendedArea.size == 512 + 64 + 256 && ExtendedArea.size % 64 == 0 && EXTENDED_FEATURES == 7)
    #expect(SignalFrame.size >= SignalFrame.extendedState + ExtendedArea.size + 128 && SignalFrame.size % 16 == 0)
  }

  @Test("SEC6 a reset area has nothing of who had it before")
  func reset() {
    withArea(0xAA) { area in
      ExtendedArea.reset(area)
      let bytes = UnsafeRawBufferPointer(start: area, count: ExtendedArea.size)
      let set = bytes.indices.filter { bytes[$0] != 0 }
      #expect(set == [0, 1, 24, 25] && area.load(as: UInt16.self) == 0x37F && area.load(fromByteOffset: 24, as: UInt32.self) == 0x1F80)
    }
  }

  @Test("M-E6 SEC44 a forged area has nothing that XRSTOR refuses: XSTATE_BV, XCOMP_BV, reserved header bytes, MXCSR", arguments: [0, 3, 7] as [UInt64])
  func forged(_ features: UInt64) {
    let seed = UInt64.random(in: 1 ... .max)
    print("extended area seed \(seed)")
    var state = seed
    for round in 0..<10_000 {
      withArea(round % 3 == 0 ? 0xFF : 0) { area in
        for offset in stride(from: 0, to: ExtendedArea.size, by: 8) {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          if round % 3 == 2 { area.storeBytes(of: state, toByteOffset: offset, as: UInt64.self) }
        }
        let lower = area.load(fromByteOffset: 160, as: UInt64.self), upper = area.load(fromByteOffset: ExtendedArea.upperHalves, as: UInt64.self)
        let hadUpper = area.load(fromByteOffset: 512, as: UInt64.self) & 4 != 0
        ExtendedArea.sanitize(area, mask: 0xFFBF, features: features)
        let parts = area.load(fromByteOffset: 512, as: UInt64.self)
        let reserved = (1..<8).allSatisfy { area.load(fromByteOffset: 512 + 8 * $0, as: UInt64.self) == 0 }
        let hasUpper = features == 7 && hadUpper
        guard parts & ~features == 0, parts & 3 == features & 3, (parts & 4 != 0) == hasUpper, reserved,
          area.load(fromByteOffset: 24, as: UInt32.self) & ~0xFFBF == 0,
          area.load(fromByteOffset: 160, as: UInt64.self) == lower, area.load(fromByteOffset: ExtendedArea.upperHalves, as: UInt64.self) == upper
        else {
          Issue.record("seed \(seed) round \(round)")
          return
        }
      }
    }
  }

  @Test("a processor that reports no MXCSR mask has the first one") func mask() {
    #expect(withArea(0) { ExtendedArea.mxcsrMask($0) } == 0xFFBF && withArea(0xFF) { ExtendedArea.mxcsrMask($0) } == .max)
  }
}
