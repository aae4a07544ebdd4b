import Foundation

/// The simulator as child processes that read runs and write outcomes, a line each. Their disks go to memory, and each
/// disk that was not seen before is shown to `e2fsck`.
public final class SimulatorWorkers: CampaignHost {
  private final class Worker {
    let child: Child
    let disk: String
    var buffer: [UInt8] = []
    init(_ child: Child, disk: String) {
      self.child = child
      self.disk = disk
    }
  }

  private var workers: [Worker] = []
  private let folder: String
  /// Digests of disks, and what `e2fsck` says of them.
  private var judged: [String: String?] = [:]
  public var slots: Int { workers.count }

  /// - Parameter program: the executable `simulator`.
  public init(_ program: String, count: Int, seconds: Int) throws {
    let memory = "/dev/shm"
    let base = Files.isDirectory(memory) ? memory : NSTemporaryDirectory()
    folder = "\(base)/apus-campaign-\(getpid())"
    try Files.makeDirectory(folder)
    for number in 0..<count {
      // The time in the file system's superblock, so that the same run leaves the same bytes on every machine.
      let child = try Child([program, "batch"], seconds: seconds, pipes: [.input, .output], environment: ["E2FSPROGS_FAKE_TIME": "1704067200"])
      workers.append(Worker(child, disk: "\(folder)/\(number).img"))
    }
  }

  public func start(_ run: CampaignRun, slot: Int) throws {
    var run = run
    run.id = slot
    run.disk = workers[slot].disk
    var bytes = [UInt8](try JSONEncoder().encode(run)) + [10]
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes { write(workers[slot].child.input, $0.baseAddress!, $0.count) }
      if written > 0 { bytes.removeFirst(written) } else if errno == EAGAIN { wait(for: workers[slot].child.input, POLLOUT) } else {
        throw Failure("the simulator has gone")
      }
    }
  }

  private func wait(for descriptor: Int32, _ events: Int32) {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    _ = poll(&entry, 1, 1000)
  }

  private struct Line: Decodable {
    var id: Int
    var outcome: CampaignOutcome?
  }

  public func next() throws -> (slot: Int, outcome: CampaignOutcome?, diskComplaint: String?) {
    while true {
      for (slot, worker) in workers.enumerated() {
        guard let end = worker.buffer.firstIndex(of: 10) else { continue }
        let line = Data(worker.buffer[..<end])
        worker.buffer.removeFirst(end + 1)
        let outcome = try JSONDecoder().decode(Line.self, from: line).outcome
        return (slot, outcome, try outcome.flatMap { try complaint($0, worker.disk) })
      }
      var entries = workers.map { pollfd(fd: $0.child.output, events: Int16(POLLIN), revents: 0) }
      _ = poll(&entries, nfds_t(entries.count), 1000)
      for (entry, worker) in zip(entries, workers) where entry.revents != 0 {
        guard let bytes = Child.readable(worker.child.output, milliseconds: 0) else { throw Failure("the simulator has gone") }
        worker.buffer += bytes
      }
    }
  }

  /// A run that did not come to its end has not written everything out.
  private func complaint(_ outcome: CampaignOutcome, _ disk: String) throws -> String? {
    guard outcome.ending == "shutdown", outcome.status == 0 else { return nil }
    if let known = judged[outcome.diskDigest] { return known }
    let found = try DiskImage.complaint(disk)
    judged[outcome.diskDigest] = found
    return found
  }

  /// Ends them.
  public func close() {
    for worker in workers {
      Glibc.close(worker.child.input)
      Glibc.close(worker.child.output)
      worker.child.kill()
      _ = worker.child.wait()
    }
    workers = []
    Files.remove(folder)
  }
}
