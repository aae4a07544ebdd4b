import IPC
import Protocols

/// A file of /dev.
struct Device: BitwiseCopyable {
  var name: StaticString
  /// `.none`: made by VFS itself.
  var driver: Endpoint
  var minor: UInt32
  var mode: UInt32

  /// null and zero have no driver; these are their minors in `special`, as on Linux.
  static var null: UInt32 { 3 }
  static var zero: UInt32 { 5 }

  static var count: Int { 11 }
  /// /dev's root has inode 1, device n has inode n + 2.
  static var rootInode: UInt64 { 1 }

  static func entry(_ index: Int) -> Device {
    let character = VFS.Mode.character | 0o666
    let block = VFS.Mode.block | 0o660
    return switch index {
    case 0: Device(name: "console", driver: .tty, minor: 0, mode: character)
    case 1: Device(name: "tty", driver: .tty, minor: 0, mode: character)
    case 2: Device(name: "null", driver: .none, minor: null, mode: character)
    case 3: Device(name: "zero", driver: .none, minor: zero, mode: character)
    case 4: Device(name: "ram0", driver: .memory, minor: 0, mode: block)
    case 5: Device(name: "hd0", driver: .disk, minor: 0, mode: block)
    case 6: Device(name: "hd1", driver: .disk, minor: 1, mode: block)
    case 7: Device(name: "hd2", driver: .disk, minor: 2, mode: block)
    case 8: Device(name: "echo", driver: .echo, minor: 0, mode: character)
    // Where the file system of shared memory objects lies.
    case 9: Device(name: "shm", driver: .none, minor: 0, mode: VFS.Mode.directory | 0o755)
    default: Device(name: "hd3", driver: .disk, minor: 3, mode: block)
    }
  }

  /// Major (service slot) << 16 | minor; major 0 for those of VFS.
  var special: UInt32 { (driver == .none ? 0 : UInt32(driver.slot) << 16) | minor }

  static func driver(_ special: UInt32) -> Endpoint {
    special >> 16 == 0 ? .none : Endpoint(slot: Int(special >> 16), generation: 0)
  }
  static func minor(_ special: UInt32) -> UInt32 { special & 0xFFFF }

  /// The directory itself, and its files.
  static func node(_ inode: UInt64) -> FS.Node? {
    if inode == rootInode {
      return FS.Node(inode: inode, size: 0, mode: VFS.Mode.directory | 0o755, links: 2, special: 0, blocks: 0, modified: 0)
    }
    guard inode >= 2, inode < UInt64(count) + 2 else { return nil }
    let device = entry(Int(inode) - 2)
    return FS.Node(inode: inode, size: 0, mode: device.mode, links: device.mode & VFS.Mode.typeMask == VFS.Mode.directory ? 2 : 1, special: device.special, blocks: 0, modified: 0)
  }

  static func find(_ name: UnsafeRawBufferPointer) -> UInt64? {
    for index in 0..<count {
      let found = entry(index).name.withUTF8Buffer { bytes in
        guard bytes.count == name.count else { return false }
        for at in 0..<bytes.count where bytes[at] != name[at] { return false }
        return true
      }
      if found { return UInt64(index) + 2 }
    }
    return nil
  }
}
