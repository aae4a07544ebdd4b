import FakeKernel
import IPC
import Protocols
import ServerKit
import Testing

@testable import VirtioBlock

@Suite struct FindingTests {
  @Test("no device: every request is ENXIO, and the log says so")
  func none() throws {
    let bench = Bench(disks: 0)
    #expect(bench.kernel.logged == "disk: no virtio block device\n")
    #expect(throws: Errno.noSuchDevice) { try bench.send(Block.Open(minor: 0))!.reply(Block.Open.Reply.self) }
    #expect(throws: Errno.noSuchDevice) { try bench.transfer(0, ClientBuffer(count: 512), write: false)!.reply(VFS.Count.self) }
    #expect(throws: Errno.noSuchDevice) { try bench.send(Block.Flush(minor: .max))!.reply(Done.self) }
  }

  @Test("up to four disks are minors in the order of their slots; a fifth is left alone", arguments: [1, 2, 4, 5])
  func several(count: Int) throws {
    let bench = Bench(disks: count, sectors: 8)
    for minor in 0..<UInt64(min(count, 4)) {
      #expect(try bench.send(Block.Open(minor: minor))!.reply(Block.Open.Reply.self).size == 4096)
      #expect(bench.commands[UInt32(minor) + 4]! & 0b101 == 0b101)
    }
    #expect(throws: Errno.noSuchDevice) { try bench.send(Block.Open(minor: UInt64(min(count, 4))))!.reply(Block.Open.Reply.self) }
    #expect(Set(bench.kernel.attachedLines).count == bench.kernel.attachedLines.count)
  }

  @Test("it resets the device first, which its last life may have left at work")
  func reset() {
    let bench = Bench()
    #expect(bench.devices[0].resets == 1)
    #expect(bench.devices[0].status == 7)
    #expect(bench.devices[0].guestFeatures == 1 << 9)
  }

  @Test("devices that cannot be driven are left out, with a message", arguments: [0, 1, 2, 3, 4])
  func undrivable(kind: Int) throws {
    let bench = Bench(disks: 1, queueSize: kind == 0 ? 3 : kind == 1 ? 4096 : 256, start: false)
    switch kind {
    case 2: bench.devices[0].isStuck = true
    case 3: bench.bars[4] = 0xFEB0_0000  // memory, not ports
    case 4: bench.kernel.takenLines = [11]
    default: break
    }
    bench.driver.start(&bench.ipc)
    #expect(bench.kernel.logged.contains("disk: "))
    #expect(throws: Errno.noSuchDevice) { try bench.send(Block.Open(minor: 0))!.reply(Block.Open.Reply.self) }
  }

  @Test("ports outside the window that the boot table allows are not touched")
  func strangeBase() {
    let bench = Bench(disks: 1, start: false)
    bench.bars[4] = 0x3F8 | 1
    bench.driver.start(&bench.ipc)
    #expect(bench.devices[0].resets == 0)
  }

  @Test("a read-only disk")
  func readOnly() throws {
    let bench = Bench(disks: 1, start: false)
    bench.devices[0].features = 1 << 5
    bench.driver.start(&bench.ipc)
    #expect(try bench.send(Block.Open(minor: 0))!.reply(Block.Open.Reply.self).readOnly == 1)
    #expect(throws: Errno.readOnlyFileSystem) { try bench.transfer(0, ClientBuffer(count: 512), write: true)!.reply(VFS.Count.self) }
    #expect(try bench.send(Block.Flush(minor: 0))!.reply(Done.self) as Done? != nil)  // nothing to flush: at once
  }
}

@Suite struct TransferTests {
  @Test("reads and writes of every size arrive whole", arguments: [512, 1024, 4096, 65536, 66048, 131072, 1 << 20])
  func sizes(size: Int) throws {
    let bench = Bench(sectors: 4096)
    let buffer = ClientBuffer(count: size)
    #expect(bench.transfer(512, buffer, write: false) == nil)
    bench.settle()
    #expect(try bench.answer().count == size)
    #expect(buffer.bytes == Array(bench.devices[0].contents[512..<512 + size]))
    let new = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    #expect(bench.transfer(1024, ClientBuffer(new), write: true) == nil)
    bench.settle()
    #expect(try bench.answer().count == size)
    #expect(Array(bench.devices[0].contents[1024..<1024 + size]) == new)
  }

