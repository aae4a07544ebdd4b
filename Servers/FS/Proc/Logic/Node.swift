import IPC
import Protocols

/// What an inode number of /proc stands for. Numbers are made of what they mean, so there is no table of inodes
/// and nothing to forget: 1 the root, 2... its files, and process id << 8 | 16... for processes.
enum Node: Equatable {
  case root
  case file(RootFile)
  case process(Int32)
  case processFile(Int32, ProcessFile)

  init?(inode: UInt64) {
    if inode == 1 {
      self = .root
    } else if inode >= 2, inode < 16, let file = RootFile(rawValue: Int(inode) - 2) {
      self = .file(file)
    } else if inode >> 8 > 0, inode >> 8 <= UInt64(Int32.max) {
      let id = Int32(inode >> 8)
      switch inode & 0xFF {
      case 16: self = .process(id)
      case 17...:
        guard let file = ProcessFile(rawValue: Int(inode & 0xFF) - 17) else { return nil }
        self = .processFile(id, file)
      default: return nil
      }
    } else {
      return nil
    }
  }

  var inode: UInt64 {
    switch self {
    case .root: 1
    case .file(let file): UInt64(file.rawValue) + 2
    case .process(let id): UInt64(id) << 8 | 16
    case .processFile(let id, let file): UInt64(id) << 8 | UInt64(file.rawValue + 17)
    }
  }

  var isDirectory: Bool {
    switch self {
    case .root, .process: true
    case .file, .processFile: false
    }
  }

  /// Sizes are 0, as on Linux: what a file holds is known when it is read.
  var attributes: FS.Node {
    FS.Node(
      inode: inode, size: 0, mode: isDirectory ? VFS.Mode.directory | 0o555 : VFS.Mode.regular | 0o444, links: isDirectory ? 2 : 1,
      special: 0, blocks: 0, modified: 0)
  }
}

enum RootFile: Int, CaseIterable {
  case services, meminfo, kernel, uptime, cmdline, version, mounts, vm

  var name: StaticString {
    switch self {
    case .services: "services"
    case .meminfo: "meminfo"
    case .kernel: "kernel"
    case .uptime: "uptime"
    case .cmdline: "cmdline"
    case .version: "version"
    case .mounts: "mounts"
    case .vm: "vm"
    }
  }
}

enum ProcessFile: Int, CaseIterable {
  case status, maps, cmdline, rollup, limits

  var name: StaticString {
    switch self {
    case .status: "status"
    case .maps: "maps"
    case .cmdline: "cmdline"
    case .rollup: "smaps_rollup"
    case .limits: "limits"
    }
  }
}

func isSame(_ name: StaticString, _ bytes: UnsafeRawBufferPointer) -> Bool {
  name.withUTF8Buffer { text in
    guard text.count == bytes.count else { return false }
    for at in 0..<text.count where text[at] != bytes[at] { return false }
    return true
  }
}

/// A process id as a file name: decimal without leading zeros, 1 ... Int32.max.
func processID(_ bytes: UnsafeRawBufferPointer) -> Int32? {
  guard bytes.count >= 1, bytes.count <= 10, bytes[0] != UInt8(ascii: "0") else { return nil }
  var value: Int64 = 0
  for byte in bytes {
    guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
    value = value * 10 + Int64(byte - UInt8(ascii: "0"))
  }
  return value <= Int64(Int32.max) ? Int32(value) : nil
}
