import IPC

/// Where the fields of the superblock stand (Documentation/filesystems/ext4 names them s_...).
enum SuperblockField {
  static var inodes: Int { 0 }
  static var blocks: Int { 4 }
  static var freeBlocks: Int { 12 }
  static var freeInodes: Int { 16 }
  static var firstDataBlock: Int { 20 }
  static var logBlockSize: Int { 24 }
  static var blocksPerGroup: Int { 32 }
  static var inodesPerGroup: Int { 40 }
  static var mountTime: Int { 44 }
  static var writeTime: Int { 48 }
  static var magic: Int { 56 }
  static var state: Int { 58 }
  static var revision: Int { 76 }
  static var firstInode: Int { 84 }
  static var inodeSize: Int { 88 }
  static var compatible: Int { 92 }
  static var incompatible: Int { 96 }
  static var readOnlyCompatible: Int { 100 }
  static var reservedDescriptors: Int { 206 }
}

enum Feature {
  /// Directory entries carry the file's type: the only incompatible feature that we know.
  static var fileType: UInt32 { 0x2 }
  static var sparseSuper: UInt32 { 0x1 }
  static var largeFile: UInt32 { 0x2 }
  static var knownIncompatible: UInt32 { fileType }
  static var knownReadOnlyCompatible: UInt32 { sparseSuper | largeFile }
}

/// Why a mount was refused: the text for the log and the feature bits that it names.
struct Refusal: Error {
  var reason: StaticString
  var bits: UInt32 = 0
  var kind: MountRefusal.Kind = .other
}

/// The shape of a file system: what the superblock says once every number in it was checked. Never changes
/// while mounted.
struct Geometry {
  var blockSize, blockShift: Int
  var blocks, firstDataBlock, blocksPerGroup: UInt32
  var inodes, inodesPerGroup, firstInode: UInt32
  var inodeSize: Int
  var groups: UInt32
  /// Blocks of group descriptors, and those kept free behind them for growth.
  var descriptorBlocks, reservedDescriptorBlocks: UInt32
  var tableBlocks: UInt32
  var hasFileType, isSparse, hasLargeFile: Bool
  /// Features that allow reading only.
  var readOnlyBits: UInt32
  /// Of the superblock: 1 clean, 2 errors.
  var state: UInt16
  var freeBlocks, freeInodes, writeTime: UInt32

  static var root: UInt32 { 2 }
  static var superblockPosition: UInt64 { 1024 }

  /// Log2 of block pointers per block.
  var pointerShift: Int { blockShift - 2 }
  var sectorsPerBlock: UInt32 { UInt32(blockSize >> 9) }
  var superblockBlock: UInt32 { blockSize == 1024 ? 1 : 0 }
  var superblockOffset: Int { blockSize == 1024 ? 0 : 1024 }
  /// What three levels of pointers and a 32-bit count of sectors can hold.
  var largestFile: UInt64 {
    let p = UInt64(1) << UInt64(pointerShift)
    let byPointers = (12 + p + p * p + p * p * p) << UInt64(blockShift)
    return min(byPointers, (1 << 32 - 1) << 9 - UInt64(blockSize) * 4096)
  }

