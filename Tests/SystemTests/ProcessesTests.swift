import Foundation
import Testing
import ToolKit

/// The system in Linux processes, run by the broker.
@Suite("Processes", .enabled(if: System.isReady)) struct ProcessesTests {
  @Test("prints what metal prints") func sameOutput() throws {
    // Times and free memory differ; a fresh /tmp does not.
    let script = """
      uname -a; ls /; ls -l /etc | wc; cat /etc/motd
      sha256sum /bin/*
      ps | grep -c .
      echo a > /tmp/x; cat /tmp/x /nowhere; echo $?
      cat /bin/sh | cat | sha256sum
      service status | grep -c running
      sh -c 'kill -9 $$'; echo $?
      exit 9

      """
    func lines(_ host: ToolKit.Host) throws -> [String] {
      let result = try System.run(System.machine("same-\(host.rawValue)", on: host), script, status: 9)
      return result.output.split(whereSeparator: \.isNewline).map(String.init).filter { !$0.hasPrefix("Apus: ") }
    }
    let (here, there) = (try lines(.processes), try lines(.metal))
    #expect(here.count > 50)
    #expect(here == there)
  }

  @Test("is at its prompt in less than a second") func start() throws {
    let machine = try System.machine("start", on: .processes)
    var best = Double.infinity
    for _ in 0..<3 {
      let start = Date()
      let session = try Session(machine, seconds: 60)
      #expect(session.expectInLog(Batch.ready))
      best = min(best, Date().timeIntervalSince(start))
      session.stop()
    }
    #expect(best < 1)
  }

  @Test("with little and with much memory", arguments: [64, 4096]) func memory(mebibytes: Int) throws {
    var machine = try System.machine("processes-memory\(mebibytes)", on: .processes)
    machine.memory = mebibytes
    let output = try System.run(machine, BootTests.script + "cat /proc/meminfo\n").output
    BootTests.check(output)
    try BootTests.checkMemory(output, mebibytes: mebibytes)
  }

  @Test("without a disk the root is the RAM disk") func noDisk() throws {
    var machine = try System.machine("processes-nodisk", on: .processes)
    machine.disk = .none
    let result = try System.run(machine, "ls /bin && cat /etc/motd\n")
    #expect((result.output + result.log).lowercased().contains("ram disk"))
  }

  @Test("what is written to a disk is there at the next start, and e2fsck has no complaint") func disk() throws {
    var machine = try System.machine("processes-disk", on: .processes)
    let path = try System.ownDisk("processes-disk")
    defer { Files.remove(path) }
    machine.disk = .file(path)
    _ = try System.run(machine, "cp /bin/sh /home/copy; echo kept > /home/note\n")
    #expect(try DiskImage.complaint(path) == nil)
    #expect(try System.run(machine, "cat /home/note; cmp /bin/sh /home/copy && echo same\n").output.contains("same"))
  }

  @Test("hostile programs get an error or a signal, and everybody else goes on") func hostile() throws {
    let result = try System.run(System.machine("processes-hostile", on: .processes), "hostile -n 200000; echo hostile: in all $?\n")
    #expect(result.output.contains("hostile: in all 0") && !result.output.contains("WRONG"), "\(result.output)")
  }

  @Test("a disk that is taken away fails reads and writes, and nothing else") func diskGone() throws {
    let session = try Session(System.machine("processes-gone", on: .processes), seconds: 100)
    #expect(session.expectInLog(Batch.ready))
    let tree = ProcessTree.descendants(of: session.process)
    let disk = try #require(tree.first { ProcessTree.name(of: $0) == "apus-image" })
    // What nobody has read yet is gone, of programs too (SIGBUS); these are in memory.
    session.type("cat /bin/sh /bin/cat /bin/uname | wc -c; echo 'all is' here\n")
    #expect(session.expect("all is here"))
    kill(disk, SIGKILL)
    #expect(session.expectInLog("the process that holds the image is gone"))
    session.type("cat /home/README; echo read $?; uname; exit 4\n")
    #expect(session.end() == .shutdown(4))
    #expect(session.text.contains("read 1") && session.text.contains("Apus"))
  }

  @Test("what this machine forbids is said, with what would help") func complaints() throws {
    func said(_ change: (inout Machine) throws -> Void) throws -> String {
      var machine = try System.machine("processes-complaints", on: .processes)
      try change(&machine)
      let result = try Child.run(machine.commandLine, seconds: 60)
      #expect(result.status == 1)
      return result.output
    }
    guard case .processes(let broker, let stub, let archive) = try System.media(.processes) else { return }
    #expect(try said { $0.media = .processes(broker: broker, stub: "/nowhere", archive: archive) }.contains("cannot start /nowhere: No such file"))
    #expect(try said { $0.media = .processes(broker: broker, stub: stub, archive: "/nowhere") }.contains("cannot open the boot archive /nowhere"))
    #expect(try said { $0.disk = .file("/nowhere") }.contains("cannot open the disk image /nowhere"))
    #expect(try said { $0.memory = 8 }.contains("--memory takes 16 to 65536"))
    let locked = try System.ownDisk("processes-locked")
    defer { Files.remove(locked) }
    var first = try System.machine("processes-locked", on: .processes)
    first.disk = .file(locked)
    let session = try Session(first, seconds: 60)
    #expect(session.expectInLog(Batch.ready))
    #expect(try said { $0.disk = .file(locked) }.contains("another system uses the disk image"))
    session.stop()
  }
}