  @Test("a request beyond the end is cut, at the end it is 0")
  func end() throws {
    let bench = Bench(sectors: 10)
    #expect(try bench.transfer(5120, ClientBuffer(count: 512), write: false)!.reply(VFS.Count.self).count == 0)
    #expect(try bench.transfer(1 << 62, ClientBuffer(count: 512), write: true)!.reply(VFS.Count.self).count == 0)
    #expect(bench.transfer(4608, ClientBuffer(count: 4096), write: false) == nil)
    bench.settle()
    #expect(try bench.answer().count == 512)
  }

  @Test("crooked requests are refused")
  func crooked() throws {
    let bench = Bench()
    #expect(throws: Errno.invalidArgument) { try bench.transfer(1, ClientBuffer(count: 512), write: false)!.reply(VFS.Count.self) }
    #expect(throws: Errno.invalidArgument) { try bench.transfer(0, ClientBuffer(count: 100), write: false)!.reply(VFS.Count.self) }
    #expect(throws: Errno.invalidArgument) { try bench.transfer(0, ClientBuffer(count: 2 << 20), write: false)!.reply(VFS.Count.self) }
    var call = Block.Transfer(position: 0, grant: 1, offset: 0, length: 512, minor: 0, write: false)
    call.granter = .pm
    #expect(throws: Errno.invalidArgument) { try bench.send(call)!.reply(VFS.Count.self) }
    #expect(throws: Errno.noSuchCall) { try bench.send(FS.Sync())!.reply(Done.self) }
    #expect(bench.devices[0].notifies == 0)
  }

  @Test("a grant that does not hold fails the request, before or after the device")
  func badGrant() throws {
    let bench = Bench()
    for write in [true, false] {
      #expect(bench.send(Block.Transfer(position: 0, grant: 99, offset: 0, length: 512, minor: 0, write: write)) == nil)
      bench.settle()
      #expect(throws: Errno.notPermitted) { try bench.answer() }
    }
    let buffer = ClientBuffer(count: 512)
    #expect(bench.transfer(0, buffer, write: false) == nil)
    bench.settle()
    #expect(try bench.answer().count == 512)
  }

