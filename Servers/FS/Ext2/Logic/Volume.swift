import IPC

/// A mounted ext2 file system: everything that the messages of `FS` ask for, on a block device, in memory of
/// its own. Knows no message and no kernel.
///
/// Numbers on the device are hostile: each is checked before it is used. Damage that is met makes the volume
/// read-only for good and is kept in `notice` for the log; the request that met it fails with `.ioError`.
///
/// A class, because a struct of this size is copied whole whenever one of its methods calls another that does not
/// change it; that was most of the price of a read.
public final class Volume<Device: BlockDevice> {
  let geometry: Geometry
  let groups: Groups
  var cache: Cache<Device>
  var references = References()
  var freeBlocks, freeInodes: UInt64
  public private(set) var isReadOnly: Bool
  /// What the log should hear, once.
  public private(set) var notice: StaticString?
  /// Seconds since 1970, set by the server before each request that changes something.
  public var now: UInt32
  /// The superblock on the device says "clean".
  var isMarkedClean: Bool
  var countsChanged = false
  /// Three blocks: pointers that are being freed.
  let scratch: UnsafeMutableRawPointer

  // MARK: Mounting

  /// - Parameters:
  ///   - cacheBytes: size of the buffer cache.
  ///   - refusal: why not, for the log.
  public init(_ device: consuming Device, readOnly: Bool, cacheBytes: Int, refusal: inout MountRefusal) throws(Errno) {
    var device = device
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
    defer { raw.deallocate() }
    guard device.size >= 2048 else {
      refusal = MountRefusal(reason: "the device is empty", bits: 0)
      throw .invalidArgument
    }
    try device.read(at: Geometry.superblockPosition, into: raw)
    let geometry: Geometry
    do throws(Refusal) {
      geometry = try Geometry(UnsafeRawBufferPointer(raw), deviceSize: device.size)
    } catch {
      refusal = MountRefusal(reason: error.reason, bits: error.bits, kind: error.kind)
      throw .invalidArgument
    }
    self.geometry = geometry
    notice = nil
    isReadOnly = readOnly || device.isReadOnly
    if geometry.readOnlyBits != 0 {
      isReadOnly = true
      refusal = MountRefusal(reason: "mounted read-only: unknown read-only compatible features", bits: geometry.readOnlyBits, kind: .readOnly)
    } else if geometry.state & 1 == 0 || geometry.state & 2 != 0 {
      notice = "the file system was not left clean; e2fsck would be good"
    }
    isMarkedClean = geometry.state & 1 != 0
    now = geometry.writeTime
    freeBlocks = 0
    freeInodes = 0
    groups = Groups(count: Int(geometry.groups))
    cache = Cache(device: device, blockShift: geometry.blockShift, bytes: cacheBytes)
    scratch = .allocate(byteCount: 3 << geometry.blockShift, alignment: 16)
    try loadGroups(&refusal)
    try checkRoot(&refusal)
  }

  private func loadGroups(_ refusal: inout MountRefusal) throws(Errno) {
    for index in 0..<groups.count {
      let (block, offset) = descriptor(index)
      let raw = try cache.read(block)
      do throws(Refusal) {
        let group = try Group(raw + offset, index: UInt32(index), in: geometry)
        groups[index] = group
        freeBlocks += UInt64(group.freeBlocks)
        freeInodes += UInt64(group.freeInodes)
      } catch {
        refusal = MountRefusal(reason: error.reason, bits: error.bits)
        throw .invalidArgument
      }
    }
    if freeBlocks != UInt64(geometry.freeBlocks) || freeInodes != UInt64(geometry.freeInodes) { countsChanged = true }
  }

  private func checkRoot(_ refusal: inout MountRefusal) throws(Errno) {
    let root = try load(Geometry.root)
    guard root.isDirectory, root.links > 0 else {
      refusal = MountRefusal(reason: "damaged: the root is no directory", bits: 0)
      throw .invalidArgument
    }
  }

  deinit {
    cache.deallocate()
    groups.deallocate()
    scratch.deallocate()
  }

  // MARK: Damage

  /// The error for something on the device that cannot be; from now on nothing is changed any more.
  func damaged(_ what: StaticString) -> Errno {
    if !isReadOnly || notice == nil && !wasDamaged { notice = what }
    wasDamaged = true
    isReadOnly = true
    return .ioError
  }
  private(set) var wasDamaged = false

