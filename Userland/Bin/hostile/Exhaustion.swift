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
    let failures = try pipe()
    let first = try fork()
    if first == 0 {
      do throws(Errno) { try setProcessGroup(0, 0) } catch {}
      explode(telling: failures.writeEnd)
    }
    try close(failures.writeEnd)
    // Until fork fails in it, or patience ends.
    try handle(Signal.alarm) { _ in }
    _ = try alarm(nanoseconds: patience)
    var isFull = false
    do throws(Errno) { isFull = try !read(failures.readEnd, atMost: 1).isEmpty } catch {}
    _ = try alarm(nanoseconds: 0)
    let most = processCount()
    for _ in 0..<200 {
      do throws(Errno) { try kill(-first, Signal.kill) } catch {}
      do throws(Errno) { while try wait(for: -1, WaitOptions.noHang).id > 0 {} } catch {}
      if processCount() <= before { break }
      try sleep(nanoseconds: 10_000_000)
    }
    let after = processCount()
    printLine(Bytes("hostile forkbomb: ") + decimal(before) + Bytes(" processes, then ") + decimal(most) + Bytes(", then ") + decimal(after))
    if !isFull { printLine(Bytes("hostile forkbomb: fork did not fail")) }
    if after > before || most < before + 8 || !isFull { exit(1) }
  } catch {
    printLine(Bytes("hostile forkbomb: ") + Bytes(errorText(error)))
    exit(1)
  }
}

/// Nanoseconds after which the bomb should have filled what there is.
private let patience: UInt64 = 60_000_000_000

/// Twelve generations: 4,096 processes if there were room. The first failure of each is told.
private func explode(telling descriptor: Int) -> Never {
  var told = false
  for _ in 0..<12 {
    do throws(Errno) { _ = try fork() } catch {
      if !told { do throws(Errno) { try writeAll(descriptor, Bytes("f")) } catch {} }
      told = true
    }
  }
  do throws(Errno) { try pause() } catch {}
  terminate(0)
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
