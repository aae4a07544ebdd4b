import IPC
import PageTable
import Protocols
import Testing

@testable import KernelCore

@Suite struct DeviceTests {
  let world = World()
  let driver: Endpoint, other: Endpoint

  init() {
    driver = world.spawn(slot: 10)
    other = world.spawn(slot: 11)
    world.pointer(driver).pointee.privileges.lines = 1 << 4 | 1 << 15
    world.pointer(other).pointee.privileges.lines = 1 << 4
  }

  func allow(_ first: UInt32, _ count: UInt64) -> Errno? { world.error(.vm, Kernel.AllowPorts(thread: driver, first: first, count: count)) }
  func read(_ port: UInt32, _ width: UInt32) -> Errno? { world.error(driver, Kernel.PortRead(port: port, width: width)) }

  @Test("SEC28 ports: every byte of the access must be allowed")
  func ports() throws {
    #expect(read(0x3F8, 1) == .notPermitted)
    #expect(allow(0x3F8, 8) == nil)
    for port: UInt32 in 0x3F0..<0x408 {
      for width: UInt32 in [1, 2, 4] {
        let inside = port >= 0x3F8 && port + width <= 0x400
        #expect(read(port, width) == (inside ? nil : .notPermitted))
        #expect(world.error(driver, Kernel.PortWrite(port: port, width: width, value: 0)) == (inside ? nil : .notPermitted))
      }
    }
    #expect(world.error(other, Kernel.PortRead(port: 0x3F8, width: 1)) == .notPermitted)
    world.core.machine.ports[0x3F9] = 0x55
    #expect(try world.kernel(driver, Kernel.PortRead(port: 0x3F9, width: 1)).value == 0x55)
    try world.kernel(driver, Kernel.PortWrite(port: 0x3FA, width: 2, value: 0x1234))
    #expect(world.core.machine.ports[0x3FA] == 0x1234)
  }

  @Test("ports: widths, the last port and numbers that wrap")
  func portLimits() {
    #expect(allow(0, 0x1_0000) == nil)
    for width: UInt32 in [0, 3, 5, 8, ~0] { #expect(read(0x80, width) == .invalidArgument) }
    #expect(read(0xFFFF, 1) == nil && read(0xFFFE, 2) == nil && read(0xFFFC, 4) == nil)
    #expect(read(0xFFFF, 2) == .invalidArgument && read(0xFFFD, 4) == .invalidArgument)
    #expect(read(0x1_0000, 1) == .invalidArgument && read(~0, 1) == .invalidArgument && read(~0, 4) == .invalidArgument)
  }

  @Test("four ranges of ports, the same one twice is one, none is empty or beyond the end")
  func ranges() {
    #expect(allow(0, 0) == .invalidArgument && allow(0x1_0000, 1) == .invalidArgument && allow(0xFFFF, 2) == .invalidArgument)
    #expect(allow(1, ~0) == .invalidArgument && allow(~0, 1) == .invalidArgument)
    for round in 0..<2 {
      for range: UInt32 in 0..<4 { #expect(allow(range * 16, 8) == nil, "\(round)") }
    }
    #expect(allow(0x100, 1) == .noSpace)
    #expect(read(48, 4) == nil)
  }

  @Test("SEC28 lines: only the allowed, only one owner, only in range")
  func lines() {
    func attach(_ thread: Endpoint, _ line: UInt64) -> Errno? { world.error(thread, Kernel.InterruptAttach(line: line)) }
    #expect(attach(driver, 5) == .notPermitted)
    #expect(attach(driver, 16) == .invalidArgument && attach(driver, 64) == .invalidArgument && attach(driver, ~0) == .invalidArgument)
    #expect(world.error(driver, Kernel.InterruptEnable(line: 4)) == .notPermitted)
    #expect(attach(driver, 4) == nil && attach(driver, 4) == nil)
    #expect(attach(other, 4) == .busy)
    #expect(world.error(other, Kernel.InterruptEnable(line: 4)) == .notPermitted)
    #expect(world.error(driver, Kernel.InterruptEnable(line: ~0)) == .invalidArgument)
    #expect(world.core.machine.openLines == 0)
    #expect(world.error(driver, Kernel.InterruptEnable(line: 4)) == nil)
    #expect(world.core.machine.openLines == 1 << 4)
  }

  @Test("an interrupt is a notification, and masks its line until the driver has seen to it")
  func interrupt() throws {
    for line: UInt64 in [4, 15] {
      try world.kernel(driver, Kernel.InterruptAttach(line: line))
      try world.kernel(driver, Kernel.InterruptEnable(line: line))
    }
    world.receive(driver)
    world.core.interrupt(line: 4)
    world.check()
    let delivery = world.delivery(driver)!
    #expect(delivery.flags == .notification | .fromKernel && delivery.message.payload.0 == 1 << 4)
    #expect(world.core.machine.openLines == 1 << 15)
    world.core.interrupt(line: 15)
    try world.kernel(driver, Kernel.InterruptEnable(line: 4))
    world.core.interrupt(line: 4)
    #expect(world.receive(driver)!.message.payload.0 == 1 << 4 | 1 << 15, "both in one")
    #expect(world.statistics().interrupts == 3)
  }

  @Test("an interrupt that nobody owns, and lines that do not exist, are only counted or ignored", arguments: [-1, 0, 5, 15, 16, 1000, Int.max])
  func stray(line: Int) {
    world.core.machine.openLines = 0xFFFF
    world.core.interrupt(line: line)
    world.check()
    #expect(world.core.machine.openLines == (line >= 0 && line < 16 ? 0xFFFF & ~(1 << UInt32(line)) : 0xFFFF))
  }

  @Test("a line is free again when its owner is gone")
  func ownerGone() throws {
    try world.kernel(driver, Kernel.InterruptAttach(line: 4))
    try world.kernel(driver, Kernel.InterruptEnable(line: 4))
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: driver))
    #expect(world.core.machine.openLines == 0)
    #expect(world.error(other, Kernel.InterruptAttach(line: 4)) == nil)
    world.receive(other)
    world.core.interrupt(line: 4)
    #expect(world.delivery(other)!.message.payload.0 == 1 << 4)
  }

