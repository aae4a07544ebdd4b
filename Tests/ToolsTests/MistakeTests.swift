import Testing
import ToolKit

@Suite("Planted mistakes") struct MistakeTests {
  @Test("each text is in the tree of today exactly once, and a dozen are VM's") func today() throws {
    let project = try Project.find()
    func source(_ path: String) throws -> String { String(decoding: try Files.read(path), as: UTF8.self) }
    let mistakes = try Mistakes(source(Mistakes.path(project)))
    #expect(mistakes.complaints { try source(project.root + "/" + $0) } == [])
    #expect(mistakes.list.filter { $0.target == "VMServerTests" }.count >= 12)
  }

  @Test("a list that has rotted is seen") func rotten() throws {
    let head = "name\ttests\tfile\ttext\treplacement\tmeaning\n"
    let mistakes = try Mistakes(head + "a\tT.S\tf\tone\ttwo\tm\na\tT\tf\tthree\tthree\tm\nb\tT\tg\tone\ttwo\tm\n")
    #expect(mistakes.list[0].target == "T" && mistakes.list[0].tests == "T.S")
    let complaints = mistakes.complaints { path in
      guard path == "f" else { throw Failure("no") }
      return "one one"
    }
    #expect(complaints == ["a changes nothing", "a stands 2 times", "a: f has its text 0 times", "a: f has its text 2 times", "b: there is no g"].sorted())
    #expect(throws: Failure.self) { try Mistakes(head + "a\tb\tc\n") }
  }
}
