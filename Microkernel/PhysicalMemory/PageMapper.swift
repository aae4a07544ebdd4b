import BootImage
import PageTable

/// Where the bytes of frames are on this host, and what to do when there are none left: at boot nothing else helps.
public protocol FrameAccess: BitwiseCopyable {
  func pointer(_ physical: UInt64) -> UnsafeMutableRawPointer
  func stop(_ reason: StaticString) -> Never
}

extension FrameAccess {
  public func take(_ length: UInt64, _ frames: inout MemoryMap) -> UInt64 {
    guard let frame = frames.take(length) else { stop("not enough memory to start") }
    return frame
  }

  public func zeroed(_ frames: inout MemoryMap, length: UInt64 = 4096) -> UInt64 {
    let frame = take(length, &frames)
    pointer(frame).initializeMemory(as: UInt64.self, repeating: 0, count: Int(Page.up(length) / 8))
    return frame
  }
}

/// Writes page tables at boot: the kernel's own and VM's. Afterwards tables are VM's business alone.
public struct PageMapper<Access: FrameAccess> {
  public let root: UInt64
  let access: Access
  /// For entries that point to tables: `user` in user spaces.
  let tableFlags: UInt64

  /// - Parameter root: a top table that is in order already.
  public init(_ access: Access, root: UInt64, user: Bool) {
    self.access = access
    self.root = root
    tableFlags = PageEntry.present | PageEntry.writable | (user ? PageEntry.user : 0)
  }

  /// Maps whole pages, large ones where both addresses and the length allow it.
  public func map(_ address: UInt64, to physical: UInt64, length: UInt64, flags: UInt64, frames: inout MemoryMap) {
    var offset: UInt64 = 0
    while offset < length {
      let virtual = address &+ offset
      let frame = physical &+ offset
      if (virtual | frame) & (Page.large - 1) == 0 && length - offset >= Page.large {
        let entry = entry(virtual, level: 2, frames: &frames)
        entry.pointee = PageEntry(raw: frame | flags | PageEntry.large | PageEntry.present)
        offset += Page.large
      } else {
        let entry = entry(virtual, level: 1, frames: &frames)
        entry.pointee = PageEntry(raw: frame | flags | PageEntry.present)
        offset += Page.size
      }
    }
  }

  /// Takes one small page out of a range that was mapped with small pages.
  public func unmap(_ address: UInt64, frames: inout MemoryMap) {
    entry(address, level: 1, frames: &frames).pointee = PageEntry(raw: 0)
  }

  /// The entry of `level` for an address; tables on the way are made.
  public func entry(_ address: UInt64, level: UInt64, frames: inout MemoryMap) -> UnsafeMutablePointer<PageEntry> {
    var table = root
    var at: UInt64 = 4
    while at > level {
      let entry = access.pointer(table).assumingMemoryBound(to: PageEntry.self) + Page.index(address, level: at)
      if !entry.pointee.isPresent { entry.pointee = PageEntry(raw: access.zeroed(&frames) | tableFlags) }
      table = entry.pointee.frame
      at -= 1
    }
    return access.pointer(table).assumingMemoryBound(to: PageEntry.self) + Page.index(address, level: level)
  }
}
