import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("unlink, rename, link, mkdir and rmdir")
struct NameTests {
  let world = World()
  let p: Client
  init() {
    p = Client(world, slot: 64)
    world.root.directory("/d")
    world.root.file("/d/f", "f")
    world.root.file("/g", "g")
    world.root.directory("/empty")
    world.root.symlink("/link", "g")
    world.root.symlink("/dlink", "d")
  }

  @Test("unlink takes a name away, of a link the link's; directories are EISDIR")
  func unlink() throws {
    try p.unlink("/link")
    #expect(world.root.find("/g") != nil && world.root.find("/link") == nil)
    try p.unlink("/g")
    #expect(world.root.find("/g") == nil)
    #expect(failure { try p.unlink("/g") } == .noSuchFile)
    #expect(failure { try p.unlink("/d") } == .isDirectory)
    #expect(failure { try p.unlink("/d/f/") } == .notDirectory)
    #expect(failure { try p.unlink("/") } == .isDirectory)
    #expect(failure { try p.unlink("/d/.") } == .isDirectory)
    #expect(failure { try p.unlink("/dev/null") } == .notPermitted)
    world.audit()
  }

  @Test("rmdir: empty directories only, never what is mounted on or in use as . or ..")
  func removeDirectory() throws {
    #expect(failure { try p.removeDirectory("/d") } == .notEmpty)
    #expect(failure { try p.removeDirectory("/g") } == .notDirectory)
    #expect(failure { try p.removeDirectory("/dlink") } == .notDirectory)
    #expect(failure { try p.removeDirectory("/empty/.") } == .invalidArgument)
    #expect(failure { try p.removeDirectory("/") } == .invalidArgument)
    #expect(failure { try p.removeDirectory("/dev") } == .busy)
    #expect(failure { try p.removeDirectory("/proc/") } == .busy)
    #expect(failure { try p.removeDirectory("/none") } == .noSuchFile)
    try p.removeDirectory("/empty/")
    #expect(world.root.find("/empty") == nil)
    world.audit()
  }

  @Test("mkdir makes directories with a mode, also with a slash behind; EEXIST, ENOENT")
  func makeDirectory() throws {
    try p.makeDirectory("/new/", mode: 0o700)
    #expect(try p.stat("/new").mode == VFS.Mode.directory | 0o700)
    #expect(failure { try p.makeDirectory("/new") } == .fileExists)
    #expect(failure { try p.makeDirectory("/g") } == .fileExists)
    #expect(failure { try p.makeDirectory("/") } == .fileExists)
    #expect(failure { try p.makeDirectory("/new/.") } == .fileExists)
    #expect(failure { try p.makeDirectory("/no/x") } == .noSuchFile)
    #expect(failure { try p.makeDirectory("/g/x") } == .notDirectory)
    #expect(failure { try p.makeDirectory("/dev/x") } == .notPermitted)
    world.audit()
  }

  @Test("rename within and between directories, over files, and what it refuses")
  func rename() throws {
    try p.rename("/g", "/d/h")
    #expect(world.root.find("/d/h")?.data == Array("g".utf8) && world.root.find("/g") == nil)
    try p.rename("/d/h", "/d/f")
    #expect(world.root.find("/d/f")?.data == Array("g".utf8))
    try p.rename("/d", "/e/")
    #expect(world.root.find("/e/f") != nil)
    #expect(failure { try p.rename("/e", "/e/sub") } == .invalidArgument)
    #expect(failure { try p.rename("/e", "/empty/../e/sub") } == .invalidArgument)
    #expect(failure { try p.rename("/none", "/x") } == .noSuchFile)
    #expect(failure { try p.rename("/e/f", "/empty") } == .isDirectory)
    #expect(failure { try p.rename("/empty", "/e/f") } == .notDirectory)
    #expect(failure { try p.rename("/empty", "/e") } == .notEmpty)
    #expect(failure { try p.rename("/e/f", "/new/") } == .notDirectory)
    #expect(failure { try p.rename("/e/.", "/x") } == .busy)
    #expect(failure { try p.rename("/e", "/empty/..") } == .busy)
    #expect(failure { try p.rename("/dev", "/x") } == .busy)
    #expect(failure { try p.rename("/empty", "/dev") } == .busy)
    #expect(failure { try p.rename("/e/f", "/proc/x") } == .crossDevice)
    #expect(failure { try p.rename("/dev/null", "/x") } == .notPermitted)
    try p.rename("/e/f", "/e/f")
    world.audit()
  }

  @Test("rename with the longest names")
  func renameLong() throws {
    let a = String(repeating: "a", count: 255), b = String(repeating: "b", count: 255)
    try p.close(p.open("/" + a, Flags.create))
    try p.rename("/" + a, "/d/" + b)
    #expect(world.root.find("/d/" + b) != nil)
    #expect(failure { try p.rename("/d/" + b, "/d/" + b + "b") } == .nameTooLong)
    world.audit()
  }

  @Test("link gives a second name; not to directories, not across file systems")
  func link() throws {
    try p.link("/g", "/d/second")
    #expect(try p.stat("/g").links == 2)
    #expect(try p.stat("/d/second").inode == p.stat("/g").inode)
    #expect(failure { try p.link("/g", "/d/second") } == .fileExists)
    #expect(failure { try p.link("/d", "/x") } == .notPermitted)
    #expect(failure { try p.link("/g", "/proc/x") } == .crossDevice)
    #expect(failure { try p.link("/g", "/x/") } == .noSuchFile)
    #expect(failure { try p.link("/none", "/x") } == .noSuchFile)
    try p.link("/link", "/link2")
    #expect(try p.readLink("/link2") == "g")
    world.audit()
  }

  @Test("symlink stores any text; EEXIST, ENOENT for an empty one")
  func symlink() throws {
    try p.symlink("no/matter/what", "/d/s")
    #expect(try p.readLink("/d/s") == "no/matter/what")
    let long = String(repeating: "x", count: 4095)
    try p.symlink(long, "/d/long")
    #expect(try p.readLink("/d/long") == long)
    #expect(failure { try p.symlink("", "/d/e") } == .noSuchFile)
    #expect(failure { try p.symlink("x", "/g") } == .fileExists)
    #expect(failure { try p.symlink("x", "/new/") } == .noSuchFile)
    #expect(failure { try p.symlink(long + "x", "/d/longer") } == .nameTooLong)
    #expect(failure { try p.symlink("x", "/dev/x") } == .notPermitted)
    #expect(failure { try p.call(VFS.SymbolicLink(target: 3, targetLength: 5, path: Client.base, length: 0)) } == .noSuchFile)
    world.audit()
  }

  @Test("readdir gives every entry once, whatever the buffer; too small a buffer is EINVAL")
  func readDirectory() throws {
    for n in 0..<100 { world.root.file("/d/file\(n)") }
    #expect(try p.list("/d", room: 64).sorted() == p.list("/d").sorted())
    #expect(try p.list("/d").count == 103)
    #expect(try p.list("/dev", room: 32).count == 13)
    let fd = try p.open("/d")
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: fd, address: Client.data, length: 8)) } == .invalidArgument)
    let dev = try p.open("/dev")
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: dev, address: Client.data, length: 8)) } == .invalidArgument)
    let file = try p.open("/g")
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: file, address: Client.data, length: 800)) } == .notDirectory)
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: fd, address: 0, length: 800)) } == .badAddress)
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: dev, address: 0, length: 800)) } == .badAddress)
    try p.seek(fd, 0)
    world.audit()
  }
}
