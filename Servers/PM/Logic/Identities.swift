import IPC
import Protocols
import ServerKit

// Who is who: ids, groups, sessions, and what `ps` shows.
extension ProcessManager {
  func identity(_ me: Int) -> PM.Identity.Reply {
    let process = table[me]
    let parent = me == Self.first ? 0 : table[process.parent].id
    return PM.Identity.Reply(id: process.id, parent: parent, group: process.group, session: process.session)
  }

  /// setpgid(2): oneself, or a child that has not run exec, into a group of the same session.
  func setProcessGroup(_ call: PM.SetProcessGroup, _ me: Int) throws(Errno) {
    guard call.id >= 0, call.group >= 0 else { throw .invalidArgument }
    let target: Int
    if call.id == 0 || call.id == table[me].id {
      target = me
    } else {
      guard let child = table.find(id: call.id), table.isAlive(child), child != Self.first, table[child].parent == me else { throw .noSuchProcess }
      guard !table[child].hasExecuted else { throw .accessDenied }
      target = child
    }
    let process = table[target]
    guard process.session == table[me].session, process.session != process.id else { throw .notPermitted }
    let group = call.group == 0 ? process.id : call.group
    guard group == process.id || hasGroup(group, session: process.session) else { throw .notPermitted }
    table[target].group = group
  }

  private func hasGroup(_ group: Int32, session: Int32) -> Bool {
    for index in 0..<table.top where table.isUsed(index) && table[index].group == group && table[index].session == session { return true }
    return false
  }

  /// setsid(2): not for the leader of a group, whose id would then name two.
  func setSession(_ me: Int) throws(Errno) -> Int32 {
    let id = table[me].id
    guard table[me].group != id || me == Self.first else { throw .notPermitted }
    table[me].group = id
    table[me].session = id
    return id
  }

  /// The first used slot at or after `index`.
  func information(_ index: UInt64, _ ipc: inout T) throws(Errno) -> PM.ProcessInformation.Reply {
    var slot = Int(min(index, UInt64(table.top)))
    while slot < table.top, !table.isUsed(slot) { slot += 1 }
    guard slot < table.top else { throw .noSuchProcess }
    let process = table[slot]
    let (state, time) = activity(slot, &ipc)
    return PM.ProcessInformation.Reply(
      index: UInt32(slot), process: table.isAlive(slot) ? process.endpoint : .none, id: process.id,
      parent: slot == Self.first ? 0 : table[process.parent].id, group: process.group, state: state,
      time: time, name: process.name)
  }

  /// The letter that `ps` shows, and the processor time.
  private func activity(_ index: Int, _ ipc: inout T) -> (state: UInt32, time: UInt64) {
    if table.isZombie(index) { return (0x5A, 0) }
    do throws(Errno) {
      let thread = try ipc.kernel(Kernel.ThreadInfo(slot: UInt64(table[index].endpoint.slot)))
      if table[index].isStopped { return (0x54, thread.time) }
      return (thread.state == Kernel.ThreadState.ready || thread.state == Kernel.ThreadState.running ? 0x52 : 0x53, thread.time)
    } catch { return (table[index].isStopped ? 0x54 : 0x53, 0) }
  }

  func endpoint(of id: Int64) throws(Errno) -> Kernel.ThreadReply {
    guard let id = Int32(exactly: id), id > 0, let index = table.find(id: id), table.isAlive(index) else { throw .noSuchProcess }
    return Kernel.ThreadReply(thread: table[index].endpoint)
  }
}
