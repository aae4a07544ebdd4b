import BootImage
import Glibc
import IPC
import KernelCore
import PageTable
import Protocols

// What a boot loader and the kernel's Main do: RAM, the boot archive in it, VM's first thread.
extension World {
  static func takeMemory(_ size: Int) -> UnsafeMutableRawPointer {
    // Zeroed by the host when it is first touched. Page-aligned, so that pages of both worlds have the same borders.
    mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)!
  }
  static func giveMemory(_ memory: UnsafeMutableRawPointer, _ size: Int) { munmap(memory, size) }

  /// Frame 0x100: an empty page table, so that VM, whose memory is the host's, has a root. The stub page. The archive. The rest
  /// is VM's.
  func bootSystem(_ image: [UInt8]) {
    let vmRoot: UInt64 = 1 << 20
    let stub = vmRoot + Page.size
    let archive = stub + Page.size
    let bytes = BootModules.archive(ramDisk: scenario.rootInMemory ? image : [UInt8](repeating: 0, count: 64 << 10))
    precondition(UInt64(bytes.count) + archive + (1 << 20) < ramSize, "the simulated RAM is too small")
    bytes.withUnsafeBytes { (ram + Int(archive)).copyMemory(from: $0.baseAddress!, byteCount: bytes.count) }
    let free = archive + Page.up(UInt64(bytes.count))

    boot.initialize(to: BootInformation())
    boot.pointee.totalMemory = ramSize - (1 << 20)
    boot.pointee.archive = PhysicalRange(base: archive, length: Page.up(UInt64(bytes.count)))
    boot.pointee.stubFrame = stub
    boot.pointee.vmRoot = vmRoot
    boot.pointee.memoryEnd = ramSize
    boot.pointee.seed = (scenario.seed, 1, 0, 0)
    boot.pointee.freeCount = 1
    boot.pointee.free[0] = PhysicalRange(base: free, length: ramSize - free)
    // The same addresses in every life: a run is judged by its frames too, and with random ones a new life can need another number of
    // page tables.
    let words = scenario.commandLine + " norandom" + (scenario.rootInMemory ? " root=ram batch" : " batch")
    let line = Array(words.utf8.prefix(BootInformation.commandLineLimit))
    boot.pointee.commandLineLength = UInt64(line.count)
    for (index, byte) in line.enumerated() { boot.pointee.commandLine[index] = byte }

    kernel.pointee.setBootPrivileges(slot: 1, BootTable.entry(0).privileges, priority: BootTable.entry(0).priority)
    kernel.pointee.setBootPrivileges(slot: 2, BootTable.entry(1).privileges, priority: BootTable.entry(1).priority)
    kernel.pointee.createFirst(root: vmRoot, space: 0, entry: ProgramAddress.service, stack: AddressSpace.stackTop)
  }
}

/// Where simulated programs seem to be: their files hold nothing else.
public enum ProgramAddress {
  static var service: UInt64 { AddressSpace.imageStart + 0x100 }
  static var initProcess: UInt64 { AddressSpace.imageStart + 0x200 }
  static var play: UInt64 { AddressSpace.imageStart + 0x300 }
  static var handler: UInt64 { AddressSpace.imageStart + 0x400 }
  static var restorer: UInt64 { AddressSpace.imageStart + 0x500 }
}

/// ELF files of one page each: enough for VM and VFS to build real spaces from.
public enum BootModules {
  /// `/bin/play` of a simulated disk.
  public static var play: [UInt8] { elf(entry: ProgramAddress.play) }

  static func elf(entry: UInt64) -> [UInt8] {
    var file: [UInt8] = []
    func put<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value.littleEndian) { file += $0 } }
    file += [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
    put(2 as UInt16)  // ET_EXEC
    put(62 as UInt16)  // EM_X86_64
    put(1 as UInt32)
    put(entry)
    put(64 as UInt64)  // program headers
    put(0 as UInt64)
    put(0 as UInt32)
    put(64 as UInt16)
    put(56 as UInt16)
    put(1 as UInt16)
    file += [UInt8](repeating: 0, count: 6)
    put(1 as UInt32)  // PT_LOAD
    put(5 as UInt32)  // readable, executable
    put(0 as UInt64)
    put(AddressSpace.imageStart)
    put(AddressSpace.imageStart)
    put(4096 as UInt64)
    put(4096 as UInt64)
    put(4096 as UInt64)
    return file + [UInt8](repeating: 0xCC, count: 4096 - file.count)
  }

  /// The modules of the boot table and, for a root in memory, the RAM disk.
  static func archive(ramDisk: [UInt8]?) -> [UInt8] {
    var names: [StaticString] = []
    for index in 0..<BootTable.count where !names.contains(where: { "\($0)" == "\(BootTable.entry(index).module)" }) {
      names.append(BootTable.entry(index).module)
    }
    if ramDisk != nil { names.append(BootTable.ramDiskModule) }
    var head: [UInt8] = []
    var body: [UInt8] = []
    func put(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { head += $0 } }
    put(BootArchive.magic)
    put(UInt64(names.count))
    for name in names {
      let isDisk = "\(name)" == "\(BootTable.ramDiskModule)"
      let contents = isDisk ? ramDisk ?? [] : elf(entry: "\(name)" == "init" ? ProgramAddress.initProcess : ProgramAddress.service)
      let packed = packName(name)
      put(packed.0)
      put(packed.1)
      put(UInt64(4096 + body.count))
      put(UInt64(contents.count))
      body += contents
      body += [UInt8](repeating: 0, count: (4096 - body.count % 4096) % 4096)
    }
    return head + [UInt8](repeating: 0, count: 4096 - head.count) + body
  }
}

extension BootModules {
  /// The RAM disk as it is now.
  static func ramDisk(in bytes: UnsafeRawBufferPointer) -> [UInt8] {
    guard let archive = BootArchive(bytes) else { return [] }
    let name = packName(BootTable.ramDiskModule)
    for index in 0..<archive.count {
      if let module = archive.module(index), module.name == name { return Array(archive.contents(module)) }
    }
    return []
  }
}
