import IPC
import Protocols
import ServerKit

// The texts of the files in /proc/<process id>.
extension ProcFileSystem {
  func writeProcess(_ file: ProcessFile, _ process: PM.ProcessInformation.Reply, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    switch file {
    case .status: try writeStatus(process, into: &text, &ipc)
    case .maps: try writeMaps(process.process, into: &text, &ipc)
    case .rollup: try writeRollup(process.process, into: &text, &ipc)
    case .limits: try writeLimits(process.process, into: &text, &ipc)
    case .cmdline:
      // PM keeps the program's name; its arguments are in its own memory.
      withName(process) { text.append($0) }
      text.append("\0")
    }
  }

  private func withName(_ process: PM.ProcessInformation.Reply, _ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes(of: process.name) { body(UnsafeRawBufferPointer(rebasing: $0[..<($0.firstIndex(of: 0) ?? $0.count)])) }
  }

  private func writeStatus(_ process: PM.ProcessInformation.Reply, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    var line = Text("Name: ")
    withName(process) { line.append($0) }
    line.append("\nState: ")
    line.append(byte: process.state > 0x20 && process.state < 0x7F ? UInt8(process.state) : 0x3F)
    line.append("\n")
    text.append(line)
    text.append("Pid:", UInt64(UInt32(bitPattern: process.id)))
    text.append("PPid:", UInt64(UInt32(bitPattern: process.parent)))
    text.append("Group:", UInt64(UInt32(bitPattern: process.group)))
    text.append("Endpoint:", UInt64(process.process.raw))
    text.append("Time:", process.time, " ns\n")
    // A process that has ended has no thread any more.
    guard let thread = try? ipc.kernel(Kernel.ThreadInfo(slot: UInt64(process.process.slot))), thread.thread == process.process else { return }
    text.append("Priority:", UInt64(thread.priority))
    text.append("Messages:", thread.messages)
    if thread.peer != .none { text.append("WaitsFor:", UInt64(thread.peer.raw)) }
    try writeSizes(process.process, into: &text, &ipc)
  }

  /// Memory by the names of Linux: all that is mapped; locked; present; private and writable; stack; code of the image. Of what is
  /// present: private memory, files, shared memory; a copy of a file's page counts as the file's.
  private func writeSizes(_ process: Endpoint, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    var all = Sums(), locked = Sums(), data = Sums(), stack = Sums(), code = Sums(), file = Sums(), shared = Sums()
    try forEachRegion(of: process, &ipc) { region in
      if region.kind == VM.RegionKind.reserved { return true }
      all.add(region)
      if region.flags & VM.RegionFlags.locked != 0 { locked.add(region) }
      let access = UInt32(region.protection)
      let isShared = region.flags & VM.RegionFlags.shared != 0
      if region.kind == VM.RegionKind.stack {
        stack.add(region)
      } else if access & VM.Protection.write != 0, !isShared {
        data.add(region)
      }
      if region.kind == VM.RegionKind.image, access & VM.Protection.execute != 0 { code.add(region) }
      if region.kind == VM.RegionKind.file { file.add(region) } else if isShared { shared.add(region) }
      return true
    }
    text.append("VmSize:", all.pages &* 4, " kB\n")
    text.append("VmLck:", locked.pages &* 4, " kB\n")
    text.append("VmRSS:", all.resident &* 4, " kB\n")
    text.append("RssAnon:", (all.resident &- file.resident &- shared.resident) &* 4, " kB\n")
    text.append("RssFile:", file.resident &* 4, " kB\n")
    text.append("RssShmem:", shared.resident &* 4, " kB\n")
    text.append("VmData:", data.pages &* 4, " kB\n")
    text.append("VmStk:", stack.pages &* 4, " kB\n")
    text.append("VmExe:", code.pages &* 4, " kB\n")
  }

  /// A region a line, in the order of addresses: range, access and whether writes are private or shared, offset in what it
  /// shows, pages present, of these shared with another space, kind, marks, and the name that its owner gave it. Each
  /// part goes on where the last one ended: no address stands in two lines, and whatever is there throughout stands in one.
  private func writeMaps(_ process: Endpoint, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    let from = text.rest
    text.rest = 0
    try forEachRegion(of: process, from: from, &ipc) { region in
      var line = Text()
      line.append(hex: region.start, digits: 12)
      line.append("-")
      line.append(hex: region.end, digits: 12)
      let access = UInt32(region.protection)
      line.append(access & VM.Protection.read != 0 ? " r" : " -")
      line.append(access & VM.Protection.write != 0 ? "w" : "-")
      line.append(access & VM.Protection.execute != 0 ? "x" : "-")
      line.append(region.flags & VM.RegionFlags.shared != 0 ? "s " : "p ")
      line.append(hex: region.offset, digits: 8)
      line.append(UInt64(region.resident), width: 8)
      line.append(UInt64(region.shared), width: 8)
      line.append(" ")
      line.append(kindName(region.kind))
      if region.flags & VM.RegionFlags.locked != 0 { line.append(" locked") }
      if region.flags & VM.RegionFlags.immutable != 0 { line.append(" immutable") }
      if region.flags & VM.RegionFlags.sequential != 0 { line.append(" sequential") }
      if region.flags & VM.RegionFlags.random != 0 { line.append(" random") }
      if region.flags & VM.RegionFlags.lent != 0 { line.append(" lent") }
      if region.flags & VM.RegionFlags.pinned != 0 { line.append(" pinned") }
      if region.name.0 != 0 {
        line.append(" [")
        withUnsafeBytes(of: region.name) { line.append(UnsafeRawBufferPointer(rebasing: $0[..<($0.firstIndex(of: 0) ?? $0.count)])) }
        line.append("]")
      }
      line.append("\n")
      guard text.hasRoom(for: line) else {
        text.rest = region.start
        return false
      }
      text.append(line)
      return true
    }
  }

