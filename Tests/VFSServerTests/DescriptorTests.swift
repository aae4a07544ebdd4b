import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("dup, fcntl, close-on-exec")
struct DescriptorTests {
  let world = World()
  let p: Client
  init() {
    p = Client(world, slot: 64)
    world.root.file("/f", "0123456789")
  }

  @Test("dup shares the position, dup2 closes its target, dup2 to itself does nothing")
  func duplicate() throws {
    let fd = try p.open("/f")
    let copy = try p.duplicate(fd)
    #expect(copy == 1)
    #expect(try p.text(fd, 3) == "012")
    #expect(try p.text(copy, 3) == "345")
    let other = try p.open("/f")
    #expect(try p.duplicate(fd, to: other) == other)
    #expect(try p.text(other, 3) == "678")
    #expect(try p.duplicate(fd, to: fd) == fd)
    #expect(try p.duplicate(fd, to: 63) == 63)
    #expect(failure { try p.duplicate(fd, to: 64) } == .badFileDescriptor)
    #expect(failure { try p.duplicate(fd, to: -2) } == .badFileDescriptor)
    #expect(failure { try p.duplicate(50, to: 3) } == .badFileDescriptor)
    try p.close(fd)
    #expect(try p.text(copy, 3) == "9")
    #expect(world.filesInUse == 1)
    world.audit()
  }

  @Test("F_DUPFD takes the lowest at or above; F_GETFD, F_SETFD, F_GETFL, F_SETFL")
  func fileControl() throws {
    let fd = try p.open("/f", Flags.readWrite | Flags.append | Flags.closeOnExec)
    #expect(try p.fileControl(fd, 1) == 1)
    #expect(try p.fileControl(fd, 0, 10) == 10)
    #expect(try p.fileControl(10, 1) == 0)
    #expect(try p.fileControl(fd, 1030, 10) == 11)
    #expect(try p.fileControl(11, 1) == 1)
    #expect(try p.fileControl(10, 2, 1) == 0)
    #expect(try p.fileControl(10, 1) == 1)
    #expect(try p.fileControl(fd, 3) == Int64(Flags.readWrite | Flags.append))
    #expect(try p.fileControl(fd, 4, UInt64(Flags.nonBlocking)) == 0)
    #expect(try p.fileControl(10, 3) == Int64(Flags.readWrite | Flags.nonBlocking))
    #expect(failure { try p.fileControl(fd, 0, 64) } == .invalidArgument)
    #expect(failure { try p.fileControl(fd, 0, .max) } == .invalidArgument)
    #expect(failure { try p.fileControl(fd, 99) } == .invalidArgument)
    world.audit()
  }

  @Test("64 descriptors, then EMFILE for everything that gives one")
  func many() throws {
    for _ in 0..<64 { try p.open("/f") }
    #expect(failure { try p.open("/f") } == .tooManyOpenFiles)
    #expect(failure { try p.duplicate(0) } == .tooManyOpenFiles)
    #expect(failure { try p.pipe() } == .tooManyOpenFiles)
    #expect(failure { try p.fileControl(0, 0, 0) } == .tooManyOpenFiles)
    try p.close(40)
    #expect(failure { try p.pipe() } == .tooManyOpenFiles)
    #expect(world.pipesInUse == 0)
    #expect(try p.duplicate(0, to: 63) == 63)
    p.exit()
    world.run()
    #expect(world.filesInUse == 0)
    world.audit()
  }
}
