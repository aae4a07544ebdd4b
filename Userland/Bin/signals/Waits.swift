import IPC
import POSIX
import Protocols

// Calls that last, with a handler that comes meanwhile. With SA_RESTART the handler of the third alarm brings what the call waits
// for: only a call that was asked again after each alarm gets it.

func readFromPipe(_ restart: Bool) throws(Errno) -> Bool {
  let ends = try pipe()
  try ring(restart ? SignalFlags.restart : 0, restart ? .feed : .nothing)
  board.pointee.descriptor = ends.writeEnd
  do throws(Errno) {
    let bytes = try read(ends.readEnd, atMost: 8)
    try silence()
    return restart && bytes == [65] && board.pointee.alarms >= 3
  } catch {
    try silence()
    return !restart && error == .interrupted && board.pointee.alarms >= 1
  }
}

func waitForChild(_ restart: Bool) throws(Errno) -> Bool {
  let child = try fork()
  if child == 0 { while true { do throws(Errno) { try pause() } catch {} } }
  try ring(restart ? SignalFlags.restart : 0, restart ? .endChild : .nothing)
  board.pointee.child = child
  do throws(Errno) {
    let end = try wait(for: child)
    try silence()
    return restart && end.id == child && end.status.signal == Signal.kill && board.pointee.alarms >= 3
  } catch {
    try silence()
    try kill(child, Signal.kill)
    return !restart && error == .interrupted && waitUntilEnd(of: child).signal == Signal.kill
  }
}

/// A sleep is never asked again: POSIX.
func sleepOrPause(_ restart: Bool, _ call: () throws(Errno) -> Void) throws(Errno) -> Bool {
  try ring(restart ? SignalFlags.restart : 0)
  let start = now()
  do throws(Errno) {
    try call()
    return false
  } catch {
    try silence()
    return error == .interrupted && board.pointee.alarms >= 1 && now() - start < 60_000_000_000
  }
}

/// Regular files are not interrupted: each read of the same bytes is whole, by whatever way to the disk and back a signal comes.
func readFile(_ restart: Bool) throws(Errno) -> Bool {
  let file = try open([UInt8]("/bin/sh"))
  let expected = try read(file, atMost: 65536)
  try ring(restart ? SignalFlags.restart : 0)
  var rounds = 0
  while board.pointee.alarms < 20 || rounds < 20 {
    try seek(file, 0)
    if try read(file, atMost: 65536) != expected { return false }
    rounds += 1
  }
  try silence()
  return expected.count == 65536
}
