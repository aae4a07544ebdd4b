import IPC

/// What supplies the pages of regions that more than one space can see, or that outlive a region. Memory that
/// belongs to one space needs none: its page table says it all (V58).
struct MemoryObject: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<MemoryObject>

  /// Regions that show it, and one for a space that keeps it over a restart.
  var references: UInt32
  /// Contiguous: the n-th call of `MapContiguous` that it belongs to. File: its place in the cache's table.
  var call: UInt32 = 0
  var pages: UInt64
  /// Contiguous: the first frame. Shared and lent: the top node of a tree of frames, 0 while
  /// there is none.
  var root: Frame
  /// Levels of that tree.
  var levels: UInt32 = 1
  /// Contiguous: 1 while a region shows it. Lent: how many of the references are regions of the lender's.
  var mapped: UInt32 = 0
  /// Contiguous: the next one of the same service.
  var next: Pointer?

  init(pages: UInt64, root: Frame) {
    references = 1
    self.pages = pages
    self.root = root
    while pages > 1 &<< UInt64(9 &* levels) { levels &+= 1 }
  }
}

// The frames of a shared object hang in a tree of nodes of 512 words by page index; a node is a frame. Only what
// was touched is there.
extension FrameTable {
  /// How many nodes `store` will need.
  func missingNodes(_ object: MemoryObject.Pointer, _ page: UInt64) -> UInt64 {
    guard object.pointee.root.number != 0 else { return UInt64(object.pointee.levels) }
    var node = words(object.pointee.root)
    var level = UInt64(object.pointee.levels) &- 1
    while level > 0 {
      let word = node[Int(truncatingIfNeeded: page &>> (9 &* level)) & 511]
      if word == 0 { return level }
      node = words(Frame(address: word))
      level &-= 1
    }
    return 0
  }

  /// The object's frame for a page of it; nil if nobody touched it yet.
  func load(_ object: MemoryObject.Pointer, _ page: UInt64) -> Frame? {
    guard object.pointee.root.number != 0 else { return nil }
    var word = object.pointee.root.address
    var level = UInt64(object.pointee.levels)
    while level > 0 {
      level &-= 1
      word = words(Frame(address: word))[Int(truncatingIfNeeded: page &>> (9 &* level)) & 511]
      if word == 0 { return nil }
    }
    return Frame(address: word)
  }

  /// Gives the object a frame for a page; the nodes on the way are reserved.
  mutating func store(_ object: MemoryObject.Pointer, _ page: UInt64, _ frame: Frame) {
    if object.pointee.root.number == 0 { object.pointee.root = takeZeroed(.metadata) }
    var node = words(object.pointee.root)
    var level = UInt64(object.pointee.levels) &- 1
    while level > 0 {
      let slot = node + (Int(truncatingIfNeeded: page &>> (9 &* level)) & 511)
      if slot.pointee == 0 { slot.pointee = takeZeroed(.metadata).address }
      node = words(Frame(address: slot.pointee))
      level &-= 1
    }
    node[Int(truncatingIfNeeded: page) & 511] = frame.address
  }

  /// Takes a page's frame out again; nodes stay.
  func forget(_ object: MemoryObject.Pointer, _ page: UInt64) {
    var node = words(object.pointee.root)
    var level = UInt64(object.pointee.levels) &- 1
    while level > 0 {
      node = words(Frame(address: node[Int(truncatingIfNeeded: page &>> (9 &* level)) & 511]))
      level &-= 1
    }
    node[Int(truncatingIfNeeded: page) & 511] = 0
  }

  /// Lets go of all frames and nodes.
  mutating func releaseNodes(_ node: Frame, levels: UInt32) {
    let slots = words(node)
    for index in 0..<512 where slots[index] != 0 {
      if levels > 1 {
        releaseNodes(Frame(address: slots[index]), levels: levels &- 1)
      } else {
        release(Frame(address: slots[index]))
      }
    }
    retire(node)
  }
}
