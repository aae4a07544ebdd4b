import CLinux
import Foundation
@testable import Sandbox
import Testing

extension SandboxTests {
  @Suite("orders") struct OrderLists {
    func orders(_ body: (inout Orders) -> Void) -> [sandbox_order] {
      var orders = Orders()
      body(&orders)
      return orders.list
    }
    func map(_ orders: inout Orders, _ address: UInt64, _ length: UInt64 = 4096) {
      let taken = orders.map(address: address, frame: 0, length: length, writable: true, executable: false, frames: 1 << 40)
      #expect(taken)
    }
    func forget(_ orders: inout Orders, _ address: UInt64, _ length: UInt64 = 4096) {
      let taken = orders.forget(address: address, length: length)
      #expect(taken)
    }

    @Test("a mapping takes back the flush of its pages; neighbouring flushes are one")
    func together() {
      let list = orders {
        map(&$0, 0x20_0000)
        forget(&$0, 0x10_0000)
        forget(&$0, 0x10_1000)
        forget(&$0, 0x10_2000)
        forget(&$0, 0x30_0000)
        map(&$0, 0x30_0000)
      }
      #expect(list.map(\.address) == [0x20_0000, 0x10_0000, 0x30_0000])
      #expect(list.map(\.length) == [4096, 3 * 4096, 4096])
      #expect(list.map(\.number) == [9, 11, 9])
    }

    @Test("a flush where nothing was mapped is nothing; all forgotten is two calls around the stub")
    func all() {
      #expect(orders { forget(&$0, 0x10_0000) }.isEmpty)
      #expect(orders { $0.forgetAll() }.isEmpty)
      let list = orders {
        map(&$0, 0x10_0000)
        $0.forgetAll()
      }
      #expect(list.map(\.address) == [UInt64(USER_START), UInt64(STUB_END)])
      #expect(list.map { $0.address + $0.length } == [UInt64(STUB_START), UInt64(USER_END)])
    }

    @Test("a list that is too long forgets everything instead, and keeps the last mapping")
    func tooLong() {
      let list = orders {
        for page in 0..<UInt64(ORDERS_LIMIT) { map(&$0, 0x10_0000 + page * 8192) }
        map(&$0, 0x90_0000)
      }
      #expect(list.map(\.address) == [UInt64(USER_START), UInt64(STUB_END), 0x90_0000])
      let flushed = orders {
        for page in 0..<UInt64(ORDERS_LIMIT) { map(&$0, 0x10_0000 + page * 8192) }
        forget(&$0, 0x90_0000)
      }
      #expect(flushed.map(\.address) == [UInt64(USER_START), UInt64(STUB_END)])
    }

    /// The list against a page table: what a process has in the end is what was asked, or less.
    @Test("random maps and flushes leave what they should, or less", arguments: [UInt64.random(in: 0 ... .max)])
    func model(seed: UInt64) {
      var random = Random(seed: seed)
      var orders = Orders(), asked: [UInt64: UInt64] = [:], real: [UInt64: UInt64] = [:], published: [sandbox_order] = []
      var kept = 0
      for step in 0..<20_000 {
        let page = 0x100 + random.next() % 64, count = 1 + random.next() % 4, frame = random.next() % 1000
        switch random.next() % 8 {
        case 0..<4:
          _ = orders.map(address: page << 12, frame: frame << 12, length: count << 12, writable: true, executable: false, frames: 1 << 40)
          for index in 0..<count { asked[page + index] = frame + index }
        case 4..<7:
          _ = orders.forget(address: page << 12, length: count << 12)
          for index in 0..<count { asked[page + index] = nil }
        default:
          if random.next() % 16 == 0 {
            orders.forgetAll()
            asked = [:]
          }
        }
        guard random.next() % 32 == 0 || step == 19_999 else { continue }
        orders.publish(&published)
        for order in published {
          let start = min(order.address >> 12, 0x200), end = min((order.address + order.length) >> 12, 0x200)
          for page in start..<end {
            real[page] = order.number == 9 ? order.offset >> 12 + (page - order.address >> 12) : nil
          }
        }
        for (page, frame) in real {
          #expect(asked[page] == frame, "seed \(seed), step \(step): a page that should be gone")
          kept += 1
        }
      }
      #expect(kept > 1000, "seed \(seed)")
    }
  }
}

/// An order and the notification that asks for it.
struct AskedOrder {
  var order: sandbox_order
  let notification: linux_notification
  init(_ number: UInt64, _ address: UInt64, _ length: UInt64, _ protection: UInt64, _ flags: UInt64, _ offset: UInt64) {
    order = sandbox_order(number: number, address: address, length: length, protection: protection, flags: flags, offset: offset, reserved: (0, 0))
    var asked = linux_notification()
    asked.number = Int32(number)
    asked.argument = (address, length, protection, flags, UInt64(STUB_FRAMES_FD), offset)
    notification = asked
  }
  mutating func change(_ field: Int) {
    switch field {
    case 0: order.number = 11
    case 1: order.address += 4096
    case 2: order.length += 4096
    case 3: order.protection |= 2
    case 4: order.flags |= 0x20
    default: order.offset += 4096
    }
  }
}
