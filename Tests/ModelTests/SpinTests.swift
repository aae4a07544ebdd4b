import Foundation
import Testing
import ToolKit

/// The models of `Tests/Models`, checked by Spin: every order of steps.
@Suite("Spin", .enabled(if: Spin.isThere, "Debian's package spin is not installed; Tools/apus does that"), .serialized) struct SpinTests {
  static let free = [
    Spin("free.pml", "N=4 ENDS=2"), Spin("free.pml", "N=4 ENDS=1 BELLS=1"), Spin("free.pml", "N=3 ENDS=1 BELLS=3"),
    Spin("free.pml", "N=3 ENDS=1 LETTERS=1"), Spin("free.pml", "N=3 ENDS=1 LETTERS=2"),
  ]

  @Test("SEC33 M-N4 threads that do all that they may: no circle, nothing lost or doubled, no answer to the wrong caller", arguments: free)
  func anything(model: Spin) throws {
    let verdict = try model.verdict()
    #expect(verdict.contains("errors: 0"), "\(verdict)")
    #expect(!verdict.contains("search depth too small") && !verdict.contains("memory bound"), "\(verdict)")
  }

  @Test("no deadlock: whatever restarts when, every client of a file system and its driver gets its answers")
  func service() throws {
    let verdict = try Spin("service.pml", "ENDS=4 CALLS=3").verdict()
    #expect(verdict.contains("errors: 0"), "\(verdict)")
  }

  @Test("a rule that is left out is found", arguments: [
    Spin("free.pml", "N=3 ENDS=2 MISTAKE_CIRCLE"), Spin("free.pml", "N=3 ENDS=2 MISTAKE_REPLY"), Spin("free.pml", "N=3 ENDS=2 MISTAKE_NAME"),
    Spin("free.pml", "N=3 ENDS=2 MISTAKE_DEATH"), Spin("free.pml", "N=3 ENDS=1 BELLS=3 MISTAKE_BELL"), Spin("free.pml", "N=3 ENDS=1 LETTERS=2 MISTAKE_ENVELOPE"),
    Spin("free.pml", "N=3 ENDS=2 MISTAKE_RESTART"), Spin("free.pml", "N=3 ENDS=2 MISTAKE_ORDER"), Spin("service.pml", "ENDS=2 CALLS=2 MISTAKE_RESTART"),
  ])
  func mistake(model: Spin) throws {
    // It is found so soon that the compiler would be the slower part.
    let verdict = try model.verdict("-O0")
    #expect(verdict.contains("errors: 1") && verdict.contains("assertion violated"), "\(verdict)")
  }
}

/// One model with its words, in a folder of its own.
struct Spin: Sendable, CustomTestStringConvertible {
  var model: String
  var words: [String]
  init(_ model: String, _ words: String) {
    self.model = model
    self.words = words.split(separator: " ").map { "-D\($0)" }
  }

  var testDescription: String { ([model] + words).joined(separator: " ") }

  static let isThere = path("spin") != nil

  private static func path(_ command: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(command)" }.first(where: FileManager.default.isExecutableFile)
  }

  /// The compiler for what Spin writes: gcc, or the clang that came with Swift.
  private static func compiler() throws -> String {
    if let gcc = path("gcc") { return gcc }
    guard let swift = path("swift") else { throw Failure("no C compiler") }
    return URL(fileURLWithPath: swift).resolvingSymlinksInPath().deletingLastPathComponent().path + "/clang"
  }

  /// What the verifier says.
  func verdict(_ effort: String = "-O2") throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-spin-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Models")
    for file in ["ipc.pml", "free.pml", "service.pml"] {
      try FileManager.default.copyItem(at: models.appendingPathComponent(file), to: folder.appendingPathComponent(file))
    }
    func run(_ command: [String]) throws -> String { try Child.run(command, seconds: 120, folder: folder.path).succeeded(command[0]) }
    _ = try run(["spin"] + words + ["-a", model])
    _ = try run([Self.compiler(), effort, "-w", "-DSAFETY", "-DMEMLIM=2048", "-o", "pan", "pan.c"])
    return try Child.run(["./pan", "-m1000000"], seconds: 120, folder: folder.path).output
  }
}
