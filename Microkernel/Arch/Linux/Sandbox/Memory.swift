import CLinux
import Glibc

/// Files without a name, shared by mapping them.
enum Memory {
  /// A descriptor that is closed on exec.
  static func make(_ name: StaticString, executable: Bool) throws(SandboxFailure) -> Int64 {
    let name = address(name.utf8Start)
    let plain: Int64 = 3  // MFD_CLOEXEC, MFD_ALLOW_SEALING
    // Linux from 6.3 on wants to know whether its contents will be executed.
    var file = linux(LINUX_memfd_create, name, plain | (executable ? 0x10 : 0x8))
    if file == -Int64(EINVAL) { file = linux(LINUX_memfd_create, name, plain) }
    if file == -Int64(EACCES) {
      throw SandboxFailure("memory that can be executed is forbidden here", advice: "sysctl vm.memfd_noexec=1 or 0 allows it")
    }
    guard file >= 0 else { throw SandboxFailure("no memory file", file) }
    return file
  }

  /// One of `size` bytes, for ever, and where it is mapped here.
  static func make(_ name: StaticString, size: Int, executable: Bool) throws(SandboxFailure) -> (file: Int32, bytes: UnsafeMutableRawPointer) {
    let file = Int32(truncatingIfNeeded: try make(name, executable: executable))
    let seals: Int32 = 0x1 | 0x2 | 0x4  // F_SEAL_SEAL, SHRINK, GROW
    guard ftruncate(file, size) == 0, fcntl(file, 1033, seals) == 0,
      let bytes = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0), bytes != MAP_FAILED
    else {
      let error = errno
      Glibc.close(file)
      throw SandboxFailure("no \(size >> 20) MiB of shared memory", -Int64(error))
    }
    return (file, bytes)
  }
}
