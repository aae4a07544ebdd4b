import IPC
import Testing

@testable import POSIX

@Suite("Programs' arguments") struct OptionTests {
  private func options(_ words: [String], _ accepted: StaticString) throws -> Options { try Options(words.map(bytes), accepted) }

  @Test("letters alone and together, values joined and apart") func letters() throws {
    let options = try options(["-la", "-n", "3", "-c5", "x", "-z"], "lan:c:z")
    #expect(options["l"] && options["a"] && !options["z"])
    #expect(options.value("n") == bytes("3") && options.value("c") == bytes("5"))
    #expect(options.operands == [bytes("x"), bytes("-z")])
    #expect(options.last(of: "nc") == UInt8(ascii: "c"))
  }

  @Test("-- ends the options, - is an operand") func ends() throws {
    #expect(try options(["-a", "--", "-b"], "ab").operands == [bytes("-b")])
    #expect(try options(["-", "-a"], "a").operands == [bytes("-"), bytes("-a")])
    #expect(try options([], "a").operands.isEmpty)
  }

  @Test("a value may look like an option, the last one counts") func values() throws {
    #expect(try options(["-n", "-1", "-n2"], "n:").value("n") == bytes("2"))
    #expect(try options(["-n-1"], "n:").value("n") == bytes("-1"))
    #expect(try options(["-an3"], "an:").value("n") == bytes("3"))
  }

  @Test("mistakes") func mistakes() {
    #expect(throws: Options.Failure.unknown(UInt8(ascii: "x"))) { try options(["-ax"], "a") }
    #expect(throws: Options.Failure.missingValue(UInt8(ascii: "n"))) { try options(["-n"], "n:") }
    #expect(throws: Options.Failure.unknown(UInt8(ascii: ":"))) { try options(["-:"], "n:") }
  }

  /// A start-up stack as VM lays it: argc, argv, 0, envp, 0.
  @Test("the start-up stack") func stack() {
    let strings = ["/bin/ls", "-l", "", "PATH=/bin", "HOME=/", "E="].map { Array($0.utf8) + [0] }
    let memory = strings.map { string in
      let pointer = UnsafeMutablePointer<UInt8>.allocate(capacity: string.count)
      pointer.initialize(from: string, count: string.count)
      return pointer
    }
    defer { memory.forEach { $0.deallocate() } }
    let addresses = memory.map { UInt(bitPattern: $0) }
    let words: [UInt] = [3] + addresses[..<3] + [0] + addresses[3...] + [0, 6, 4096, 0, 0]
    let program = words.withUnsafeBytes { Program(stack: $0.baseAddress!) }
    #expect(program.name == bytes("ls") && program.arguments == [bytes("-l"), []])
    #expect(program.variable("PATH") == bytes("/bin") && program.variable("E") == [] && program.variable("PAT") == nil)
    let none: [UInt] = [0, 0, 0]
    #expect(none.withUnsafeBytes { Program(stack: $0.baseAddress!) }.arguments.isEmpty)
  }

  @Test("the argument block of exec, and its limits") func block() throws {
    #expect(try argumentBlock([bytes("a"), []], [bytes("X=1")]) == [2, 0, 0, 0, 1, 0, 0, 0, 0x61, 0, 0, 0x58, 0x3D, 0x31, 0])
    #expect(throws: Errno.argumentListTooLong) { try argumentBlock([Bytes](repeating: [], count: 4097), []) }
    #expect(throws: Errno.argumentListTooLong) { try argumentBlock([Bytes(repeating: 0x61, count: 128 << 10)], []) }
    #expect(try argumentBlock([Bytes](repeating: [], count: 4096), []).count == 8 + 4096)
  }

  @Test("wait status") func waitStatus() {
    #expect(WaitStatus(raw: 3 << 8).exited && WaitStatus(raw: 3 << 8).shellStatus == 3)
    #expect(WaitStatus(raw: 11).signal == 11 && WaitStatus(raw: 11).shellStatus == 139)
    #expect(WaitStatus(raw: 19 << 8 | 0x7F).stopped && WaitStatus(raw: 19 << 8 | 0x7F).signal == 19)
  }
}
