import Testing
import ToolKit

@Suite("Memory maps of the booted system", .enabled(if: System.isReady)) struct VMMapTests {
  @Test("V77: apus vmmap draws init, the shell and every service, and its frames add up", arguments: [ToolKit.Host.processes])
  func booted(host: ToolKit.Host) throws {
    let result = try MapRun(System.image()) { _ in }.run("cat /etc/motd", of: MapRun.Subject.usual, on: host, seconds: 200)
    #expect(result.ending == .shutdown(0))
    let map = try MapText.parse(try #require(result.dump))
    #expect(map.spaces.count == MapRun.Subject.usual.count && map.spaces.allSatisfy { $0.note == nil && $0.resident > 0 })
    #expect(map.spaces[0].name == "init" && map.spaces[1].name == "sh")
    // The shell was forked by init: the code is there once.
    #expect(map.spaces[1].shared > 0 && map.spaces[1].regions.contains { $0.kind == "stack" })
    // The file was read, and the processes have no more than there is.
    #expect(try #require(map.frames.values["cache-fills"]) > 0)
    #expect(map.spaces.reduce(0) { $0 + $1.resident - $1.shared } <= map.frames.user)
    #expect(MapPicture(map, title: "test").svg.contains("<title>"))
  }
}
