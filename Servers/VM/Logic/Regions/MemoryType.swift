import IPC
import PageTable

/// Where the pages of a region come from and what becomes of them (V99). Everything that differs between kinds of
/// memory is an operation here; the rest of VM asks the operation, never the type. A new type is a case and its
/// answers.
enum MemoryType: UInt8, BitwiseCopyable {
  /// Private, zeroed on first touch, copied on write once shared by a fork: heaps, stacks, mmap.
  case anonymous
  /// One set of zeroed pages for all who inherit it.
  case shared
  /// Private pages that begin as physical memory that nobody may change: a module's text and data in the archive.
  case image
  /// Physical memory as it is: devices, a module's own pages, the stub page. `first` is the frame number (M-A2).
  case physical
  /// Frames of VM's that lie one after the other and outlive the space (M-A6, V78).
  case contiguous
  /// Pages of a file, copied when they are written.
  case filePrivate
  /// Pages of a file; what is written is the file's.
  case fileShared
  /// Private memory that was lent: one set of pages for the lender and those who borrow it.
  case lent
  /// The same pages in a borrower's space. What is borrowed of memory that has an object anyhow keeps its type.
  case borrowed
  /// Nothing: no access succeeds and nobody else can be placed here (V7).
  case unbacked
}

/// What fork does with a region.
enum Inheritance {
  /// The child sees the pages until one of both writes.
  case copyOnWrite
  /// Both see the same pages, for good.
  case share
  /// The child gets copies at once: others write to the pages.
  case copy
  /// A space with such memory cannot fork.
  case refuse
}

extension MemoryType {
  var inheritance: Inheritance {
    switch self {
    case .anonymous, .image, .filePrivate, .unbacked: .copyOnWrite
    case .shared, .physical, .fileShared, .borrowed: .share
    case .lent: .copy
    // The device writes into these frames: a copy would be another memory, and two owners are one too many.
    case .contiguous: .refuse
    }
  }

  /// Whether a write goes to the page that is there, whoever else sees it.
  var writesInPlace: Bool {
    switch self {
    case .anonymous, .image, .filePrivate, .unbacked: false
    case .shared, .physical, .contiguous, .fileShared, .lent, .borrowed: true
    }
  }

  /// Whether it is the space's own: a fork makes two of it, and it counts as data.
  var isPrivate: Bool { !writesInPlace || self == .lent }

  /// Whether its pages hang in the tree of a `MemoryObject`.
  var isTree: Bool { self == .shared || self == .lent || self == .borrowed }

  /// Whether somebody has to know of the first write to a page: then it is not writable before.
  var tellsWrites: Bool { self == .fileShared }

  var isFile: Bool { self == .filePrivate || self == .fileShared }
}

/// A page for a region, as `supply` found it.
struct Supply {
  var frame: Frame
  /// May be mapped writable if the region is.
  var writable: Bool
}

extension VirtualMemory {
  /// How many frames `supply` takes for the object's page `page`, tables not counted.
  func cost(_ region: Region.Pointer, _ page: UInt64, writing: Bool) throws(Errno) -> UInt64 {
    switch region.pointee.type {
    case .anonymous: return 1
    case .image: return writing ? 1 : 0
    case .physical, .contiguous: return 0
    case .shared, .lent, .borrowed:
      guard let object = region.pointee.object else { throw .badAddress }
      // mremap made the region longer than what it shows: SIGBUS, as on Linux.
      guard page < object.pointee.pages else { throw .ioError }
      return frames.load(object, page) != nil ? 0 : 1 &+ frames.missingNodes(object, page)
    case .filePrivate: return try costOfFile(region, page) &+ (writing ? 1 : 0)
    case .fileShared: return try costOfFile(region, page)
    case .unbacked: throw .badAddress
    }
  }

  /// The frame behind the object's page `page`; what it costs is reserved. There is no zero frame that many share
  /// (R5, X4), and a frame is whole before anybody can see it (V23).
  mutating func supply(_ region: Region.Pointer, _ page: UInt64, writing: Bool) -> Supply {
    switch region.pointee.type {
    case .anonymous, .unbacked:
      return Supply(frame: frames.takeZeroed(.user), writable: true)
    case .image:
      let original = Frame(number: page)
      return writing ? Supply(frame: copy(of: original), writable: true) : Supply(frame: original, writable: false)
    case .physical:
      return Supply(frame: Frame(number: page), writable: true)
    case .contiguous:
      let first = region.pointee.object.unsafelyUnwrapped.pointee.root.number
      return Supply(frame: Frame(number: first &+ page), writable: true)
    case .filePrivate:
      let original = pageOfFile(region, page)
      return writing ? Supply(frame: copy(of: original), writable: true) : Supply(frame: original, writable: false)
    case .fileShared:
      let frame = pageOfFile(region, page)
      if writing { change(file(region).unsafelyUnwrapped, frame) }
      // Of a page that is changed already nobody has to hear again.
      return Supply(frame: frame, writable: frames.owned(frame).pointee.isChanged)
    case .shared, .lent, .borrowed:
      let object = region.pointee.object.unsafelyUnwrapped
      if let frame = frames.load(object, page) { return Supply(frame: frame, writable: true) }
      let frame = frames.takeZeroed(.user)
      frames.owned(frame).pointee.shared = 1
      frames.retain(frame)  // the object's own
      frames.store(object, page, frame)
      return Supply(frame: frame, writable: true)
    }
  }

  /// A reserved frame with the contents of another.
  mutating func copy(of frame: Frame) -> Frame {
    let new = frames.take(.user)
    frames.bytes(new).copyMemory(from: frames.bytes(frame), byteCount: 4096)
    return new
  }

  /// A region more that shows what `region` does.
  func retain(_ region: Region) {
    if let object = region.object {
      object.pointee.references &+= 1
      if region.type == .lent { object.pointee.mapped &+= 1 }
    }
    if let loan = region.loan { borrowed(loan, pinned: region.has(Region.pinned)) }
  }

  /// One that shows it less; the last takes the object with it.
  mutating func release(_ object: MemoryObject.Pointer?, _ type: MemoryType) {
    guard let object else { return }
    object.pointee.references &-= 1
    if type == .lent { object.pointee.mapped &-= 1 }
    // A service keeps a reference of its own; when only that is left nothing shows the memory.
    if type == .contiguous, object.pointee.references <= 1 { object.pointee.mapped = 0 }
    guard object.pointee.references == 0 else { return }
    if type.isFile {
      unmapped(files[Int(object.pointee.call)])
      objects.give(object)
      return
    }
    if type == .contiguous {
      for page in 0..<object.pointee.pages { frames.release(Frame(number: object.pointee.root.number &+ page)) }
    } else if object.pointee.root.number != 0 {
      frames.releaseNodes(object.pointee.root, levels: object.pointee.levels)
    }
    objects.give(object)
  }
}
