import IPC
import Protocols
import Testing
@testable import VFSServer

@Suite struct SmokeTests {
  @Test("a file is opened, read, written, closed, looked at")
  func file() throws {
    let world = World()
    world.root.file("/motd", "hello")
    let p = Client(world, slot: 64)
    let fd = try p.open("/motd")
    #expect(fd == 0)
    #expect(try p.text(fd) == "hello")
    #expect(try p.text(fd) == "")
    try p.close(fd)
    let out = try p.open("/tmp/x", VFS.OpenFlags.create | VFS.OpenFlags.writeOnly)
    #expect(try p.write(out, "some text") == 9)
    #expect(try p.stat("/tmp/x").size == 9)
    #expect(try p.list("/") == [".", "..", "dev", "proc", "mnt", "tmp", "motd"])
    #expect(try p.list("/dev") == [".", "..", "console", "tty", "null", "zero", "ram0", "hd0", "hd1", "hd2", "hd3"])
    let console = try p.open("/dev/console", VFS.OpenFlags.readWrite)
    try p.write(console, "$ ")
    #expect(world.terminal.output == Array("$ ".utf8))
    p.start(p.readCall(console, 100))
    world.run()
    #expect(p.answer() == nil)
    world.terminal.type("ls\n")
    #expect(try p.answer()?.reply(VFS.Count.self).count == 3)
  }
}
