import Foundation
import Simulator
import ToolKit

extension OutcomeRecord {
  func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return try encoder.encode(self)
  }
}

extension Scenario {
  init(_ plan: PlanRecord) throws {
    if let text = plan.text { self.init(text: Array(text.utf8)) } else { self.init(scriptSeed: plan.script ?? 1) }
    seed = plan.seed
    rootInMemory = plan.ram ?? false
    recovers = plan.recovers ?? true
    if let name = plan.mistake {
      guard let known = Mistake(rawValue: name) else { throw Failure("'\(name)' is no mistake") }
      mistake = known
    }
    records = plan.points ?? false
    if let limit = plan.messageLimit { messageLimit = limit }
    for text in plan.faults ?? [] {
      guard let fault = Fault(text) else { throw Failure("'\(text)' is no fault") }
      faults.append(fault)
    }
  }
}

extension Commands {
  /// A run for each line. Each is a child of its own: what crashed lives have leaked goes with it, and a simulator that is itself
  /// broken by a plan harms no other.
  mutating func batch() throws {
    try end()
    let image = try Disk.standard()
    var answer = 0
    // Disks that the reader of our answers has had already are not written again.
    var known: Set<String> = []
    while let line = readLine() {
      let plan = try JSONDecoder().decode(PlanRecord.self, from: Data(line.utf8))
      let scenario = try Scenario(plan)
      fflush(nil)
      let text = try inChild { () -> Data in
        let outcome = World(scenario, disk: image).run()
        let record = OutcomeRecord(outcome, points: plan.points ?? false)
        if let disk = plan.disk, !known.contains(record.diskDigest) { try Files.write(outcome.disk, to: disk) }
        return try record.json()
      }
      if plan.disk != nil, let ended = try text.map({ try JSONDecoder().decode(Ended.self, from: Data($0.utf8)) }), ended.status == 0 {
        known.insert(ended.diskDigest)
      }
      FileHandle.standardOutput.write(Data("{\"id\":\(plan.id ?? answer),\"outcome\":\(text ?? "null")}\n".utf8))
      answer += 1
    }
  }

  private struct Ended: Decodable {
    var status: UInt64?
    var diskDigest: String
  }

  /// What `body` gives, made in a forked process; nil if that died.
  private func inChild(_ body: () throws -> Data) throws -> String? {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw Failure("no pipe") }
    let child = forkProcess()
    if child == 0 {
      close(ends[0])
      guard let data = try? body() else { _exit(3) }
      FileHandle(fileDescriptor: ends[1]).write(data)
      _exit(0)
    }
    guard child > 0 else { throw Failure("no process") }
    close(ends[1])
    let data = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true).readDataToEndOfFile()
    var status: Int32 = 0
    waitpid(child, &status, 0)
    return status == 0 ? String(decoding: data, as: UTF8.self) : nil
  }
}

/// fork(2), which Swift hides for fear of threads; here there is one.
@_silgen_name("fork") private func forkProcess() -> Int32
