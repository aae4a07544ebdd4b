import Foundation
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// What holds by how the source is written, held against the source.
@Suite("VM: its source") struct SourceTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL

  /// The lines of code below a folder, without comments.
  private static func code(_ folder: String) throws -> [(file: String, text: String)] {
    var found: [(file: String, text: String)] = []
    let files = FileManager.default.enumerator(at: root.appending(path: folder), includingPropertiesForKeys: nil)
    while let file = files?.nextObject() as? URL {
      guard file.pathExtension == "swift" else { continue }
      let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
      found.append((file.lastPathComponent, lines.map { $0.prefix(upTo: $0.firstRange(of: "//")?.lowerBound ?? $0.endIndex) }.joined(separator: "\n")))
    }
    #expect(!found.isEmpty, "\(folder)")
    return found
  }

  @Test("V27 VM asks the kernel, answers, and sends without waiting: nothing that it does waits for anybody") func neverWaits() throws {
    for (file, text) in try Self.code("Servers/VM/Logic") {
      for match in text.matches(of: #/\bipc\.(\w+)/#) {
        #expect(["kernel", "sendAsync", "reply", "log"].contains(match.1), "\(file): \(match.0)")
      }
    }
  }

  /// So no type can hide a lock, and there is none that needs a rank. VFS has locks between its fibers: rows of one table.
  @Test("V63 V65 no reference types and no locks in VM, in the kernel's logic, and in what all share", arguments: [
    "Servers/VM", "Microkernel/Core", "Microkernel/PhysicalMemory", "IPC/Message", "IPC/Protocols", "IPC/PageTable",
  ])
  func noLocks(_ folder: String) throws {
    for (file, text) in try Self.code(folder) {
      for match in text.matches(of: #/\b(?:class|actor|Mutex|Atomic\w*|\w*[Ss]pin[Ll]ock\w*|NSLock|NSRecursiveLock|pthread_\w+|import Synchronization)\b/#) {
        Issue.record("\(folder)/\(file): \(match.0)")
      }
    }
  }

  @Test("V51 a range is a PageRange or a PhysicalRange, what is physical a Frame: two numbers become one of them at once, or are refused") func ranges() throws {
    // The two borders of a region that is in its tree already.
    let others = ["resize"]
    var conversions = 0
    for (file, text) in try Self.code("Servers/VM/Logic") {
      for match in text.matches(of: #/(?:\n *)((?:private |fileprivate |static |public |mutating |@\w+\(?\w*\)? )*)func (\w+)[^{]*?\(([^{]*?)\)[^{()]*(?:throws\(Errno\) )?(?:-> ([\w.?]+) )?\{/#) {
        let parameters = match.3
        #expect(parameters.firstMatch(of: #/\b(?:frame|physical\w*): UInt64/#) == nil, "\(file): \(match.2)")
        let starts = parameters.firstMatch(of: #/\b(?:address|start|base): UInt64/#) != nil
        let ends = parameters.firstMatch(of: #/\b(?:length|end): UInt64/#) != nil
        guard starts, ends, !match.1.contains("private") else { continue }
        let result = match.4.map(String.init) ?? ""
        // What copies bytes between spaces takes places, which need not begin at a page.
        let isCopy = parameters.contains("sourceAddress") || match.2 == "copy"
        if result.hasPrefix("PageRange") || result == "PhysicalRange" { conversions += 1 } else { #expect(isCopy || others.contains(String(match.2)), "\(file): \(match.2)") }
      }
    }
    #expect(conversions >= 3)
  }

  @Test("V42 the kernel has no regions, VM none of the kernel's half: a space that ends leaves the upper entries as they were") func owners() throws {
    for folder in ["Microkernel/Core", "Microkernel/Arch/X86_64"] {
      for (file, text) in try Self.code(folder) { #expect(text.firstMatch(of: #/\b(?:Region|RegionTree|MemoryObject)\b/#) == nil, "\(file)") }
    }
    let system = TestSystem()
    let process = system.process()
    let root = system.kernel.threads[process.slot]!.root
    let child = try system.fork(process)
    let other = system.kernel.threads[child.slot]!.root
    for thread in [process, child] { for region in system.regions(thread) { #expect(region.end <= AddressSpace.userEnd) } }
    func upper(_ root: UInt64) -> [UInt64] { (256..<512).map { system.kernel.words(root)[$0] } }
    let before = upper(root)
    system.exit(child)
    #expect(upper(root) == before && upper(other) == before, "the entries of the one that is gone were not even touched")
    for (address, length) in [(AddressSpace.userEnd, 4096), (AddressSpace.kernelLinear, 4096), (UInt64.max << 47, 1 << 30)] as [(UInt64, UInt64)] {
      #expect(system.error(VM.MUnmap(address: address, length: length), from: process) == .invalidArgument)
    }
    system.expectSound()
  }

  @Test("V49 munmap in one space is answered at once while another's faults wait, its supervisor's queue is full, and an exec is half done") func noGlobalLock() throws {
    let stage = try CacheTests.Stage()
    let system = stage.system
    let other = system.process()
    let memory = try system.map(other, pages: 4)
    system.write(other, memory, 1)
    let file = try FileMappingTests.map(stage)
    for page in 0..<3 as Range<UInt64> { #expect(system.touch(stage.process, file + page << 12, .read) == nil) }
    try system.call(VM.ExecBegin(process: stage.process), from: stage.vfs)
    system.kernel.queueIsFull = true
    _ = system.touch(stage.process, 0x10_0000, .read)
    #expect(system.vm.parked != nil && system.vm.pendingSignals == 1)
    try system.unmap(other, memory, pages: 2)
    #expect(system.read(other, memory + 3 << 12) == 0)
    system.kernel.queueIsFull = false
    system.expectSound()
  }
}
