import DeviceModels
import FakeKernel
import IPC
import Protocols
import Testing

@Suite struct VirtioBlockModelTests {
  @Test("the real driver finds the disks on the bus, with their sizes and lines")
  func found() {
    let board = Board(disks: [SlowStore(sectors: 64), SlowStore(sectors: 128, isReadOnly: true)])
    #expect(board.kernel.logged == "disk: minor 0, 32 KiB, line 11\ndisk: minor 1, 64 KiB, read-only, line 10\n")
    #expect(board.kernel.attachedLines == [11, 10])
  }

  @Test("the real driver reads and writes through the rings", arguments: [512, 4096, 65536, 200_704])
  func transfers(size: Int) throws {
    let board = Board(disks: [SlowStore(sectors: 2048)])
    let buffer = ClientBuffer(count: size)
    #expect(board.transfer(1024, buffer, write: false) == nil)
    #expect(board.settle() > 0)
    #expect(try board.kernel.replies.last?.message.reply(VFS.Count.self).count == UInt64(size))
    #expect(buffer.bytes == Array(board.devices.disks[0].store.memory.bytes[1024..<1024 + size]))
    let new = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    #expect(board.transfer(512, ClientBuffer(new), write: true) == nil)
    board.settle()
    #expect(Array(board.devices.disks[0].store.memory.bytes[512..<512 + size]) == new)
    #expect(board.driver.handle(request(Block.Flush(minor: 0), from: .rootfs), &board.ipc) == nil)
    board.settle()
    #expect(board.devices.disks[0].store.memory.flushes == 1)
  }

  @Test("a store may finish later and in any order")
  func later() throws {
    let store = SlowStore(sectors: 2048)
    let board = Board(disks: [store])
    store.isSlow = true
    let buffers = (0..<4).map { _ in ClientBuffer(count: 512) }
    for (index, buffer) in buffers.enumerated() { #expect(board.transfer(UInt64(index) * 512, buffer, write: false) == nil) }
    #expect(store.waiting.count == 4)
    #expect(board.devices.lines == 0)
    for request in store.waiting.reversed() {
      board.complete(request)
      #expect(board.devices.lines == 1 << 11)
      board.settle()
    }
    for (index, buffer) in buffers.enumerated() { #expect(buffer.bytes == Array(store.memory.bytes[index * 512..<index * 512 + 512])) }
    #expect(board.kernel.replies.count == 4)
  }

  @Test("what the store does for a driver's last life reaches no memory after the reset")
  func reset() {
    let store = SlowStore(sectors: 2048)
    let board = Board(disks: [store])
    store.isSlow = true
    #expect(board.transfer(0, ClientBuffer(count: 512), write: false) == nil)
    let request = store.waiting[0]
    board.driver = .init()
    board.driver.start(&board.ipc)
    let data = [UInt8](repeating: 0xEE, count: 512)
    let before = request.parts[0].map { $0 }
    data.withUnsafeBytes { board.devices.disks[0].complete(request.token, .done, data: $0) }
    #expect(request.parts[0].map { $0 } == before)
    #expect(board.devices.lines == 0)
    #expect(board.devices.disks[0].inFlight == 0)
  }

  @Test("a request outside the disk, or a write to a read-only one, fails by its status")
  func outside() throws {
    let rig = Rig(SlowStore(sectors: 8))
    #expect(rig.request(type: 0, sector: 8, length: 512) == 1)
    #expect(rig.request(type: 0, sector: 7, length: 1024) == 1)
    #expect(rig.request(type: 0, sector: 1 << 60, length: 512) == 1)
    #expect(rig.request(type: 0, sector: 7, length: 512) == 0)
    #expect(rig.request(type: 0, sector: 0, length: 100) == 1)
    #expect(rig.request(type: 99, sector: 0, length: 512) == 2)
    let fixed = Rig(SlowStore(sectors: 8, isReadOnly: true))
    #expect(fixed.request(type: 1, sector: 0, length: 512) == 1)
  }

  @Test("a chain that leaves RAM, has no end, the wrong direction or no header stops the device until a reset", arguments: Rig.Crime.allCases)
  func crimes(crime: Rig.Crime) {
    let rig = Rig(SlowStore(sectors: 64))
    #expect(rig.request(type: 0, sector: 0, length: 512, crime: crime) == 0xFF)
    #expect(rig.read(18, 1) & 64 != 0)
    #expect(rig.request(type: 0, sector: 0, length: 512) == 0xFF)
    rig.reset()
    #expect(rig.request(type: 0, sector: 0, length: 512) == 0)
  }

  @Test("without bus mastering it reaches no memory; with ports off it does not answer")
  func switches() {
    let rig = Rig(SlowStore(sectors: 64))
    rig.configure(0x04, 1)
    #expect(rig.request(type: 0, sector: 0, length: 512) == 0xFF)
    rig.configure(0x04, 5)
    #expect(rig.request(type: 0, sector: 0, length: 512) == 0)
    rig.configure(0x04, 4)
    #expect(rig.read(18, 1) == 0xFF)
  }

  @Test("an I/O base can be sized and moved; identity and other slots cannot be changed")
  func configuration() {
    let rig = Rig(SlowStore(sectors: 64))
    rig.configure(0x10, 0xFFFF_FFFF)
    #expect(rig.configuration(0x10) == 0xFFC1)
    rig.configure(0x10, 0xD000)
    #expect(rig.configuration(0x10) == 0xD001)
    rig.configure(0x00, 0)
    #expect(rig.configuration(0x00) == 0x1001_1AF4)
    #expect(rig.configuration(0x00, slot: 9) == 0xFFFF_FFFF)
    #expect(rig.configuration(0x00, slot: 0) == 0x1237_8086)
    #expect(rig.devices.read(0xD012, width: 1) != 0xFF)
    #expect(rig.devices.read(0x1234, width: 2) == 0xFFFF)
  }

  @Test("random writes to all ports and rings never reach outside RAM", arguments: 0..<20)
  func noise(seed: UInt64) {
    var random = Random(seed)
    let rig = Rig(SlowStore(sectors: 64))
    for _ in 0..<20_000 {
      if random.next() & 3 == 0 {
        rig.memory.start.storeBytes(of: random.next() & 0xFFFFF, toByteOffset: Int(random.next() % 0x8000) & ~7, as: UInt64.self)
      }
      let port: UInt16 = [0xCF8, 0xCFC, 0xC000, 0x3F8][Int(random.next() & 3)] + UInt16(random.next() % 24)
      let width: UInt32 = [1, 2, 4][Int(random.next() % 3)]
      if random.next() & 1 == 0 {
        rig.devices.write(port, width: width, value: UInt32(truncatingIfNeeded: random.next() >> (random.next() & 31)))
      } else {
        _ = rig.devices.read(port, width: width)
      }
    }
  }
}

struct Random: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
