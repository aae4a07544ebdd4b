import CLinux
import Foundation
import Testing
import ToolKit

/// What is in the processes, and what is left of them.
@Suite("Processes: their files, their end", .enabled(if: System.isReady)) struct ProcessesEndTests {
  /// A running system at its prompt, and the process that is its broker.
  private func boot(_ name: String) throws -> (session: Session, broker: Int32) {
    let session = try Session(System.machine(name, on: .processes), seconds: 100)
    #expect(session.expectInLog(Batch.ready), "\(session.log)")
    return (session, try #require(ProcessTree.children(of: session.process).first))
  }

  @Test("every page of code that a process has is byte for byte that of its file in the boot archive, or on the disk") func sameFiles() throws {
    let project = try Project.find()
    let (session, broker) = try boot("same-files")
    defer { session.stop() }
    let modules = try #require(Archive.modules(try Files.read(project.archive)))
    var compared: [String: Int] = [:]
    for pid in ProcessTree.children(of: broker) where ProcessTree.name(of: pid).hasPrefix("apus:") {
      let name = String(ProcessTree.name(of: pid).dropFirst(5))
      let file = switch name {
      case "process64": modules.first { $0.name == "init" }?.contents
      case _ where name.hasPrefix("process"): try Files.read(project.staging + "/bin/sh")
      case "rootfs", "extfs": modules.first { $0.name == "ext2" }?.contents
      default: modules.first { $0.name == name }?.contents
      }
      compared[name] = try Self.compareCode(pid, try #require(file, "no file for \(name)"))
    }
    #expect(compared.count >= 13, "\(compared)")
    for (name, pages) in compared { #expect(pages > 0, "\(name) has no page of code") }
    #expect(compared.values.reduce(0, +) > 50, "\(compared)")
  }

  /// Compares all that is mapped for execution below the stub with the segments of an ELF file; the number of pages.
  private static func compareCode(_ pid: Int32, _ file: [UInt8]) throws -> Int {
    let memory = open("/proc/\(pid)/mem", O_RDONLY)
    try #require(memory >= 0)
    defer { close(memory) }
    func word<T: FixedWidthInteger>(_ at: Int, _: T.Type) -> Int { file.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: at, as: T.self)) } }
    var pages = 0
    for line in ProcessTree.text("/proc/\(pid)/maps").split(separator: "\n") {
      let words = line.split(separator: " ")
      let ends = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
      guard words[1].contains("x"), ends[0] < 0x6000_0000_0000 else { continue }
      for address in stride(from: ends[0], to: ends[1], by: 4096) {
        var page = [UInt8](repeating: 0, count: 4096)
        #expect(pread(memory, &page, 4096, off_t(address)) == 4096)
        var expected = [UInt8](repeating: 0, count: 4096)
        for index in 0..<word(56, UInt16.self) {
          let header = word(32, UInt64.self) + index * word(54, UInt16.self)
          guard word(header, UInt32.self) == 1 else { continue }
          let start = word(header + 16, UInt64.self), offset = word(header + 8, UInt64.self), length = word(header + 32, UInt64.self)
          for byte in 0..<4096 where Int(address) + byte >= start && Int(address) + byte < start + length {
            expected[byte] = file[offset + Int(address) + byte - start]
          }
        }
        #expect(page == expected, "\(ProcessTree.name(of: pid)) at \(String(address, radix: 16))")
        pages += 1
      }
    }
    return pages
  }

  enum End: CaseIterable { case shutdown, interrupt, terminate, killed }

  @Test("no process is left after an orderly end, Ctrl-C, SIGTERM, and after the broker itself was killed", arguments: End.allCases)
  func leftovers(end: End) throws {
    let (session, broker) = try boot("leftovers-\(end)")
    // Somebody computes for ever, somebody sleeps.
    session.type("sh -c 'while true; do true; done' & sleep 1000 &\necho started\n")
    #expect(session.expect("started"))
    let all = ProcessTree.descendants(of: broker) + [broker]
    #expect(all.count > 15)
    let handles = all.map { Int32(linux_call(Int64(LINUX_pidfd_open.rawValue), Int64($0), 0, 0, 0, 0, 0)) }
    defer { for handle in handles { close(handle) } }
    switch end {
    case .shutdown:
      session.type("shutdown\n")
      #expect(session.end() == .shutdown(0))
    case .interrupt: kill(broker, SIGINT)
    case .terminate: kill(broker, SIGTERM)
    case .killed: kill(broker, SIGKILL)
    }
    for (pid, handle) in zip(all, handles) {
      var entry = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
      #expect(handle >= 0 && poll(&entry, 1, 30_000) == 1, "\(pid) lives on")
    }
    let ending = session.end()
    switch end {
    case .shutdown: break
    case .interrupt: #expect(ending == .qemu(130))
    case .terminate, .killed: #expect(ending == .timeout)
    }
  }

  @Test("works as an ordinary user", .enabled(if: getuid() == 0)) func ordinaryUser() throws {
    guard case .processes(let broker, let stub, let archive) = try System.media(.processes) else { return }
    let folder = NSTemporaryDirectory() + "apus-user-\(getpid())"
    try Files.makeDirectory(folder)
    defer { Files.remove(folder) }
    _ = try Child.run(["cp", broker, stub, archive, try System.freshDisk(), folder]).succeeded("cp")
    _ = try Child.run(["chown", "-R", "65534:65534", folder]).succeeded("chown")
    let line = [
      "env", "LLVM_PROFILE_FILE=/dev/null", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder + "/broker", "--stub", folder + "/linux-stub",
      "--archive", folder + "/archive", "--disk", folder + "/test.img", "--append", "batch", "--log", folder + "/log",
    ]
    let child = try Child(line, seconds: 60, pipes: [.input, .output])
    var output: [UInt8] = []
    let script = Array("uname; ls /bin | wc\nexit\n\u{4}".utf8)
    #expect(write(child.input, script, script.count) == script.count)
    while let more = Child.readable(child.output, milliseconds: 30_000), !more.isEmpty { output += more }
    close(child.input)
    close(child.output)
    #expect(child.wait() == 33)
    #expect(String(decoding: output, as: UTF8.self).contains("Apus"))
  }

  @Test("the list of system calls that processes may make can be printed") func listCalls() throws {
    guard case .processes(let broker, _, _) = try System.media(.processes) else { return }
    let said = try Child.run([broker, "--list-calls"]).succeeded("broker")
    let names = said.split(separator: "\n").filter { $0.hasPrefix("  ") }.compactMap { $0.split(whereSeparator: \.isWhitespace).dropFirst().first }
    #expect(names.prefix(3) == ["rt_sigreturn", "mmap", "munmap"] && names.contains("arch_prctl") && names.contains("pwrite64") && names.count == 17, "\(names)")
  }
}
