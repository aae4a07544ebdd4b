import CSandboxCode
import CX86
import Glibc
import Sandbox

/// Median and 90th percentile of `samples` runs, in microseconds.
func figure(_ name: String, samples: Int, _ run: () throws -> UInt64) rethrows {
  var times: [UInt64] = []
  for _ in 0..<samples { times.append(try run()) }
  times.sort()
  func text(_ time: UInt64) -> String { "\(time / 1000).\(time / 100 % 10)" }
  print("figure \(name) median \(text(times[samples / 2])) us, 90% \(text(times[samples * 9 / 10])) us, best \(text(times[0])) us")
}

func timed(_ body: () throws -> Void) rethrows -> UInt64 {
  let start = Sandbox.now()
  try body()
  return Sandbox.now() - start
}

func measure(stub: String) throws {
  let frames = 1024
  let sandbox = try Sandbox(frames: frames * 4096, slots: 4, stub: stub)
  defer { sandbox.close() }
  try sandbox.create(slot: 0)
  program(sandbox, 0, start_of_trap(), length_of_trap())
  sandbox.resume(slot: 0, full: true)
  guard sandbox.wait(until: .max) == .trap(slot: 0) else { fatalError("no trap") }
  figure("trap round trip", samples: 20000) {
    timed {
      sandbox.resume(slot: 0, full: false)
      _ = sandbox.wait(until: .max)
    }
  }
  sandbox.destroy(slot: 0)

  try sandbox.create(slot: 1)
  program(sandbox, 1, start_of_touch(), length_of_touch()) { $0.rsi = 0x1000_0000 }
  sandbox.resume(slot: 1, full: true)
  var event = sandbox.wait(until: .max), next = 0
  figure("fault, map, go on to the next fault", samples: 5000) {
    timed {
      guard case .fault(1, let address, _) = event else { fatalError("no fault: \(event)") }
      sandbox.map(slot: 1, address: address & ~4095, frame: UInt64(16 + next % 1000) * 4096, length: 4096, writable: true, executable: false)
      next += 1
      sandbox.resume(slot: 1, full: false)
      event = sandbox.wait(until: .max)
    }
  }
  sandbox.destroy(slot: 1)

  figure("create to ready and destroy", samples: 1000) {
    try! timed {
      try sandbox.create(slot: 2)
      sandbox.destroy(slot: 2)
    }
  }
  figure("create to ready", samples: 1000) {
    defer { sandbox.destroy(slot: 2) }
    return try! timed { try sandbox.create(slot: 2) }
  }
  figure("kill -9 to .died", samples: 1000) {
    try! sandbox.create(slot: 2)
    return timed {
      kill(sandbox.pid(slot: 2)!, SIGKILL)
      guard sandbox.wait(until: .max) == .died(slot: 2) else { fatalError("not dead") }
    }
  }
  try sandbox.create(slot: 3)
  program(sandbox, 3, start_of_loop(), length_of_loop())
  sandbox.resume(slot: 3, full: true)
  _ = sandbox.wait(until: Sandbox.now() + 1_000_000)
  figure("interruption of a loop", samples: 2000) {
    let time = timed {
      sandbox.interrupt(slot: 3)
      guard sandbox.wait(until: .max) == .interrupted(slot: 3) else { fatalError("not interrupted") }
    }
    sandbox.resume(slot: 3, full: false)
    return time
  }
}
