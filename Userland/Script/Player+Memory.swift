import IPC
import Protocols

// Regions of memory, shared, private or copied on write.
extension Player {
  mutating func regions(_ operation: Operation, _ s: Statement) {
    let slot = Play.regions + UInt64(s.a & 7) * 8
    let count = Play.regionPages + UInt64(s.a & 7) * 8
    let address: UInt64 = memory.load(slot)
    let pages: UInt64 = memory.load(count)
    do throws(Errno) {
      switch operation {
      case .map:
        let flags = VM.Flags.anonymous | (s.flags & 1 != 0 ? VM.Flags.shared : VM.Flags.private)
        let call = VM.MMap(address: 0, length: s.y << 12, protection: VM.Protection.read | VM.Protection.write, flags: flags)
        memory.store(try patient(call, .vm).address, at: slot)
        memory.store(s.y, at: count)
      case .unmap:
        _ = try patient(VM.MUnmap(address: address, length: pages << 12), .vm)
        memory.store(UInt64(0), at: slot)
        memory.store(UInt64(0), at: count)
      case .touch:
        guard UInt64(s.x) < pages else { throw .outOfRange }
        let place = address + UInt64(s.x) << 12 + (s.y & 511) * 8
        memory.store(memory.load(place, as: UInt64.self) &* 3 &+ s.y &+ 1, at: place)
      case .sum:
        var digest = Digest()
        for page in 0..<pages {
          memory.pieces(address + page << 12, 4096, write: false) { bytes, _ in
            for word in 0..<512 {
              let value = bytes.load(fromByteOffset: word * 8, as: UInt64.self)
              if value != 0 { digest.value = (digest.value ^ value &+ UInt64(word)) &* 0x0000_0100_0000_01B3 }
            }
          }
          digest.add(UInt8(truncatingIfNeeded: page))
        }
        tell(operation, digest: digest.short, Int64(pages))
        return
      case .protect:
        let access = s.flags & 1 != 0 ? VM.Protection.read | VM.Protection.write : VM.Protection.read
        _ = try patient(VM.MProtect(address: address, length: pages << 12, protection: access), .vm)
      case .fault:
        memory.store(UInt64(1), at: s.y)
      default: break
      }
      tell(operation, 0)
    } catch { tell(operation, error) }
  }
}
