import DSServer
import EchoDriver
import Ext2Server
import IPC
import MemoryDriver
import NS16550
import PMServer
import ProcServer
import Protocols
import RSServer
import ServerKit
import VFSServer
import VMServer
import VirtioBlock

// What each service's Main does on metal.
extension World {
  /// The whole life of the fiber of `slot`.
  func live(_ slot: Int) {
    let life = lives[slot]
    lives[slot] = .running
    if slot >= Endpoint.serviceSlots { return program(slot, isChild: life == .forked) }
    let ipc = FiberTransport(world: self, slot: slot)
    // The counter-check of a campaign: whoever dies stays dead.
    if !scenario.recovers, restarts[slot] > 0 { crash(.exception(vector: 6, signal: 4, address: 0)) }
    if let host = scenario.hostCrash, host.service == slot, restarts[slot] == 0 { Crashes.happen(isTrap: host.isTrap, slot) }
    switch Endpoint(slot: slot, generation: 0) {
    case .vm:
      guard let server = MemoryServer<FiberTransport>(boot, window: ram) else { panic("VM has too little memory") }
      serve(FailingMemoryServer(world: self, base: server), over: ipc)
    case .rs: serve(ReincarnationServer<FiberTransport>(), over: ipc)
    case .pm: serve(ProcessManager<FiberTransport>(), over: ipc)
    case .vfs: serve(VirtualFileSystem(ipc), over: ipc)
    case .ds: serve(DataStore<FiberTransport>(), over: ipc)
    case .tty: serve(TerminalDriver<FiberTransport>(ticks: { 0 }), over: ipc)
    case .memory: serve(MemoryDriver<FiberTransport>(), over: ipc)
    case .disk:
      WindowMemory.ram = ram
      serve(VirtioBlockDriver<FiberTransport, WindowMemory>(), over: ipc)
    case .rootfs, .extfs: serve(FileServer<FiberTransport>(), over: ipc)
    case .proc: serve(ProcFileSystem<FiberTransport>(), over: ipc)
    case .echo: serve(EchoDriver<FiberTransport>(), over: ipc)
    default: panic("no service belongs in slot \(slot)")
    }
  }
}

/// VM, whose next reservation of frames can be made to fail.
struct FailingMemoryServer: Server {
  typealias IPCTransport = FiberTransport
  unowned(unsafe) let world: World
  var base: MemoryServer<FiberTransport>

  mutating func start(_ ipc: inout FiberTransport) { base.start(&ipc) }

  mutating func handle(_ delivery: Delivery, _ ipc: inout FiberTransport) -> Message? {
    if world.failReservation {
      world.failReservation = false
      base.memory.failReservation(after: 1)
    }
    return base.handle(delivery, &ipc)
  }

  mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout FiberTransport) {
    base.notified(by: source, events: events, &ipc)
  }
}

/// DMA memory: the frames themselves.
struct WindowMemory: DMAMemory {
  nonisolated(unsafe) static var ram: UnsafeMutableRawPointer!
  let address: UInt64
  let physical: UInt64
  private let place: UnsafeMutableRawPointer

  init(address: UInt64, physical: UInt64, length: Int) {
    self.address = address
    self.physical = physical
    place = Self.ram + Int(physical)
  }

  func read8(_ offset: Int) -> UInt8 { place.loadUnaligned(fromByteOffset: offset, as: UInt8.self) }
  func read16(_ offset: Int) -> UInt16 { place.loadUnaligned(fromByteOffset: offset, as: UInt16.self) }
  func read32(_ offset: Int) -> UInt32 { place.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  func write8(_ offset: Int, _ value: UInt8) { place.storeBytes(of: value, toByteOffset: offset, as: UInt8.self) }
  func write16(_ offset: Int, _ value: UInt16) { place.storeBytes(of: value, toByteOffset: offset, as: UInt16.self) }
  func write32(_ offset: Int, _ value: UInt32) { place.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
  func write64(_ offset: Int, _ value: UInt64) { place.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
}
