import IPC

/// A file of which the cache has, or had, pages. 96 bytes, in a table of fixed size made at boot.
struct FilePages: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<FilePages>

  /// Physical address of the top node, 0 for no pages. Its frame knows this word's place, so a record never moves, and
  /// the word comes first.
  var root: UInt64 = 0
  var inode: UInt64 = 0
  /// 0: the record is free.
  var mount: UInt32 = 0
  /// Levels of the tree; 0: `root` is the page 0 itself.
  var levels: UInt32 = 0
  /// The next file with the same hash: index + 1, 0 for none.
  var next: UInt32 = 0
  /// 1: asked for since the hand of `FileTable.claim` last came by.
  var recent: UInt32 = 0
  /// What regions show of it; nil while nobody maps it.
  var object: MemoryObject.Pointer?
  /// Bytes; known from the first mapping on. What lies behind is SIGBUS (V29).
  var size: UInt64 = 0
  /// Pages that processes have changed and the file system does not know.
  var changed: UInt32 = 0
  /// How often VFS has still to hear that nobody maps it any more.
  var owed: UInt32 = 0
  var nextOwed: FilePages.Pointer?
  /// The store whose file it is: index + 1, 0 for a file of a disk. Of a store's file all pages count as changed.
  var store: UInt32 = 0
  /// The page that VFS is writing to the file system, plus 1; 0 for none. It is changed until VFS asks for the next.
  var writing: UInt64 = 0
  /// `Pressure.round` in which it was written back in vain.
  var tried: UInt32 = 0

  /// Nobody needs the record for more than pages that can be brought again.
  var isSpare: Bool { object == nil && changed == 0 && owed == 0 }
}

// The pages of a file hang in a tree of nodes of 512 words by page index; a node is a frame and counts its entries.
extension FrameTable {
  /// The page of a file, nil if the cache does not have it.
  @inline(__always) func cached(_ file: FilePages.Pointer, _ page: UInt64) -> Frame? {
    var word = file.pointee.root
    var level = UInt64(file.pointee.levels)
    guard word != 0, page &>> (9 &* level) == 0 else { return nil }
    while level > 0 {
      level &-= 1
      word = words(Frame(address: word))[Int(truncatingIfNeeded: page &>> (9 &* level)) & 511]
      if word == 0 { return nil }
    }
    return Frame(address: word)
  }

  /// How many nodes `insert` may need if pages of the file are given up before it: a reservation can do that.
  func mostNodes(_ file: FilePages.Pointer, _ page: UInt64) -> UInt64 {
    let old = UInt64(file.pointee.root == 0 ? 0 : file.pointee.levels)
    var levels = old
    while page &>> (9 &* levels) != 0 { levels &+= 1 }
    return levels &+ levels &- old
  }

  /// How many nodes `insert` will need.
  func missingNodes(_ file: FilePages.Pointer, _ page: UInt64) -> UInt64 {
    var levels = UInt64(file.pointee.root == 0 ? 0 : file.pointee.levels)
    var raised: UInt64 = 0
    while page &>> (9 &* levels) != 0 {
      levels &+= 1
      raised &+= 1
    }
    // A tree that is raised leads to the page by new nodes all the way.
    if file.pointee.root == 0 { return levels }
    if raised > 0 { return raised &+ levels &- 1 }
    var word = file.pointee.root
    while levels > 0 {
      levels &-= 1
      word = words(Frame(address: word))[Int(truncatingIfNeeded: page &>> (9 &* levels)) & 511]
      if word == 0 { return levels }
    }
    return 0
  }

  /// Gives the file a page that it lacks; nodes are reserved. The page is the cache's, and idle.
  mutating func insert(_ file: FilePages.Pointer, _ page: UInt64, _ frame: Frame) {
    if file.pointee.root == 0 { file.pointee.levels = 0 }
    while page &>> (9 &* UInt64(file.pointee.levels)) != 0 { raise(file) }
    var slot = Self.rootSlot(file)
    var level = UInt64(file.pointee.levels)
    while level > 0 {
      level &-= 1
      let node = slot.pointee == 0 ? makeNode(slot) : Frame(address: slot.pointee)
      slot = words(node) + (Int(truncatingIfNeeded: page &>> (9 &* level)) & 511)
    }
    precondition(slot.pointee == 0, "a page of a file is there twice")
    hang(frame, slot)
    owned(frame).pointee.count = 1
    linkIdle(frame)
  }

  /// One level more on top, so that larger pages can be found.
  private mutating func raise(_ file: FilePages.Pointer) {
    file.pointee.levels &+= 1
    guard file.pointee.root != 0 else { return }
    let old = Frame(address: file.pointee.root)
    file.pointee.root = 0
    let root = makeNode(Self.rootSlot(file))
    hang(old, words(root))
  }

  private static func rootSlot(_ file: FilePages.Pointer) -> UnsafeMutablePointer<UInt64> {
    UnsafeMutableRawPointer(file).assumingMemoryBound(to: UInt64.self)
  }

  private mutating func makeNode(_ slot: UnsafeMutablePointer<UInt64>) -> Frame {
    let node = takeZeroed(.cache)
    nodes &+= 1
    hang(node, slot)
    return node
  }

  /// Makes `slot` lead to a frame, and the frame know it.
  private mutating func hang(_ frame: Frame, _ slot: UnsafeMutablePointer<UInt64>) {
    slot.pointee = frame.address
    owned(frame).pointee.slot = slot
    let holder = owned(self.frame(of: slot))
    if holder.pointee.kind == .cache { holder.pointee.entries &+= 1 }
  }

  /// The first page from `page` on that the cache has.
  func firstCached(_ file: FilePages.Pointer, from page: UInt64) -> UInt64? {
    guard file.pointee.root != 0, page &>> (9 &* UInt64(file.pointee.levels)) == 0 else { return nil }
    return firstCached(file.pointee.root, level: UInt64(file.pointee.levels), from: page)
  }

  private func firstCached(_ word: UInt64, level: UInt64, from page: UInt64) -> UInt64? {
    if level == 0 { return page }
    let shift = 9 &* (level &- 1)
    let node = words(Frame(address: word))
    var index = Int(truncatingIfNeeded: page &>> shift) & 511
    var from = page
    while index < 512 {
      if node[index] != 0, let found = firstCached(node[index], level: level &- 1, from: from) { return found }
      index &+= 1
      from = (from &>> shift &+ 1) &<< shift
    }
    return nil
  }
}
