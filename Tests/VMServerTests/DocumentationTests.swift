import Foundation
import Protocols
import Testing

@testable import VMServer

/// What stands in the README of VM against its code.
@Suite struct DocumentationTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Servers/VM").standardizedFileURL
  private static let readme = Result { try String(contentsOf: folder.appending(path: "README.md"), encoding: .utf8) }

  /// The lines of a section of the README.
  private func section(_ title: String) throws -> String {
    let text = try Self.readme.get()
    let start = try #require(text.range(of: "\n## \(title)"), "the section \(title)")
    let rest = text[start.upperBound...]
    return String(rest[..<(rest.range(of: "\n## ")?.lowerBound ?? rest.endIndex)])
  }

  @Test("V95 the README of VM has a line for every kind of memory") func kinds() throws {
    let table = try section("Memory types")
    var count: UInt8 = 0
    while let type = MemoryType(rawValue: count) {
      #expect(table.contains("\n| \(type) |"), "\(type)")
      count += 1
    }
    #expect(count == 10)
  }

  @Test("V95 the README of VM says of every call who may make it", arguments: VM.Number.allCases.map { "\($0)" }) func calls(_ name: String) throws {
    let words = try section("Who may call").lowercased().split { !$0.isLetter }
    #expect(words.contains(Substring(name.lowercased())))
  }

  @Test("V95 the README of VM says of every error that its code throws when that is") func errors() throws {
    let table = try section("Errors")
    var seen: Set<Substring> = []
    let files = FileManager.default.enumerator(at: Self.folder.appending(path: "Logic"), includingPropertiesForKeys: nil)
    while let file = files?.nextObject() as? URL {
      guard file.pathExtension == "swift" else { continue }
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: #/(?:throw |error: )\.([a-z]\w+)/#) { seen.insert(match.1) }
    }
    #expect(seen.count > 10)
    for error in seen.sorted() { #expect(table.contains("`.\(error)`"), "\(error)") }
  }
}
