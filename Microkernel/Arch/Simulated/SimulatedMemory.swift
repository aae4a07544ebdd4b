import PageTable

// What VM and programs do with memory on a real machine: page tables in RAM, loads and stores that walk them.
extension SimulatedMachine {
  /// A zeroed frame, or nil when RAM is used up.
  public mutating func takeFrame() -> UInt64? {
    guard nextFrame < size else { return nil }
    let frame = nextFrame
    nextFrame += Page.size
    memory(at: frame).initializeMemory(as: UInt8.self, repeating: 0, count: Int(Page.size))
    return frame
  }

  /// Writes the leaf entry for `address`, with tables as needed. Flags 0 takes the page away.
  public mutating func map(_ root: UInt64, _ address: UInt64, frame: UInt64, flags: UInt64 = PageEntry.present | PageEntry.user | PageEntry.writable) {
    var table = root
    for level: UInt64 in [4, 3, 2] {
      let place = memory(at: table) + Page.index(address, level: level) * 8
      var entry = PageEntry(raw: place.load(as: UInt64.self))
      if !entry.isPresent {
        guard let new = takeFrame() else { preconditionFailure("out of simulated RAM") }
        entry = PageEntry(frame: new, flags: PageEntry.present | PageEntry.user | PageEntry.writable)
        place.storeBytes(of: entry.raw, as: UInt64.self)
      }
      table = entry.frame
    }
    (memory(at: table) + Page.index(address, level: 1) * 8).storeBytes(of: PageEntry(frame: frame, flags: flags).raw, as: UInt64.self)
  }

  /// Writes a 2 MiB leaf.
  public mutating func mapLarge(_ root: UInt64, _ address: UInt64, physical: UInt64) {
    var table = root
    for level: UInt64 in [4, 3] {
      let place = memory(at: table) + Page.index(address, level: level) * 8
      var entry = PageEntry(raw: place.load(as: UInt64.self))
      if !entry.isPresent {
        guard let new = takeFrame() else { preconditionFailure("out of simulated RAM") }
        entry = PageEntry(frame: new, flags: PageEntry.present | PageEntry.user | PageEntry.writable)
        place.storeBytes(of: entry.raw, as: UInt64.self)
      }
      table = entry.frame
    }
    let flags = PageEntry.present | PageEntry.user | PageEntry.writable | PageEntry.large
    (memory(at: table) + Page.index(address, level: 2) * 8).storeBytes(of: PageEntry(frame: physical, flags: flags).raw, as: UInt64.self)
  }

  /// Where `address` is, as the MMU would say for a user's access; nil for a fault.
  public func physical(_ root: UInt64, _ address: UInt64, write: Bool = false) -> UInt64? {
    var table = root
    var level: UInt64 = 4
    while true {
      let entry = PageEntry(raw: memory(at: table).load(fromByteOffset: Page.index(address, level: level) * 8, as: UInt64.self))
      guard entry.isPresent, entry.isUser, !write || entry.isWritable else { return nil }
      if level == 1 { return entry.frame | address & (Page.size - 1) }
      if level == 2, entry.isLarge { return entry.frame & ~(Page.large - 1) | address & (Page.large - 1) }
      table = entry.frame
      level -= 1
    }
  }

  public func load(_ root: UInt64, _ address: UInt64, _ count: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    for offset in 0..<UInt64(count) {
      guard let place = physical(root, address + offset) else { return nil }
      bytes.append(memory(at: place).load(as: UInt8.self))
    }
    return bytes
  }

  /// False if a page was missing or read-only; the bytes before it are written.
  @discardableResult
  public func store(_ root: UInt64, _ address: UInt64, _ bytes: [UInt8]) -> Bool {
    for (offset, byte) in bytes.enumerated() {
      guard let place = physical(root, address + UInt64(offset), write: true) else { return false }
      memory(at: place).storeBytes(of: byte, as: UInt8.self)
    }
    return true
  }
}
