import ServerKit
import Testing

@Suite("Command line") struct CommandLineTests {
  @Test("whole words are found, parts of words are not") func words() {
    let line = CommandLine("ipc=int batch  run=/a/b\trunway")
    #expect(line.has("batch") && line.has("ipc=int"))
    #expect(!line.has("bat") && !line.has("run=") && !line.has("way"))
  }

  @Test("what follows a prefix") func values() {
    #expect(CommandLine("batch run=/a/b root=ram").value("run=") == Array("/a/b".utf8))
    #expect(CommandLine("run=").value("run=") == [])
    #expect(CommandLine("batch xrun=/a").value("run=") == nil)
    #expect(CommandLine("").value("run=") == nil)
  }
}
