import Foundation
import Testing
import ToolKit

@Suite("Shell and files", .enabled(if: System.isReady)) struct ShellTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var script, output: String
    init(_ name: String, _ script: String, _ output: String) {
      (testDescription, self.script, self.output) = (name, script, output)
    }
  }

  static let cases = [
    Case("pipes", "echo one two | cat | wc -w; printf 'b\\na\\n' | grep a", "2\na"),
    Case("redirection", "echo x > /tmp/r; echo y >> /tmp/r; cat < /tmp/r; ls /nothing 2> /tmp/e; wc -l < /tmp/e", "x\ny\n1"),
    Case("quoting and variables", "a='1  2'; echo $a; echo \"$a\"; echo '$a'; echo \\$a", "1 2\n1  2\n$a\n$a"),
    Case("and, or, status", "true && echo t; false || echo f; false; echo $?; cat /nothing 2> /dev/null; echo $?", "t\nf\n1\n1"),
    Case("background", "sleep 1 & wait; echo waited", "waited"),
    Case("files", "mkdir /tmp/d; echo v > /tmp/d/a; mv /tmp/d/a /tmp/d/b; cp /tmp/d/b /tmp/d/c; ls /tmp/d | cat; rm -r /tmp/d; ls /tmp/d 2>&1 | wc -l", "b\nc\n1"),
    Case("large copy", "dd if=/dev/zero of=/tmp/z bs=1024 count=3000 2> /dev/null; cp /tmp/z /tmp/y; wc -c < /tmp/y; head -c 5 /bin/sh | wc -c", "3072000\n5"),
    Case("digest", "printf abc | sha256sum", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -"),
    Case("exit status of a killed program", "sleep 100 & kill $!; wait $!; echo $?", "143"),
  ]

  @Test("what a shell is for", arguments: cases) func script(_ the: Case) throws {
    let name = the.testDescription.replacing(" ", with: "-")
    let result = try System.run(System.machine("shell-\(name)"), "echo BEGIN\n" + the.script + "\necho END\n")
    #expect(System.between("BEGIN", "END", result.output) == the.output)
  }

  @Test("a prompt, line editing, Ctrl-C, and an end by Ctrl-D") func interactive() throws {
    var machine = try System.machine("interactive")
    machine.words = []
    let session = try Session(machine, seconds: 240)
    #expect(session.expect("# "))
    session.type("echo onx\u{7F}e\n")
    #expect(session.expect("\none") || session.expect("one"))
    #expect(session.expect("# "))
    session.type("sh -c 'echo go''ing; sleep 1000'\n")
    #expect(session.expect("going"))  // so that it is the job that Ctrl-C meets
    session.type("\u{3}")
    #expect(session.expect("# "))
    session.type("echo still $((40 + 2))\n")
    #expect(session.expect("still 42"))
    session.type("\u{4}")
    #expect(session.end() == .shutdown(0) || session.text.contains("still 42"))
  }

  @Test("Ctrl-C typed at any moment of the start of a job leads back to the prompt", arguments: ["sleep 1000", "cat | sleep 1000", "(true; sleep 1000)"])
  func quickFingers(job: String) throws {
    var machine = try System.machine("quick-fingers-\(job.filter(\.isLetter))")
    machine.words = []
    let session = try Session(machine, seconds: 60)
    #expect(session.expect("# "))
    var random = SystemRandomNumberGenerator()
    for round in 0..<60 {
      // After so many bytes of the line's echo, and then after so many other things that this machine had to do.
      let bytes = Int.random(in: 0...job.utf8.count + 2, using: &random)
      let yields = round % 3 == 0 ? 0 : Int.random(in: 0...20_000, using: &random)
      let start = session.serial.count
      session.type(job + "\n")
      #expect(session.wait { session.serial.count >= start + bytes })
      for _ in 0..<yields { sched_yield() }
      session.type("\u{3}")
      guard session.expect("^C"), session.expect("# ") else {
        Issue.record("round \(round), \(bytes) bytes, \(yields) yields: no prompt after \(session.text.suffix(200))")
        return
      }
    }
    session.type("echo still $((40 + 2))\n")
    #expect(session.expect("still 42"))
    session.stop()
  }

  @Test("what is written is there after the next boot, and the disk is clean") func persistence() throws {
    var machine = try System.machine("persistence")
    let disk = try System.ownDisk("persistence")
    defer { Files.remove(disk) }
    machine.disk = .file(disk)
    _ = try System.run(machine, "mkdir /home/a && cp /bin/sh /home/a/b && sha256sum < /bin/sh > /home/a/sum && sync\n")
    #expect(try DiskImage.complaint(disk) == nil)
    let again = try System.run(machine, "echo BEGIN; sha256sum < /home/a/b | cmp - /home/a/sum && echo same; echo END\n")
    #expect(System.between("BEGIN", "END", again.output) == "same")
    #expect(try DiskImage.complaint(disk) == nil)
    #expect(try DiskImage.contents(of: "/home/a/b", in: disk) == DiskImage.contents(of: "/bin/sh", in: disk))
  }
}
