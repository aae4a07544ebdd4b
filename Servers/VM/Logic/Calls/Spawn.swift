import BootImage
import Executable
import IPC
import PageTable
import Protocols

// Services come from the boot archive. Whole pages of a module's file are mapped where the boot loader put them, so
// that a restart copies next to nothing and text exists once for all instances (M-L4).
extension VirtualMemory {
  mutating func spawn<K: Transport>(_ call: VM.Spawn, _ ipc: inout K) throws(Errno) -> Endpoint {
    let slot = Int(call.slot)
    guard slot > Endpoint.vm.slot, slot <= Endpoint.initProcess.slot, call.priority < 8 else { throw .invalidArgument }
    let old = spaces[slot: slot]
    guard call.restart <= VM.Life.afterFault else { throw .invalidArgument }
    guard old == nil || call.restart != VM.Life.first else { throw .busy }
    guard let module = findModule(call.name) else { throw .noSuchFile }

    let space = try makeSpace(.service, &ipc)
    space.pointee.layout = newLayout()
    do throws(Errno) {
      try mapStub(space)
      try addStack(space)
      let entry = try load(module, into: space)
      let stack = try buildStack(space, entry: entry, name: call.name)
      let thread = try bindThread(space, call, entry: entry, stack: stack, &ipc)
      space.pointee.supervisor = call.supervisor
      space.pointee.name = call.name
      if thread == .initProcess { space.pointee.processID = 1 }
      if slot >= Endpoint.serviceSlots {
        space.pointee.claim = .user
        space.pointee.limits = Limits(.user)
        _ = ipc.kernel(Message(Kernel.ThreadStack(thread: thread, low: Self.nowhere, size: 0)))
      }
      if let old {
        handDown(from: old, to: space)
        destroy(old)
      }
      spaces.bind(space, to: thread)
      return thread
    } catch {
      frames.reserved = 0
      destroy(space)
      throw error
    }
  }

  /// The kernel's part: a new thread, or a new life of the old one.
  private func bindThread<K: Transport>(
    _ space: Space.Pointer, _ call: VM.Spawn, entry: UInt64, stack: UInt64, _ ipc: inout K
  ) throws(Errno) -> Endpoint {
    let root = space.pointee.root.address
    guard call.restart != VM.Life.first else {
      return try ipc.kernel(Kernel.ThreadCreate(
        root: root, space: space.pointee.id, entry: entry, stack: stack, slot: call.slot, supervisor: call.supervisor,
        priority: call.priority)).thread
    }
    let thread = spaces[slot: Int(call.slot)]?.pointee.thread ?? Endpoint(slot: Int(call.slot), generation: 0)
    try ipc.kernel(Kernel.ThreadRestart(
      thread: thread, root: root, space: space.pointee.id, entry: entry, stack: stack,
      fault: call.restart == VM.Life.afterFault ? 1 : 0))
    return thread
  }

  /// What a new life keeps of the last: what it was allowed, and memory that a device may still write to.
  private func handDown(from old: Space.Pointer, to new: Space.Pointer) {
    new.pointee.physical = old.pointee.physical
    new.pointee.physicalCount = old.pointee.physicalCount
    new.pointee.contiguous = old.pointee.contiguous
    new.pointee.contiguousPages = old.pointee.contiguousPages
    old.pointee.contiguous = nil
  }

  mutating func releaseService<K: Transport>(_ endpoint: Endpoint, _ ipc: inout K) throws(Errno) {
    let space = try service(endpoint)
    _ = ipc.kernel(Message(Kernel.ThreadDestroy(thread: endpoint)))
    destroy(space)
  }

  // MARK: The archive

  /// The module's bytes, as a physical range.
  func findModule(_ name: RS.Name) -> PhysicalRange? {
    let bytes = UnsafeRawBufferPointer(start: frames.window + Int(archive.base), count: Int(archive.length))
    guard let table = BootArchive(bytes) else { return nil }
    for index in 0..<table.count {
      guard let module = table.module(index), module.name == name else { continue }
      return PhysicalRange(base: archive.base &+ module.offset, length: module.length)
    }
    return nil
  }

  func contents(_ module: PhysicalRange) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: frames.window + Int(module.base), count: Int(module.length))
  }

  /// Maps an ELF module. Returns its entry. `.notExecutable` for whatever is no sound executable (SEC41).
  private mutating func load(_ module: PhysicalRange, into space: Space.Pointer) throws(Errno) -> UInt64 {
    let file = contents(module)
    let header = UnsafeRawBufferPointer(rebasing: file.prefix(ELF.headerLimit))
    guard let elf = ELF(header: header) else { throw .notExecutable }
    var imageEnd: UInt64 = 0
    for index in 0..<elf.programHeaders {
      let found = elf.segment(index, header: header, userStart: AddressSpace.userStart, userEnd: AddressSpace.mmapStart)
      switch found {
      case .other: continue
      case .invalid: throw .notExecutable
      case .load(let segment):
        guard segment.fileOffset &+ segment.fileLength <= module.length else { throw .notExecutable }
        try load(segment, module, into: space)
        imageEnd = max(imageEnd, segment.address &+ segment.memoryLength)
      }
    }
    guard let region = space.pointee.regions.find(elf.entry), region.pointee.allows(VM.Protection.execute) else {
      throw .notExecutable
    }
    placeHeap(space, imageEnd: imageEnd)
    return elf.entry
  }

  private mutating func load(_ segment: ELF.Segment, _ module: PhysicalRange, into space: Space.Pointer) throws(Errno) {
    var access = VM.Protection.read
    if segment.writable { access |= VM.Protection.write }
    if segment.executable { access |= VM.Protection.execute }
    guard var range = PageRange(covering: segment.address, segment.memoryLength),
      space.pointee.regions.first(in: range) == nil, range.pages <= frames.managed
    else { throw .notExecutable }
    var copied: UInt64 = 0  // bytes of the file that are mapped, not copied

    if segment.address & 4095 == 0, (module.base &+ segment.fileOffset) & 4095 == 0 {
      // Of a segment without zeroed memory the last page can stay in place too: what follows there is the module's.
      let whole = segment.fileLength == segment.memoryLength && !segment.writable
      let mapped = whole ? range.pages : segment.fileLength >> 12
      if mapped > 0 {
        let part = PageRange(start: range.start, end: range.start &+ mapped << 12)
        try mapArchive(space, part, access, first: (module.base &+ segment.fileOffset) >> 12)
        copied = min(segment.fileLength, mapped << 12)
        range.start = part.end
      }
    }
    guard !range.isEmpty else { return }
    try addImage(space, range, access)
    let bytes = contents(module)
    let from = Int(segment.fileOffset &+ copied)
    let to = Int(segment.fileOffset &+ segment.fileLength)
    if from < to { try write(space, segment.address &+ copied, UnsafeRawBufferPointer(rebasing: bytes[from..<to])) }
  }

  /// A region onto pages of the archive, all of them mapped at once: a service should not fault for what is there.
  private mutating func mapArchive(_ space: Space.Pointer, _ range: PageRange, _ access: UInt32, first: UInt64) throws(Errno) {
    try regions.reserve(1, &frames, space.pointee.claim)
    let region = regions.take(Region(range, .image, kind: VM.RegionKind.image, protection: access, allowed: access, first: first))
    space.pointee.regions.insert(region)
    var address = range.start
    while address < range.end {
      try fill(space, region, address, writing: false)
      address &+= Page.size
    }
  }
}
