import BootImage
import IPC
import Protocols
import Testing

@Suite("Boot table") struct BootTableTests {
  let rows = (0..<BootTable.count).map(BootTable.entry)

  @Test("VM and RS come first, then services, processes last")
  func order() {
    #expect(rows[0].endpoint == .vm)
    #expect(rows[1].endpoint == .rs)
    #expect(rows.last?.endpoint == .initProcess)
    let kinds = rows.map { switch $0.kind { case .core: 0; case .service: 1; case .process: 2 } }
    #expect(kinds == kinds.sorted())
  }

  @Test("every endpoint and name stands once")
  func unique() {
    #expect(Set(rows.map(\.endpoint.raw)).count == rows.count)
    #expect(Set(rows.map(\.name.description)).count == rows.count)
    for row in rows { #expect(row.name.utf8CodeUnitCount <= 16 && row.module.utf8CodeUnitCount <= 16) }
  }

  func holders(of number: Kernel.Number) -> Set<String> {
    Set(rows.filter { $0.privileges.kernelCalls & 1 << UInt64(number.rawValue) != 0 }.map(\.name.description))
  }

  @Test("SEC26 the calls that could take the system over are in the hands that need them")
  func dangerous() {
    for number in [Kernel.Number.threadCreate, .threadFork, .threadDestroy, .threadRestart, .threadExec, .spaceRoot, .spacePrepare, .spaceFlush] {
      #expect(holders(of: number) == ["vm"])
    }
    for number in [Kernel.Number.setPrivileges, .allowPorts, .shutdown] { #expect(holders(of: number) == ["rs"]) }
    for number in [Kernel.Number.signal, .signalReturn] { #expect(holders(of: number) == ["pm"]) }
    #expect(holders(of: .grantCaller) == ["pm", "vfs"])  // SEC23
    #expect(holders(of: .copyCaller) == ["vm", "pm", "vfs"])
  }

  @Test("SEC28 no two drivers share a line or a port")
  func devices() {
    for (i, a) in rows.enumerated() {
      for b in rows[(i + 1)...] {
        #expect(a.privileges.lines & b.privileges.lines == 0)
        for p in [a.ports.0, a.ports.1, a.ports.2, a.ports.3] where p.count > 0 {
          for q in [b.ports.0, b.ports.1, b.ports.2, b.ports.3] where q.count > 0 {
            #expect(p.first + p.count <= q.first || q.first + q.count <= p.first)
          }
        }
      }
    }
  }

  @Test("SEC28 nobody may map device memory: no device of ours has any that its driver uses")
  func deviceMemory() {
    for row in rows { #expect(row.memory.length == 0, "\(row.name)") }
  }

  @Test("a process has no kernel call but time, yield and registers of its own, and reaches no driver and no file system")
  func user() {
    let user = Privileges.user
    #expect(user.kernelCalls == 1 << UInt64(Kernel.Number.null.rawValue) | 1 << UInt64(Kernel.Number.clock.rawValue) | 1 << UInt64(Kernel.Number.yield.rawValue)
      | 1 << UInt64(Kernel.Number.threadBases.rawValue) | 1 << UInt64(Kernel.Number.threadWatch.rawValue))
    for endpoint in [Endpoint.kernel, .tty, .memory, .disk, .rootfs, .extfs, .proc] { #expect(user.sendTo & 1 << UInt64(endpoint.slot) == 0) }
    #expect(user.lines == 0 && user.asynchronousQuota == 0 && user.grantQuota == 0)
  }

  @Test("M-F1 every service that answers VFS can do so without waiting for it")
  func vfsIsReachedByAnswersOnly() {
    for row in rows where row.endpoint.isService && row.endpoint != .vfs && row.privileges.sendTo & 1 << UInt64(Endpoint.vfs.slot) != 0 {
      #expect(row.privileges.asynchronousQuota > 0)
    }
  }
}

@Suite("Boot archive") struct BootArchiveTests {
  static func archive(_ modules: [(offset: UInt64, length: UInt64)], size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    bytes.withUnsafeMutableBytes { raw in
      raw.storeBytes(of: BootArchive.magic, toByteOffset: 0, as: UInt64.self)
      raw.storeBytes(of: UInt64(modules.count), toByteOffset: 8, as: UInt64.self)
      for (i, module) in modules.enumerated() where 16 + i * 32 + 32 <= size {
        raw.storeBytes(of: UInt64(0x61), toByteOffset: 16 + i * 32, as: UInt64.self)
        raw.storeBytes(of: module.offset, toByteOffset: 16 + i * 32 + 16, as: UInt64.self)
        raw.storeBytes(of: module.length, toByteOffset: 16 + i * 32 + 24, as: UInt64.self)
      }
    }
    return bytes
  }

  @Test("modules are found by index, and none past the end")
  func modules() {
    Self.archive([(4096, 10), (8192, 4096)], size: 12288).withUnsafeBytes { bytes in
      let archive = BootArchive(bytes)
      #expect(archive?.count == 2)
      #expect(archive?.module(1)?.offset == 8192)
      #expect(archive?.module(2) == nil)
      #expect(archive?.module(-1) == nil)
    }
  }

  @Test("entries that point outside are no modules", arguments: [(4097, 1), (16384, 1), (4096, .max), (.max - 4095, 4096)] as [(UInt64, UInt64)])
  func outside(offset: UInt64, length: UInt64) {
    Self.archive([(offset, length)], size: 12288).withUnsafeBytes { #expect(BootArchive($0)?.module(0) == nil) }
  }

  @Test("what does not begin with the magic number, or promises too much, is no archive")
  func header() {
    [UInt8](repeating: 0, count: 8192).withUnsafeBytes { #expect(BootArchive($0) == nil) }
    [UInt8](repeating: 0, count: 8).withUnsafeBytes { #expect(BootArchive($0) == nil) }
    Self.archive(Array(repeating: (4096, 1), count: 128), size: 8192).withUnsafeBytes { #expect(BootArchive($0) == nil) }
  }
}
