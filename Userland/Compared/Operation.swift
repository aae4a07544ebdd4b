import IPC
import POSIX
import Protocols

/// One call with its arguments as Linux numbers them. The requests are made directly: the library's functions take pointers and
/// lengths of objects that exist.
enum Operation {
  case map(UInt64, UInt64, protection: UInt32, flags: UInt32)
  case mapFile(Int, UInt64, UInt64, protection: UInt32, flags: UInt32, offset: UInt64)
  case unmap(UInt64, UInt64)
  case protect(UInt64, UInt64, UInt32)
  case advise(UInt64, UInt64, UInt32)
  case resident(UInt64, UInt64)
  case lock(UInt64, UInt64)
  case unlock(UInt64, UInt64)
  case lockAll(UInt32)
  case synchronize(UInt64, UInt64, UInt32)
  case remap(UInt64, UInt64, UInt64, flags: UInt32, to: UInt64)
  case moveBreak(UInt64)

  /// The address that the call gives, nil if it gives none.
  func perform() throws(Errno) -> UInt64? {
    switch self {
    case .map(let address, let length, let protection, let flags):
      return try request(VM.MMap(address: address, length: length, protection: protection, flags: flags), of: .vm).address
    case .mapFile(let descriptor, let address, let length, let protection, let flags, let offset):
      return try request(
        VFS.MapFile(descriptor: Int64(descriptor), address: address, length: length, offset: offset, protection: protection, flags: flags), of: .vfs
      ).address
    case .unmap(let address, let length): _ = try request(VM.MUnmap(address: address, length: length), of: .vm)
    case .protect(let address, let length, let access):
      _ = try request(VM.MProtect(address: address, length: length, protection: access), of: .vm)
    case .advise(let address, let length, let advice): _ = try request(VM.MAdvise(address: address, length: length, advice: advice), of: .vm)
    case .resident(let address, let pages): _ = try request(VM.MInCore(address: address, pages: pages), of: .vm)
    case .lock(let address, let length): _ = try request(VM.MLock(address: address, length: length), of: .vm)
    case .unlock(let address, let length): _ = try request(VM.MUnlock(address: address, length: length), of: .vm)
    case .lockAll(let flags): _ = try request(VM.MLockAll(flags: flags), of: .vm)
    case .synchronize(let address, let length, let flags): _ = try request(VM.MSync(address: address, length: length, flags: flags), of: .vm)
    case .remap(let address, let old, let new, let flags, let target):
      return try request(VM.MRemap(address: address, oldLength: old, newLength: new, flags: flags, newAddress: target), of: .vm).address
    case .moveBreak(let address): return try request(VM.Brk(address: address), of: .vm).address
    }
    return nil
  }

  var text: [UInt8] {
    switch self {
    case .map(let address, let length, let protection, let flags):
      words("mmap", [place(address), size(length), hexadecimal(protection), hexadecimal(flags)])
    case .mapFile(_, let address, let length, let protection, let flags, let offset):
      words("mmap", [place(address), size(length), hexadecimal(protection), hexadecimal(flags), size(offset)])
    case .unmap(let address, let length): words("munmap", [place(address), size(length)])
    case .protect(let address, let length, let access): words("mprotect", [place(address), size(length), hexadecimal(access)])
    case .advise(let address, let length, let advice): words("madvise", [place(address), size(length), decimal(Int(advice))])
    case .resident(let address, let pages): words("mincore", [place(address), decimal(pages)])
    case .lock(let address, let length): words("mlock", [place(address), size(length)])
    case .unlock(let address, let length): words("munlock", [place(address), size(length)])
    case .lockAll(let flags): words("mlockall", [hexadecimal(flags)])
    case .synchronize(let address, let length, let flags): words("msync", [place(address), size(length), hexadecimal(flags)])
    case .remap(let address, let old, let new, let flags, let target):
      words("mremap", [place(address), size(old), size(new), hexadecimal(flags), place(target)])
    case .moveBreak(let address): words("brk", [place(address)])
    }
  }
}

private func words(_ name: StaticString, _ arguments: [[UInt8]]) -> [UInt8] {
  var text = [UInt8](name)
  for argument in arguments {
    text += " "
    text += argument
  }
  return text
}

private func hexadecimal(_ value: UInt32) -> [UInt8] { [UInt8]("0x") + digits(UInt64(value), base: 16) }

/// An address: `A` is the arena's, with pages and bytes from there.
func place(_ address: UInt64) -> [UInt8] {
  guard address >= Arena.start &- 8 &* page, address < Arena.start &+ 2 &* Arena.length else { return [UInt8]("0x") + digits(address, base: 16) }
  if address < Arena.start { return [UInt8]("A-") + size(Arena.start &- address) }
  return address == Arena.start ? [UInt8]("A") : [UInt8]("A+") + size(address &- Arena.start)
}

/// A length in pages and bytes if it is small.
private func size(_ length: UInt64) -> [UInt8] {
  guard length < 64 &* page else { return [UInt8]("0x") + digits(length, base: 16) }
  if length < page { return decimal(length) }
  let whole = decimal(length / page) + [UInt8]("p")
  return length % page == 0 ? whole : whole + [UInt8]("+") + decimal(length % page)
}
