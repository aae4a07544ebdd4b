import BootImage
import IPC
import PageTable
import Protocols

extension VirtualMemory {
  func information() -> VM.Information.Reply {
    // What the cache gives up when asked is free: a reader of files takes no memory from anybody.
    let given = frames.idle &+ frames.nodes
    return VM.Information.Reply(
      total: frames.managed &+ frames.fixed, free: frames.free &+ given, user: frames.user &+ frames.cache &- given, tables: frames.tables,
      metadata: frames.metadata &+ frames.fixed, spaces: UInt32(truncatingIfNeeded: spaces.count),
      regions: UInt32(truncatingIfNeeded: regions.slab.used),
      objects: UInt32(truncatingIfNeeded: objects.slab.used), faults: UInt32(truncatingIfNeeded: faults))
  }

  /// A line of a space's map (V77).
  mutating func regionInformation(_ space: Space.Pointer, from address: UInt64) throws(Errno) -> VM.RegionInformation.Reply {
    guard let region = space.pointee.regions.lowest(above: address) else { throw .noSuchFile }
    var resident: UInt64 = 0
    var shared: UInt64 = 0
    var cursor = LeafCursor(region.pointee.range)
    while let slot = next(&cursor, space) {
      resident &+= 1
      if cursor.isShared || !isSoleOwner(of: Frame(address: PageEntry(raw: slot.pointee).frame)) { shared &+= 1 }
    }
    return VM.RegionInformation.Reply(
      start: region.pointee.start, end: region.pointee.end, protection: UInt32(region.pointee.protection),
      kind: UInt32(region.pointee.kind), resident: resident, shared: shared)
  }

  /// 48 bytes of the kernel's command line from `offset` on.
  func commandLine(from offset: UInt64) -> VM.CommandLine.Reply {
    let length = min(boot.pointee.commandLineLength, UInt64(BootInformation.commandLineLimit))
    var text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    withUnsafeMutableBytes(of: &text) { bytes in
      for index in 0..<48 {
        let (at, wraps) = offset.addingReportingOverflow(UInt64(index))
        if !wraps, at < length { bytes[index] = boot.pointee.commandLine[Int(at)] }
      }
    }
    return VM.CommandLine.Reply(text: text)
  }
}
