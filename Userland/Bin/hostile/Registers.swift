import CHostile
import IPC
import POSIX

/// What all registers hold: rax rbx rcx rdx rsi rdi rbp rsp r8 to r15, then the flags.
struct Registers {
  var raw = hostile_registers()

  static var rax: Int { 0 }
  static var header: Int { 1 }
  static var rcx: Int { 2 }
  static var rdx: Int { 3 }
  static var rsi: Int { 4 }
  static var rdi: Int { 5 }
  static var rbp: Int { 6 }
  static var rsp: Int { 7 }
  static var r11: Int { 11 }
  static var flags: Int { 16 }
  /// r12 r13 r14 r15 r8 r9 r10.
  static var payload: InlineArray<7, Int> { [12, 13, 14, 15, 8, 9, 10] }

  subscript(index: Int) -> UInt64 {
    get { withUnsafeBytes(of: raw) { $0.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self) } }
    set { withUnsafeMutableBytes(of: &raw) { $0.storeBytes(of: newValue, toByteOffset: index * 8, as: UInt64.self) } }
  }
}

/// A register that holds what it must not.
struct Leak {
  var way: UInt8
  var register: UInt8
  var operation: UInt64
  var before: UInt64
  var after: UInt64

  init(way: UInt64, register: Int, operation: UInt64, before: UInt64, after: UInt64) {
    self.way = UInt8(truncatingIfNeeded: way)
    self.register = UInt8(truncatingIfNeeded: register)
    self.operation = operation
    self.before = before
    self.after = after
  }

  /// As it goes through a pipe; the first byte is 1.
  var bytes: Bytes {
    var bytes = Bytes([1, way, register])
    for word in [operation, before, after] { for place in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(place * 8))) } }
    return bytes
  }

  init(bytes: Bytes) {
    func word(_ offset: Int) -> UInt64 {
      var word: UInt64 = 0
      for place in 0..<8 where offset + place < bytes.count { word |= UInt64(bytes[offset + place]) << UInt64(place * 8) }
      return word
    }
    way = bytes.count > 1 ? bytes[1] : 0
    register = bytes.count > 2 ? bytes[2] : 0
    operation = word(3)
    before = word(11)
    after = word(19)
  }
}

/// One trap. SEC8, SEC20: whatever it was, a register that is no part of the answer comes back as it was or zero (rcx and r11 may hold
/// our own rip, rsp or flags), a trap that fails leaves the message alone, and no register holds an address of the kernel's.
func trap(_ way: UInt64, _ given: Registers) -> Leak? {
  var got = given
  hostile_trap(way, &got.raw)
  for index in 0..<16 {
    let (before, after) = (given[index], got[index])
    let isMine: Bool = switch index {
    case Registers.rax: after == 0 || after > 0 &- 4096
    case Registers.rdi: after < 32
    // The stub page may have used them: by SYSENTER rdx is its return address and rcx its stack pointer.
    case Registers.rsi, Registers.rdx: after == before || after == 0 || way == 0 && after < 0x0000_8000_0000_0000
    case Registers.rcx, Registers.r11: after == before || after < 0x0000_8000_0000_0000
    case Registers.rbp: after == before
    case Registers.rsp: way == 0 || after == before
    default: got[Registers.rax] == 0 ? !isKernelAddress(after) || isAmong(after, given) : after == before
    }
    if !isMine { return Leak(way: way, register: index, operation: given[Registers.rax], before: before, after: after) }
  }
  return nil
}

/// The upper half, small negative numbers excepted.
private func isKernelAddress(_ value: UInt64) -> Bool { value >= 0xFFFF_8000_0000_0000 && value < 0 &- 4096 }

/// A server may say our own words again.
private func isAmong(_ value: UInt64, _ given: Registers) -> Bool {
  for index in 0..<16 where given[index] == value { return true }
  return false
}

/// An address in the first stack: what the stack pointer must be for a trap, and is not aligned to anything.
@inline(never) func anyStack(_ random: inout Random) -> UInt64 {
  var here = random.below(0x1_0000)
  let below = here
  return withUnsafeMutablePointer(to: &here) { UInt64(UInt(bitPattern: $0)) &- below }
}

/// A trap in a process of its own, which ends with 0 if no register came back that should not have.
private func trapInChild(_ way: UInt64, _ given: Registers) throws(Errno) -> WaitStatus {
  let child = try fork()
  if child == 0 { terminate(trap(way, given) == nil ? 0 : 2) }
  return waitUntilEnd(of: child)
}

/// V50: by SYSCALL and `int`, with garbage in the stack pointer: the end, by a signal.
func rawStacks(_ parameters: Attack.Parameters) {
  var random = Random(seed: parameters.seed)
  for turn in 0..<64 as Range<UInt64> {
    do throws(Errno) {
      var given = Registers()
      for index in 0..<16 { given[index] = random.next() }
      given[Registers.rax] = random.below(9)
      if turn & 2 != 0 { given[Registers.rsp] = random.below(1 << 47) }
      if try trapInChild(1 + turn & 1, given).exited {
        printLine(Bytes("hostile stacks: a trap from ") + digits(given[Registers.rsp], base: 16) + Bytes(" came back"))
        exit(1)
      }
    } catch {
      printLine(Bytes("hostile stacks: ") + Bytes(errorText(error)))
      exit(1)
    }
  }
}

/// Each vector by `int`, with garbage in all registers, in a process of its own: a signal, or for the trap's own vector an answer.
func rawInterrupts(_ parameters: Attack.Parameters) {
  var random = Random(seed: parameters.seed)
  var killed: UInt64 = 0, answered: UInt64 = 0
  for vector in 0..<256 as Range<UInt64> {
    standardOutput.flush()
    do throws(Errno) {
      var given = Registers()
      for index in 0..<16 { given[index] = random.next() }
      given[Registers.rax] = 8 + random.below(1 << 40)
      if vector == 0x80 { given[Registers.rsp] = anyStack(&random) }
      let status = try trapInChild(3 + vector, given)
      let isGood = vector == 0x80 ? status.exited && status.exitStatus == 0 : !status.exited
      if !isGood {
        printLine(Bytes("hostile interrupts: vector ") + decimal(vector) + Bytes(status.exited ? " came back" : " ended the process"))
        exit(1)
      }
      if status.exited { answered += 1 } else { killed += 1 }
    } catch {
      printLine(Bytes("hostile interrupts: ") + Bytes(errorText(error)))
      exit(1)
    }
  }
  printLine(Bytes("hostile interrupts: ") + decimal(killed) + Bytes(" ended, ") + decimal(answered) + Bytes(" answered"))
}