  // MARK: Spaces, log, shutdown, information

  @Test("roots are frames of RAM: prepared, flushed, changed")
  func spaces() throws {
    try world.kernel(.vm, Kernel.SpacePrepare(root: 0x5000))
    #expect(world.core.machine.preparedRoots == [0x5000])
    for root: UInt64 in [1, 0xFFF, world.core.machine.size, ~0, ~0xFFF, 1 << 52] {
      #expect(world.error(.vm, Kernel.SpacePrepare(root: root)) == .invalidArgument)
      #expect(world.error(.vm, Kernel.SpaceRoot(thread: driver, root: root, space: 1)) == .invalidArgument)
      #expect(world.error(.vm, Kernel.SpaceFlush(root: root, address: 0, count: 1)) == .invalidArgument)
    }
    try world.kernel(.vm, Kernel.SpaceRoot(thread: driver, root: 0x5000, space: 66))
    #expect(world[driver].root == 0x5000 && world[driver].space == 66)
    try world.kernel(.vm, Kernel.SpaceFlush(root: 0x5000, address: 0x1000, count: 3))
    #expect(world.core.machine.flushes.last?.count == 3)
    for (address, count): (UInt64, UInt64) in [(0, ~0), (~0, 1), (0x7FFF_FFFF_E000, 2), (0, 1 << 52), (0xFFFF_8000_0000_0000, 1)] {
      #expect(world.error(.vm, Kernel.SpaceFlush(root: 0x5000, address: address, count: count)) == .badAddress)
    }
    #expect(world.core.machine.flushes.count == 1)
  }

  @Test("log takes up to 48 bytes, no more")
  func log() throws {
    let text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0x6F_6C6C_6568, 0, 0, 0, 0, 0x2100_0000_0000_0000)
    try world.kernel(driver, Kernel.Log(count: 5, text: text))
    #expect(world.core.machine.text == Array("hello".utf8))
    try world.kernel(driver, Kernel.Log(count: 48, text: text))
    #expect(world.core.machine.text.count == 53 && world.core.machine.text.last == 0x21)
    #expect(world.error(driver, Kernel.Log(count: 49, text: text)) == .invalidArgument)
    #expect(world.error(driver, Kernel.Log(count: ~0, text: text)) == .invalidArgument)
  }

  @Test("shutdown hands its status to the machine")
  func shutdown() throws {
    try world.kernel(.vm, Kernel.Shutdown(status: 3))
    #expect(world.core.machine.shutdownStatus == 3)
  }

  @Test("ThreadInfo says what ps shows, for slots in use only")
  func information() {
    #expect(world.info(driver).thread == driver && world.info(driver).state == Kernel.ThreadState.ready)
    world.run(driver)
    #expect(world.info(driver).state == Kernel.ThreadState.running)
    world.receive(driver, from: other)
    #expect(world.info(driver).state == Kernel.ThreadState.receiving && world.info(driver).peer == other)
    world.sendRec(other, driver)
    world.reply(driver, other)
    #expect(world.info(other).messages == 1 && world.info(driver).messages == 1)
    #expect(world.info(driver).peer == .none)
    for slot: UInt64 in [0, 20, 63, 64, 96, 4096, ~0] {
      #expect(world.error(.vm, Kernel.ThreadInfo(slot: slot)) == .noSuchProcess)
    }
  }

  @Test("statistics count exactly")
  func statistics() throws {
    let before = world.statistics()
    #expect(before.threads == 3 && before.threadLimit == 96)
    let user = world.spawn()
    try world.kernel(driver, Kernel.GrantCreate(address: 0, length: 1, grantee: other, access: 1))
    world.sendAsync(driver, other)
    let after = world.statistics()
    #expect(after.threads == 4 && after.grants == 1 && after.asynchronous == 1)
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: user))
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: driver))
    let end = world.statistics()
    #expect(end.threads == 2 && end.grants == 0 && end.asynchronous == 0)
    #expect(end.fastPath + end.slowPath > before.fastPath + before.slowPath)
  }
}
