import CTrap
import IPC
import POSIX
import Protocols

/// fork, exit in the child, wait in the parent; of this program, which is small.
func forkExitWait() {
  do throws(Errno) {
    standardOutput.flush()
    var samples = Samples(51)
    let overhead = Samples.overhead
    for _ in 0..<51 {
      let start = apus_timestamp()
      let child = try fork()
      if child == 0 { terminate(0) }
      _ = waitUntilEnd(of: child)
      samples.add(start, apus_timestamp(), overhead: overhead)
    }
    samples.report("fork-exit-wait")
  } catch { failed("fork-exit-wait", error) }
}

/// fork alone, as the parent sees it, of a program with so much memory in pages that were written one by one.
private func forkOf(_ name: StaticString, bytes: Int) {
  do throws(Errno) {
    let memory = try mapMemory(bytes, Protection.read | Protection.write)
    for page in 0..<bytes >> 12 { memory.storeBytes(of: UInt8(1), toByteOffset: page << 12, as: UInt8.self) }
    standardOutput.flush()
    var samples = Samples(21)
    let overhead = Samples.overhead
    for _ in 0..<21 {
      let start = apus_timestamp()
      let child = try fork()
      if child == 0 { terminate(0) }
      let end = apus_timestamp()
      _ = waitUntilEnd(of: child)
      samples.add(start, end, overhead: overhead)
    }
    try unmapMemory(memory, bytes)
    samples.report(name)
  } catch { failed(name, error) }
}

func forkSmall() { forkOf("fork-1MiB", bytes: 1 << 20) }
func forkLarge() { forkOf("fork-256MiB", bytes: 256 << 20) }

/// fork, exec of /bin/true, wait.
func forkExecWait() {
  do throws(Errno) {
    standardOutput.flush()
    var samples = Samples(21)
    let overhead = Samples.overhead
    for _ in 0..<21 {
      let start = apus_timestamp()
      let child = try fork()
      if child == 0 {
        _ = execute(Bytes("/bin/true"), [Bytes("true")], [])
        terminate(127)
      }
      let status = waitUntilEnd(of: child)
      let end = apus_timestamp()
      if status.exitStatus == 0 { samples.add(start, end, overhead: overhead) }
    }
    samples.report("fork-exec-wait")
  } catch { failed("fork-exec-wait", error) }
}

/// One byte there and back over two pipes between two processes.
func pipeRoundTrip() {
  let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
  defer { byte.deallocate() }
  byte[0] = 7
  do throws(Errno) {
    standardOutput.flush()
    let there = try pipe(), back = try pipe()
    let child = try fork()
    if child == 0 {
      do throws(Errno) {
        try close(there.writeEnd)
        while try read(there.readEnd, into: byte) == 1 { _ = try write(back.writeEnd, UnsafeRawBufferPointer(byte)) }
      } catch { terminate(1) }
      terminate(0)
    }
    var samples = Samples(501)
    let overhead = Samples.overhead
    for _ in 0..<501 {
      let start = apus_timestamp()
      _ = try write(there.writeEnd, UnsafeRawBufferPointer(byte))
      _ = try read(back.readEnd, into: byte)
      samples.add(start, apus_timestamp(), overhead: overhead)
    }
    for end in [there.writeEnd, there.readEnd, back.readEnd, back.writeEnd] { try close(end) }
    _ = waitUntilEnd(of: child)
    samples.report("pipe-roundtrip")
  } catch { failed("pipe-roundtrip", error) }
}

/// 1 MiB read from a file that is in the file system's cache, per KiB.
func readPerKiB() {
  let path = Bytes("/tmp/bench.data")
  let size = 1 << 20
  let data = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
  defer { data.deallocate() }
  data.initializeMemory(as: UInt8.self, repeating: 0x5A)
  do throws(Errno) {
    let file = try open(path, OpenFlags.readWrite | OpenFlags.create | OpenFlags.truncate)
    try writeAll(file, UnsafeRawBufferPointer(data))
    var samples = Samples(9)
    let overhead = Samples.overhead
    for _ in 0..<9 {
      _ = try seek(file, 0)
      let start = apus_timestamp()
      var count = 0
      while count < size {
        let part = try read(file, into: UnsafeMutableRawBufferPointer(rebasing: data[count...]))
        if part == 0 { break }
        count += part
      }
      let end = apus_timestamp()
      if count == size { samples.add(start, end, overhead: overhead, per: 1024) }
    }
    try close(file)
    try unlink(path)
    samples.report("read-per-KiB")
  } catch { failed("read-per-KiB", error) }
}
