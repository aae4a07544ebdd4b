import Glibc

/// The lock that QEMU takes on an image (`block/file-posix.c`: OFD locks on single bytes), so that `apus boot` and `apus sim`, and two
/// of either, see one another. A byte from 100 on says what somebody does, one from 200 on what nobody else may do.
enum ImageLock {
  private static var isDoing: off_t { 100 }
  private static var forbids: off_t { 200 }
  private static var reads: off_t { 0 }
  private static var writes: off_t { 1 }
  private static var resizes: off_t { 3 }

  /// False if somebody has the image already in a way that excludes ours. Held until the file is closed everywhere.
  static func take(_ file: Int32, writing: Bool) -> Bool {
    let mine = [isDoing + reads, forbids + writes, forbids + resizes] + (writing ? [isDoing + writes, isDoing + resizes] : [])
    for byte in mine {
      var lock = lock(byte, F_RDLCK)
      if fcntl(file, setCommand, &lock) != 0 { return false }
    }
    let theirs = [isDoing + writes, isDoing + resizes, forbids + reads] + (writing ? [forbids + writes, forbids + resizes] : [])
    return !theirs.contains { isHeld(file, $0) }
  }

  private static func isHeld(_ file: Int32, _ byte: off_t) -> Bool {
    var question = lock(byte, F_WRLCK)
    return fcntl(file, getCommand, &question) == 0 && question.l_type != Int16(F_UNLCK)
  }

  private static func lock(_ byte: off_t, _ type: Int32) -> flock {
    flock(l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: byte, l_len: 1, l_pid: 0)
  }

  // F_OFD_GETLK and F_OFD_SETLK: of the open file, not of the process.
  private static var getCommand: Int32 { 36 }
  private static var setCommand: Int32 { 37 }
}
