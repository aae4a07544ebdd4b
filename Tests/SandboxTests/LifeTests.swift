import CLinux
import CX86
import Foundation
@testable import Sandbox
import Testing
import ToolKit

extension SandboxTests {
  @Suite("life and death") struct Life {
    @Test("kill -9 from outside is told, whether the process runs or waits")
    func killed() throws {
      let world = try World()
      try world.start(0, .loop)
      try world.start(1, .trap)
      #expect(world.go(1, full: true) == .trap(slot: 1))
      world.sandbox.resume(slot: 0, full: true)
      kill(try #require(world.sandbox.pid(slot: 1)), SIGKILL)
      #expect(world.next() == .died(slot: 1))
      kill(try #require(world.sandbox.pid(slot: 0)), SIGKILL)
      #expect(world.next() == .died(slot: 0))
      for slot in 0..<2 { #expect(world.signal(slot) == SIGKILL && world.sandbox.pid(slot: slot) == nil) }
      // The slots can be used again; orders to the dead are nothing.
      world.sandbox.resume(slot: 0, full: true)
      world.sandbox.interrupt(slot: 0)
      world.sandbox.destroy(slot: 0)
      try world.start(0, .trap)
      #expect(world.go(full: true) == .trap(slot: 0))
    }

    @Test("destroyed means gone: no process, and no news of it")
    func destroyed() throws {
      let world = try World()
      try world.start(0, .trap)
      let pid = try #require(world.sandbox.pid(slot: 0))
      world.sandbox.resume(slot: 0, full: true)
      world.sandbox.destroy(slot: 0)
      #expect(kill(pid, 0) == -1 && errno == ESRCH)
      #expect(world.sandbox.wait(until: Sandbox.now() + 2_000_000) == .timeout)
    }

    @Test("a process bears the name that it was given, for those who look for it", arguments: ["", "disk", "a name that is far too long"])
    func name(_ name: String) throws {
      let world = try World()
      try world.sandbox.create(slot: 2, name: name)
      let pid = try #require(world.sandbox.pid(slot: 2))
      let shown = try String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
      #expect(shown == (name.isEmpty ? "linux-stub" : String(name.prefix(15))) + "\n")
    }

    @Test("a new process has nothing of its predecessor's")
    func fresh() throws {
      let world = try World()
      try world.start(0, .load) { $0.rsi = 0x1000_0000 }
      world.map(0x1000_0000, free: 0)
      #expect(world.go(full: true) == .trap(slot: 0))
      world.sandbox.unmap(slot: 0, address: 0x1000_0000, length: 4096)  // an order that it does not live to carry out
      world.sandbox.destroy(slot: 0)
      try world.start(0, .load) { $0.rsi = 0x1000_0000 }
      #expect(world.go(full: true) == .fault(slot: 0, address: 0x1000_0000, error: 4))
    }

    @Test("other descriptors are told of, as long as there is something to read, and deadlines are kept")
    func descriptors() throws {
      let world = try World()
      var ends: [Int32] = [0, 0]
      #expect(pipe(&ends) == 0)
      defer { for end in ends { close(end) } }
      world.sandbox.watch(ends[0])
      #expect(world.sandbox.wait(until: 0) == .timeout)
      write(ends[1], "x", 1)
      for _ in 0..<2 { #expect(world.next() == .ready(descriptor: ends[0])) }
      world.sandbox.unwatch(ends[0])
      let deadline = Sandbox.now() + 3_000_000
      #expect(world.sandbox.wait(until: deadline) == .timeout)
      #expect(Sandbox.now() >= deadline)
    }

    @Test("what is missing is said, with what would help")
    func failures() {
      let failure = #expect(throws: SandboxFailure.self) { try Sandbox(frames: 4096, slots: 1, stub: "/nowhere/linux-stub") }
      #expect(failure?.reason.contains("/nowhere/linux-stub") == true && failure?.advice != nil)
      #expect(throws: SandboxFailure.self) { try Sandbox(frames: 4096, slots: 1, stub: "/bin/true") }
    }

    /// Counts in a process of its own: this one runs other tests meanwhile.
    @Test("1,000 processes and a close later nothing is left: no process, descriptor, mapping or thread")
    func leftovers() throws {
      let said = try Child.run([HostProgram.path, "cycles", StubFile.path, "1000"], seconds: 120)
      #expect(said.status == 0 && said.output == "nothing left after 1000\n", "\(said.output)")
    }

    @Test("when the broker is killed all processes die, the one in an endless loop too")
    func brokerKilled() throws {
      let child = try Child([HostProgram.path, "hold", StubFile.path, "8"], seconds: 60, pipes: .output)
      var text = ""
      while !text.contains("\n"), let more = Child.readable(child.output, milliseconds: 10_000), !more.isEmpty { text += String(decoding: more, as: UTF8.self) }
      defer { close(child.output) }
      let pids = text.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
      try #require(pids.count == 9)
      let handles = pids.dropFirst().map { (pid: Int32) in Int32(linux_call(Int64(LINUX_pidfd_open.rawValue), Int64(pid), 0, 0, 0, 0, 0)) }
      #expect(handles.allSatisfy { $0 >= 0 })
      kill(pids[0], SIGKILL)
      for handle in handles {
        var entry = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 30_000) == 1)
        close(handle)
      }
      _ = child.wait()
    }

    @Test("an ordinary user can do all that", .enabled(if: getuid() == 0))
    func ordinaryUser() throws {
      // Where that user can reach them.
      let folder = NSTemporaryDirectory() + "apus-sandbox-\(getpid())"
      try Files.makeDirectory(folder)
      defer { Files.remove(folder) }
      _ = try Child.run(["cp", HostProgram.path, StubFile.path, folder]).succeeded("cp")
      _ = try Child.run(["chmod", "-R", "a+rX", folder]).succeeded("chmod")
      // Under coverage it would write a profile into a folder that is not its own, and complain.
      let said = try Child.run(
        ["env", "LLVM_PROFILE_FILE=/dev/null", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder + "/sandbox-host", "cycles", folder + "/linux-stub", "20"], seconds: 60)
      #expect(said.status == 0 && said.output == "nothing left after 20\n", "\(said.output)")
    }
  }
}
