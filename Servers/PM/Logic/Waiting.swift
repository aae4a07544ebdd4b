import IPC
import Protocols
import ServerKit

// wait(2): parents learn what became of their children.
extension ProcessManager {
  enum WaitOption {
    static var noHang: UInt32 { 1 }
    static var untraced: UInt32 { 2 }
    static var continued: UInt32 { 8 }
    static var all: UInt32 { noHang | untraced | continued }
  }

  mutating func waitPID(_ call: PM.WaitPID, _ me: Int, _ delivery: Delivery, _ ipc: inout T) throws(Errno) -> Message? {
    guard call.options & ~WaitOption.all == 0, call.id != .min else { throw .invalidArgument }
    if let reply = try news(for: me, id: call.id, options: call.options) { return Message(reply: reply) }
    if call.options & WaitOption.noHang != 0 { return Message(reply: PM.WaitPID.Reply(id: 0, status: 0)) }
    suspend(me, .child(id: call.id, options: call.options), delivery)
    return nil
  }

  /// What there is to tell now, and it is told; `.noChildProcess` if there will never be anything.
  private mutating func news(for parent: Int, id: Int32, options: UInt32) throws(Errno) -> PM.WaitPID.Reply? {
    var hasChild = false
    for child in 0..<table.top where isChild(child, of: parent, id) {
      hasChild = true
      if table.isZombie(child) {
        let reply = PM.WaitPID.Reply(id: table[child].id, status: table[child].status)
        reap(child)
        return reply
      }
      let status = table[child].news
      guard status != 0 else { continue }
      let isStop = status & 0xFF == 0x7F
      if options & (isStop ? WaitOption.untraced : WaitOption.continued) != 0 {
        table[child].news = 0
        return PM.WaitPID.Reply(id: table[child].id, status: status)
      }
    }
    guard hasChild else { throw .noChildProcess }
    return nil
  }

  private func isChild(_ child: Int, of parent: Int, _ id: Int32) -> Bool {
    guard child != Self.first, table.isUsed(child), table[child].parent == parent else { return false }
    return switch id {
    case -1: true
    case 0: table[child].group == table[parent].group
    case 1...: table[child].id == id
    default: table[child].group == -id
    }
  }

  /// The last that is known of a child goes to its parent's account; its slot is free. While VFS has not been
  /// told of its end the slot is kept, by nobody's child.
  private mutating func reap(_ child: Int) {
    let parent = table[child].parent
    table[parent].childrenTime &+= table[child].time &+ table[child].childrenTime
    table.remove(child)
  }

  /// A child is a zombie now: its parent gets SIGCHLD, and the answer if it waits.
  mutating func childEnded(_ child: Int, _ ipc: inout T) {
    let parent = table[child].parent
    guard table.isAlive(parent) else { return }
    let action = table[parent].action(Signals.child)
    if action.isIgnored || action.flags & Signals.Flag.noChildWait != 0 { reap(child) }
    tellWaiting(parent, &ipc)
    post(Signals.child, to: parent, &ipc)
  }

  /// A child was stopped or goes on.
  mutating func childChanged(_ child: Int, stopped: Bool, _ ipc: inout T) {
    let parent = table[child].parent
    guard table.isAlive(parent), child != Self.first else { return }
    tellWaiting(parent, &ipc)
    if stopped, table[parent].action(Signals.child).flags & Signals.Flag.noChildStop != 0 { return }
    post(Signals.child, to: parent, &ipc)
  }

  private mutating func tellWaiting(_ parent: Int, _ ipc: inout T) {
    guard case .child(let id, let options) = table[parent].wait else { return }
    do throws(Errno) {
      if let reply = try news(for: parent, id: id, options: options) { wake(parent, Message(reply: reply), &ipc) }
    } catch { wake(parent, Message(error: error), &ipc) }
  }
}
