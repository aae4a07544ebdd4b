import DeviceModels
import Glibc
import Sandbox

/// What a disk's process is asked and answers; the bytes are in memory that both share.
struct DiskOrder: BitwiseCopyable {
  /// 0 read, 1 write, 2 flush.
  var kind: UInt64 = 0
  var position: UInt64 = 0
  var length: UInt64 = 0
  var token: UInt64 = 0
}
struct DiskAnswer: BitwiseCopyable {
  var token: UInt64 = 0
  /// 0, or an errno.
  var error: UInt64 = 0
}

/// A disk image as a device's store: orders go to the process that holds the file, one at a time.
final class DiskFile: BlockStore {
  let size: UInt64
  let isReadOnly = false
  /// Readable when there is an answer.
  let descriptor: Int32
  private(set) var isBroken = false

  let pid: Int32
  private let buffer: UnsafeMutableRawPointer
  /// In their order; the first is with the process. A write has its bytes with it: the guest's memory may be another's by the
  /// time it is written.
  private var queue: [(request: BlockRequest, bytes: [UInt8])] = []

  /// - Parameter program: the broker's own.
  init(_ disk: Broker.Disk, program: String = "/proc/self/exe") throws(SandboxFailure) {
    let started = try DiskProcess.start(disk, program)
    (pid, descriptor, buffer, size) = (started.pid, started.socket, started.buffer, started.size)
  }

  func begin(_ request: BlockRequest) -> BlockOutcome? {
    if isBroken { return .failed }
    var bytes: [UInt8] = []
    if request.kind == .write {
      bytes = [UInt8](unsafeUninitializedCapacity: request.length) { bytes, count in
        request.gather(into: UnsafeMutableRawBufferPointer(bytes))
        count = request.length
      }
    }
    queue.append((request, bytes))
    if queue.count == 1 { order() }
    return nil
  }

  /// Gives the first request to the process.
  private func order() {
    guard let (request, bytes) = queue.first else { return }
    if !bytes.isEmpty { bytes.withUnsafeBytes { buffer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) } }
    let kind: UInt64 = switch request.kind {
    case .read: 0
    case .write: 1
    case .flush: 2
    }
    var order = DiskOrder(kind: kind, position: request.position, length: UInt64(request.length), token: request.token)
    // If nobody is there, the socket says so when it is read.
    _ = withUnsafeBytes(of: &order) { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// Takes an answer and tells of it; of all that is open as failed if the process has ended.
  func hear(_ complete: (UInt64, BlockOutcome, UnsafeRawBufferPointer?) -> Void) {
    var answer = DiskAnswer()
    let count = withUnsafeMutableBytes(of: &answer) { recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }
    if count < 0, errno == EAGAIN || errno == EINTR { return }
    guard count == MemoryLayout<DiskAnswer>.size, let (request, _) = queue.first, answer.token == request.token else {
      isBroken = true
      let open = queue
      queue = []
      for (request, _) in open { complete(request.token, .failed, nil) }
      return
    }
    queue.removeFirst()
    // Before the next order: its bytes come into the same place.
    complete(request.token, answer.error == 0 ? .done : .failed, request.kind == .read ? UnsafeRawBufferPointer(start: buffer, count: request.length) : nil)
    order()
  }

  func close() {
    Glibc.close(descriptor)
    munmap(buffer, DiskProcess.bufferSize)
    // It ends when the socket does, after the write that it has in hand.
    while waitpid(pid, nil, 0) < 0 && errno == EINTR {}
  }
}
