import CTrap
import IPC
import POSIX
import Protocols

// What the processor must refuse.

func readByte(_ address: UInt) {
  guard let pointer = UnsafePointer<UInt8>(bitPattern: address) else { return }
  keep(UInt64(pointer.pointee))
}

func writeByte(_ address: UInt) {
  guard let pointer = UnsafeMutablePointer<UInt8>(bitPattern: address) else { return }
  pointer.pointee = 0xC3
}

/// M-K1: what lies below 64 KiB can be neither read, written nor called; each try costs a child its life.
func lowestPages() {
  for address: UInt in [0, 8, 0xFFF, 0x1000, 0x7FF8, 0xF000, 0xFFFF] {
    for access in [LowAccess.read, .write, .call] where !endsByFault(address, access) {
      printLine(Bytes("hostile lowest: ") + digits(UInt64(address), base: 16) + Bytes(access == .read ? " was read" : access == .write ? " was written" : " was called"))
      exit(1)
    }
  }
}

private enum LowAccess { case read, write, call }

private func endsByFault(_ address: UInt, _ access: LowAccess) -> Bool {
  standardOutput.flush()
  do throws(Errno) {
    let child = try fork()
    if child == 0 {
      // By way of the byte behind it: a pointer to 0 is none.
      guard let next = UnsafeMutablePointer<UInt8>(bitPattern: opaque(address) &+ 1) else { exit(0) }
      switch access {
      case .read: keep(UInt64(next[-1]))
      case .write: next[-1] = 1
      case .call: apus_call(UInt64(address))
      }
      exit(0)
    }
    let status = waitUntilEnd(of: child)
    return !status.exited && status.signal == Signal.segmentation
  } catch { return false }
}

/// The same number, as far as the optimiser can tell another.
@inline(never) private func opaque(_ address: UInt) -> UInt {
  keep(UInt64(address))
  return UInt(kept)
}

/// SEC15: a `ret` in memory that may be written.
func executeData() {
  do throws(Errno) {
    let memory = try mapMemory(4096, Protection.read | Protection.write)
    memory.storeBytes(of: 0xC3, as: UInt8.self)
    apus_call(UInt64(UInt(bitPattern: memory)))
  } catch {}
}

func executeStack() {
  var code: UInt64 = 0xC3
  withUnsafePointer(to: &code) { apus_call(UInt64(UInt(bitPattern: $0))) }
}

/// SEC16: recursion without end.
func overflowStack() { keep(recurse(1)) }

@inline(never) private func recurse(_ depth: UInt64) -> UInt64 {
  var frame = InlineArray<64, UInt64>(repeating: depth)
  keep(frame[Int(truncatingIfNeeded: depth & 63)])
  frame[1] = depth == 0 ? 0 : recurse(depth &+ 1)
  return frame[1] &+ frame[2]
}

/// So that the optimiser cannot know what is not used.
@inline(never) func keep(_ value: UInt64) { kept = value }
nonisolated(unsafe) private var kept: UInt64 = 0

enum PrivilegedInstruction { case port, halt, interruptsOff, readCR3 }

func privileged(_ instruction: PrivilegedInstruction) {
  switch instruction {
  case .port: apus_port_write(0xF4, 0x10)  // would end QEMU
  case .halt: apus_halt()
  case .interruptsOff: apus_disable_interrupts()
  case .readCR3: keep(apus_read_cr3())
  }
}

/// SEC5: direction and alignment-check flags set on the way in must not confuse the kernel, and are still set after.
func trapWithFlags() {
  for _ in 0..<1000 {
    let flags = apus_trap_with_flags(TrapOperation.kernelCall.rawValue)
    if flags & 0x40400 != 0x40400 {
      printLine(Bytes("hostile flags: lost, now ") + digits(flags, base: 16))
      exit(1)
    }
  }
}