  @Test("several requests at work, finished in any order, each answered to its own client")
  func outOfOrder() throws {
    let bench = Bench()
    let clients: [Endpoint] = [.rootfs, .extfs, .proc, .vm]
    let buffers = clients.map { _ in ClientBuffer(count: 1024) }
    for index in 0..<4 { #expect(bench.transfer(UInt64(index) * 8192, buffers[index], write: false, from: clients[index]) == nil) }
    #expect(bench.devices[0].pending.count == 4)
    for which in [2, 0, 1, 0] {
      bench.devices[0].work(which)
      bench.interrupts()
    }
    for index in 0..<4 {
      #expect(try bench.answer(to: clients[index]).count == 1024)
      #expect(buffers[index].bytes == Array(bench.devices[0].contents[index * 8192..<index * 8192 + 1024]))
    }
  }

  @Test("more requests than slots wait; too many are EAGAIN")
  func waiting() throws {
    let bench = Bench()
    let buffers = (0..<80).map { _ in ClientBuffer(count: 512) }
    var refused = 0
    for index in 0..<80 {
      if let answer = bench.transfer(UInt64(index) * 512, buffers[index], write: false, from: .vfs, token: UInt64(index)) {
        #expect(throws: Errno.wouldBlock) { try answer.reply(VFS.Count.self) }
        refused += 1
      }
    }
    #expect(refused == 80 - 64 - 4)
    bench.settle()
    #expect(bench.kernel.queued.count == 68)
    #expect(Set(bench.kernel.queued.map(\.message.token)).count == 68)
    for index in 0..<68 { #expect(buffers[index].bytes == Array(bench.devices[0].contents[index * 512..<index * 512 + 512])) }
  }

  @Test("VFS gets its answer asynchronously, with its token")
  func asynchronous() throws {
    let bench = Bench()
    #expect(bench.transfer(0, ClientBuffer(count: 512), write: false, from: .vfs, token: 77) == nil)
    bench.settle()
    #expect(bench.kernel.queued.map(\.message.token) == [77])
    #expect(bench.kernel.queued[0].to == .vfs)
    #expect(try bench.kernel.queued[0].message.reply(VFS.Count.self).count == 512)
  }

  @Test("flush reaches the device if it has that feature, else is answered at once")
  func flush() throws {
    let bench = Bench()
    #expect(bench.send(Block.Flush(minor: 0)) == nil)
    bench.settle()
    _ = try bench.answer(Done.self)
    #expect(bench.devices[0].flushes == 1)
    let without = Bench(disks: 1, start: false)
    without.devices[0].features = 0
    without.driver.start(&without.ipc)
    #expect(without.send(Block.Flush(minor: 0)) != nil)
  }

  @Test("disks on one line and on several: each gets its own")
  func severalDisks() throws {
    let bench = Bench(disks: 4, sectors: 64)
    let buffers = (0..<4).map { _ in ClientBuffer(count: 512) }
    for index in 0..<4 { bench.devices[index].contents = [UInt8](repeating: UInt8(index + 1), count: 64 * 512) }
    for index in 0..<4 { #expect(bench.transfer(0, buffers[index], write: false, from: Endpoint(raw: 20 + UInt32(index)), minor: UInt32(index)) == nil) }
    bench.settle()
    for index in 0..<4 { #expect(buffers[index].bytes.allSatisfy { $0 == UInt8(index + 1) }) }
    #expect(bench.kernel.replies.count == 4)
  }

  @Test("thousands of requests go round the ring")
  func manyRounds() throws {
    let bench = Bench(sectors: 64, queueSize: 16)
    let buffer = ClientBuffer(count: 512)
    // The ring's indices are 16 bits wide: they wrap once.
    bench.devices[0].contents = [UInt8](repeating: 1, count: 64 * 512)
    for round in 0..<66_000 {
      _ = bench.transfer(UInt64(round % 64) * 512, buffer, write: false)
      bench.devices[0].work()
      bench.interrupts()
      if bench.kernel.replies.count != 1 { break }
      bench.kernel.replies.removeAll()
      bench.kernel.grants.removeAll()
    }
    #expect(bench.kernel.replies.isEmpty)
    #expect(bench.devices[0].resets == 1)
  }
}

@Suite struct TroubleTests {
  @Test("a device that lies is reset, the request is offered again and succeeds", arguments: DeviceModel.Lie.allCases)
  func lies(lie: DeviceModel.Lie) throws {
    let bench = Bench()
    let buffer = ClientBuffer(count: 4096)
    bench.devices[0].lie = lie
    #expect(bench.transfer(0, buffer, write: false) == nil)
    bench.settle()
    #expect(try bench.answer().count == 4096)
    #expect(bench.devices[0].resets == 2)
    #expect(buffer.bytes == Array(bench.devices[0].contents[..<4096]))
  }

  @Test("a device that lies every time: EIO after five attempts, others are served afterwards", arguments: DeviceModel.Lie.allCases)
  func alwaysLies(lie: DeviceModel.Lie) throws {
    let bench = Bench()
    #expect(bench.transfer(0, ClientBuffer(count: 512), write: true) == nil)
    for _ in 0..<20 where bench.kernel.replies.isEmpty {
      bench.devices[0].lie = lie
      bench.devices[0].work()
      bench.interrupts()
    }
    #expect(throws: Errno.ioError) { try bench.answer() }
    #expect(bench.devices[0].resets == 6)
    #expect(bench.transfer(0, ClientBuffer(count: 512), write: true) == nil)
    bench.settle()
    #expect(try bench.answer().count == 512)
  }

  @Test("a lost interrupt: the alarm finds what is done, without a reset")
  func lostInterrupt() throws {
    let bench = Bench()
    #expect(bench.transfer(0, ClientBuffer(count: 512), write: false) == nil)
    bench.devices[0].work(interrupt: false)
    #expect(bench.kernel.replies.isEmpty)
    bench.pass(seconds: 0.002)
    #expect(try bench.answer().count == 512)
    #expect(bench.devices[0].resets == 1)
  }

  @Test("a device that forgets a request is reset after two seconds, and the request offered again")
  func silent() throws {
    let bench = Bench()
    #expect(bench.transfer(0, ClientBuffer(count: 512), write: false) == nil)
    bench.devices[0].pending = []
    bench.pass(seconds: 1.99)
    #expect(bench.devices[0].resets == 1)
    bench.pass(seconds: 0.1)
    #expect(bench.devices[0].resets == 2)
    bench.settle()
    #expect(try bench.answer().count == 512)
  }

  @Test("a device that is gone: requests fail, none hangs")
  func gone() throws {
    let bench = Bench()
    for _ in 0..<6 { _ = bench.transfer(0, ClientBuffer(count: 512), write: false) }
    bench.devices[0].isStuck = true
    bench.pass(seconds: 20)
    #expect(bench.kernel.replies.count == 6)
    for _ in 0..<6 { #expect(throws: Errno.ioError) { try bench.answer() } }
    // And when it comes back, it works again.
    bench.devices[0].isStuck = false
    for _ in 0..<2 where bench.kernel.replies.isEmpty {
      _ = bench.transfer(0, ClientBuffer(count: 512), write: false)
      bench.settle()
      bench.pass(seconds: 4)
      bench.settle()
    }
    #expect(!bench.kernel.replies.isEmpty)
  }

  @Test("errors of the medium are EIO, for that request only")
  func badSectors() throws {
    let bench = Bench()
    bench.devices[0].badSectors = 8..<9
    #expect(bench.transfer(4096, ClientBuffer(count: 512), write: false) == nil)
    bench.settle()
    #expect(throws: Errno.ioError) { try bench.answer() }
    #expect(bench.transfer(0, ClientBuffer(count: 4096), write: false) == nil)
    bench.settle()
    #expect(try bench.answer().count == 4096)
    #expect(bench.devices[0].resets == 1)
  }

  @Test("M-F2 the driver dies with requests at work: its next life resets the device and repeats them")
  func restart() throws {
    let bench = Bench()
    let buffer = ClientBuffer((0..<8192).map { UInt8(truncatingIfNeeded: $0) })
    #expect(bench.transfer(0, buffer, write: true) == nil)
    #expect(bench.devices[0].pending.count == 1)
    bench.restart()
    #expect(bench.devices[0].resets == 2)
    #expect(bench.devices[0].pending.isEmpty)
    let id = bench.kernel.grant(buffer.memory, from: .rootfs, to: .disk)
    #expect(bench.send(Block.Transfer(position: 0, grant: id, offset: 0, length: 8192, minor: 0, write: true), flags: .request | .again) == nil)
    bench.settle()
    #expect(try bench.answer().count == 8192)
    #expect(Array(bench.devices[0].contents[..<8192]) == buffer.bytes)
  }

  @Test("interrupts and alarms out of nowhere, and notifications of others")
  func spurious() throws {
    let bench = Bench()
    bench.driver.notified(by: .kernel, events: 0xFFFF, &bench.ipc)
    bench.driver.notified(by: .kernel, events: KernelEvent.alarm, &bench.ipc)
    bench.driver.notified(by: .pm, events: 1 << 11, &bench.ipc)
    #expect(bench.driver.handle(Delivery(message: Message(error: .ioError), flags: .asynchronous), &bench.ipc) == nil)
    #expect(bench.devices[0].resets == 1)
    #expect(bench.kernel.alarm == 0)
  }

  @Test("every word of the used ring at random, a thousand times: no trap, and the driver goes on")
  func randomRing() throws {
    for queueSize in [16, 256] {
      var random = Random(state: UInt64(queueSize))
      let bench = Bench(queueSize: queueSize)
      for _ in 0..<500 {
        _ = bench.transfer(0, ClientBuffer(count: 1024), write: Bool.random(using: &random))
        let used = (queueSize * 16 + 6 + queueSize * 2 + 4095) / 4096 * 4096
        for offset in 0..<64 where Bool.random(using: &random) {
          bench.areas[0].memory[used + offset] = UInt8.random(in: 0...255, using: &random)
        }
        bench.driver.notified(by: .kernel, events: 1 << 11, &bench.ipc)
        bench.pass(seconds: 0.01)
      }
      bench.pass(seconds: 15)
      bench.settle()
      bench.kernel.replies.removeAll()
      _ = bench.transfer(0, ClientBuffer(count: 1024), write: false)
      bench.settle()
      #expect(!bench.kernel.replies.isEmpty)
    }
  }
}

/// A reproducible source of numbers.
private struct Random: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}
