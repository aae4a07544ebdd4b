import IPC
import KernelCore
import PageTable
import Protocols
import Script
import SimulatedArch

// Processes: init, and the interpreter of scripts. Their memory is frames that VM has mapped.
extension World {
  func program(_ slot: Int, isChild: Bool) {
    let ipc = FiberTransport(world: self, slot: slot)
    runHandlers(slot)
    let addresses = ProgramAddresses(handler: ProgramAddress.handler, restorer: ProgramAddress.restorer)
    var player = Player(ipc: ipc, memory: SimulatedMemory(world: self, slot: slot), addresses: addresses)
    switch contexts[slot].pointee.instruction {
    case ProgramAddress.initProcess:
      var first = FirstProcess(ipc: ipc, memory: SimulatedMemory(world: self, slot: slot), stack: contexts[slot].pointee.stack)
      if isChild { first.becomePlayer() } else { first.run(self) }
    case ProgramAddress.play:
      if isChild { player.runAsChild() }
      guard let assignment = Assignment(arguments(slot)), case .success(let script) = assignment.statements(), player.begin(assignment, script) else {
        exit(ipc, 2)
      }
      player.run()
    default: exit(ipc, 127)
    }
  }

  private func exit(_ ipc: FiberTransport, _ status: Int64) -> Never {
    var ipc = ipc
    while true { do throws(Errno) { _ = try ipc.call(.pm, PM.Exit(status: status)) } catch {} }
  }

  /// argv without the program's name, as VM has laid it on the stack.
  private func arguments(_ slot: Int) -> [[UInt8]] {
    var memory = SimulatedMemory(world: self, slot: slot)
    let stack = contexts[slot].pointee.stack
    let count = min(memory.word(stack), 64)
    var all: [[UInt8]] = []
    for index in 1..<max(count, 1) {
      var at = memory.word(stack + 8 + index * 8)
      var text: [UInt8] = []
      while true {
        let byte = memory.place(at, write: false).load(as: UInt8.self)
        if byte == 0 { break }
        text.append(byte)
        at += 1
      }
      all.append(text)
    }
    return all
  }

  /// After each trap of a process: if a signal has changed its registers, it is at its handler now.
  @inline(__always)
  func runHandlers(_ slot: Int) {
    while contexts[slot].pointee.instruction == ProgramAddress.handler { runHandler(slot) }
  }

  @inline(never)
  private func runHandler(_ slot: Int) {
    let frame = contexts[slot].pointee.stack
    let signal = Int(truncatingIfNeeded: contexts[slot].pointee.rdi)
    // Not at its first instruction any more.
    contexts[slot].pointee.instruction = ProgramAddress.handler + 1
    var memory = SimulatedMemory(world: self, slot: slot)
    Play.count(signal: signal, &memory)
    var ipc = FiberTransport(world: self, slot: slot)
    do throws(Errno) { _ = try ipc.sendRec(Message(PM.SignalReturn(frame: frame)), to: .pm) } catch {}
    if repeats[slot] {
      repeats[slot] = false
      trap(slot)
    }
  }
}

/// A process's memory: page tables walked in the frames, what was found kept until VM flushes it.
struct SimulatedMemory: ProcessMemory {
  unowned(unsafe) let world: World
  let slot: Int

  @inline(__always)
  mutating func place(_ address: UInt64, write: Bool) -> UnsafeMutableRawPointer {
    world.translations.find(slot, address, write: write) ?? walk(address, write: write)
  }

  mutating func word(_ address: UInt64) -> UInt64 { place(address, write: false).loadUnaligned(as: UInt64.self) }

  @inline(never)
  private func walk(_ address: UInt64, write: Bool) -> UnsafeMutableRawPointer {
    while true {
      if let place = look(address, write: write) { return place }
      world.crash(.fault(address: address, write: write))
      world.runHandlers(slot)
    }
  }

  private func look(_ address: UInt64, write: Bool) -> UnsafeMutableRawPointer? {
    guard address < AddressSpace.userEnd, let thread = world.kernel.pointee.current else { return nil }
    let root = thread.pointee.root
    var table = root
    var level: UInt64 = 4
    var isWritable = true
    while true {
      guard world.kernel.pointee.machine.isMemory(table, length: Page.size) else { return nil }
      let entry = PageEntry(raw: (world.ram + Int(table)).load(fromByteOffset: Page.index(address, level: level) * 8, as: UInt64.self))
      // Every level must allow it, as with the MMU: VM shares tables by directory entries that cannot be written through.
      isWritable = isWritable && entry.isWritable
      guard entry.isPresent, entry.isUser, !write || isWritable else { return nil }
      if level == 1 {
        let frame = world.ram + Int(entry.frame)
        world.translations.fill(slot, address, root, frame, isWritable: isWritable)
        return frame + Int(address & 4095)
      }
      table = entry.frame
      level -= 1
    }
  }
}

