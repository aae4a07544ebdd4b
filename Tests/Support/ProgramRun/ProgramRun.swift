import Foundation
import ToolKit

/// Runs our shell and our programs on Linux (`userland`, with Linux in the servers' place), in a folder of their own.
public struct ProgramRun: Sendable {
  public var output: String
  public var status: Int

  /// `output` without the last newline.
  public var text: String { output.hasSuffix("\n") ? String(output.dropLast()) : output }

  /// The program with everything in it: beside the program that runs the tests.
  private static let userland = (try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString)
    .deletingLastPathComponent + "/userland"

  /// Runs `sh -c script` in an empty folder, whose name is in $T, too.
  /// - Parameters:
  ///   - tools: all our programs stand before Linux's in PATH, not only sh.
  ///   - files: what is in the folder at the beginning.
  public init(_ script: String, tools: Bool = false, files: [String: String] = [:], errorsToo: Bool = false) throws {
    let folder = NSTemporaryDirectory() + "apus-" + UUID().uuidString
    let bin = folder + ".bin"
    defer {
      try? FileManager.default.removeItem(atPath: folder)
      try? FileManager.default.removeItem(atPath: bin)
    }
    for path in [folder, bin] { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    for name in tools ? Self.tools + ["sh"] : ["sh"] {
      try FileManager.default.createSymbolicLink(atPath: bin + "/" + name, withDestinationPath: Self.userland)
    }
    for (name, text) in files {
      let path = folder + "/" + name
      try FileManager.default.createDirectory(atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try text.write(toFile: path, atomically: false, encoding: .utf8)
    }
    // Linux's own env sets PATH, in which another env may stand.
    let environment = ["PATH=" + bin + ":/usr/bin:/bin", "T=" + folder, "HOME=/h", "LC_ALL=C"]
    let result = try Child.run(["/usr/bin/env", "-C", folder] + environment + [bin + "/sh", "-c", script], seconds: 60, errorsToo: errorsToo)
    (output, status) = (result.output, Int(result.status))
  }

  static let tools = [
    "cat", "cmp", "cp", "dd", "echo", "env", "false", "free", "grep", "head", "kill", "ln", "ls", "mkdir", "mv", "ps", "pwd", "rm",
    "rmdir", "service", "sha256sum", "sleep", "stat", "touch", "true", "uname", "vmmap", "wc",
  ]
}