  /// - Parameter raw: the 1024 bytes of the superblock, which may be anything.
  init(_ raw: UnsafeRawBufferPointer, deviceSize: UInt64) throws(Refusal) {
    func word(_ at: Int) -> UInt32 { raw.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
    func half(_ at: Int) -> UInt16 { raw.loadUnaligned(fromByteOffset: at, as: UInt16.self) }
    guard half(SuperblockField.magic) == 0xEF53 else { throw Refusal(reason: "not an ext2 file system") }
    let revision = word(SuperblockField.revision)
    guard revision <= 1 else { throw Refusal(reason: "unknown revision", bits: revision) }
    let incompatible = revision == 0 ? 0 : word(SuperblockField.incompatible)
    let unknown = incompatible & ~Feature.knownIncompatible
    guard unknown == 0 else { throw Refusal(reason: "unknown incompatible features", bits: unknown, kind: .incompatible) }
    let readOnlyCompatible = revision == 0 ? 0 : word(SuperblockField.readOnlyCompatible)
    readOnlyBits = readOnlyCompatible & ~Feature.knownReadOnlyCompatible
    hasFileType = incompatible & Feature.fileType != 0
    isSparse = readOnlyCompatible & Feature.sparseSuper != 0
    hasLargeFile = readOnlyCompatible & Feature.largeFile != 0

    let logSize = word(SuperblockField.logBlockSize)
    guard logSize <= 2 else { throw Refusal(reason: "block size is not 1, 2 or 4 KiB") }
    blockShift = 10 + Int(logSize)
    blockSize = 1 << blockShift
    blocks = word(SuperblockField.blocks)
    firstDataBlock = word(SuperblockField.firstDataBlock)
    blocksPerGroup = word(SuperblockField.blocksPerGroup)
    inodes = word(SuperblockField.inodes)
    inodesPerGroup = word(SuperblockField.inodesPerGroup)
    firstInode = revision == 0 ? 11 : word(SuperblockField.firstInode)
    inodeSize = revision == 0 ? 128 : Int(half(SuperblockField.inodeSize))
    state = half(SuperblockField.state)
    freeBlocks = word(SuperblockField.freeBlocks)
    freeInodes = word(SuperblockField.freeInodes)
    writeTime = max(word(SuperblockField.writeTime), word(SuperblockField.mountTime))

    guard firstDataBlock == (blockSize == 1024 ? 1 : 0) else { throw Refusal(reason: "damaged superblock: first data block") }
    guard blocks > firstDataBlock + 4, UInt64(blocks) << UInt64(blockShift) <= deviceSize else {
      throw Refusal(reason: "the file system is larger than its device")
    }
    guard inodeSize >= 128, inodeSize <= blockSize, inodeSize & (inodeSize - 1) == 0 else {
      throw Refusal(reason: "damaged superblock: inode size")
    }
    let bits = UInt32(blockSize * 8)
    guard blocksPerGroup >= 64, blocksPerGroup <= bits, blocksPerGroup & 7 == 0 else {
      throw Refusal(reason: "damaged superblock: blocks per group")
    }
    let inodesPerBlock = UInt32(blockSize / inodeSize)
    guard inodesPerGroup >= inodesPerBlock, inodesPerGroup <= bits, inodesPerGroup % inodesPerBlock == 0 else {
      throw Refusal(reason: "damaged superblock: inodes per group")
    }
    tableBlocks = inodesPerGroup / inodesPerBlock
    groups = (blocks - firstDataBlock + blocksPerGroup - 1) / blocksPerGroup
    guard UInt64(groups) * UInt64(inodesPerGroup) == UInt64(inodes) else {
      throw Refusal(reason: "damaged superblock: count of inodes")
    }
    guard firstInode >= 11, firstInode <= inodes else { throw Refusal(reason: "damaged superblock: first inode") }
    let descriptorsPerBlock = UInt32(blockSize / 32)
    descriptorBlocks = (groups + descriptorsPerBlock - 1) / descriptorsPerBlock
    reservedDescriptorBlocks = revision == 0 || word(SuperblockField.compatible) & 0x10 == 0
      ? 0 : UInt32(half(SuperblockField.reservedDescriptors))
    guard UInt64(firstDataBlock) + 1 + UInt64(descriptorBlocks) < UInt64(blocks) else {
      throw Refusal(reason: "damaged superblock: no room for group descriptors")
    }
  }

  /// Whether a group begins with copies of superblock and descriptors.
  func hasCopies(_ group: UInt32) -> Bool {
    if !isSparse || group <= 1 { return true }
    return Self.isPower(group, of: 3) || Self.isPower(group, of: 5) || Self.isPower(group, of: 7)
  }

  private static func isPower(_ number: UInt32, of base: UInt32) -> Bool {
    var rest = number
    while rest % base == 0 { rest /= base }
    return rest == 1
  }

  func firstBlock(of group: UInt32) -> UInt32 { firstDataBlock + group * blocksPerGroup }
  func blockCount(of group: UInt32) -> UInt32 { min(blocksPerGroup, blocks - firstBlock(of: group)) }
}