  public func takeNotice() -> StaticString? {
    defer { notice = nil }
    return notice
  }

  /// Every change begins here.
  func beginChange() throws(Errno) {
    if isReadOnly { throw .readOnlyFileSystem }
    if isMarkedClean {
      try setState(clean: false)
      isMarkedClean = false
    }
  }

  // MARK: Superblock and descriptors

  func descriptor(_ group: Int) -> (block: UInt32, offset: Int) {
    let perBlock = geometry.blockSize / 32
    return (geometry.firstDataBlock + 1 + UInt32(group / perBlock), group % perBlock * 32)
  }

  /// Puts a group's counts into its descriptor.
  func storeGroup(_ index: Int, _ group: Group) throws(Errno) {
    let (block, offset) = descriptor(index)
    let raw = try cache.read(block) + offset
    raw.storeBytes(of: UInt16(truncatingIfNeeded: group.freeBlocks), toByteOffset: 12, as: UInt16.self)
    raw.storeBytes(of: UInt16(truncatingIfNeeded: group.freeInodes), toByteOffset: 14, as: UInt16.self)
    raw.storeBytes(of: UInt16(truncatingIfNeeded: group.directories), toByteOffset: 16, as: UInt16.self)
    cache.changed(block)
    groups[index] = group
    countsChanged = true
  }

  private func setState(clean: Bool) throws(Errno) {
    let raw = try cache.read(geometry.superblockBlock) + geometry.superblockOffset
    let state = clean ? geometry.state | 1 : geometry.state & ~1
    raw.storeBytes(of: state, toByteOffset: SuperblockField.state, as: UInt16.self)
    raw.storeBytes(of: now, toByteOffset: SuperblockField.writeTime, as: UInt32.self)
    cache.changed(geometry.superblockBlock)
  }

  private func storeCounts() throws(Errno) {
    let raw = try cache.read(geometry.superblockBlock) + geometry.superblockOffset
    raw.storeBytes(of: UInt32(truncatingIfNeeded: freeBlocks), toByteOffset: SuperblockField.freeBlocks, as: UInt32.self)
    raw.storeBytes(of: UInt32(truncatingIfNeeded: freeInodes), toByteOffset: SuperblockField.freeInodes, as: UInt32.self)
    cache.changed(geometry.superblockBlock)
    countsChanged = false
  }

  /// Files of 2 GiB and more are a feature that the superblock must name.
  func noteLargeFile() throws(Errno) {
    if geometry.hasLargeFile || hasNotedLargeFile { return }
    let raw = try cache.read(geometry.superblockBlock) + geometry.superblockOffset
    let features = raw.loadUnaligned(fromByteOffset: SuperblockField.readOnlyCompatible, as: UInt32.self)
    raw.storeBytes(of: features | Feature.largeFile, toByteOffset: SuperblockField.readOnlyCompatible, as: UInt32.self)
    cache.changed(geometry.superblockBlock)
    hasNotedLargeFile = true
  }
  private var hasNotedLargeFile = false

  // MARK: Writing back

  /// Nobody holds an inode but the root.
  public var isUnused: Bool {
    references.count == (references.contains(Geometry.root) ? 1 : 0)
  }

  public var isDirty: Bool { cache.dirtyCount > 0 }

  /// Writes what has changed: by age.
  public func writeBack() throws(Errno) {
    if countsChanged, !isReadOnly { try storeCounts() }
    try cache.writeBack()
  }

  /// Everything is on the medium when this returns, and the superblock says so unless an unlinked file is
  /// still in use.
  public func sync() throws(Errno) {
    if isReadOnly {
      try cache.writeBack()
      return try cache.device.flush()
    }
    try writeBack()
    try cache.device.flush()
    if !isMarkedClean, orphans == 0 {
      try setState(clean: true)
      try cache.writeBack()
      try cache.device.flush()
      isMarkedClean = true
    }
  }
  /// Inodes without a name that VFS still holds.
  var orphans = 0

  public struct Counts {
    public var blockSize, blocks, freeBlocks, inodes, freeInodes: UInt64
  }

  public var counts: Counts {
    Counts(
      blockSize: UInt64(geometry.blockSize), blocks: UInt64(geometry.blocks - geometry.firstDataBlock), freeBlocks: freeBlocks,
      inodes: UInt64(geometry.inodes), freeInodes: freeInodes)
  }
}
