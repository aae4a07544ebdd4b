import CX86
import IPC
import Testing
import X86State

@testable import KernelCore

/// The fast path in assembly reads and writes records that Swift lays out.
@Suite struct LayoutTests {
  typealias Record = Thread<X86Context>

  @Test("the assembly knows where Swift puts a thread's fields") func offsets() {
    func at(_ key: PartialKeyPath<Record>) -> Int32 { Int32(MemoryLayout<Record>.offset(of: key) ?? -1) }
    let table: [(PartialKeyPath<Record>, Int32)] = [
      (\.context, 0), (\.root, THREAD_ROOT), (\.zero, THREAD_STAMP), (\.endpoint, THREAD_ENDPOINT), (\.state, THREAD_STATE),
      (\.holds, THREAD_STATE + 1), (\.hasSignal, THREAD_STATE + 2), (\.shortcut, THREAD_STATE + 3), (\.purpose, THREAD_PURPOSE),
      (\.deliveries, THREAD_PURPOSE + 1), (\.suspicion, THREAD_PURPOSE + 2), (\.rerun, THREAD_PURPOSE + 3), (\.heardAt, THREAD_HEARD_AT),
      (\.stackLow, THREAD_STACK_LOW), (\.stackSize, THREAD_STACK_SIZE), (\.serial, THREAD_SERIAL), (\.urgent, THREAD_URGENT), (\.peer, THREAD_PEER),
      (\.time, THREAD_TIME), (\.messages, THREAD_MESSAGES), (\.notifications, THREAD_NOTIFICATIONS), (\.source, THREAD_SOURCE),
      (\.extendedState, THREAD_EXTENDED), (\.callers.first, THREAD_CALLERS), (\.inbox.first, THREAD_INBOX),
      (\.privileges.kernelCalls, THREAD_KERNEL_CALLS), (\.privileges.sendTo, THREAD_SEND_TO),
    ]
    for (key, offset) in table { #expect(at(key) == offset, "\(key)") }
    #expect(MemoryLayout<Record>.stride == Int(THREAD_SIZE))
  }

  @Test("the assembly knows the bytes of a thread's states") func states() {
    func word(_ state: ThreadState, _ shortcut: Shortcut) -> Int32 {
      var record = Record(endpoint: .vm, extendedState: 0)
      record.state = state
      record.shortcut = shortcut
      return withUnsafeBytes(of: record) { $0.load(fromByteOffset: Int(THREAD_STATE), as: Int32.self) }
    }
    #expect(word(.runnable, .none) == STATE_RUNNABLE)
    #expect(word(.receiving, .open) == STATE_OPEN)
    #expect(word(.waiting, .asked) == STATE_ASKED)
    var record = Record(endpoint: .vm, extendedState: 0)
    record.purpose = .request
    record.deliveries = 1
    #expect(withUnsafeBytes(of: record) { $0.load(fromByteOffset: Int(THREAD_PURPOSE), as: Int32.self) } == PURPOSE_REQUEST)
    #expect(Endpoint.any.raw == .max && Errno.notPermitted.rawValue != 0)
  }

  @Test("a thread's more urgent priorities", arguments: 0..<8) func urgent(priority: Int) {
    var record = Record(endpoint: .vm, extendedState: 0)
    record.setPriority(UInt8(priority))
    #expect(record.urgent == (1 << UInt32(priority + 1)) - 1)
  }
}
