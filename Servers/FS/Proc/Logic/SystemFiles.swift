import IPC
import Protocols
import ServerKit

// The texts of the files in /proc itself.
extension ProcFileSystem {
  func writeSystem(_ file: RootFile, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    switch file {
    case .services: try writeServices(into: &text, &ipc)
    case .meminfo: try writeMemory(into: &text, &ipc)
    case .kernel: try writeKernel(into: &text, &ipc)
    case .uptime:
      let now = try ipc.kernel(Kernel.Clock()).now
      var line = Text()
      line.append(now / 1_000_000_000)
      line.append(byte: UInt8(ascii: "."))
      let hundredths = now / 10_000_000 % 100
      if hundredths < 10 { line.append(byte: UInt8(ascii: "0")) }
      line.append(hundredths)
      line.append("\n")
      text.append(line)
    case .mounts: try writeMounts(into: &text, &ipc)
    case .vm: try writeVM(into: &text, &ipc)
    case .cmdline: writeCommandLine(into: &text, &ipc)
    case .version: text.append("Apus, a self-healing microkernel system in Swift (x86_64)\n")
    }
  }

  private func writeServices(into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    text.append("name             endpoint state      restarts kills recovery-ns  pages\n")
    var index: UInt64 = 0
    while index < 64 {
      let service: RS.Status.Reply
      do throws(Errno) { service = try ipc.call(.rs, RS.Status(index: index)) } catch {
        if error == .noSuchFile { return }
        throw error
      }
      var line = Text()
      line.append(name: service.name, width: 16)
      line.append(UInt64(service.service.raw), width: 9)
      line.append(" ")
      line.append(stateName(service.state))
      line.append(UInt64(service.restarts), width: 9)
      line.append(UInt64(service.kills), width: 6)
      line.append(service.lastRecovery, width: 12)
      line.append(try ownPages(of: service.service, &ipc), width: 7)
      line.append("\n")
      text.append(line)
      index += 1
    }
  }

  /// Pages that nobody else has: what would be free if the service were gone. 0 for VM, whose space is the kernel's work.
  private func ownPages(of service: Endpoint, _ ipc: inout T) throws(Errno) -> UInt64 {
    var sum: UInt64 = 0
    var address: UInt64 = 0
    while true {
      let region: VM.RegionInformation.Reply
      do throws(Errno) { region = try ipc.call(.vm, VM.RegionInformation(process: service, address: address)) } catch { return sum }
      guard region.end > address else { throw .ioError }
      sum = sum &+ UInt64(region.resident &- region.shared)
      address = region.end
    }
  }

  private func stateName(_ state: UInt32) -> StaticString {
    switch state {
    case RS.State.down: "down      "
    case RS.State.starting: "starting  "
    case RS.State.running: "running   "
    case RS.State.backingOff: "backingOff"
    case RS.State.failed: "failed    "
    default: "unknown   "
    }
  }

  private func writeMemory(into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    let memory = try ipc.call(.vm, VM.Information())
    text.append("MemTotal:", memory.total &* 4, " kB\n")
    text.append("MemFree:", memory.free &* 4, " kB\n")
    text.append("User:", memory.user &* 4, " kB\n")
    text.append("PageTables:", memory.tables &* 4, " kB\n")
    text.append("Metadata:", memory.metadata &* 4, " kB\n")
  }

  /// What a drill compares before and after: one `name value` a line.
  private func writeKernel(into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    let kernel = try ipc.kernel(Kernel.Statistics())
    text.append("nanoseconds", try ipc.kernel(Kernel.Clock()).now)
    text.append("threads", UInt64(kernel.threads))
    text.append("thread-limit", UInt64(kernel.threadLimit))
    text.append("grants", UInt64(kernel.grants))
    text.append("grant-limit", UInt64(kernel.grantLimit))
    text.append("asynchronous", UInt64(kernel.asynchronous))
    text.append("asynchronous-limit", UInt64(kernel.asynchronousLimit))
    text.append("fast-path", kernel.fastPath)
    text.append("slow-path", kernel.slowPath)
    text.append("faults", kernel.faults)
    text.append("interrupts", kernel.interrupts)
    text.append("timer-interrupts", UInt64(kernel.timers))
    try writeFrames(into: &text, &ipc)
  }

  /// As on Linux: device, directory, type, options. VFS answers this at once, whatever it waits for.
  private func writeMounts(into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    var index: UInt64 = 0
    while index < 64 {
      let mount: VFS.MountInformation.Reply
      do throws(Errno) { mount = try ipc.call(.vfs, VFS.MountInformation(index: index)) } catch {
        if error == .noSuchFile { return }
        throw error
      }
      guard UInt64(mount.index) >= index else { throw .ioError }
      var line = Text()
      switch mount.driver {
      case .disk: line.append("/dev/hd")
      case .memory: line.append("/dev/ram")
      default: line.append("none")
      }
      if mount.driver != .none { line.append(UInt64(mount.minor)) }
      line.append(" ")
      withUnsafeBytes(of: mount.path) { line.append(UnsafeRawBufferPointer(rebasing: $0[..<($0.firstIndex(of: 0) ?? $0.count)])) }
      line.append(mount.server == .none ? " devices" : mount.server == .proc ? " proc" : mount.server == .vfs ? " tmpfs" : " ext2")
      line.append(mount.flags & 1 != 0 ? " ro\n" : " rw\n")
      text.append(line)
      index = UInt64(mount.index) + 1
    }
  }

  private func writeCommandLine(into text: inout Snapshot, _ ipc: inout T) {
    CommandLine(&ipc).withBytes { text.append($0) }
    text.append("\n")
  }
}
