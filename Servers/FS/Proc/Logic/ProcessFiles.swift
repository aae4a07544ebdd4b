import IPC
import Protocols
import ServerKit

// The texts of the files in /proc/<process id>.
extension ProcFileSystem {
  func writeProcess(_ file: ProcessFile, _ process: PM.ProcessInformation.Reply, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    switch file {
    case .status: writeStatus(process, into: &text, &ipc)
    case .maps: try writeMaps(process.process, into: &text, &ipc)
    case .cmdline:
      // PM keeps the program's name; its arguments are in its own memory.
      withName(process) { text.append($0) }
      text.append("\0")
    }
  }

  private func withName(_ process: PM.ProcessInformation.Reply, _ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes(of: process.name) { body(UnsafeRawBufferPointer(rebasing: $0[..<($0.firstIndex(of: 0) ?? $0.count)])) }
  }

  private func writeStatus(_ process: PM.ProcessInformation.Reply, into text: inout Snapshot, _ ipc: inout T) {
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
  }

  /// A region a line, in the order of addresses: range, access, pages present, of these shared, kind.
  private func writeMaps(_ process: Endpoint, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    var address: UInt64 = 0
    while text.count < Snapshot.capacity {
      let region: VM.RegionInformation.Reply
      do throws(Errno) { region = try ipc.call(.vm, VM.RegionInformation(process: process, address: address)) } catch {
        if error == .noSuchFile { return }
        throw error
      }
      guard region.end > address, region.end > region.start else { throw .ioError }
      var line = Text()
      line.append(hex: region.start, digits: 12)
      line.append("-")
      line.append(hex: region.end, digits: 12)
      line.append(region.protection & VM.Protection.read != 0 ? " r" : " -")
      line.append(region.protection & VM.Protection.write != 0 ? "w" : "-")
      line.append(region.protection & VM.Protection.execute != 0 ? "x" : "-")
      line.append(region.resident, width: 8)
      line.append(region.shared, width: 8)
      line.append(" ")
      line.append(kindName(region.kind))
      line.append("\n")
      text.append(line)
      address = region.end
    }
  }

  private func kindName(_ kind: UInt32) -> StaticString {
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
    default: "unknown"
    }
  }
}
