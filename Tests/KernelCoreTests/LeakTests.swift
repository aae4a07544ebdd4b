import IPC
import PageTable
import Protocols
import SimulatedArch
import Testing

@testable import KernelCore

/// Nothing of one thread, or of the kernel, is in what another gets.
@Suite struct LeakTests {
  let world = World()
  let stackPage: UInt64 = 0x7000_0000 - 4096

  init() {
    world.spawn(slot: 2)
    world.spawn(slot: 3, priority: 3, privileges: World.all)
  }

  @Test("SEC20 a frame leaves the red zone as it is, and holds no byte of another thread's frame")
  func redZone() throws {
    let (user, other) = (world.spawn(priority: 5, supervisor: .pm), world.spawn(priority: 5, supervisor: .pm))
    for (thread, byte) in [(user, 0x11), (other, 0x22)] as [(Endpoint, UInt8)] {
      world.map(thread, stackPage)
      world.store(thread, stackPage, [UInt8](repeating: byte, count: 4096))
    }
    func signal(_ thread: Endpoint) throws(Errno) {
      try world.kernel(.pm, Kernel.Signal(thread: thread, signal: 1, handler: 0x44_0000, restorer: 0x45_0000, mask: 0))
    }
    try signal(other)
    // Its frame, red zone and all, goes through the kernel.
    world.engage(other, .pm)
    try world.kernel(.pm, Kernel.SignalReturn(thread: other, frame: world[other].context.stack))
    let top = world[user].context.stack
    try signal(user)
    #expect(world.load(user, top - 128, 128) == [UInt8](repeating: 0x11, count: 128))
    #expect(!world.load(user, stackPage, 4096).contains(0x22))
  }

  /// How many payload words the longest answer of a call has.
  private func words(_ number: Kernel.Number) -> Int {
    switch number {
    case .clock: 2
    case .grantCreate, .grantCaller, .grantIndirect, .portRead, .threadCreate, .threadFork, .signal, .signalReturn, .threadWatch: 1
    case .threadInfo: 6
    case .statistics: 7
    default: 0
    }
  }

  @Test("SEC20 an answer of the kernel holds no word of the request and none that it does not say", arguments: Kernel.Number.allCases.map(\.rawValue))
  func answers(raw: Int32) throws {
    let number = try #require(Kernel.Number(rawValue: raw))
    // Ends the call's own thread, or the machine.
    if number == .exit { return }
    let service = world.spawn(slot: 10, privileges: World.all)
    let poison: UInt64 = 0x5A5A_5A5A_5A5A_5A5A
    for small in [false, true] {
      var message = Message(type: number.rawValue)
      message.source = Endpoint(raw: 0x5A5A_5A5A)
      message.payload = (small ? 0 : poison, poison, poison, poison, poison, poison, poison)
      world.trap(service, .kernelCall, to: .kernel, message)
      let got = world[service].context.message
      let payload = [got.payload.0, got.payload.1, got.payload.2, got.payload.3, got.payload.4, got.payload.5, got.payload.6]
      #expect(got.source == .kernel && got.type <= 0 && world[service].context.status == 0 && world[service].context.rdi == 0)
      #expect(!payload.contains(poison))
      #expect(payload.dropFirst(got.type == 0 ? words(number) : 0).allSatisfy { $0 == 0 }, "\(number)")
    }
  }
}
