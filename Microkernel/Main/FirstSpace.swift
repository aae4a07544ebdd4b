import BootImage
import Executable
import KernelCore
import PageTable
import PhysicalMemory
import X86Hardware
import X86State

/// VM's address space, which nobody but the kernel can build: its image and stack, resident from the start, the
/// stub page, `BootInformation`, and the window through which it reaches all memory that is not the kernel's.
struct FirstSpace {
  var root, entry, stack: UInt64

  private static var stackSize: UInt64 { 64 << 10 }
  private static var user: UInt64 { PageEntry.user }
  private static var constant: UInt64 { PageEntry.user | PageEntry.noExecute }
  private static var variable: UInt64 { PageEntry.user | PageEntry.noExecute | PageEntry.writable }

  static func build(_ boot: BootMemory, _ report: LoaderReport, _ kernel: UnsafeMutablePointer<Core<X86Machine>>) -> FirstSpace {
    let mapper = PageMapper(user: true, frames: &boot.free.pointee)
    kernel.pointee.machine.prepareRoot(mapper.root)
    let entry = load(boot.archiveBytes, mapper, &boot.free.pointee)

    let stack = Frames.zeroed(&boot.free.pointee, length: stackSize)
    mapper.map(AddressSpace.stackTop - stackSize, to: stack, length: stackSize, flags: variable, frames: &boot.free.pointee)
    let stub = makeStub(report, &boot.free.pointee)
    mapper.map(AddressSpace.stub, to: stub, length: Page.size, flags: user, frames: &boot.free.pointee)
    for index in 0..<boot.window.pointee.count {
      let range = boot.window.pointee[index]
      mapper.map(AddressSpace.vmWindow &+ range.base, to: range.base, length: range.length, flags: variable, frames: &boot.free.pointee)
    }

    let size = Page.up(UInt64(MemoryLayout<BootInformation>.size))
    let page = Frames.zeroed(&boot.free.pointee, length: size)
    mapper.map(AddressSpace.vmBootInformation, to: page, length: size, flags: constant, frames: &boot.free.pointee)
    // Nothing is taken from `free` after this.
    let information = Frames.pointer(page).bindMemory(to: BootInformation.self, capacity: 1)
    information.pointee.magic = BootInformation.magic
    information.pointee.totalMemory = boot.total
    information.pointee.archive = boot.archive
    information.pointee.stubFrame = stub
    information.pointee.vmRoot = mapper.root
    information.pointee.memoryEnd = boot.memory.pointee.end
    information.pointee.commandLineLength = UInt64(report.commandLineLength)
    for index in 0..<report.commandLineLength { information.pointee.commandLine[index] = report.commandLine[index] }
    information.pointee.freeCount = UInt64(boot.free.pointee.count)
    for index in 0..<boot.free.pointee.count { information.pointee.free[index] = boot.free.pointee[index] }
    // The start-up stack: argc, and the ends of argv, envp and auxv, all zero.
    return FirstSpace(root: mapper.root, entry: entry, stack: AddressSpace.stackTop - 64)
  }

  /// Maps the segments of the module "vm"; returns its entry point.
  private static func load(_ bytes: UnsafeRawBufferPointer, _ mapper: PageMapper, _ frames: inout MemoryMap) -> UInt64 {
    guard let archive = BootArchive(bytes), let module = archive.find("vm") else { Panic.stop("the boot archive has no vm") }
    let file = archive.contents(module)
    let header = UnsafeRawBufferPointer(rebasing: file[..<min(file.count, ELF.headerLimit)])
    guard let elf = ELF(header: header) else { Panic.stop("vm is not an executable") }
    for index in 0..<elf.programHeaders {
      switch elf.segment(index, header: header, userStart: AddressSpace.userStart, userEnd: AddressSpace.mmapStart) {
      case .other: break
      case .invalid: Panic.stop("vm has a bad segment")
      case .load(let segment):
        guard segment.fileOffset + segment.fileLength <= UInt64(file.count) else { Panic.stop("vm is cut off") }
        let start = Page.down(segment.address)
        let length = Page.up(segment.address + segment.memoryLength) - start
        let place = Frames.zeroed(&frames, length: length)
        (Frames.pointer(place) + Int(segment.address - start)).copyMemory(
          from: file.baseAddress.unsafelyUnwrapped + Int(segment.fileOffset), byteCount: Int(segment.fileLength))
        let flags = segment.writable ? variable : segment.executable ? user : constant
        mapper.map(start, to: place, length: length, flags: flags, frames: &frames)
      }
    }
    return elf.entry
  }

  /// The page that every space has at `AddressSpace.stub`: how programs enter the kernel on this machine.
  /// `ipc=int` or `ipc=syscall` on the command line decide, else what the processor has. A SYSENTER stub
  /// will go here too.
  private static func makeStub(_ report: LoaderReport, _ frames: inout MemoryMap) -> UInt64 {
    let byCall = !report.hasWord("ipc=int") && (report.hasWord("ipc=syscall") || Processor.hasSystemCall)
    let page = Frames.zeroed(&frames)
    let code = Frames.pointer(page).assumingMemoryBound(to: UInt8.self)
    code[0] = byCall ? 0x0F : 0xCD  // syscall, or int 0x80
    code[1] = byCall ? 0x05 : 0x80
    code[2] = 0xC3  // ret
    Log().text(byCall ? "entry: syscall" : "entry: int 0x80").line()
    return page
  }
}
