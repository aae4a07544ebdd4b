import IPC
import Protocols
import Trap

// The heap of a program: what Embedded Swift asks for by `posix_memalign` and `free`. Small blocks come from
// power-of-two classes carved out of the break, large ones are mappings of their own and go back to VM.
// Single-threaded, as programs are until POSIX threads come. VM has a heap of its own (Servers/VM).

/// In front of each block, 16 bytes: how to give it back.
private struct Header {
  /// Class 5 ... 16 (32 B to 64 KiB, header included); or 0 and the length of a mapping in bytes.
  var sizeClass: UInt64
  var length: UInt64
}

private let smallestClass = 5
private let largestClass = 16
nonisolated(unsafe) private var freeLists = InlineArray<17, UInt>(repeating: 0)
nonisolated(unsafe) private var heapNext: UInt = 0
nonisolated(unsafe) private var heapEnd: UInt = 0
private let growth: UInt = 64 << 10

/// More room at the break: at least `size` bytes from `heapNext` on. False when VM has none.
private func grow(_ size: UInt) -> Bool {
  var ipc = KernelTrap()
  do throws(Errno) {
    if heapEnd == 0 {
      let start = UInt(try ipc.call(.vm, VM.Brk(address: 0)).address)
      heapNext = (start + 15) & ~15
      heapEnd = start
    }
    let target = (heapNext + max(size, growth) + 4095) & ~4095
    guard try ipc.call(.vm, VM.Brk(address: UInt64(target))).address >= UInt64(target) else { return false }
    heapEnd = target
    return true
  } catch { return false }
}

private func allocate(_ size: UInt) -> UInt {
  let total = size &+ 16
  guard total > size else { return 0 }
  let sizeClass = max(smallestClass, UInt.bitWidth - (total - 1).leadingZeroBitCount)
  if sizeClass > largestClass { return mapLarge(total) }
  if freeLists[sizeClass] != 0 {
    let block = freeLists[sizeClass]
    // A free block's second header word links to the next of its class.
    freeLists[sizeClass] = UnsafePointer<UInt>(bitPattern: block + 8).unsafelyUnwrapped.pointee
    return block + 16
  }
  let block = heapNext
  if heapEnd == 0 || heapEnd - heapNext < 1 << UInt(sizeClass) {
    guard grow(1 << UInt(sizeClass)) else { return 0 }
    return allocate(size)
  }
  heapNext = block + 1 << UInt(sizeClass)
  UnsafeMutablePointer<Header>(bitPattern: block).unsafelyUnwrapped.pointee = Header(sizeClass: UInt64(sizeClass), length: 0)
  return block + 16
}

private func mapLarge(_ total: UInt) -> UInt {
  let length = (total + 4095) & ~4095
  guard length >= total else { return 0 }
  var ipc = KernelTrap()
  do throws(Errno) {
    let call = VM.MMap(
      address: 0, length: UInt64(length), protection: VM.Protection.read | VM.Protection.write,
      flags: VM.Flags.private | VM.Flags.anonymous)
    let block = UInt(try ipc.call(.vm, call).address)
    UnsafeMutablePointer<Header>(bitPattern: block).unsafelyUnwrapped.pointee = Header(sizeClass: 0, length: UInt64(length))
    return block + 16
  } catch { return 0 }
}

/// Blocks are aligned to 16 bytes, which is all that Swift's own types need; more is refused.
@c(apus_memalign)
public func apus_memalign(_ result: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ alignment: UInt, _ size: UInt) -> Int32 {
  guard alignment <= 16 else { return 22 }
  let block = allocate(size)
  guard block != 0 else { return 12 }
  result.pointee = UnsafeMutableRawPointer(bitPattern: block)
  return 0
}

@c(apus_free)
public func apus_free(_ pointer: UnsafeMutableRawPointer?) {
  guard let pointer else { return }
  let block = UInt(bitPattern: pointer) - 16
  let header = UnsafeMutablePointer<Header>(bitPattern: block).unsafelyUnwrapped
  let sizeClass = Int(header.pointee.sizeClass)
  if sizeClass == 0 {
    var ipc = KernelTrap()
    _ = try? ipc.call(.vm, VM.MUnmap(address: UInt64(block), length: header.pointee.length))
    return
  }
  header.pointee.length = UInt64(freeLists[sizeClass])
  freeLists[sizeClass] = block
}

/// Entropy for Hasher: processes have no secrets to protect by it yet.
@c(arc4random_buf)
public func arc4random_buf(_ buffer: UnsafeMutableRawPointer, _ count: UInt) {
  for offset in 0..<Int(count) { buffer.storeBytes(of: UInt8(truncatingIfNeeded: offset &* 167 &+ 13), toByteOffset: offset, as: UInt8.self) }
}

/// Text of a Swift runtime failure goes to the kernel's debug console if the program may write there.
@c(putchar)
public func putchar(_ character: Int32) -> Int32 {
  var ipc = KernelTrap()
  _ = ipc.kernel(Message(Kernel.Log(count: 1, text: (UInt64(UInt8(truncatingIfNeeded: character)), 0, 0, 0, 0, 0))))
  return character
}