  /// Sums over all regions, by the names of Linux's smaps_rollup. Rss: what is there; Pss: each page divided by the number
  /// of those who show it.
  private func writeRollup(_ process: Endpoint, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    var size: UInt64 = 0, resident: UInt64 = 0, shared: UInt64 = 0, proportional: UInt64 = 0, locked: UInt64 = 0
    try forEachRegion(of: process, &ipc) { region in
      let pages = (region.end - region.start) >> 12
      if region.kind != VM.RegionKind.reserved { size &+= pages }
      resident &+= UInt64(region.resident)
      shared &+= UInt64(region.shared)
      proportional &+= UInt64(region.proportional)
      if region.flags & VM.RegionFlags.locked != 0 { locked &+= pages }
      return true
    }
    text.append("Size:", size &* 4, " kB\n")
    text.append("Rss:", resident &* 4, " kB\n")
    text.append("Pss:", proportional, " kB\n")
    text.append("Shared:", shared &* 4, " kB\n")
    text.append("Private:", (resident &- shared) &* 4, " kB\n")
    text.append("Locked:", locked &* 4, " kB\n")
  }

  /// RLIMIT_*, by the names of Linux: soft and hard, in bytes.
  private func writeLimits(_ process: Endpoint, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    try writeLimit("Max data size", VM.Resource.data, process, into: &text, &ipc)
    try writeLimit("Max stack size", VM.Resource.stack, process, into: &text, &ipc)
    try writeLimit("Max locked memory", VM.Resource.locked, process, into: &text, &ipc)
    try writeLimit("Max address space", VM.Resource.addressSpace, process, into: &text, &ipc)
  }

  private func writeLimit(
    _ name: StaticString, _ resource: UInt32, _ process: Endpoint, into text: inout Snapshot, _ ipc: inout T
  ) throws(Errno) {
    let limit = try ipc.call(.vm, VM.GetLimit(process: process, resource: resource))
    var line = Text(name)
    for value in [limit.soft, limit.hard] {
      line.append(" ")
      if value == VM.Resource.unlimited { line.append("unlimited") } else { line.append(value) }
    }
    line.append(" bytes\n")
    text.append(line)
  }

  /// In the order of addresses, until `body` has enough. The process may change its memory meanwhile: what has merged with what was
  /// shown already is shown from there on.
  private func forEachRegion(of process: Endpoint, from: UInt64 = 0, _ ipc: inout T, _ body: (VM.RegionInformation.Reply) -> Bool) throws(Errno) {
    var address = from
    while true {
      var region: VM.RegionInformation.Reply
      do throws(Errno) { region = try ipc.call(.vm, VM.RegionInformation(process: process, address: address)) } catch {
        if error == .noSuchFile { return }
        throw error
      }
      guard region.end > address, region.end > region.start else { throw .ioError }
      if region.start < address {
        if region.kind == VM.RegionKind.file || region.offset != 0 { region.offset &+= address - region.start }
        region.start = address
        region.resident = UInt32(clamping: min(UInt64(region.resident), (region.end - address) >> 12))
        region.shared = min(region.shared, region.resident)
      }
      guard body(region) else { return }
      address = region.end
    }
  }

  private func kindName(_ kind: UInt8) -> StaticString {
    switch kind {
    case VM.RegionKind.anonymous: "anonymous"
    case VM.RegionKind.stack: "stack"
    case VM.RegionKind.heap: "heap"
    case VM.RegionKind.physical: "physical"
    case VM.RegionKind.contiguous: "contiguous"
    case VM.RegionKind.module: "module"
    case VM.RegionKind.stub: "stub"
    case VM.RegionKind.image: "image"
    case VM.RegionKind.reserved: "reserved"
    case VM.RegionKind.file: "file"
    case VM.RegionKind.borrowed: "borrowed"
    default: "unknown"
    }
  }
}

/// Pages of some regions.
private struct Sums {
  var pages: UInt64 = 0
  var resident: UInt64 = 0

  mutating func add(_ region: VM.RegionInformation.Reply) {
    pages &+= (region.end - region.start) >> 12
    resident &+= UInt64(region.resident)
  }
}
