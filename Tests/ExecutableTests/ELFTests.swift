import Executable
import PageTable
import Testing

/// A small image: header, `segments` program headers, as bytes.
private func image(segments: [(type: UInt32, flags: UInt32, offset: UInt64, address: UInt64, file: UInt64, memory: UInt64)]) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: 64 + 56 * segments.count)
  func put<T: FixedWidthInteger>(_ value: T, _ at: Int) {
    withUnsafeBytes(of: value.littleEndian) { for (i, b) in $0.enumerated() { bytes[at + i] = b } }
  }
  put(UInt32(0x464C_457F), 0)
  bytes[4] = 2; bytes[5] = 1; bytes[6] = 1
  put(UInt16(2), 16); put(UInt16(62), 18)
  put(UInt64(0x400000), 24); put(UInt64(64), 32)
  put(UInt16(56), 54); put(UInt16(segments.count), 56)
  for (i, s) in segments.enumerated() {
    let at = 64 + 56 * i
    put(s.type, at); put(s.flags, at + 4); put(s.offset, at + 8); put(s.address, at + 16)
    put(s.file, at + 32); put(s.memory, at + 40)
  }
  return bytes
}

private func read(_ bytes: [UInt8]) -> (ELF, [ELF.Header])? {
  bytes.withUnsafeBytes { header in
    guard let elf = ELF(header: header) else { return nil }
    return (elf, (0..<elf.programHeaders).map {
      elf.segment($0, header: header, userStart: AddressSpace.userStart, userEnd: AddressSpace.userEnd)
    })
  }
}

@Suite("ELF") struct ELFTests {
  @Test("a sound image yields its entry and segments")
  func sound() throws {
    let (elf, headers) = try #require(read(image(segments: [(1, 5, 4096, 0x400000, 100, 100), (1, 6, 8192, 0x401000, 10, 5000)])))
    #expect(elf.entry == 0x400000)
    guard case .load(let text) = headers[0], case .load(let data) = headers[1] else { Issue.record("not loadable"); return }
    #expect(text.executable && !text.writable)
    #expect(data.writable && !data.executable)
    #expect(data.fileLength == 10 && data.memoryLength == 5000)
  }

  @Test("SEC41 what no static program has is refused", arguments: [
    ("kernel address", (1, 5, 0, 0xFFFF_8000_0000_0000, 1, 1)),
    ("page 0", (1, 5, 0, 0, 1, 1)),
    ("wraps", (1, 5, 0, 0xFFFF_FFFF_FFFF_F000, 1, 0x2000)),
    ("file longer than memory", (1, 5, 0, 0x400000, 2, 1)),
    ("file offset wraps", (1, 5, UInt64.max, 0x400000, 1, 1)),
    ("writable and executable", (1, 7, 0, 0x400000, 1, 1)),
    ("dynamic", (2, 4, 0, 0x400000, 1, 1)),
    ("interpreter", (3, 4, 0, 0x400000, 1, 1)),
    ("ends beyond user memory", (1, 5, 0, 0x0000_7FFF_FFFF_E000, 1, 0x2000)),
  ] as [(String, (UInt32, UInt32, UInt64, UInt64, UInt64, UInt64))])
  func refused(name: String, segment: (UInt32, UInt32, UInt64, UInt64, UInt64, UInt64)) throws {
    let (_, headers) = try #require(read(image(segments: [segment])))
    guard case .invalid = headers[0] else { Issue.record("\(name) was accepted"); return }
  }

  @Test("SEC41 100,000 mutated images never trap, and what is accepted is sound")
  func mutated() {
    let seed = UInt64.random(in: .min ... .max)
    var state = seed
    func random() -> UInt64 { state ^= state << 13; state ^= state >> 7; state ^= state << 17; return state }
    let sound = image(segments: [(1, 5, 4096, 0x400000, 100, 100), (1, 6, 8192, 0x401000, 10, 5000)])
    for _ in 0..<100_000 {
      var bytes = sound
      for _ in 0...Int(random() % 4) { bytes[Int(random() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random()) }
      if random() % 8 == 0 { bytes.removeLast(Int(random() % UInt64(bytes.count))) }
      guard let (_, headers) = read(bytes) else { continue }
      for case .load(let s) in headers {
        let good = s.address >= AddressSpace.userStart && s.address + s.memoryLength <= AddressSpace.userEnd
          && s.fileLength <= s.memoryLength && !(s.writable && s.executable)
        #expect(good, "seed \(seed)")
      }
    }
  }

  @Test("too short or not ELF at all", arguments: [0, 1, 63])
  func short(count: Int) { #expect(read([UInt8](repeating: 0x7F, count: count)) == nil) }
}
