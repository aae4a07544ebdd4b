import CX86
import KernelCore
import PageTable
import Protocols
import Sandbox
import X86State

// One turn of one thread: from the registers that the core left to the core's next decision.
extension Broker {
  func turn(_ thread: Kernel.ThreadPointer) {
    let slot = thread.pointee.endpoint.slot
    guard prepare(thread, slot) else { return }
    sandbox.resume(slot: slot, full: thread.pointee.context.registers.entry == Entry.full)
    var isStopping = false
    while true {
      let event = sandbox.wait(until: isStopping ? .max : hostDeadline)
      switch event {
      case .trap(slot):
        take(thread, slot, entry: Entry.call)
        return enter()
      case .fault(slot, let address, let error):
        take(thread, slot, entry: UInt64(VECTOR_PAGE_FAULT))
        return fault(thread, slot, address, error)
      case .exception(slot, let vector, _):
        take(thread, slot, entry: vector & 31)
        return kernel.pointee.exception(
          vector: vector & 31, signal: X86Exception.signal(vector: vector & 31), address: thread.pointee.context.registers.rip)
      case .interrupted(slot):
        let entry = sandbox.context(slot: slot).pointee.entry
        return take(thread, slot, entry: entry == Entry.full || entry == Entry.call ? entry : UInt64(VECTOR_TIMER))
      default: note(event)
      }
      if event == .died(slot: slot) { return }
      if !isStopping, event == .timeout || !deaths.isEmpty || raisedLines != 0 || end != nil {
        isStopping = true
        sandbox.interrupt(slot: slot)
      }
    }
  }

  /// A process for the thread, with its registers and mappings. False if it cannot have one.
  private func prepare(_ thread: Kernel.ThreadPointer, _ slot: Int) -> Bool {
    if !isBodied[slot] {
      do throws(SandboxFailure) {
        try sandbox.create(slot: slot, name: Self.name(slot))
      } catch {
        say("no process for slot \(slot): \(error)")
        kernel.pointee.died(slot: slot)
        return false
      }
      isBodied[slot] = true
      translations.clear(slot: slot)
    }
    translations.use(thread.pointee.root, slot: slot)
    if missed[slot] != .max {
      // What made it fault may be answered otherwise, by a signal: then this maps a page early or none.
      if let run = translations.find(thread.pointee.root, missed[slot], write: false, execute: false).run { translations.map(run, slot: slot) }
      missed[slot] = .max
    }
    sandbox.context(slot: slot).pointee = thread.pointee.context.registers
    return true
  }

  /// The registers as the process has left them: any bits, so only what a program can choose is believed.
  private func take(_ thread: Kernel.ThreadPointer, _ slot: Int, entry: UInt64) {
    var registers = sandbox.context(slot: slot).pointee
    registers.entry = entry
    registers.cs = Selector.userCode
    registers.ss = Selector.userData
    registers.flags = Flags.sanitized(registers.flags)
    thread.pointee.context.registers = registers
  }

  private func enter() {
    if kernel.pointee.tracing == .off { kernel.pointee.trap() } else { kernel.pointee.tracedTrap() }
  }

  /// A miss of what the tables permit is mapped; the rest is for VM.
  private func fault(_ thread: Kernel.ThreadPointer, _ slot: Int, _ address: UInt64, _ error: UInt64) {
    let found = translations.find(thread.pointee.root, address, write: error & 2 != 0, execute: error & 16 != 0)
    missed[slot] = address
    if let run = found.run {
      translations.map(run, slot: slot)
      missed[slot] = .max
      return
    }
    kernel.pointee.pageFault(address: address, access: X86Exception.access(pageFaultError: error & ~1 | (found.isPresent ? 1 : 0)))
  }
}
