/// What a system said of its memory at one moment, or nearly: it goes on running while it is asked.
public struct MemoryMap: Equatable, Sendable {
  public var frames: FrameTotals
  /// In the order in which they were asked for.
  public var spaces: [MemorySpace]
}

/// The memory of one process or service.
public struct MemorySpace: Equatable, Sendable {
  public var name: String
  /// Nil for a service.
  public var process: Int?
  /// In the order of addresses, without overlap.
  public var regions: [MemoryRegion]
  /// What the system said instead of regions, such as that there is no such process.
  public var note: String?

  public var title: String { process.map { "\(name) (\($0))" } ?? name }
  public var resident: UInt64 { regions.reduce(0) { $0 + $1.resident } }
  public var shared: UInt64 { regions.reduce(0) { $0 + $1.shared } }
}

/// A line of `/proc/<pid>/maps` or of `vmmap`.
public struct MemoryRegion: Equatable, Sendable {
  /// Page-aligned; `start` < `end`.
  public var start, end: UInt64
  /// As printed: `r`, `w`, `x` or `-`, then `p` or `s`.
  public var access: String
  /// Where `start` is in what stands behind it, in bytes.
  public var offset: UInt64
  /// Pages present, and of these such as another space has too: `shared` <= `resident` <= `pages`.
  public var resident, shared: UInt64
  /// `VM.RegionKind` by name.
  public var kind: String
  /// `locked`, `immutable`, `sequential`, `random`.
  public var marks: [String]
  /// What the owner calls it, or "".
  public var name: String

  public var pages: UInt64 { (end - start) >> 12 }
}

/// `/proc/vm`, in frames of 4 KiB.
public struct FrameTotals: Equatable, Sendable {
  public var total, free, user, tables, metadata: UInt64
  /// The page cache: pages of files, of these such as only it holds, and the trees that find them.
  public var cachePages, cacheIdle, cacheNodes: UInt64
  /// Everything the file said, by its names.
  public var values: [String: UInt64]

  /// Who has the frames, in the order of the bar; the sum is `total`. What the cache gives up as soon as it is asked counts as
  /// free in VM's totals and stands by itself here, the rest of its pages counts as the users'.
  public var parts: [(name: String, kind: String, frames: UInt64)] {
    let given = min(cacheIdle &+ cacheNodes, free)
    let mapped = min(cachePages - min(cacheIdle, cachePages), user)
    return [
      ("metadata, kernel, boot archive", "metadata", metadata), ("page tables", "tables", tables), ("user memory", "anonymous", user - mapped),
      ("file pages in use", "file", mapped), ("file pages that can go", "idle", given), ("free", "free", free - given),
    ]
  }
}
