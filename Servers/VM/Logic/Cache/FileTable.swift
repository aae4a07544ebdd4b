import IPC

/// All files of which the cache has pages, found by mount and inode. As many as there is memory for, decided at boot:
/// a full table gives up the file that nobody asked for.
struct FileTable: BitwiseCopyable {
  private let records: UnsafeMutablePointer<FilePages>
  /// Index + 1 of the first file with a hash, 0 for none; as many as records.
  private let buckets: UnsafeMutablePointer<UInt32>
  let limit: Int
  /// Where the search for a record to reuse goes on.
  private var hand = 0
  private(set) var used: UInt64 = 0
  /// The first file of which VFS has still to hear that nobody maps it.
  private(set) var firstOwed: FilePages.Pointer?

  /// File systems without a disk, see MemoryFiles.swift.
  var stores = Stores()

  /// One file for 64 frames, a power of 2 from 128 to 16,384.
  static func limit(_ frames: UInt64) -> Int {
    var limit = 128
    while limit < 16_384, UInt64(limit) &* 128 <= frames { limit &*= 2 }
    return limit
  }
  /// Bytes that `init` wants, zeroed.
  static func storage(_ limit: Int) -> UInt64 { UInt64(limit &* (MemoryLayout<FilePages>.stride &+ 4)) }

  init(storage: UnsafeMutableRawPointer, limit: Int) {
    self.limit = limit
    records = storage.bindMemory(to: FilePages.self, capacity: limit)
    buckets = (storage + limit * MemoryLayout<FilePages>.stride).bindMemory(to: UInt32.self, capacity: limit)
  }

  subscript(index: Int) -> FilePages.Pointer { records + index }
  func index(_ file: FilePages.Pointer) -> Int { file - records }

  mutating func owe(_ file: FilePages.Pointer) {
    file.pointee.nextOwed = firstOwed
    firstOwed = file
  }

  mutating func paid() {
    guard let file = firstOwed else { return }
    firstOwed = file.pointee.nextOwed
    file.pointee.nextOwed = nil
  }

  private func bucket(_ mount: UInt32, _ inode: UInt64) -> UnsafeMutablePointer<UInt32> {
    let hash = ((inode ^ UInt64(mount) &<< 40) &* 0x9E37_79B9_7F4A_7C15) &>> 40
    return buckets + (Int(truncatingIfNeeded: hash) & (limit &- 1))
  }

  func find(_ mount: UInt32, _ inode: UInt64) -> FilePages.Pointer? {
    var link = bucket(mount, inode).pointee
    while link != 0 {
      let file = records + Int(link &- 1)
      if file.pointee.inode == inode, file.pointee.mount == mount {
        file.pointee.recent = 1
        return file
      }
      link = file.pointee.next
    }
    return nil
  }

  /// A record to reuse: free, or with nothing but idle pages and not asked for lately; its pages are given up. Nil if
  /// all files are in use. Files of stores leave half of the table to those of disks.
  mutating func claim(_ mount: UInt32, _ inode: UInt64, _ frames: inout FrameTable) -> FilePages.Pointer? {
    let store = stores.find(mount)
    if store != nil, stores.files >= UInt64(limit) / 2 { return nil }
    var left = 2 &* limit
    while left > 0 {
      left &-= 1
      let file = records + hand
      hand = (hand &+ 1) & (limit &- 1)
      if file.pointee.mount != 0 {
        guard file.pointee.isSpare else { continue }
        if file.pointee.recent != 0, file.pointee.root != 0 {
          file.pointee.recent = 0
          continue
        }
        guard drop(file, from: 0, &frames) else { continue }
        remove(file)
      }
      let bucket = bucket(mount, inode)
      file.pointee = FilePages(inode: inode, mount: mount, next: bucket.pointee)
      bucket.pointee = UInt32(truncatingIfNeeded: file - records) &+ 1
      used &+= 1
      if let store {
        file.pointee.store = UInt32(truncatingIfNeeded: store) &+ 1
        stores[store].files &+= 1
      }
      return file
    }
    return nil
  }

  /// Gives up the pages of a file from `page` on; false if one of them is in use by somebody.
  func drop(_ file: FilePages.Pointer, from page: UInt64, _ frames: inout FrameTable) -> Bool {
    var whole = true
    var at = page
    while let found = frames.firstCached(file, from: at) {
      let frame = frames.cached(file, found).unsafelyUnwrapped
      if frames.owned(frame).pointee.count == 1 { frames.discard(frame) } else { whole = false }
      at = found &+ 1
    }
    return whole
  }

  /// The record of a file without pages is free.
  mutating func remove(_ file: FilePages.Pointer) {
    let number = UInt32(truncatingIfNeeded: file - records) &+ 1
    let bucket = bucket(file.pointee.mount, file.pointee.inode)
    if bucket.pointee == number {
      bucket.pointee = file.pointee.next
    } else {
      var before = records + Int(bucket.pointee &- 1)
      while before.pointee.next != number { before = records + Int(before.pointee.next &- 1) }
      before.pointee.next = file.pointee.next
    }
    if file.pointee.store != 0 { stores.lose(Int(file.pointee.store) &- 1) }
    file.pointee = FilePages()
    used &-= 1
  }
}
