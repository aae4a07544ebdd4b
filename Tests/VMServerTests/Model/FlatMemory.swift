import IPC

/// SplitMix64: a run is its seed.
struct Random: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
  /// True once in so many times.
  mutating func once(in count: Int) -> Bool { below(count) == 0 }
}

// What memory should be, as flat as it can be said: of each process a page number, what is allowed there, and two bytes. No
// regions, no tables, no counts, no frames.

/// The first and the last byte of a page; the others stay zero.
struct Ends: Equatable {
  var first: UInt8 = 0, last: UInt8 = 0
  subscript(isLast: Bool) -> UInt8 {
    get { isLast ? last : first }
    set { if isLast { last = newValue } else { first = newValue } }
  }
}

/// Anonymous memory that several see.
final class FlatObject {
  let count: UInt64
  var pages: [UInt64: Ends] = [:]
  init(_ count: UInt64) { self.count = count }
}

/// A file: what all who map or read it see, and what the file system has.
final class FlatFile {
  let inode: UInt64
  let mount: UInt32
  var size: UInt64
  var seen: [UInt64: Ends] = [:]
  var stored: [UInt64: Ends] = [:]
  /// Pages that a process has written since they were last taken.
  var changed: Set<UInt64> = []
  /// Memory is its only home: it is never filled and never taken, and may be full.
  var isStore: Bool { mount == 2 }
  init(_ inode: UInt64, size: UInt64, mount: UInt32 = 1) {
    self.inode = inode
    self.mount = mount
    self.size = size
  }

  /// A page that has any byte of the file.
  func has(_ page: UInt64) -> Bool { page << 12 < size }

  func truncate(_ size: UInt64) {
    func cut(_ pages: inout [UInt64: Ends]) {
      pages = pages.filter { $0.key << 12 < size }
      if size & 4095 != 0 { pages[size >> 12]?.last = 0 }
    }
    cut(&seen)
    cut(&stored)
    changed = changed.filter { $0 << 12 < size }
    self.size = size
  }
}

struct FlatPage {
  enum Backing {
    case own(Ends)
    case object(FlatObject, UInt64)
    /// `copy`: what a private mapping has instead of the file's page.
    case file(FlatFile, UInt64, isShared: Bool, copy: Ends?)
  }
  enum Origin { case mapped, heap, image }

  var access: UInt32
  var allowed: UInt32 = 7
  var origin = Origin.mapped
  var isLocked = false
  /// Private memory that was lent: those who borrow see it, a fork copies it.
  var isLent = false
  /// What it is borrowed by.
  var loan: FlatLoan?
  var backing: Backing

  /// Whether what is behind the page exists: else an access is SIGBUS.
  var exists: Bool {
    switch backing {
    case .own: true
    case .object(let object, let index): index < object.count
    case .file(let file, let index, _, _): file.has(index)
    }
  }

  var isOfStore: Bool { if case .file(let file, _, _, _) = backing { file.isStore } else { false } }
  var isFile: Bool { if case .file = backing { true } else { false } }
  var isPrivate: Bool {
    switch backing {
    case .own: true
    case .object: isLent
    case .file(_, _, let isShared, _): !isShared
    }
  }
  var isAnonymous: Bool { if case .own = backing { true } else { false } }

  var ends: Ends {
    switch backing {
    case .own(let ends): ends
    case .object(let object, let index): object.pages[index] ?? Ends()
    case .file(let file, let index, _, let copy): copy ?? file.seen[index] ?? Ends()
    }
  }

  mutating func write(_ isLast: Bool, _ value: UInt8) {
    switch backing {
    case .own(var ends):
      ends[isLast] = value
      backing = .own(ends)
    case .object(let object, let index): object.pages[index, default: Ends()][isLast] = value
    case .file(let file, let index, isShared: true, _):
      file.seen[index, default: Ends()][isLast] = value
      file.changed.insert(index)
    case .file(let file, let index, isShared: false, let copy):
      var ends = copy ?? file.seen[index] ?? Ends()
      ends[isLast] = value
      backing = .file(file, index, isShared: false, copy: ends)
    }
  }

  /// What lies behind the end of a file is nobody's: shared writes there may or may not last.
  func canWrite(_ isLast: Bool) -> Bool {
    if case .file(let file, let index, isShared: true, _) = backing { return !isLast || (index + 1) << 12 <= file.size }
    return true
  }

  /// MADV_DONTNEED: what is the process's own comes back as it was mapped.
  mutating func forget() {
    switch backing {
    case .own: backing = .own(Ends())
    case .file(let file, let index, let isShared, _): backing = .file(file, index, isShared: isShared, copy: nil)
    case .object: break
    }
  }

  /// The page that mremap puts `count` pages behind this one when it makes a mapping longer.
  func following(_ count: UInt64) -> FlatPage {
    var page = self
    switch backing {
    case .own: page.backing = .own(Ends())
    case .object(let object, let index): page.backing = .object(object, index + count)
    case .file(let file, let index, let isShared, _): page.backing = .file(file, index + count, isShared: isShared, copy: nil)
    }
    return page
  }
}

/// Pages of one process that another may show.
final class FlatLoan {
  let id: UInt64
  let borrower: Endpoint
  let access: UInt32
  /// As the borrower has them.
  let pages: [FlatPage]
  /// `.none` once it is gone.
  var lender: Endpoint
  /// Whether anybody may still borrow.
  var isOpen = true

  init(id: UInt64, lender: Endpoint, borrower: Endpoint, access: UInt32, pages: [FlatPage]) {
    self.id = id
    self.lender = lender
    self.borrower = borrower
    self.access = access
    self.pages = pages
  }

  func shows(_ object: FlatObject) -> Bool { pages.contains { $0.object?.of === object } }
  func shows(_ page: FlatPage) -> Bool {
    guard let (object, index) = page.object else { return false }
    return pages.contains { $0.object.map { $0.of === object && $0.index == index } ?? false }
  }
}

extension FlatPage {
  var object: (of: FlatObject, index: UInt64)? { if case .object(let object, let index) = backing { (object, index) } else { nil } }
}

/// A process: values, so that a copy is a fork; objects and files are shared by reference.
struct FlatProcess {
  var thread: Endpoint
  var pages: [UInt64: FlatPage] = [:]
  var heapEnd: UInt64 = 0x500
  /// A fault waits for VFS.
  var isWaiting = false
  /// What it waits to have locked, if it waits for that.
  var locking: Range<UInt64>?
}
