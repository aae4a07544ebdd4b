import IPC
import PageTable
import Protocols

// exec builds a second space beside the first; until `execCommit` has succeeded the first is untouched.
extension VirtualMemory {
  /// A building left by a VFS that died is dropped.
  mutating func execBegin<K: Transport>(_ process: Endpoint, _ ipc: inout K) throws(Errno) {
    let space = try self.process(process)
    abandon(space)
    let building = try makeSpace(.user, &ipc)
    do throws(Errno) {
      building.pointee.limits = space.pointee.limits
      building.pointee.layout = newLayout()
      try mapStub(building)
      try addStack(building)
    } catch {
      destroy(building)
      throw error
    }
    space.pointee.building = building
  }

  mutating func execMap(_ call: VM.ExecMap) throws(Errno) {
    let building = try self.building(call.process)
    let access = try Self.access(call.protection)
    guard call.length > 0, let range = PageRange(covering: call.address, call.length),
      range.end <= AddressSpace.mmapStart, range.pages <= frames.managed
    else { throw .notExecutable }
    try admit(building, range.pages, data: access & VM.Protection.write != 0)
    try addImage(building, range, access)
    placeHeap(building, imageEnd: range.end)
  }

  /// Whole pages of a program's file as a part of the new space (V20): faults bring them, writes copy them.
  mutating func mapImage(_ call: PageCache.Map) throws(Errno) -> PageCache.Map.Reply {
    let building = try self.building(call.process)
    let access = try Self.access(call.protection & 0xFF)
    guard call.mount != 0, call.inode != 0, call.position & 4095 == 0, call.address & 4095 == 0, call.size <= UInt64(Int64.max),
      call.flags == VM.Flags.private | PageCache.Map.image
    else { throw .invalidArgument }
    guard call.length > 0, let range = PageRange(covering: call.address, call.length), range.end <= AddressSpace.mmapStart,
      !call.position.addingReportingOverflow(range.end &- range.start).overflow, building.pointee.regions.first(in: range) == nil
    else { throw .notExecutable }
    try admit(building, range.pages, data: access & VM.Protection.write != 0)
    try regions.reserve(1, &frames, .user)
    try objects.reserve(1, &frames, .user)
    guard let file = files.find(call.mount, call.inode) ?? files.claim(call.mount, call.inode, &frames) else { throw .noMemory }

    // Nothing fails from here on.
    let isFirst = show(file, size: call.size)
    let region = Region(
      range, .filePrivate, kind: VM.RegionKind.image, protection: access, allowed: access, first: call.position >> 12,
      object: file.pointee.object)
    building.pointee.regions.insert(regions.take(region))
    placeHeap(building, imageEnd: range.end)
    return PageCache.Map.Reply(address: range.start, isFirst: isFirst ? 1 : 0)
  }

  mutating func execWrite<K: Transport>(_ call: VM.ExecWrite, from caller: Endpoint, _ ipc: inout K) throws(Errno) {
    let building = try self.building(call.process)
    guard let source = spaces[caller] else { throw .noSuchProcess }
    guard call.length <= Kernel.copyLimit else { throw .invalidArgument }
    try copy(to: building, call.address, from: source, call.source, call.length, &ipc)
  }

  /// The new space takes the place of the old one, or nothing has happened to it.
  mutating func execCommit<K: Transport>(_ call: VM.ExecCommit, _ ipc: inout K) throws(Errno) {
    let space = try self.process(call.process)
    let building = try self.building(call.process)
    guard let region = building.pointee.regions.find(call.entry), region.pointee.allows(VM.Protection.execute) else {
      throw .notExecutable
    }
    let stack = try buildStack(building, entry: call.entry, from: space, call.arguments, call.argumentsLength, &ipc)
    let first = firstStack(building)
    try ipc.kernel(Kernel.ThreadExec(
      thread: call.process, root: building.pointee.root.address, space: building.pointee.id, entry: call.entry, stack: stack,
      stackLow: first.start, stackSize: first.end &- first.start))
    building.pointee.trapStack = first

    space.pointee.building = nil
    building.pointee.supervisor = space.pointee.supervisor
    building.pointee.processID = space.pointee.processID
    // A signal that kills reaches the new image, too.
    if pressure.dying == space.pointee.id { pressure.dying = building.pointee.id }
    destroy(space)
    spaces.bind(building, to: call.process)
  }

  mutating func execAbort(_ process: Endpoint) throws(Errno) { abandon(try self.process(process)) }

  private mutating func abandon(_ space: Space.Pointer) {
    guard let building = space.pointee.building else { return }
    space.pointee.building = nil
    destroy(building)
  }

  private func building(_ process: Endpoint) throws(Errno) -> Space.Pointer {
    guard let building = try self.process(process).pointee.building else { throw .invalidArgument }
    return building
  }

  /// The space of a living process; a service is none.
  func process(_ endpoint: Endpoint) throws(Errno) -> Space.Pointer {
    guard !endpoint.isService, let space = spaces[endpoint] else { throw .noSuchProcess }
    return space
  }

  /// The space of a living service.
  func service(_ endpoint: Endpoint) throws(Errno) -> Space.Pointer {
    guard endpoint.isService, let space = spaces[endpoint] else { throw .noSuchProcess }
    return space
  }
}