/// Process 1: console, one child that becomes the player, then the end of the machine.
struct FirstProcess {
  var ipc: FiberTransport
  var memory: SimulatedMemory
  let stack: UInt64

  private static var area: UInt64 { 0x0000_2F00_0000_0000 }

  mutating func run(_ world: World) -> Never {
    do throws(Errno) {
      _ = try ipc.call(.vm, VM.MMap(
        address: Self.area, length: 128 << 10, protection: VM.Protection.read | VM.Protection.write,
        flags: VM.Flags.private | VM.Flags.anonymous | VM.Flags.fixed))
      let console = Array("/dev/console".utf8)
      put(console, at: Self.area)
      _ = try ipc.call(.vfs, VFS.Open(path: Self.area, length: UInt64(console.count), flags: VFS.OpenFlags.readWrite, mode: 0))
      _ = try ipc.call(.vfs, VFS.Duplicate(descriptor: 0, target: 1))
      _ = try ipc.call(.vfs, VFS.Duplicate(descriptor: 0, target: 2))
      // Once for nothing, so that what servers keep for good is there before it is counted.
      layArguments([])
      _ = try ipc.call(.pm, PM.Fork())
      _ = try ipc.call(.pm, PM.WaitPID(id: -1, options: 0))
      layArguments(world.scenario.text.map { [Array("-c".utf8), $0] } ?? [Array("\(world.scenario.scriptSeed)".utf8)])
      settle(world)
      world.before = census(world)
      world.begun = world.messages
      fork()
      // The child begins in `becomePlayer`.
    } catch { end(66) }
    var status: Int32 = 0
    while true {
      do throws(Errno) { status = try ipc.call(.pm, PM.WaitPID(id: -1, options: 0)).status } catch {
        if error == .noChildProcess { break }
      }
    }
    // A block that could not be written is still there to be written again.
    for _ in 0..<3 {
      do throws(Errno) {
        _ = try ipc.call(.vfs, VFS.Sync())
        break
      } catch {}
    }
    settle(world)
    world.after = census(world)
    end(status & 0x7F == 0 ? UInt64(status >> 8 & 0xFF) : 128 + UInt64(status & 0x7F))
  }

  /// News that travel without being waited for have arrived, and services that are coming back are there.
  private mutating func settle(_ world: World) {
    for _ in 0..<2000 {
      var isQuiet = true
      for index in 0..<32 as Range<UInt64> {
        do throws(Errno) {
          let status = try ipc.call(.rs, RS.Status(index: index))
          if status.state == RS.State.starting || status.state == RS.State.backingOff { isQuiet = false }
        } catch { break }
      }
      do throws(Errno) { _ = try ipc.call(.pm, PM.Sleep(nanoseconds: 5_000_000)) } catch {}
      if isQuiet { return }
    }
  }

  /// The first process does not give up for want of a frame.
  private mutating func fork() {
    while true {
      do throws(Errno) {
        _ = try ipc.call(.pm, PM.Fork())
        return
      } catch {}
      do throws(Errno) { _ = try ipc.call(.pm, PM.Sleep(nanoseconds: 1_000_000)) } catch {}
    }
  }

  private mutating func end(_ status: UInt64) -> Never {
    while true {
      do throws(Errno) { _ = try ipc.call(.rs, RS.Shutdown(status: status)) } catch {}
    }
  }

  /// `/bin/play` and its argument block, where the child will find them.
  private mutating func layArguments(_ arguments: [[UInt8]]) {
    var block: [UInt8] = []
    let words = [Array("play".utf8)] + arguments
    withUnsafeBytes(of: UInt64(words.count)) { block += $0 }
    for word in words { block += word + [0] }
    put(Array("/bin/play".utf8), at: Self.area)
    withUnsafeBytes(of: UInt64(block.count)) { put(Array($0), at: Self.area + 64) }
    put(block, at: Self.area + 128)
  }

  mutating func becomePlayer() {
    let length = memory.word(Self.area + 64)
    let call = PM.Exec(path: Self.area, pathLength: 9, arguments: Self.area + 128, argumentsLength: length)
    do throws(Errno) { _ = try ipc.call(.pm, call) } catch {}
    while true { do throws(Errno) { _ = try ipc.call(.pm, PM.Exit(status: 127)) } catch {} }
  }

  private mutating func put(_ bytes: [UInt8], at address: UInt64) {
    for (index, byte) in bytes.enumerated() { memory.place(address + UInt64(index), write: true).storeBytes(of: byte, as: UInt8.self) }
  }

  private mutating func census(_ world: World) -> Census? {
    do throws(Errno) {
      let memory = try ipc.call(.vm, VM.Information())
      let kernel = world.kernel.pointee.statistics()
      return Census(
        threads: kernel.threads, grants: kernel.grants, asynchronous: UInt32(kernel.asynchronous), freeFrames: memory.free, userFrames: memory.user,
        tableFrames: memory.tables, metadataFrames: memory.metadata, spaces: memory.spaces, regions: memory.regions)
    } catch { return nil }
  }
}
