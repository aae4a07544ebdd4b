import BootImage
import IPC
import PageTable
import Protocols

// How VM itself reads and writes the memory of others: by walking their tables and through its window. Their owners
// wait for a reply meanwhile, or have never run.
extension VirtualMemory {
  /// Anonymous memory for a new image; not for munmap (V37).
  mutating func addImage(_ space: Space.Pointer, _ range: PageRange, _ protection: UInt32, kind: UInt8 = VM.RegionKind.image) throws(Errno) {
    guard space.pointee.regions.first(in: range) == nil else { throw .notExecutable }
    try regions.reserve(1, &frames, space.pointee.claim)
    space.pointee.regions.insert(regions.take(Region(range, .anonymous, kind: kind, protection: protection, allowed: protection)))
  }

  /// The first stack: all of its limit is reserved, pages come when touched; what lies below stays unused so that an
  /// overflow meets nothing (SEC16, V99).
  mutating func addStack(_ space: Space.Pointer) throws(Errno) {
    try regions.reserve(2, &frames, space.pointee.claim)
    let top = space.pointee.layout.stackTop
    let bottom = top &- StackLimits.size(limit: space.pointee.limits.stack.soft)
    space.pointee.stackBottom = bottom
    let access = VM.Protection.read | VM.Protection.write
    var stack = Region(
      PageRange(start: bottom, end: top), .anonymous, kind: VM.RegionKind.stack, protection: access, allowed: access)
    stack.flags = Region.stack
    space.pointee.regions.insert(regions.take(stack))
    let below = PageRange(start: bottom &- StackLimits.guardSize, end: bottom)
    space.pointee.regions.insert(regions.take(Region(below, .unbacked, kind: VM.RegionKind.reserved, protection: 0, allowed: 0)))
  }

  /// The frame behind `address` of a space that has not run yet, for VM to write to, whatever the region allows.
  mutating func frameToWrite(_ space: Space.Pointer, _ address: UInt64) throws(Errno) -> Frame {
    guard let region = space.pointee.regions.find(address), region.pointee.type == .anonymous else { throw .badAddress }
    let page = Page.down(address)
    if let slot = leaf(space, page), slot.pointee != 0 { return Frame(address: PageEntry(raw: slot.pointee).frame) }
    try fill(space, region, page, writing: true)
    return Frame(address: PageEntry(raw: leaf(space, page).unsafelyUnwrapped.pointee).frame)
  }

  /// The frame behind `address` of a space that may run, for VM to read: as a read of its own would see it.
  mutating func frameToRead<K: Transport>(_ space: Space.Pointer, _ address: UInt64, _ ipc: inout K) throws(Errno) -> Frame {
    try resolveNow(space, address, 0, &ipc)
    let frame = Frame(address: PageEntry(raw: leaf(space, address).unsafelyUnwrapped.pointee).frame)
    // Devices are not read through the window, and nothing is there that could be.
    guard frames.record(frame) != nil || isArchive(frame) else { throw .badAddress }
    return frame
  }

  /// Copies between two spaces, page by page; part may be done when it fails.
  mutating func copy<K: Transport>(
    to space: Space.Pointer, _ address: UInt64, from source: Space.Pointer, _ sourceAddress: UInt64, _ length: UInt64, _ ipc: inout K
  ) throws(Errno) {
    guard PageRange(covering: address, length) != nil, PageRange(covering: sourceAddress, length) != nil else { throw .badAddress }
    var done: UInt64 = 0
    while done < length {
      let to = address &+ done
      let from = sourceAddress &+ done
      let count = min(length &- done, Page.size &- max(to & 4095, from & 4095))
      let origin = try frameToRead(source, from, &ipc)
      let target = try frameToWrite(space, to)
      (frames.bytes(target) + Int(to & 4095)).copyMemory(from: frames.bytes(origin) + Int(from & 4095), byteCount: Int(count))
      done &+= count
    }
  }

  /// Copies bytes of VM's own into a new space.
  mutating func write(_ space: Space.Pointer, _ address: UInt64, _ bytes: UnsafeRawBufferPointer) throws(Errno) {
    var done = 0
    while done < bytes.count {
      let to = address &+ UInt64(done)
      let count = min(bytes.count - done, Int(Page.size &- to & 4095))
      let target = try frameToWrite(space, to)
      (frames.bytes(target) + Int(to & 4095)).copyMemory(from: bytes.baseAddress.unsafelyUnwrapped + done, byteCount: count)
      done += count
    }
  }

  mutating func write(_ space: Space.Pointer, _ address: UInt64, word: UInt64) throws(Errno) {
    let target = try frameToWrite(space, address)
    (frames.bytes(target) + Int(address & 4095)).storeBytes(of: word, as: UInt64.self)
  }

  func isArchive(_ frame: Frame) -> Bool { frame.address >= archive.base && frame.address < archive.end }
}

/// A first stack in bytes, and the forbidden range below it, which a single frame of a function must not leap over.
public enum StackLimits {
  /// Unless RLIMIT_STACK says something else.
  @inlinable public static var size: UInt64 { 8 << 20 }
  /// exec's arguments fit (128 KiB) and main can run.
  @inlinable public static var smallest: UInt64 { 256 << 10 }
  /// What RLIM_INFINITY means.
  @inlinable public static var largest: UInt64 { 1 << 30 }

  /// The stack's room for a limit in bytes.
  @inlinable public static func size(limit: UInt64) -> UInt64 {
    limit >= largest ? largest : limit <= smallest ? smallest : (limit &+ 4095) & ~4095
  }
  @inlinable public static var guardSize: UInt64 { 1 << 20 }
}
