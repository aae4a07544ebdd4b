import CLinux
import CSeccomp
import Glibc
import Sandbox

/// The process that holds a disk image: this program again, started with one socket, the image and a piece of shared
/// memory. Before its first order it gives up everything else; all it can still do is in `allowedCalls`.
public enum DiskProcess {
  /// Bytes that one order moves at most.
  static var bufferSize: Int { 4 << 20 }
  /// How `Main` knows that it is one.
  public static let word = "--disk-process"
  private static var socketFile: Int32 { 3 }
  private static var imageFile: Int32 { 4 }
  private static var bufferFile: Int32 { 5 }

  public static let allowedCalls: [(number: Int, name: String)] = [
    (0, "read"), (17, "pread64"), (18, "pwrite64"), (44, "sendto"), (45, "recvfrom"), (75, "fdatasync"), (231, "exit_group"),
  ]

  // MARK: The broker's side

  static func start(_ disk: Broker.Disk, _ program: String) throws(SandboxFailure) -> (pid: Int32, socket: Int32, buffer: UnsafeMutableRawPointer, size: UInt64) {
    func failure(_ what: String) -> SandboxFailure { SandboxFailure("\(what): \(String(cString: strerror(errno)))") }
    let image = open(disk.path, (disk.isCopyOnWrite ? O_RDONLY : O_RDWR) | O_CLOEXEC)
    guard image >= 0 else { throw failure("cannot open the disk image \(disk.path)") }
    defer { Glibc.close(image) }
    if !ImageLock.take(image, writing: !disk.isCopyOnWrite) {
      throw SandboxFailure("another system uses the disk image \(disk.path)", advice: "end it, or choose another with --disk")
    }
    let length = lseek(image, 0, SEEK_END)
    guard length >= 512 else { throw SandboxFailure("the disk image \(disk.path) holds no sector") }
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else { throw failure("no socket for the disk") }
    let name: StaticString = "apus-disk"
    let shared = Int32(truncatingIfNeeded: linux_call(Int64(LINUX_memfd_create.rawValue), Int64(Int(bitPattern: name.utf8Start)), 1, 0, 0, 0, 0))  // MFD_CLOEXEC
    defer {
      Glibc.close(ends[1])
      if shared >= 0 { Glibc.close(shared) }
    }
    guard shared >= 0, ftruncate(shared, bufferSize) == 0,
      let buffer = mmap(nil, bufferSize, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0), buffer != MAP_FAILED
    else { throw failure("no memory for the disk") }
    let pid = try Spawn.start(
      program, ["apus-disk", Self.word, disk.isCopyOnWrite ? "private" : "shared", "\(length)"], descriptors: [ends[1], image, shared], from: socketFile)
    return (pid, ends[0], buffer, UInt64(length) & ~511)
  }

  // MARK: The process

  /// - Parameter arguments: what came after `word`.
  public static func main(_ arguments: [String]) -> Never {
    guard arguments.count == 2, let length = Int(arguments[1]) else { exit(2) }
    _ = linux_call(Int64(LINUX_prctl.rawValue), 1, Int64(SIGKILL), 0, 0, 0, 0)  // PR_SET_PDEATHSIG
    let name: StaticString = "apus-image"
    _ = linux_call(Int64(LINUX_prctl.rawValue), 15, Int64(Int(bitPattern: name.utf8Start)), 0, 0, 0, 0)  // PR_SET_NAME
    guard let buffer = mmap(nil, bufferSize, PROT_READ | PROT_WRITE, MAP_SHARED, bufferFile, 0), buffer != MAP_FAILED else { exit(3) }
    close(bufferFile)
    var image: UnsafeMutableRawPointer?
    if arguments[0] == "private" {
      // Pages that are written become ours, and nobody else ever sees them.
      guard let bytes = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, imageFile, 0), bytes != MAP_FAILED else { exit(3) }
      image = bytes
      close(imageFile)
    }
    _ = linux_call(Int64(LINUX_close_range.rawValue), 0, 2, 0, 0, 0, 0)
    _ = linux_call(Int64(LINUX_close_range.rawValue), Int64(image == nil ? imageFile + 1 : imageFile), Int64(UInt32.max), 0, 0, 0, 0)
    guard lock() else { exit(4) }
    serve(buffer, image, length)
  }

  /// Everything but `allowedCalls` is death from here on.
  private static func lock() -> Bool {
    guard let filter = seccomp_init(seccomp_action_kill_process()) else { return false }
    for call in allowedCalls where seccomp_add(filter, seccomp_action_allow(), Int32(call.number)) != 0 { return false }
    return seccomp_load(filter) == 0
  }

  /// Orders, one after the other, without a byte of heap.
  private static func serve(_ buffer: UnsafeMutableRawPointer, _ image: UnsafeMutableRawPointer?, _ length: Int) -> Never {
    var order = DiskOrder()
    while true {
      let count = withUnsafeMutableBytes(of: &order) { recv(socketFile, $0.baseAddress, $0.count, 0) }
      if count < 0 && errno == EINTR { continue }
      guard count == MemoryLayout<DiskOrder>.size else { _exit(0) }
      var answer = DiskAnswer(token: order.token, error: carryOut(order, buffer, image, length))
      _ = withUnsafeBytes(of: &answer) { send(socketFile, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
  }

  private static func carryOut(_ order: DiskOrder, _ buffer: UnsafeMutableRawPointer, _ image: UnsafeMutableRawPointer?, _ length: Int) -> UInt64 {
    guard order.length <= UInt64(bufferSize), order.position <= UInt64(length), order.length <= UInt64(length) - order.position else { return UInt64(EINVAL) }
    let size = Int(order.length)
    if let image {
      let place = image + Int(order.position)
      if order.kind == 0 { buffer.copyMemory(from: place, byteCount: size) }
      if order.kind == 1 { place.copyMemory(from: buffer, byteCount: size) }
      return 0
    }
    if order.kind == 2 { return fdatasync(imageFile) == 0 ? 0 : UInt64(errno) }
    var done = 0
    while done < size {
      let place = off_t(order.position) + off_t(done)
      let count = order.kind == 0 ? pread(imageFile, buffer + done, size - done, place) : pwrite(imageFile, buffer + done, size - done, place)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return count < 0 ? UInt64(errno) : UInt64(EIO) }
      done += count
    }
    return 0
  }
}
