import CTrap
import IPC
import POSIX
import Protocols

private let page = 4096
private let readWrite = Protection.read | Protection.write

private func touch(_ pointer: UnsafeMutableRawPointer, _ index: Int) {
  pointer.storeBytes(of: UInt8(1), toByteOffset: index * page, as: UInt8.self)
}

/// First write to a page of anonymous memory, one page a fault: from the top down, since VM lets neighbours come with a page
/// only if the faults go up.
func demandZero() {
  do throws(Errno) {
    let count = 1001
    let memory = try mapMemory(count * page, readWrite)
    var samples = Samples(count)
    let overhead = Samples.overhead
    for index in (0..<count).reversed() {
      let start = apus_timestamp()
      touch(memory, index)
      samples.add(start, apus_timestamp(), overhead: overhead)
    }
    samples.report("demand-zero")
    try unmapMemory(memory, count * page)
  } catch { failed("demand-zero", error) }
}

/// First write to each page of a mapping from low to high, the first faults with few neighbours included: per page.
func demandZeroAround() {
  do throws(Errno) {
    let count = 1024
    var samples = Samples(9)
    let overhead = Samples.overhead
    for _ in 0..<9 {
      let memory = try mapMemory(count * page, readWrite)
      let start = apus_timestamp()
      for index in 0..<count { touch(memory, index) }
      samples.add(start, apus_timestamp(), overhead: overhead, per: UInt64(count))
      try unmapMemory(memory, count * page)
    }
    samples.report("demand-zero-around")
  } catch { failed("demand-zero-around", error) }
}

/// First write after fork to a page that parent and child share; the child writes.
func copyOnWrite() {
  do throws(Errno) {
    let count = 501
    let memory = try mapMemory(count * page, readWrite)
    for index in 0..<count { touch(memory, index) }
    standardOutput.flush()
    let child = try fork()
    if child == 0 {
      var samples = Samples(count)
      let overhead = Samples.overhead
      for index in 0..<count {
        let start = apus_timestamp()
        touch(memory, index)
        samples.add(start, apus_timestamp(), overhead: overhead)
      }
      samples.report("cow-fault")
      terminate(0)
    }
    _ = waitUntilEnd(of: child)
    try unmapMemory(memory, count * page)
  } catch { failed("cow-fault", error) }
}

/// mmap and munmap of one page that nobody touches.
func mapUnmap() {
  do throws(Errno) {
    var samples = Samples(501)
    let overhead = Samples.overhead
    for _ in 0..<501 {
      let start = apus_timestamp()
      let memory = try mapMemory(page, readWrite)
      try unmapMemory(memory, page)
      samples.add(start, apus_timestamp(), overhead: overhead)
    }
    samples.report("mmap-munmap")
  } catch { failed("mmap-munmap", error) }
}

/// munmap of the middle page of three touched ones.
func unmapSplit() {
  do throws(Errno) {
    var samples = Samples(201)
    let overhead = Samples.overhead
    for _ in 0..<201 {
      let memory = try mapMemory(3 * page, readWrite)
      for index in 0..<3 { touch(memory, index) }
      let start = apus_timestamp()
      try unmapMemory(memory + page, page)
      samples.add(start, apus_timestamp(), overhead: overhead)
      try unmapMemory(memory, 3 * page)
    }
    samples.report("munmap-split")
  } catch { failed("munmap-split", error) }
}

/// mprotect that splits a region of three touched pages, and the one that makes it whole again: the mean of both.
func protectSplit() {
  do throws(Errno) {
    var samples = Samples(201)
    let overhead = Samples.overhead
    let memory = try mapMemory(3 * page, readWrite)
    for index in 0..<3 { touch(memory, index) }
    for _ in 0..<201 {
      let start = apus_timestamp()
      try protectMemory(memory + page, page, Protection.read)
      try protectMemory(memory + page, page, readWrite)
      samples.add(start, apus_timestamp(), overhead: overhead, per: 2)
    }
    try unmapMemory(memory, 3 * page)
    samples.report("mprotect-split")
  } catch { failed("mprotect-split", error) }
}
