import CTrap
import IPC
import POSIX
import Protocols

// What operations cost among few and among many regions of one space, each a mapping of one touched page that merges with
// no other: VM leaves a page free between mappings.

private let page = 4096

/// The names of what is measured among so many regions.
private struct Names {
  var map, fault, protect, unmap, fork: StaticString
}

func scale() {
  measure(100, Names(map: "scale-mmap-100", fault: "scale-fault-100", protect: "scale-mprotect-100", unmap: "scale-munmap-100", fork: "scale-fork-100"))
  measure(
    65_536,
    Names(map: "scale-mmap-65536", fault: "scale-fault-65536", protect: "scale-mprotect-65536", unmap: "scale-munmap-65536", fork: "scale-fork-65536"))
}

private func measure(_ regions: Int, _ names: Names) {
  var places: [UnsafeMutableRawPointer] = []
  do throws(Errno) {
    places.reserveCapacity(regions)
    for _ in 0..<regions {
      let place = try mapMemory(page)
      place.storeBytes(of: UInt8(1), as: UInt8.self)
      places.append(place)
    }
    let count = 201
    var map = Samples(count), fault = Samples(count), protect = Samples(count), unmap = Samples(count)
    let overhead = Samples.overhead
    for step in 0..<count {
      // Here and there: a stride that shares no factor with the number of regions.
      let index = step &* 40_503 % regions
      var start = apus_timestamp()
      try unmapMemory(places[index], page)
      unmap.add(start, apus_timestamp(), overhead: overhead)
      start = apus_timestamp()
      places[index] = try mapMemory(page)
      map.add(start, apus_timestamp(), overhead: overhead)
      start = apus_timestamp()
      places[index].storeBytes(of: UInt8(1), as: UInt8.self)
      fault.add(start, apus_timestamp(), overhead: overhead)
      let other = places[step &* 30_011 % regions]
      start = apus_timestamp()
      try protectMemory(other, page, Protection.read)
      try protectMemory(other, page, Protection.read | Protection.write)
      protect.add(start, apus_timestamp(), overhead: overhead, per: 2)
    }
    standardOutput.flush()
    var fork = Samples(5)
    for _ in 0..<5 {
      let start = apus_timestamp()
      let child = try POSIX.fork()
      if child == 0 { terminate(0) }
      let end = apus_timestamp()
      _ = waitUntilEnd(of: child)
      fork.add(start, end, overhead: overhead, per: UInt64(regions))
    }
    map.report(names.map)
    fault.report(names.fault)
    protect.report(names.protect)
    unmap.report(names.unmap)
    fork.report(names.fork)
  } catch { failed(names.map, error) }
  for place in places { do throws(Errno) { try unmapMemory(place, page) } catch { failed(names.unmap, error) } }
}
