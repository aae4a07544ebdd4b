import BootImage
import IPC

/// A small executable: text, read-only data, data with zeroed memory behind it.
struct TestELF {
  struct Segment {
    var address: UInt64
    var bytes: [UInt8]
    var memory: Int
    /// Bits 1 execute, 2 write, 4 read.
    var flags: UInt32
    /// Bytes off the page border at which the file holds it; 0 can be mapped in place.
    var skew = 0
  }

  var entry: UInt64 = 0x40_0010
  var segments: [Segment] = []

  static var standard: TestELF {
    func pattern(_ count: Int, _ seed: UInt8) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) &+ seed } }
    return TestELF(segments: [
      Segment(address: 0x40_0000, bytes: pattern(5000, 1), memory: 5000, flags: 5),
      Segment(address: 0x40_2000, bytes: pattern(100, 2), memory: 100, flags: 4),
      Segment(address: 0x40_3000, bytes: pattern(4096 + 300, 3), memory: 20_000, flags: 6),
    ])
  }

  var bytes: [UInt8] {
    var file = [UInt8](repeating: 0, count: 64 + 56 * segments.count)
    func put<T: FixedWidthInteger>(_ value: T, _ at: Int) {
      for index in 0..<MemoryLayout<T>.size { file[at + index] = UInt8(truncatingIfNeeded: value >> T(index * 8)) }
    }
    put(UInt32(0x464C_457F), 0)
    file[4] = 2
    file[5] = 1
    file[6] = 1
    put(UInt16(2), 16)
    put(UInt16(62), 18)
    put(UInt32(1), 20)
    put(entry, 24)
    put(UInt64(64), 32)
    put(UInt16(64), 52)
    put(UInt16(56), 54)
    put(UInt16(segments.count), 56)
    for (index, segment) in segments.enumerated() {
      while file.count % 4096 != 0 { file.append(0xEE) }
      file += [UInt8](repeating: 0xEE, count: segment.skew)
      let at = 64 + 56 * index
      put(UInt32(1), at)
      put(segment.flags, at + 4)
      put(UInt64(file.count), at + 8)
      put(segment.address, at + 16)
      put(UInt64(segment.bytes.count), at + 32)
      put(UInt64(segment.memory), at + 40)
      file += segment.bytes
    }
    return file
  }
}

/// A boot archive of modules.
func makeArchive(_ modules: [(name: String, bytes: [UInt8])]) -> [UInt8] {
  var archive = [UInt8](repeating: 0, count: 4096)
  func put(_ value: UInt64, _ at: Int) { for index in 0..<8 { archive[at + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8)) } }
  put(BootArchive.magic, 0)
  put(UInt64(modules.count), 8)
  for (index, module) in modules.enumerated() {
    while archive.count % 4096 != 0 { archive.append(0) }
    for (offset, byte) in module.name.utf8.enumerated() { archive[16 + index * 32 + offset] = byte }
    put(UInt64(archive.count), 16 + index * 32 + 16)
    put(UInt64(module.bytes.count), 16 + index * 32 + 24)
    archive += module.bytes
  }
  while archive.count % 4096 != 0 { archive.append(0) }
  return archive
}
