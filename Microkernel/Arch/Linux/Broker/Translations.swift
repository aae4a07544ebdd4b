import KernelCore
import PageTable
import Sandbox

/// From VM's page tables to the mappings of Linux processes, which are a TLB: filled by a walk, emptied by flushes.
struct Translations {
  private let ram: UnsafeMutableRawPointer
  private let size: UInt64
  private let sandbox: Sandbox
  /// By slot: the top table that its mappings come from; 0: it has none that count.
  private let roots: UnsafeMutablePointer<UInt64>
  /// Slots from here on have never had a process.
  private var end = 0

  init(_ sandbox: Sandbox) {
    self.sandbox = sandbox
    ram = sandbox.memory
    size = UInt64(sandbox.size)
    roots = .allocate(capacity: sandbox.slots)
    roots.initialize(repeating: 0, count: sandbox.slots)
  }

  func deallocate() { roots.deallocate() }

  /// Most entries that one miss maps.
  private static func runLimit(_ size: UInt64) -> UInt64 { size == Page.size ? 64 : 512 }

  /// A run of pages that one mapping can hold.
  struct Run {
    var address, frame, length: UInt64
    var isWritable, isExecutable: Bool
  }

  // MARK: The walk

  /// What the page table says of an address: the entry that maps it, and how much it maps; all rights of the levels above are in it.
  private struct Leaf {
    var frame, size: UInt64
    var isWritable, isExecutable: Bool
  }

  private func leaf(_ root: UInt64, _ address: UInt64) -> Leaf? {
    var table = root
    var level: UInt64 = 4
    var isWritable = true, isExecutable = true
    while true {
      // Tables are VM's work: even a wrong one must not lead outside RAM.
      guard table & (Page.size - 1) == 0, table < size, Page.size <= size - table else { return nil }
      let entry = PageEntry(raw: ram.load(fromByteOffset: Int(table) + Page.index(address, level: level) * 8, as: UInt64.self))
      guard entry.isPresent, entry.isUser else { return nil }
      isWritable = isWritable && entry.isWritable
      isExecutable = isExecutable && entry.raw & PageEntry.noExecute == 0
      if level == 1 || level == 2 && entry.isLarge {
        let length = level == 1 ? Page.size : Page.large
        let frame = entry.frame & ~(length - 1)
        // RAM may end inside a large page of VM's window.
        guard frame < size else { return nil }
        return Leaf(frame: frame, size: length, isWritable: isWritable, isExecutable: isExecutable)
      }
      table = entry.frame
      level -= 1
    }
  }

  /// Whether the tables permit an access, and what to map for it. `isPresent` as the processor's error code has it.
  func find(_ root: UInt64, _ address: UInt64, write: Bool, execute: Bool) -> (isPresent: Bool, run: Run?) {
    guard address < AddressSpace.userEnd, let leaf = leaf(root, address) else { return (false, nil) }
    guard !write || leaf.isWritable, !execute || leaf.isExecutable else { return (true, nil) }
    let start = address & ~(leaf.size - 1)
    let offset = (address - start) & ~(Page.size - 1)
    guard leaf.frame + offset < size else { return (false, nil) }
    var run = Run(
      address: start, frame: leaf.frame, length: min(leaf.size, size - leaf.frame), isWritable: leaf.isWritable, isExecutable: leaf.isExecutable)
    // Neighbours that are neighbours in memory too cost nothing.
    while run.length < leaf.size * Self.runLimit(leaf.size), let next = self.leaf(root, run.address + run.length), next.frame == run.frame + run.length,
      next.isWritable == run.isWritable, next.isExecutable == run.isExecutable, next.size == leaf.size, run.length % leaf.size == 0,
      run.address + run.length < AddressSpace.userEnd
    { run.length += min(next.size, size - next.frame) }
    return (true, run)
  }

  // MARK: Mappings

  /// Before a process runs with this root: it has no mappings of another.
  mutating func use(_ root: UInt64, slot: Int) {
    if roots[slot] == root { return }
    sandbox.unmapAll(slot: slot)
    roots[slot] = root
    end = max(end, slot + 1)
  }

  /// A process that is gone, or new, has no mappings.
  mutating func clear(slot: Int) { roots[slot] = 0 }

  func map(_ run: Run, slot: Int) {
    // What is around the stub's area is two runs.
    if run.address < AddressSpace.stub, run.address + run.length > AddressSpace.stub {
      map(Run(address: run.address, frame: run.frame, length: AddressSpace.stub - run.address, isWritable: run.isWritable, isExecutable: run.isExecutable), slot: slot)
      return
    }
    sandbox.map(slot: slot, address: run.address, frame: run.frame, length: run.length, writable: run.isWritable, executable: run.isExecutable)
  }

  mutating func flush(root: UInt64, address: UInt64, count: UInt64) {
    let last = address &+ count << Page.shift
    for slot in 0..<end where roots[slot] == root {
      forget(slot, max(address, AddressSpace.userStart), min(last, AddressSpace.stub))
      forget(slot, max(address, AddressSpace.stubEnd), min(last, AddressSpace.userEnd))
    }
  }

  private func forget(_ slot: Int, _ from: UInt64, _ to: UInt64) {
    if from < to { sandbox.unmap(slot: slot, address: from, length: to - from) }
  }

  /// The table is another one's now.
  mutating func forget(root: UInt64) {
    for slot in 0..<end where roots[slot] == root { roots[slot] = 0 }
  }
}
