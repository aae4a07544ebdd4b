import IPC
import POSIX
import Protocols

// States in which nobody can be interrupted: the handler runs in between, and nothing else is different.

/// While it computes, and in calls that are answered at once.
func compute(_ restart: Bool) throws(Errno) -> Bool {
  func sum(_ rounds: UInt64) -> UInt64 {
    var (a, b): (UInt64, UInt64) = (1, 0)
    for round in 0..<rounds { (a, b) = (a &* 6_364_136_223_846_793_005 &+ round, b ^ a) }
    return a ^ b
  }
  let expected = sum(200_000)
  try ring(restart ? SignalFlags.restart : 0)
  while board.pointee.alarms < 20 {
    if sum(200_000) != expected || now() == 0 { return false }
  }
  try silence()
  return true
}

/// In page faults: at VM, before it, after it.
func touch(_ restart: Bool) throws(Errno) -> Bool {
  let pages = 256
  try ring(restart ? SignalFlags.restart : 0)
  while board.pointee.alarms < 20 {
    let memory = try mapMemory(pages * 4096)
    for page in 0..<pages { memory.storeBytes(of: page ^ 0x5A5A, toByteOffset: page * 4096 + 8, as: Int.self) }
    for page in 0..<pages where memory.load(fromByteOffset: page * 4096 + 8, as: Int.self) != page ^ 0x5A5A { return false }
    try unmapMemory(memory, pages * 4096)
  }
  try silence()
  return true
}

/// Handlers that signal the process itself, three deep, on an alternate stack.
func nest(_ restart: Bool) throws(Errno) -> Bool {
  let flags = SignalFlags.onStack | (restart ? SignalFlags.restart : 0)
  let stack = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
  try setSignalStack(stack)
  try handle(Signal.user2, flags: flags) { _ in
    enter()
    // On the alternate stack all the time: it cannot be taken away.
    do throws(Errno) {
      try setSignalStack(nil)
      terminate(96)
    } catch { if error != .notPermitted { terminate(95) } }
    leave()
  }
  try handle(Signal.user1, flags: flags) { _ in
    enter()
    do throws(Errno) { try kill(processID(), Signal.user2) } catch { terminate(94) }
    leave()
  }
  try ring(flags)
  let me = processID()
  while board.pointee.alarms < 20 { try kill(me, Signal.user1) }
  try silence()
  try setSignalStack(nil)  // and now it can
  return board.pointee.deepest >= 2 && board.pointee.depth == 0
}

/// A stopped process takes the signal when it goes on, before anything else.
func stop(_ restart: Bool) throws(Errno) -> Bool {
  let child = try fork()
  if child == 0 {
    do throws(Errno) {
      board.pointee = Board()
      try handle(Signal.user1, flags: restart ? SignalFlags.restart : 0) { _ in board.pointee.alarms += 1 }
      try kill(processID(), Signal.stop)
      terminate(board.pointee.alarms)
    } catch { terminate(93) }
  }
  guard try wait(for: child, WaitOptions.untraced).status.stopped else { return false }
  for _ in 0..<3 { try kill(child, Signal.user1) }  // one bit: they are one
  try kill(child, Signal.continue)
  return waitUntilEnd(of: child).exitStatus == 1
}

/// M-E6, SEC44: what is no frame of the kernel's is the end of who says that it is one, by SIGSEGV.
func forge(_ restart: Bool) throws(Errno) -> Bool {
  let memory = try mapMemory(8192)
  var random: UInt64 = restart ? 88_172_645_463_325_252 : 0x9E37_79B9_7F4A_7C15
  for word in 0..<1024 {
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    memory.storeBytes(of: random, toByteOffset: word * 8, as: UInt64.self)
  }
  let place = UInt64(UInt(bitPattern: memory))
  for frame in [place, place + 8, place + 8188, 0, 64, 0x0000_7FFF_FFFF_EFF8, 0x0000_8000_0000_0000, 0xFFFF_FFFF_8010_0000, .max] {
    let child = try fork()
    if child == 0 {
      do throws(Errno) { _ = try request(PM.SignalReturn(frame: frame), of: .pm) } catch {}
      terminate(92)
    }
    let end = waitUntilEnd(of: child)
    if end.exited || end.signal != Signal.segmentation { return false }
  }
  return true
}
