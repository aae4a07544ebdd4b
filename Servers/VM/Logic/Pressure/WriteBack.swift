import IPC
import Protocols

// Pages that processes have changed cannot be given up before the file system has them. Who knows how to get them there is VFS;
// VM says which file, one at a time, and goes on.
extension VirtualMemory {
  /// When more than an eighth of memory is changed pages they are written back without need, so that need finds fewer.
  var changedLimit: UInt64 { frames.managed >> 3 }

  /// Whether clean pages can be hoped for: VFS writes a file back, or now begins to.
  mutating func writesBack<K: Transport>(_ ipc: inout K) -> Bool {
    if pressure.mount != 0 { return true }
    guard pressure.changed > 0, let file = fileToWrite() else { return false }
    pressure.mount = file.pointee.mount
    pressure.inode = file.pointee.inode
    pressure.isUnsent = true
    sendWriteBack(&ipc)
    return true
  }

  /// The file with the most changed pages of those that were not tried in vain.
  private func fileToWrite() -> FilePages.Pointer? {
    var best: FilePages.Pointer?
    for index in 0..<files.limit {
      let file = files[index]
      guard file.pointee.mount != 0, file.pointee.store == 0, file.pointee.changed > 0, file.pointee.tried != pressure.round else { continue }
      if file.pointee.changed > best?.pointee.changed ?? 0 { best = file }
    }
    return best
  }

  /// What VFS's queue does not take goes out later. Without a file: `change` has seen too many.
  mutating func sendWriteBack<K: Transport>(_ ipc: inout K) {
    if pressure.mount == 0 {
      pressure.isUnsent = false
      _ = writesBack(&ipc)
      return
    }
    do throws(Errno) { try ipc.sendAsync(Message(VFS.WriteBack(mount: pressure.mount, inode: pressure.inode)), to: .vfs) } catch {
      if error == .wouldBlock { return }
    }
    pressure.isUnsent = false
  }

  /// VFS is done. What has become clean counts; who waits still, after that, waits for another file, or the rule of `chooseVictim`
  /// goes on: so a disk that is dead, or pages that are locked, hold nobody up for ever.
  mutating func wroteBack(_ call: PageCache.WroteBack) {
    guard call.mount == pressure.mount, call.inode == pressure.inode else { return }
    pressure.mount = 0
    pressure.writeBacks &+= 1
    pressure.isDue = true
    guard let file = files.find(call.mount, call.inode) else { return }
    written(file)
    if call.error != 0 || pressure.first != nil { file.pointee.tried = pressure.round }
  }

  /// The page that VFS took last is the file system's, unless it was written again since.
  mutating func written(_ file: FilePages.Pointer) {
    guard file.pointee.writing != 0 else { return }
    let page = file.pointee.writing &- 1
    file.pointee.writing = 0
    if let frame = frames.cached(file, page) { unchange(file, frame) }
  }
}
