import IPC

/// Records of one size, cut out of page-sized slabs: the last one given back is the next one handed out (V6). VM's
/// only memory besides frames: nothing here asks a heap, since the heap asks VM.
struct Slab: BitwiseCopyable {
  let size: Int
  let perPage: Int
  /// Pages with some records in use and some not, linked both ways.
  var partial: UnsafeMutablePointer<SlabPage>?
  /// Pages in which nothing is used, linked by `next`: they go back when the running operation is over, so that
  /// what it gives back cannot spoil what it has reserved.
  var empty: UnsafeMutablePointer<SlabPage>?
  var used: UInt64 = 0
  /// Records that can be had without another page.
  var room: UInt64 = 0

  init(size: Int) {
    self.size = (size + 7) & ~7
    perPage = (4096 - MemoryLayout<SlabPage>.size) / self.size
  }
}

/// The start of a slab's page.
struct SlabPage: BitwiseCopyable {
  var next: UnsafeMutablePointer<SlabPage>?
  var previous: UnsafeMutablePointer<SlabPage>?
  /// Given back; each links to the next in its first word.
  var firstFree: UnsafeMutableRawPointer?
  var used: UInt32 = 0
  /// Records beyond this number were never handed out.
  var touched: UInt32 = 0
}

extension Slab {
  /// Makes sure that `count` records can be taken by the running operation. Whole or not at all.
  mutating func reserve(_ count: UInt64, _ frames: inout FrameTable, _ claim: Claim) throws(Errno) {
    while room < count {
      try frames.reserve(1, claim)
      let page = frames.bytes(frames.take(.metadata)).bindMemory(to: SlabPage.self, capacity: 1)
      page.pointee = SlabPage()
      page.pointee.next = empty
      empty = page
      room &+= UInt64(perPage)
    }
  }

  /// A reserved record, uninitialised.
  mutating func take() -> UnsafeMutableRawPointer {
    precondition(room > 0, "a record was taken that nobody reserved")
    if partial == nil, let page = empty {
      empty = page.pointee.next
      link(page)
    }
    let page = partial.unsafelyUnwrapped
    let record: UnsafeMutableRawPointer
    if let free = page.pointee.firstFree {
      record = free
      page.pointee.firstFree = free.load(as: UnsafeMutableRawPointer?.self)
    } else {
      record = UnsafeMutableRawPointer(page) + MemoryLayout<SlabPage>.size + Int(page.pointee.touched) * size
      page.pointee.touched &+= 1
    }
    page.pointee.used &+= 1
    if Int(page.pointee.used) == perPage { unlink(page) }
    room &-= 1
    used &+= 1
    return record
  }

  /// Takes a record back.
  mutating func give(_ record: UnsafeMutableRawPointer) {
    let page = UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: record) & ~4095).unsafelyUnwrapped
      .assumingMemoryBound(to: SlabPage.self)
    if Int(page.pointee.used) == perPage { link(page) }
    record.storeBytes(of: page.pointee.firstFree, as: UnsafeMutableRawPointer?.self)
    page.pointee.firstFree = record
    page.pointee.used &-= 1
    room &+= 1
    used &-= 1
    if page.pointee.used == 0 {
      unlink(page)
      page.pointee.next = empty
      empty = page
    }
  }

  /// At the end of an operation: pages without a record go back to the frames.
  mutating func trim(_ frames: inout FrameTable) {
    while let page = empty {
      empty = page.pointee.next
      room &-= UInt64(perPage)
      frames.retire(frames.frame(of: page))
    }
  }

  private mutating func link(_ page: UnsafeMutablePointer<SlabPage>) {
    page.pointee.previous = nil
    page.pointee.next = partial
    partial?.pointee.previous = page
    partial = page
  }

  private mutating func unlink(_ page: UnsafeMutablePointer<SlabPage>) {
    if let previous = page.pointee.previous { previous.pointee.next = page.pointee.next } else { partial = page.pointee.next }
    page.pointee.next?.pointee.previous = page.pointee.previous
  }
}
