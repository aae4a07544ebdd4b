import IPC
import Protocols

// What a drill does to services. RS lets everybody: there is one user.
extension Player {
  mutating func services(_ operation: Operation, _ s: Statement) {
    let name = ServiceName.packed(Int(s.x))
    do throws(Errno) {
      switch operation {
      case .kill: _ = try patient(RS.Kill(name: name), .rs)
      case .inject: _ = try patient(RS.Inject(name: name, harm: s.y), .rs)
      case .down: _ = try patient(RS.Down(name: name), .rs)
      case .up:
        do throws(Errno) { _ = try patient(RS.Up(name: name), .rs) } catch { if error != .alreadyInProgress { throw error } }
        try waitUntilRunning(s.x, restarts: 0)
      case .recover:
        let before: UInt64 = memory.load(Play.restarts + UInt64(s.x & 15) * 8)
        try waitUntilRunning(s.x, restarts: before &+ s.y)
      case .ping:
        var wrong: Int64 = -1
        for _ in 0..<s.y {
          let number: UInt64 = memory.load(Play.pings)
          memory.store(number &+ 1, at: Play.pings)
          let reply = try ipc.call(.echo, Echo.Ping(words: (number, 0, 0, 0, 0, 0, 0)))
          if reply.words.0 != number, wrong < 0 { wrong = Int64(bitPattern: number) }
        }
        tell(operation, Int64(bitPattern: s.y), wrong)
        return
      default: break
      }
      tell(operation, 0)
    } catch { tell(operation, error) }
  }

  private mutating func waitUntilRunning(_ slot: UInt32, restarts: UInt64) throws(Errno) {
    while true {
      guard let status = try status(slot) else { throw .noSuchFile }
      if status.state == RS.State.running, UInt64(status.restarts) >= restarts { return }
      if status.state == RS.State.failed { throw .ioError }
      do throws(Errno) { _ = try ipc.call(.pm, PM.Sleep(nanoseconds: 1_000_000)) } catch {}  // a signal ends the nap, no more
    }
  }

  private mutating func status(_ slot: UInt32) throws(Errno) -> RS.Status.Reply? {
    for index in 0..<32 as Range<UInt64> {
      do throws(Errno) {
        let status = try patient(RS.Status(index: index), .rs)
        if status.service.slot == Int(slot) { return status }
      } catch { return nil }
    }
    return nil
  }

  /// At the start: `recover` counts from here.
  mutating func noteRestarts() {
    for index in 0..<32 as Range<UInt64> {
      do throws(Errno) {
        let status = try patient(RS.Status(index: index), .rs)
        memory.store(UInt64(status.restarts), at: Play.restarts + UInt64(status.service.slot & 15) * 8)
      } catch { return }
    }
  }
}
