import Glibc
import IPC
import Protocols

// VM's part. The system calls themselves, without the C library, which checks some arguments on its own.

func memory(_ message: Message) throws(Errno) -> Message {
  switch VM.Number(rawValue: message.type) {
  case .mmap:
    let call: VM.MMap = message.body()
    return try address(9, call.address, call.length, UInt64(call.protection), UInt64(call.flags), UInt64.max, 0)
  case .munmap:
    let call: VM.MUnmap = message.body()
    return try done(11, call.address, call.length)
  case .mprotect:
    let call: VM.MProtect = message.body()
    return try done(10, call.address, call.length, UInt64(call.protection))
  case .brk: return try address(12, (message.body() as VM.Brk).address)
  case .madvise:
    let call: VM.MAdvise = message.body()
    return try done(28, call.address, call.length, UInt64(call.advice))
  case .mincore: return try resident(message.body())
  case .mlock:
    let call: VM.MLock = message.body()
    return try done(149, call.address, call.length)
  case .munlock:
    let call: VM.MUnlock = message.body()
    return try done(150, call.address, call.length)
  case .mlockall:
    let flags = (message.body() as VM.MLockAll).flags
    return flags == 0 ? try done(152) : try done(151, UInt64(flags))
  case .msync:
    let call: VM.MSync = message.body()
    return try done(26, call.address, call.length, UInt64(call.flags))
  case .mremap:
    let call: VM.MRemap = message.body()
    return try address(25, call.address, call.oldLength, call.newLength, UInt64(call.flags), call.newAddress)
  default: throw .noSuchCall
  }
}

/// A bit a page, from mincore's byte a page.
private func resident(_ call: VM.MInCore) throws(Errno) -> Message {
  guard call.pages <= VM.MInCore.limit else { throw .invalidArgument }
  var bytes = [UInt8](repeating: 0, count: Int(VM.MInCore.limit))
  let result = bytes.withUnsafeMutableBytes { system(27, call.address, call.pages << 12, UInt64(UInt(bitPattern: $0.baseAddress))) }
  _ = try check(result)
  var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
  withUnsafeMutableBytes(of: &words) { for page in 0..<Int(call.pages) where bytes[page] & 1 != 0 { $0[page >> 3] |= 1 << UInt8(page & 7) } }
  return Message(reply: VM.MInCore.Reply(bits: words))
}

/// A system call of x86-64 by its number. syscall(3) is variadic, which Swift does not see, and for integers no different.
private func system(_ number: Int, _ arguments: UInt64...) -> Int {
  typealias Function = @convention(c) (Int, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) -> Int
  let a = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
  return symbol("syscall", Function.self)(number, a[0], a[1], a[2], a[3], a[4], a[5])
}

private func done(_ number: Int, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0) throws(Errno) -> Message {
  _ = try check(system(number, a, b, c))
  return Message(reply: Done())
}

func address(_ number: Int, _ a: UInt64, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0, _ f: UInt64 = 0) throws(Errno) -> Message {
  Message(reply: VM.AddressReply(address: UInt64(bitPattern: Int64(try check(system(number, a, b, c, d, e, f))))))
}
