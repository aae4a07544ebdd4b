/// Which inodes VFS holds, and where the last read of each ended: a hash table with open addressing.
struct References {
  struct Entry {
    /// 0: free.
    var inode: UInt32
    /// The block of the file that a sequential reader wants next.
    var nextBlock: UInt32
    var count: UInt64
  }

  /// More inodes than this are never referenced at a time.
  static var limit: Int { 1 << 16 }
  private var table: [Entry]
  private(set) var count = 0

  init() { table = [Entry](repeating: Entry(inode: 0, nextBlock: 0, count: 0), count: 64) }

  private func home(_ inode: UInt32) -> Int { Int(inode &* 0x9E37_79B1) & (table.count - 1) }

  /// The place of `inode`, or of the free entry where it would go.
  private func place(_ inode: UInt32) -> Int {
    var index = home(inode)
    while table[index].inode != 0, table[index].inode != inode { index = (index + 1) & (table.count - 1) }
    return index
  }

  func contains(_ inode: UInt32) -> Bool { table[place(inode)].inode == inode }
  func count(of inode: UInt32) -> UInt64 { table[place(inode)].count }

  /// False if the table is full.
  mutating func add(_ inode: UInt32) -> Bool {
    let index = place(inode)
    if table[index].inode == inode {
      table[index].count += 1
      return true
    }
    guard count < Self.limit else { return false }
    table[index] = Entry(inode: inode, nextBlock: 0, count: 1)
    count += 1
    if count * 2 > table.count { grow() }
    return true
  }

  /// True if that was the last one. More than there are is taken for all there are.
  mutating func remove(_ inode: UInt32, count given: UInt64) -> Bool {
    let index = place(inode)
    guard table[index].inode == inode else { return false }
    guard given >= table[index].count else {
      table[index].count -= given
      return false
    }
    vacate(index)
    return true
  }

  func nextBlock(of inode: UInt32) -> UInt32 { table[place(inode)].nextBlock }
  mutating func setNextBlock(of inode: UInt32, _ block: UInt32) {
    let index = place(inode)
    if table[index].inode == inode { table[index].nextBlock = block }
  }

  /// Frees an entry and moves those behind it that only stood there because it was taken.
  private mutating func vacate(_ index: Int) {
    var hole = index
    var at = index
    let mask = table.count - 1
    while true {
      at = (at + 1) & mask
      if table[at].inode == 0 { break }
      if (at - home(table[at].inode)) & mask >= (at - hole) & mask {
        table[hole] = table[at]
        hole = at
      }
    }
    table[hole] = Entry(inode: 0, nextBlock: 0, count: 0)
    count -= 1
  }

  private mutating func grow() {
    let old = table
    table = [Entry](repeating: Entry(inode: 0, nextBlock: 0, count: 0), count: old.count * 2)
    for entry in old where entry.inode != 0 { table[place(entry.inode)] = entry }
  }
}
