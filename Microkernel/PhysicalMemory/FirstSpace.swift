import BootImage
import Executable
import PageTable

/// VM's address space, which nobody but the kernel can build: its image and stack, resident from the start, the
/// stub page, `BootInformation`, and the window through which it reaches all memory that is not the kernel's. The same on
/// every host.
public struct FirstSpace {
  public var root, entry, stack: UInt64

  private static var stackSize: UInt64 { 64 << 10 }
  private static var user: UInt64 { PageEntry.user }
  private static var constant: UInt64 { PageEntry.user | PageEntry.noExecute }
  private static var variable: UInt64 { PageEntry.user | PageEntry.noExecute | PageEntry.writable }

  /// What the host knows before there is a VM.
  public struct Plan {
    /// VM's top table, as `Machine.prepareRoot` makes them.
    public var root: UInt64
    /// The page that every space has at `AddressSpace.stub`.
    public var stub: UInt64
    /// Whole pages, in the window.
    public var archive: PhysicalRange
    /// RAM in use by somebody or free, in bytes; and where it ends.
    public var total, memoryEnd: UInt64
    public var commandLine: UnsafeRawBufferPointer
    /// As in `BootInformation`.
    public var seed: (UInt64, UInt64, UInt64, UInt64)

    public init(
      root: UInt64, stub: UInt64, archive: PhysicalRange, total: UInt64, memoryEnd: UInt64, commandLine: UnsafeRawBufferPointer,
      seed: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    ) {
      self.root = root
      self.stub = stub
      self.archive = archive
      self.total = total
      self.memoryEnd = memoryEnd
      self.commandLine = commandLine
      self.seed = seed
    }
  }

  /// - Parameters:
  ///   - free: what nobody has; what is left of it in the end is VM's.
  ///   - window: what VM reaches. Both by address: boot stacks are too small for copies.
  public static func build<Access: FrameAccess>(
    _ plan: Plan, free: inout MemoryMap, window: UnsafePointer<MemoryMap>, access: Access
  ) -> FirstSpace {
    let mapper = PageMapper(access, root: plan.root, user: true)
    let archive = UnsafeRawBufferPointer(start: access.pointer(plan.archive.base), count: Int(plan.archive.length))
    let entry = load(archive, mapper, &free, access)

    let stack = access.zeroed(&free, length: stackSize)
    mapper.map(AddressSpace.stackTop - stackSize, to: stack, length: stackSize, flags: variable, frames: &free)
    mapper.map(AddressSpace.stub, to: plan.stub, length: Page.size, flags: user, frames: &free)
    for index in 0..<window.pointee.count {
      let range = window.pointee[index]
      mapper.map(AddressSpace.vmWindow &+ range.base, to: range.base, length: range.length, flags: variable, frames: &free)
    }

    let size = Page.up(UInt64(MemoryLayout<BootInformation>.size))
    let page = access.zeroed(&free, length: size)
    mapper.map(AddressSpace.vmBootInformation, to: page, length: size, flags: constant, frames: &free)
    // Nothing is taken from `free` after this.
    let information = access.pointer(page).bindMemory(to: BootInformation.self, capacity: 1)
    information.pointee.magic = BootInformation.magic
    information.pointee.totalMemory = plan.total
    information.pointee.archive = plan.archive
    information.pointee.stubFrame = plan.stub
    information.pointee.vmRoot = plan.root
    information.pointee.memoryEnd = plan.memoryEnd
    information.pointee.seed = plan.seed
    let words = min(plan.commandLine.count, BootInformation.commandLineLimit)
    information.pointee.commandLineLength = UInt64(words)
    for index in 0..<words { information.pointee.commandLine[index] = plan.commandLine[index] }
    information.pointee.freeCount = UInt64(free.count)
    for index in 0..<free.count { information.pointee.free[index] = free[index] }
    // The start-up stack: argc, and the ends of argv, envp and auxv, all zero.
    return FirstSpace(root: plan.root, entry: entry, stack: AddressSpace.stackTop - 64)
  }

  /// Maps the segments of the module "vm"; returns its entry point.
  private static func load<Access: FrameAccess>(
    _ bytes: UnsafeRawBufferPointer, _ mapper: PageMapper<Access>, _ frames: inout MemoryMap, _ access: Access
  ) -> UInt64 {
    guard let archive = BootArchive(bytes), let module = archive.find("vm") else { access.stop("the boot archive has no vm") }
    let file = archive.contents(module)
    let header = UnsafeRawBufferPointer(rebasing: file[..<min(file.count, ELF.headerLimit)])
    guard let elf = ELF(header: header) else { access.stop("vm is not an executable") }
    for index in 0..<elf.programHeaders {
      switch elf.segment(index, header: header, userStart: AddressSpace.userStart, userEnd: AddressSpace.mmapStart) {
      case .other: break
      case .invalid: access.stop("vm has a bad segment")
      case .load(let segment):
        guard segment.fileOffset + segment.fileLength <= UInt64(file.count) else { access.stop("vm is cut off") }
        let start = Page.down(segment.address)
        let length = Page.up(segment.address + segment.memoryLength) - start
        let place = access.zeroed(&frames, length: length)
        (access.pointer(place) + Int(segment.address - start)).copyMemory(
          from: file.baseAddress.unsafelyUnwrapped + Int(segment.fileOffset), byteCount: Int(segment.fileLength))
        let flags = segment.writable ? variable : segment.executable ? user : constant
        mapper.map(start, to: place, length: length, flags: flags, frames: &frames)
      }
    }
    return elf.entry
  }
}
