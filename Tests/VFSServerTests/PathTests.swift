import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("paths")
struct PathTests {
  let world = World()
  let p: Client
  init() {
    p = Client(world, slot: 64)
    world.root.directory("/a")
    world.root.directory("/a/b")
    world.root.file("/a/b/f", "deep")
    world.root.file("/top", "top")
  }
  func read(_ path: String) throws -> String {
    let fd = try p.open(path)
    let text = try p.text(fd)
    try p.close(fd)
    return text
  }

  @Test("dots, doubled slashes and detours lead to the same file", arguments: [
    "/a/b/f", "//a///b//f", "/./a/./b/./f", "/a/../a/b/f", "/../../a/b/f", "/a/b/../b/f", "/proc/../a/b/f", "/dev/../a/b/f", "a/b/f", "./a/b/f",
  ])
  func detours(_ path: String) throws {
    #expect(try read(path) == "deep")
    world.audit()
  }

  @Test("links: relative, absolute, through directories, several in a row")
  func links() throws {
    world.root.symlink("/a/rel", "b/f")
    world.root.symlink("/a/up", "../top")
    world.root.symlink("/a/abs", "/a/b")
    world.root.symlink("/chain1", "chain2")
    world.root.symlink("/chain2", "/a/abs/../rel")
    world.root.symlink("/toRoot", "/")
    #expect(try read("/a/rel") == "deep")
    #expect(try read("/a/up") == "top")
    #expect(try read("/a/abs/f") == "deep")
    #expect(try read("/chain1") == "deep")
    #expect(try read("/toRoot/a/b/f") == "deep")
    #expect(try p.stat("/a/rel", follow: false).mode & VFS.Mode.typeMask == VFS.Mode.symbolicLink)
    #expect(try p.stat("/a/abs/", follow: false).mode & VFS.Mode.typeMask == VFS.Mode.directory)
    #expect(failure { try p.stat("/a/rel/", follow: false) } == .notDirectory)
    world.audit()
  }

  @Test("40 links are followed, 41 are ELOOP, and so is a loop")
  func loops() throws {
    world.root.symlink("/l0", "top")
    for n in 1...41 { world.root.symlink("/l\(n)", "l\(n - 1)") }
    #expect(try read("/l39") == "top")
    #expect(failure { try p.open("/l40") } == .tooManyLevels)
    world.root.symlink("/self", "self")
    world.root.symlink("/ping", "pong/x")
    world.root.symlink("/pong", "ping")
    #expect(failure { try p.open("/self") } == .tooManyLevels)
    #expect(failure { try p.open("/ping") } == .tooManyLevels)
    #expect(try p.readLink("/self") == "self")
    world.audit()
  }

  @Test("a link's text that makes the path too long is ENAMETOOLONG; an empty one ENOENT")
  func longLinks() throws {
    world.root.symlink("/long", String(repeating: "./", count: 2040))
    #expect(try read("/long/top") == "top")
    #expect(failure { try p.open("/long/" + String(repeating: "./", count: 100) + "top") } == .nameTooLong)
    world.root.symlink("/empty", "")
    #expect(failure { try p.open("/empty") } == .noSuchFile)
    world.audit()
  }

  @Test("a path of 4095 bytes works")
  func longest() throws {
    let path = String(repeating: "/", count: 4091) + "/top"
    #expect(path.utf8.count == 4095)
    #expect(try read(path) == "top")
    world.audit()
  }

  @Test("readlink: contents, shortened to the buffer; EINVAL for what is no link and for no buffer")
  func readLink() throws {
    world.root.symlink("/a/rel", "b/f")
    #expect(try p.readLink("/a/rel") == "b/f")
    #expect(try p.readLink("/a/rel", capacity: 2) == "b/")
    #expect(failure { try p.readLink("/a/rel", capacity: 0) } == .invalidArgument)
    #expect(failure { try p.readLink("/top") } == .invalidArgument)
    #expect(failure { try p.readLink("/dev/null") } == .invalidArgument)
    world.audit()
  }

  @Test("chdir and getcwd, across mounts, after a rename, in a removed directory")
  func directories() throws {
    #expect(try p.currentDirectory() == "/")
    try p.changeDirectory("a/b")
    #expect(try p.currentDirectory() == "/a/b")
    #expect(try read("f") == "deep")
    #expect(try read("../../top") == "top")
    try p.rename("/a", "/renamed")
    #expect(try p.currentDirectory() == "/renamed/b")
    #expect(failure { try p.currentDirectory(capacity: 9) } == .outOfRange)
    #expect(try p.currentDirectory(capacity: 10) == "/renamed/b")
    try p.changeDirectory("/dev")
    #expect(try p.currentDirectory() == "/dev")
    #expect(try p.stat("null").special == 3)
    #expect(try p.stat("../top").size == 3)
    try p.makeDirectory("/tmp/gone")
    try p.changeDirectory("/tmp/gone")
    try p.removeDirectory("/tmp/gone")
    #expect(failure { try p.currentDirectory() } == .noSuchFile)
    #expect(failure { try p.open("x", Flags.create) } == .noSuchFile)
    #expect(failure { try p.changeDirectory("/top") } == .notDirectory)
    #expect(failure { try p.changeDirectory("/none") } == .noSuchFile)
    try p.changeDirectory("/")
    world.audit()
  }

  @Test("getcwd of a deep and wide directory")
  func deep() throws {
    var path = ""
    for n in 0..<12 {
      path += "/directory\(n)"
      try p.makeDirectory(path)
      for m in 0..<30 { try p.makeDirectory("\(path)/sibling-with-a-long-name-\(m)") }
    }
    try p.changeDirectory(path)
    #expect(try p.currentDirectory() == path)
    world.audit()
  }

  @Test("a child inherits descriptors and directory, and keeps its own afterwards")
  func fork() throws {
    let fd = try p.open("/top")
    try p.changeDirectory("/a")
    let child = Client(world, parent: p, slot: 65)
    #expect(try child.currentDirectory() == "/a")
    #expect(try child.text(fd) == "top")
    #expect(try p.text(fd) == "")
    try child.changeDirectory("b")
    try child.close(fd)
    #expect(try p.currentDirectory() == "/a")
    #expect(try p.seek(fd, 0) == 0)
    child.exit()
    p.exit()
    world.run()
    #expect(world.filesInUse == 0)
    world.audit()
  }

  @Test("a file system that is asked for a name never sees an empty one, a dot or a slash")
  func names() throws {
    _ = try? read("//a/.//./b/../b/f/")
    _ = try? read("/a/b/f/..")
    // MemoryFileSystem answers EINVAL for empty names; the others it would not find.
    world.audit()
  }
}
