import IPC
import POSIX
import Protocols

/// SEC35, V93: takes memory until there is none. The end is an error or SIGKILL for this process alone.
func exhaustMemory() {
  let part = 1 << 20
  var taken: UInt64 = 0
  while true {
    do throws(Errno) {
      let memory = try mapMemory(part, Protection.read | Protection.write)
      for page in 0..<part / 4096 { memory.storeBytes(of: 1, toByteOffset: page * 4096, as: UInt8.self) }
      taken += 1
    } catch {
      printLine(Bytes("hostile memory: ") + Bytes(errorText(error)) + Bytes(" after ") + decimal(taken) + Bytes(" MiB"))
      return
    }
  }
}

/// SEC35: processes that fork and fork again until nobody can, all in a group of their own; then the group is ended and
/// must be gone.
func forkBomb() {
  let before = processCount()
  do throws(Errno) {
    standardOutput.flush()
    let first = try fork()
    if first == 0 {
      do throws(Errno) { try setProcessGroup(0, 0) } catch {}
      // Twelve generations: 4,096 processes if there were room.
      for _ in 0..<12 { do throws(Errno) { _ = try fork() } catch {} }
      do throws(Errno) { try pause() } catch {}
      terminate(0)
    }
    // Let it grow for half a second, then make an end, as often as it takes.
    try sleep(nanoseconds: 500_000_000)
    let most = processCount()
    for _ in 0..<200 {
      do throws(Errno) { try kill(-first, Signal.kill) } catch {}
      do throws(Errno) { while try wait(for: -1, WaitOptions.noHang).id > 0 {} } catch {}
      if processCount() <= before { break }
      try sleep(nanoseconds: 10_000_000)
    }
    let after = processCount()
    printLine(Bytes("hostile forkbomb: ") + decimal(before) + Bytes(" processes, then ") + decimal(most) + Bytes(", then ") + decimal(after))
    if after > before || most < before + 8 { exit(1) }
  } catch {
    printLine(Bytes("hostile forkbomb: ") + Bytes(errorText(error)))
    exit(1)
  }
}

/// Processes in PM's table, ended ones included.
private func processCount() -> Int {
  var count = 0
  var index: UInt64 = 0
  while true {
    do throws(Errno) {
      let reply = try request(PM.ProcessInformation(index: index), of: .pm)
      index = UInt64(reply.index) + 1
      count += 1
    } catch { return count }
  }
}
