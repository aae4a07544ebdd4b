import IPC
import POSIX
import Protocols

/// xorshift64*: the same seed, the same attack.
struct Random {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
  mutating func below(_ bound: UInt64) -> UInt64 { next() % bound }
}

/// Traps in one child: it may end itself by what it hits (its own memory, say), then the next child goes on from there.
private let batch: UInt64 = 20_000
/// A child says after so many traps how far it is.
private let stride: UInt64 = 500
/// Where it says so: a descriptor that random small numbers do not hit.
private let reportDescriptor = 63
/// Nanoseconds after which a child that hit upon waiting is ended by SIGALRM.
private let patience: UInt64 = 1_000_000_000

/// SEC8, SEC20, M-J1, M-N5: random operations, endpoints, numbers and payloads by every way in, with garbage in all other registers. What
/// comes back is looked at after each.
func randomCalls(_ parameters: Attack.Parameters) {
  var made: UInt64 = 0
  var seed = parameters.seed
  var children: UInt64 = 0, ended: UInt64 = 0
  while made < parameters.count {
    standardOutput.flush()
    do throws(Errno) {
      let report = try pipe()
      let count = min(parameters.count - made, batch)
      let child = try fork()
      if child == 0 {
        do throws(Errno) {
          try duplicate(report.writeEnd, to: reportDescriptor)
          for descriptor in 0..<16 { do throws(Errno) { try close(descriptor) } catch {} }
          _ = try alarm(nanoseconds: patience)
        } catch { terminate(1) }
        attack(count, seed, ways: parameters.raw ? 3 : 1)
        terminate(0)
      }
      try close(report.writeEnd)
      let said = try contents(of: report.readEnd)
      try close(report.readEnd)
      let marks = said.prefix { $0 == 0 }.count
      if marks < said.count { give(up: Leak(bytes: Bytes(said.dropFirst(marks))), seed) }
      made += stride * UInt64(marks)
      children += 1
      if !waitUntilEnd(of: child).exited { ended += 1 }
    } catch {
      printLine(Bytes("hostile calls: ") + Bytes(errorText(error)))
      exit(1)
    }
    seed &+= 1
    if children > parameters.count / stride * 2 + 100 {
      printLine(Bytes("hostile calls: the children end too early"))
      exit(1)
    }
  }
  printLine(
    Bytes("hostile calls: ") + decimal(made) + Bytes(" from seed ") + decimal(parameters.seed) + Bytes(" by ") + decimal(children)
      + Bytes(" processes, ") + decimal(ended) + Bytes(" ended by their own doing"))
}

private func give(up leak: Leak, _ seed: UInt64) -> Never {
  printLine(
    Bytes("hostile calls: LEAK, seed ") + decimal(seed) + Bytes(" way ") + decimal(UInt64(leak.way)) + Bytes(" operation ") + digits(leak.operation, base: 16)
      + Bytes(" register ") + decimal(UInt64(leak.register)) + Bytes(" was ") + digits(leak.before, base: 16) + Bytes(" is ") + digits(leak.after, base: 16))
  exit(1)
}

private func attack(_ count: UInt64, _ seed: UInt64, ways: UInt64) {
  var random = Random(seed: seed)
  let mark = Bytes(repeating: 0, count: 1)
  for made in 0..<count {
    if made % stride == stride - 1 { do throws(Errno) { try writeAll(reportDescriptor, mark) } catch { terminate(1) } }
    var given = Registers()
    for index in 0..<16 { given[index] = random.below(2) == 0 ? random.next() : word(&random) }
    given[Registers.rsp] = anyStack(&random)
    let payload = Registers.payload
    for place in 0..<7 { given[payload[place]] = word(&random) }
    let header = header(&random)
    given[Registers.header] = header
    // Aimed at our own text and stack these only end the attack early.
    if ownMemory.contains(where: { UInt64(UInt32(bitPattern: $0)) == header & 0xFFFF_FFFF }) { given[payload[0]] = random.next() }
    given[Registers.rax] = random.below(16) == 0 ? random.next() : operation(&random)
    given[Registers.rdi] = endpoint(&random)
    given[Registers.rsi] = endpoint(&random)
    // A wait without an end is no attack: each has one, in the past or near.
    given[Registers.rdx] = 1 + random.below(1000)
    let way = random.below(ways)
    if let leak = trap(way, given) {
      do throws(Errno) { try writeAll(reportDescriptor, leak.bytes) } catch {}
      terminate(2)
    }
  }
}

/// Requests to servers more often than the rest.
private func operation(_ random: inout Random) -> UInt64 {
  let choice = random.below(14)
  return choice < 9 ? choice : TrapOperation.sendRec.rawValue
}

private let ownMemory: [Int32] = [VM.MMap.number, VM.MUnmap.number, VM.MProtect.number, VM.Brk.number, VM.MAdvise.number, VM.MRemap.number]

/// What rightly does what it says to everybody, since there is one user: kill, shut down, end oneself, wait for ever.
private let excluded: [Int32] = [
  PM.Fork.number, PM.Exit.number, PM.Kill.number, PM.Pause.number, PM.Sleep.number, PM.SignalReturn.number, PM.SetProcessGroup.number,
  PM.SignalAction.number, PM.SignalMask.number, PM.Alarm.number, PM.SetSession.number, VFS.Pipe.number, RS.Up.number, RS.Down.number, RS.Restart.number, RS.Kill.number, RS.Inject.number,
  RS.Shutdown.number,
]

/// Numbers of all services; but not those in `excluded`.
private func header(_ random: inout Random) -> UInt64 {
  while true {
    let type: UInt64 = switch random.below(4) {
    case 0: random.next() & 0xFFFF_FFFF
    default: random.below(12) << 8 | random.below(44)
    }
    if !excluded.contains(where: { UInt64(UInt32(bitPattern: $0)) == type }) { return random.next() << 32 | type }
  }
}

private func endpoint(_ random: inout Random) -> UInt64 {
  switch random.below(8) {
  case 0: random.next()
  case 1: UInt64(Endpoint.any.raw)
  case 2: random.below(2048)
  default: random.below(16)
  }
}

/// Small numbers, addresses of our own, sign bits, everything.
private func word(_ random: inout Random) -> UInt64 {
  switch random.below(6) {
  case 0: random.below(16)
  case 1: 0x40_0000 &+ random.below(0x10_0000)
  case 2: random.below(4096) << 12
  case 3: 1 << random.below(64)
  case 4: 0 &- random.below(4096)
  default: random.next()
  }
}
