import IPC
import Protocols
import Testing

@Suite("Messages") struct MessageTests {
  @Test("a message is eight words") func size() {
    #expect(MemoryLayout<Message>.size == 64)
    #expect(MemoryLayout<Message>.stride == 64)
  }

  @Test("source and type share the first word and do not disturb each other")
  func header() {
    var message = Message(type: -5)
    message.source = Endpoint(slot: 77, generation: 9)
    #expect(message.type == -5)
    #expect(message.source == Endpoint(slot: 77, generation: 9))
    message.type = Int32.max
    #expect(message.source.slot == 77)
    #expect(message.type == Int32.max)
  }

  @Test("a body comes out as it went in")
  func roundTrip() {
    let call = PM.WaitPID(id: -1, options: 3)
    let message = Message(call)
    #expect(message.type == PM.WaitPID.number)
    let body = message.body(PM.WaitPID.self)
    #expect(body.id == -1)
    #expect(body.options == 3)
  }

  @Test("SEC20 what a body does not fill is zero")
  func padding() {
    let message = Message(PM.WaitPID(id: -1, options: ~0))
    #expect(message.payload.1 == 0)
    #expect(message.payload.6 == 0)
  }

  @Test("a reply is a body, an errno, or nonsense", arguments: [
    (Int32(0), nil), (Int32(-2), Errno.noSuchFile), (Int32(-4095), Errno(rawValue: 4095)), (Int32(-4096), Errno.badMessage),
    (Int32(5), Errno.badMessage), (Int32.min, Errno.badMessage), (Int32.max, Errno.badMessage),
  ] as [(Int32, Errno?)])
  func reply(type: Int32, expected: Errno?) {
    var message = Message(reply: VFS.Count(count: 7))
    message.type = type
    do throws(Errno) {
      let count = try message.reply(VFS.Count.self).count
      #expect(expected == nil)
      #expect(count == 7)
    } catch {
      #expect(error == expected)
    }
  }

  @Test("an error reply carries the negated number")
  func error() {
    #expect(Message(error: .noMemory).type == -12)
  }

  @Test("the token is the last word")
  func token() {
    var message = Message(FS.Forget(inode: 1, count: 2))
    message.token = 0xABCD
    #expect(message.payload.6 == 0xABCD)
    #expect(message.body(FS.Forget.self).count == 2)
  }
}

@Suite("Endpoints") struct EndpointTests {
  @Test("slot and generation share 32 bits", arguments: [0, 1, 63, 64, 1023, 4095])
  func parts(slot: Int) {
    for generation: UInt32 in [0, 1, 77, 0xF_FFFF] {
      let endpoint = Endpoint(slot: slot, generation: generation)
      #expect(endpoint.slot == slot)
      #expect(endpoint.generation == generation)
    }
  }

  @Test("well-known services are generation 0 of their slots, and any and none are no slots in use")
  func wellKnown() {
    for endpoint in [Endpoint.kernel, .vm, .rs, .pm, .vfs, .ds, .tty, .memory, .disk, .rootfs, .proc, .extfs] {
      #expect(endpoint.generation == 0)
      #expect(endpoint.isService)
    }
    #expect(!Endpoint.initProcess.isService)
    #expect(Endpoint.any != .none)
  }
}

@Suite("Deliveries") struct DeliveryTests {
  @Test("flags are told apart")
  func flags() {
    let delivery = Delivery(message: Message(), flags: .request | .again)
    #expect(delivery.isRequest && delivery.isAgain)
    #expect(!delivery.isNotification && !delivery.isAsynchronous && !delivery.isFromKernel)
  }
}
