import IPC
import POSIX
import Protocols

/// SEC9: addresses that nobody may follow, with lengths that wrap, straddle or are absurd.
private let addresses: [UInt64] = [
  0, 8, 0xFFFF, 0x0000_7FFF_FFFF_F000, 0x0000_7FFF_FFFF_FFFF, 0x0000_8000_0000_0000, 0x8000_0000_0000_0000,
  0xFFFF_8000_0000_0000, 0xFFFF_FFFF_8010_0000, 0xFFFF_FFFF_FFFF_F000, .max, 0x0000_3FFF_0000_0000,
]
private let lengths: [UInt64] = [1, 7, 4096, 1 << 20, 1 << 31, 1 << 47, 1 << 63, .max - 4095, .max]

/// Each call with each wild buffer must answer with an error; one that says it did something has followed it.
func wildPointers() {
  var tried: UInt64 = 0, accepted: UInt64 = 0
  let zero: Int64
  do throws(Errno) { zero = Int64(try open(Bytes("/dev/zero"))) } catch {
    printLine(Bytes("hostile pointers: /dev/zero: ") + Bytes(errorText(error)))
    exit(1)
  }
  for address in addresses {
    for length in lengths {
      tried += 14
      accepted += attempt(VFS.Open(path: address, length: length, flags: 0, mode: 0), .vfs)
      accepted += attempt(VFS.Stat(path: address, length: length, follow: 1), .vfs)
      accepted += attempt(VFS.Unlink(path: address, length: length), .vfs)
      accepted += attempt(VFS.MakeDirectory(path: address, length: length, mode: 0o777), .vfs)
      accepted += attempt(VFS.ChangeDirectory(path: address, length: length), .vfs)
      accepted += attempt(VFS.Rename(from: address, fromLength: length, to: address, toLength: length), .vfs)
      accepted += attempt(VFS.CurrentDirectory(address: address, capacity: length), .vfs)
      accepted += attempt(VFS.Read(descriptor: zero, address: address, length: length), .vfs)
      accepted += attempt(VFS.Read(descriptor: .max, address: address, length: length), .vfs)
      accepted += attempt(VFS.Write(descriptor: -1, address: address, length: length), .vfs)
      accepted += attempt(VFS.Mount(source: address, sourceLength: length, target: address, targetLength: length, flags: ~0), .vfs)
      accepted += attempt(PM.Exec(path: address, pathLength: length, arguments: address, argumentsLength: length), .pm)
      accepted += attempt(VM.MUnmap(address: address | 1, length: length), .vm)
      accepted += attempt(VM.MProtect(address: address | 1, length: length, protection: ~0), .vm)
    }
  }
  printLine(Bytes("hostile pointers: ") + decimal(tried) + Bytes(" calls, ") + decimal(accepted) + Bytes(" accepted"))
  if accepted != 0 { exit(1) }
}

/// 1 if the call succeeded.
private func attempt<C: Call>(_ call: C, _ server: Endpoint) -> UInt64 {
  do throws(Errno) {
    _ = try request(call, of: server)
    printLine(Bytes("hostile pointers: accepted call ") + digits(UInt64(UInt32(bitPattern: C.number)), base: 16))
    return 1
  } catch { return 0 }
}
