import CTrap
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

/// Calls in one child: it may end itself by what it hits (its own memory, say), then the next child goes on.
private let batch: UInt64 = 20_000
/// Nanoseconds after which a child that hit upon waiting is ended by SIGALRM.
private let patience: UInt64 = 5_000_000_000

/// SEC8, M-J1, M-N5: random operations, endpoints, numbers and payloads, straight into the stub page.
func randomCalls(_ parameters: Attack.Parameters) {
  var left = parameters.count
  var seed = parameters.seed
  var ended: UInt64 = 0
  while left > 0 {
    let count = min(left, batch)
    standardOutput.flush()
    do throws(Errno) {
      let child = try fork()
      if child == 0 {
        for descriptor in 0..<3 { do throws(Errno) { try close(descriptor) } catch {} }
        do throws(Errno) { _ = try alarm(nanoseconds: patience) } catch {}
        attack(count, seed)
        terminate(0)
      }
      if !waitUntilEnd(of: child).exited { ended += 1 }
    } catch {
      printLine(Bytes("hostile calls: cannot fork: ") + Bytes(errorText(error)))
      exit(1)
    }
    left -= count
    seed &+= 1
  }
  printLine(
    Bytes("hostile calls: ") + decimal(parameters.count) + Bytes(" from seed ") + decimal(parameters.seed) + Bytes(", ") + decimal(ended)
      + Bytes(" batches ended by their own doing"))
}

private func attack(_ count: UInt64, _ seed: UInt64) {
  var random = Random(seed: seed)
  for _ in 0..<count {
    var message = apus_message()
    withUnsafeMutableBytes(of: &message) { bytes in
      for index in 1..<8 { bytes.storeBytes(of: word(&random), toByteOffset: index * 8, as: UInt64.self) }
      bytes.storeBytes(of: header(&random), toByteOffset: 0, as: UInt64.self)
    }
    let operation = random.below(16) == 0 ? random.next() : random.below(9)
    // A wait without an end is no attack: each has one, in the past or near.
    _ = apus_trap(operation, endpoint(&random), endpoint(&random), 1 + random.below(1000), &message)
  }
}

/// What rightly does what it says to everybody, since there is one user: kill, shut down, end oneself, wait for ever.
private let excluded: [Int32] = [
  PM.Fork.number, PM.Exit.number, PM.Kill.number, PM.Pause.number, PM.Sleep.number, PM.SignalReturn.number, PM.SetProcessGroup.number,
  PM.SignalAction.number, PM.SignalMask.number, PM.Alarm.number, RS.Up.number, RS.Down.number, RS.Restart.number, RS.Kill.number, RS.Inject.number,
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
