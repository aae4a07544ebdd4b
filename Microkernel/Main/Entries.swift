import CX86
import KernelCore
import X86Hardware
import X86State

// What the entry code (`Arch/X86_64/Entry/entry.S`) calls, with interrupts off, on the empty kernel stack. Each asks
// the core what to do and then leaves for whatever thread the core has chosen.

/// The core and the CPU struct, told who runs, in which space, and whose FPU registers these are: the fast path has
/// switched without them.
@inline(__always)
private func enter() -> UnsafeMutablePointer<Core<X86Machine>> {
  let cpu = x86_this_cpu()
  let kernel = cpu.pointee.core.assumingMemoryBound(to: Core<X86Machine>.self)
  guard let current = UnsafeMutableRawPointer(cpu.pointee.current)?.assumingMemoryBound(to: Thread<X86Context>.self) else {
    kernel.pointee.adopt(nil)
    return kernel
  }
  kernel.pointee.adopt(current)
  cpu.pointee.root = current.pointee.root
  cpu.pointee.fpu = UnsafeMutablePointer(bitPattern: UInt(current.pointee.extendedState))
  return kernel
}

/// The trap instruction, when the fast path does not cover it.
@c(kernel_call)
func kernelCall() -> Never {
  let kernel = enter()
  kernel.pointee.trap()
  kernel.pointee.machine.resume(kernel.pointee.current)
}

/// The trap instruction, where messages are recorded or the fast path is off.
@c(kernel_call_slow)
func kernelCallSlow() -> Never {
  let kernel = enter()
  kernel.pointee.tracedTrap()
  kernel.pointee.machine.resume(kernel.pointee.current)
}

/// Everything that comes through the IDT from ring 3, the trap instruction `int 0x80` among it.
@c(kernel_trap)
func kernelTrap(_ frame: UnsafePointer<apus_context>) -> Never {
  let vector = frame.pointee.entry
  if vector == UInt64(VECTOR_CALL) { kernelCall() }
  let kernel = enter()
  switch vector {
  case UInt64(VECTOR_PAGE_FAULT):
    kernel.pointee.pageFault(address: x86_read_cr2(), access: X86Exception.access(pageFaultError: frame.pointee.error))
  case UInt64(VECTOR_DEBUG):
    let noticed = kernel.pointee.machine.takeDebugTrap()
    kernel.pointee.exception(vector: vector, signal: X86Exception.signal(vector: vector), address: noticed)
  case 0..<UInt64(VECTOR_LINES):
    kernel.pointee.exception(vector: vector, signal: X86Exception.signal(vector: vector), address: frame.pointee.rip)
  default: interrupt(kernel, vector)
  }
  kernel.pointee.machine.resume(kernel.pointee.current)
}

/// An interrupt while there was nothing to run.
@c(kernel_idle_interrupt)
func kernelIdleInterrupt(_ vector: UInt64) -> Never {
  let kernel = enter()
  interrupt(kernel, vector)
  kernel.pointee.machine.resume(kernel.pointee.current)
}

/// An exception in ring 0, a double fault or a machine check.
@c(kernel_fault)
func kernelFault(_ frame: UnsafePointer<apus_context>) -> Never { Panic.stop(frame) }

private func interrupt(_ kernel: UnsafeMutablePointer<Core<X86Machine>>, _ vector: UInt64) {
  switch vector {
  case UInt64(VECTOR_LINES)..<UInt64(VECTOR_LINES + 16):
    guard let line = kernel.pointee.machine.line(vector: vector) else { return }
    kernel.pointee.interrupt(line: line)
    kernel.pointee.machine.acknowledge(line: line)
  case UInt64(VECTOR_TIMER):
    kernel.pointee.machine.acknowledgeTimer()
    kernel.pointee.timer()
  case UInt64(VECTOR_CALL_SLOW): kernel.pointee.tracedTrap()
  default: break  // the APIC's spurious vector wants no answer; nothing else is ever sent
  }
}
