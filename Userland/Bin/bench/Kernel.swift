import CTrap
import IPC
import POSIX
import Protocols
import Trap

/// The clock itself: a loop of 2,001 instructions must read 2,001.
func calibration() {
  var samples = Samples(101)
  for _ in 0..<101 { samples.add(0, apus_calibrate(), overhead: 0) }
  samples.report("calibration")
}

/// A kernel call that does nothing.
func nullCall() {
  var samples = Samples(2001)
  let overhead = Samples.overhead
  var kernel = KernelTrap()
  let message = Message(Kernel.Null())
  for _ in 0..<2001 {
    let start = apus_timestamp()
    let reply = kernel.kernel(message)
    let end = apus_timestamp()
    if reply.type == 0 { samples.add(start, end, overhead: overhead) }
  }
  samples.report("null-call")
}

/// Already up is as good.
func startEcho() throws(Errno) {
  do throws(Errno) { _ = try request(RS.Up(name: packed(Bytes("echo")) ?? (0, 0)), of: .rs) } catch {
    if error != .alreadyInProgress && error != .busy { throw error }
  }
}

/// sendRec and replyReceive with 56 bytes, the partner a service in a space of its own, every check on.
func ipcRoundTrip() {
  do throws(Errno) {
    try startEcho()
    var samples = Samples(2001)
    let overhead = Samples.overhead
    var kernel = KernelTrap()
    let ping = Message(header: UInt64(UInt32(bitPattern: Echo.Ping.number)), payload: (1, 2, 3, 4, 5, 6, 7))
    _ = try kernel.sendRec(ping, to: .echo)
    for _ in 0..<2001 {
      let start = apus_timestamp()
      let reply = try kernel.sendRec(ping, to: .echo)
      let end = apus_timestamp()
      if reply.type == 0 && reply.payload.6 == 7 { samples.add(start, end, overhead: overhead) }
    }
    samples.report("ipc-roundtrip")
  } catch { failed("ipc-roundtrip", error) }
}
