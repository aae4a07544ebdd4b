import IPC
import PageTable
import Protocols
import SimulatedArch

@testable import KernelCore

/// What happens to the kernel from outside, in one piece.
enum Step {
  /// Who runs traps with these registers; `traced` takes the slow path.
  case trap(SimulatedContext, traced: Bool)
  case pageFault(address: UInt64, access: UInt32)
  case exception(vector: UInt64, signal: UInt32, address: UInt64)
  case interrupt(Int)
  /// So many nanoseconds, and the timer's interrupt.
  case timer(UInt64)
  case died(Int)
  /// Somebody who is ready runs now.
  case turn(Int)
  /// A service may do everything again: many lives end, and few that are left could say so.
  case rights(Int)
  /// VM changes a page.
  case page(space: Int, page: Int, isThere: Bool, isWritable: Bool)
  /// All wait for each other: one does not any more.
  case freed(Int)
}

extension Step: CustomStringConvertible {
  var description: String {
    switch self {
    case .trap(let registers, let traced):
      let message = registers.message
      let what = registers.rax == 0 ? "kernel call \(message.type)" : "trap \(registers.rax) to \(registers.rdi) from \(registers.rsi) until \(registers.rdx)"
      return "\(what) words \(message.payload)\(traced ? " traced" : "")"
    case .pageFault(let address, let access): return "page fault at \(address) access \(access)"
    case .exception(let vector, let signal, let address): return "exception \(vector) signal \(signal) at \(address)"
    case .interrupt(let line): return "interrupt \(line)"
    case .timer(let time): return "\(time) ns and the timer"
    case .died(let slot): return "death of \(slot)"
    case .turn(let slot): return "turn of \(slot)"
    case .rights(let slot): return "all rights for \(slot)"
    case .page(let space, let page, let isThere, let isWritable): return "page \(page) of space \(space): there \(isThere), writable \(isWritable)"
    case .freed(let slot): return "\(slot) does not wait any more"
    }
  }
}

/// The kernel core and the model, side by side: the same steps for both.
final class Twins {
  let world: World
  let model: Model
  /// The slots that are ever in use.
  static let slots = [1, 2, 3, 4, 5, 64, 65, 66, 67]
  /// Where the pages of each space are.
  private(set) var frames: [[UInt64]] = []

  init() {
    world = World(threads: 68, grants: 24, envelopes: 12, frames: 128)
    var roots = [world.root(.vm)]
    for _ in 0..<3 { roots.append(world.core.machine.takeFrame()!) }
    model = Model(threads: 68, services: 5, grants: 24, envelopes: 12, roots: roots)
    for space in roots.indices {
      frames.append((0..<ModelMemory.pages).map { _ in world.core.machine.takeFrame()! })
      for page in 0..<ModelMemory.pages { setPage(space, page, isThere: page < 3, isWritable: page < 2) }
    }
  }

  func setPage(_ space: Int, _ page: Int, isThere: Bool, isWritable: Bool) {
    let flags = isThere ? PageEntry.present | PageEntry.user | (isWritable ? PageEntry.writable : 0) : 0
    world.core.machine.map(model.roots[space], ModelMemory.start + UInt64(page) * 4096, frame: frames[space][page], flags: flags)
    model.memory.spaces[space][page].isThere = isThere
    model.memory.spaces[space][page].isWritable = isWritable
  }

  // MARK: The core

  func carryOutInCore(_ step: Step) {
    switch step {
    case .trap(let registers, let traced):
      world.core.current!.pointee.context = registers
      if traced { world.core.tracedTrap() } else { world.core.trap() }
      // It may not have been its turn.
      world.core.schedule()
    case .pageFault(let address, let access): world.core.pageFault(address: address, access: access)
    case .exception(let vector, let signal, let address): world.core.exception(vector: vector, signal: signal, address: address)
    case .interrupt(let line): world.core.interrupt(line: line)
    case .timer(let time):
      world.core.machine.clock += time
      world.core.timer()
    case .died(let slot): world.core.died(slot: slot)
    case .turn(let slot): world.run(world.core.threads[slot].endpoint)
    case .page: break
    case .rights(let slot): world.core.threads[slot].privileges = World.all
    case .freed(let slot):
      let thread = world.core.threads + slot
      if thread.pointee.state == .receiving {
        world.core.endReceive(thread, .interrupted)
      } else {
        world.core.unlink(thread)
        thread.pointee.holds = .none
        world.core.settle(thread)
      }
      world.core.schedule()
    }
  }

  // MARK: The model

  /// To be asked before the core moves on: how long turns are is the core's affair.
  func carryOutInModel(_ step: Step, sliceEnd: UInt64) {
    if case .timer(let time) = step { model.wait(time) }
    model.turnIsOver = model.now >= sliceEnd
    switch step {
    case .trap(let registers, _):
      model.rows[model.running!].registers = registers
      model.trap()
    case .pageFault(let address, let access): model.pageFault(address: address, access: access)
    case .exception(let vector, let signal, let address): model.exception(vector: vector, signal: signal, address: address)
    case .interrupt(let line): model.interrupt(line)
    case .timer: model.timer()
    case .died(let slot): model.died(slot)
    case .turn(let slot):
      if let me = model.running, model.rows[me].canRun { model.ready[model.rows[me].priority].append(me) }
      model.run(slot)
    case .rights(let slot): model.rows[slot].privileges = World.all
    case .page(let space, let page, let isThere, let isWritable): setPage(space, page, isThere: isThere, isWritable: isWritable)
    case .freed(let slot):
      if model.rows[slot].state == .receiving {
        model.endReceive(slot, .interrupted)
      } else {
        model.unlink(slot)
        model.rows[slot].isStopped = false
        model.rows[slot].isFaulted = false
        model.rows[slot].hasEnded = false
        model.settle(slot)
      }
      model.schedule()
    }
  }
}
