import IPC
import POSIX
import Protocols

/// What `service storm` was asked for.
struct StormPlan: Equatable {
  /// Nanoseconds between two kills.
  var every: UInt64 = 50_000_000
  var count: UInt64 = 1
  var mixed = false
  var seed: UInt64 = 1

  /// Nil if a word is not understood.
  init?(_ words: [[UInt8]]) {
    var index = 0
    while index < words.count {
      let word = words[index]
      index += 1
      if word == "--mixed" {
        mixed = true
        continue
      }
      guard index < words.count, let value = number(words[index]) else { return nil }
      index += 1
      switch word {
      case "--every":
        guard value > 0, value < 1_000_000 else { return nil }
        every = value * 1_000_000
      case "--count": count = value
      case "--seed": seed = value
      default: return nil
      }
    }
  }
}

/// Which harm comes next. Half are plain kills; of the rest each kind has its share.
struct HarmSequence {
  private var state: UInt64
  let mixed: Bool

  init(seed: UInt64, mixed: Bool) {
    state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    self.mixed = mixed
  }

  mutating func next() -> UInt64 {
    guard mixed else { return 0 }
    // xorshift64*
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    let value = (state &* 0x2545_F491_4F6C_DD1D) >> 33
    return value % 10 < 5 ? 0 : value % 10 - 4
  }
}

/// Kills a service at a steady pace. Each kill must be answered by a restart and the service run again within `patience`;
/// only then comes the next. Injected harm strikes at the service's next message: if nobody sends it one, a child of ours
/// reads from its device, and if that does not help either, a kill ends the wait.
func storm(_ program: Program, _ label: [UInt8], _ name: RS.Name, _ plan: StormPlan) -> Int {
  let patience: UInt64 = 10_000_000_000
  /// For harm that waits for a message: until we send one, and after that.
  let grace: UInt64 = 100_000_000, secondGrace: UInt64 = 2_000_000_000
  var sequence = HarmSequence(seed: plan.seed, mixed: plan.mixed)
  var counts = InlineArray<6, UInt64>(repeating: 0)
  var unanswered: UInt64 = 0, idle: UInt64 = 0
  var recoveries: [UInt64] = []
  var due = now() &+ plan.every
  do throws(Errno) {
    guard var place = try findService(name) else {
      program.complain(label, "no such service")
      return 1
    }
    for _ in 0..<plan.count {
      let time = now()
      if time < due { try sleep(nanoseconds: due - time) }
      let before = try serviceStatus(&place, name)
      let harm = sequence.next()
      counts[Int(harm)] += 1
      if harm == 0 { _ = try request(RS.Kill(name: name), of: .rs) } else { _ = try request(RS.Inject(name: name, harm: harm), of: .rs) }
      var answered = try waitForRestart(&place, name, after: before.restarts, harm == 0 ? patience : grace)
      if !answered, harm != 0 {
        let child = nudge(label)
        answered = try waitForRestart(&place, name, after: before.restarts, secondGrace)
        if child > 0 { _ = waitUntilEnd(of: child) }
      }
      if !answered, harm != 0 {
        // It has no device that we know, or its garbage did nobody any harm.
        idle += 1
        _ = try request(RS.Kill(name: name), of: .rs)
        answered = try waitForRestart(&place, name, after: before.restarts, patience)
      }
      if answered { recoveries.append(try serviceStatus(&place, name).lastRecovery) } else { unanswered += 1 }
      due = max(due &+ plan.every, now())
    }
  } catch { program.die(label, error) }
  report(label, plan, counts, idle: idle, unanswered: unanswered, &recoveries)
  return unanswered == 0 ? 0 : 1
}

/// A child that reads from the device of a driver: it waits, we need not. 0 if the service has none.
private func nudge(_ label: [UInt8]) -> Int {
  let device: StaticString
  switch label {
  case "disk": device = "/dev/hd0"
  case "memory": device = "/dev/ram0"
  default: return 0
  }
  do throws(Errno) {
    let child = try fork()
    if child != 0 { return child }
    _ = try read(try open([UInt8](device)), atMost: 512)
  } catch {}
  terminate(0)
}

/// The place of a service in RS's table; nil if there is none of that name.
func findService(_ name: RS.Name) throws(Errno) -> UInt64? {
  var index: UInt64 = 0
  while true {
    do throws(Errno) {
      if try request(RS.Status(index: index), of: .rs).name == name { return index }
      index += 1
    } catch {
      if error == .noSuchFile { return nil }
      throw error
    }
  }
}

private func serviceStatus(_ place: inout UInt64, _ name: RS.Name) throws(Errno) -> RS.Status.Reply {
  let reply = try request(RS.Status(index: place), of: .rs)
  if reply.name == name { return reply }
  guard let found = try findService(name) else { throw .noSuchFile }
  place = found
  return try request(RS.Status(index: place), of: .rs)
}

/// Whether the service runs again with more restarts than before.
private func waitForRestart(_ place: inout UInt64, _ name: RS.Name, after restarts: UInt32, _ bound: UInt64) throws(Errno) -> Bool {
  let end = now() &+ bound
  while true {
    let state = try serviceStatus(&place, name)
    if state.restarts != restarts, state.state == RS.State.running { return true }
    if state.state == RS.State.failed || now() >= end { return false }
    try sleep(nanoseconds: 200_000)
  }
}

private func report(
  _ label: [UInt8], _ plan: StormPlan, _ counts: InlineArray<6, UInt64>, idle: UInt64, unanswered: UInt64, _ recoveries: inout [UInt64]
) {
  printText("storm ")
  printBytes(label)
  printText(": ")
  printBytes(decimal(plan.count))
  printText(" harms, ")
  printBytes(decimal(UInt64(recoveries.count)))
  printText(" answered by a restart, ")
  printBytes(decimal(unanswered))
  printText(" not\n")
  for harm in 0..<6 where counts[harm] > 0 {
    printText("  ")
    printBytes(left([UInt8](Harm.name(UInt64(harm))), 8))
    printLine(decimal(counts[harm]))
  }
  if idle > 0 {
    printText("  without effect until killed ")
    printLine(decimal(idle))
  }
  recoveries.sort()
  guard !recoveries.isEmpty else { return }
  printText("  recovery ns: median ")
  printBytes(decimal(recoveries[recoveries.count / 2]))
  printText(" p99 ")
  printBytes(decimal(recoveries[(recoveries.count - 1) * 99 / 100]))
  printText(" max ")
  printLine(decimal(recoveries[recoveries.count - 1]))
}
