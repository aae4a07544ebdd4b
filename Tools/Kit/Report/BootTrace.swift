import Foundation

// `apus bench --trace boot-to-shell`: 10 million instructions, most of them in servers that all lie at the same addresses. QEMU's log
// goes through a pipe to awk, which counts each address under each page-table root; whose root it is, is told by the functions
// that were entered in it.
extension Bench {
  /// Lines `COUNT/ROOT/ADDRESS` out of QEMU's log. What comes before the first address of the kernel's half is the firmware's.
  private static let count = """
    BEGIN { FS = "/"; root = "firmware" }
    /^CR3/ { if (up) root = substr($0, index($0, "=") + 1); next }
    NF > 2 { if (!up && $2 >= "ffff8") { up = 1; root = "0" } n[root "/" $2]++ }
    END { for (key in n) print n[key] "/" key > out }
    """

  func traceBoot(cpu: String, words: [String], seconds: Int) throws -> BenchTrace {
    let project = image.project
    try Files.makeDirectory(project.logs)
    let disk = project.output + "/bench.img", pipe = project.output + "/bench.pipe", counts = project.output + "/bench.counts"
    try image.makeDisk(disk)
    Files.remove(pipe)
    Files.remove(counts)
    guard mkfifo(pipe, 0o600) == 0 else { throw Failure("cannot make the pipe \(pipe)") }
    defer { for file in [disk, pipe, counts] { Files.remove(file) } }
    let counter = try Child(["awk", "-v", "out=" + counts, Self.count, pipe], seconds: seconds)
    var machine = machine(disk, cpu: cpu, words: words)
    machine.extra = Self.logging(to: pipe, "exec,nochain,mmu")
    do {
      let session = try Session(machine, seconds: seconds)
      defer { session.stop() }
      _ = try Self.waitForPrompt(session)
    } catch {
      counter.kill()
      _ = counter.wait()
      throw error
    }
    guard counter.wait() == 0 else { throw Failure("awk did not count QEMU's log") }
    let files = ["kernel"] + MetalBuild.modules.filter { Files.exists(project.product($0)) } + ["bin-sh"]
    let symbols = try files.map { (name: $0, functions: try SymbolModule.functions(of: project.product($0))) }
    return BenchTrace(counts: String(decoding: try Files.read(counts), as: UTF8.self), kernel: symbols[0].functions, programs: Array(symbols[1...]))
  }
}

extension BenchTrace {
  /// - Parameters:
  ///   - counts: lines `COUNT/ROOT/ADDRESS`; the root `firmware` is before the kernel.
  ///   - programs: the ELF files that may run under a root, with their functions.
  init(counts: String, kernel: [SymbolModule.Symbol], programs: [(name: String, functions: [SymbolModule.Symbol])]) {
    var sums: [[String]: Int] = [:]
    var roots: [Substring: [(address: UInt64, count: Int)]] = [:]
    let kernelNames = FunctionNames(kernel)
    for line in counts.split(separator: "\n") {
      let fields = line.split(separator: "/")
      guard fields.count == 3, let count = Int(fields[0]), let address = UInt64(fields[2], radix: 16) else { continue }
      if fields[1] == "firmware" {
        sums[["firmware", "(and start.S below the kernel's half)"], default: 0] += count
      } else if address >> 63 == 1 {
        sums[["kernel", kernelNames[address]], default: 0] += count
      } else {
        roots[fields[1], default: []].append((address, count))
      }
    }
    for executed in roots.values {
      let (name, functions) = Self.owner(of: Set(executed.map(\.address)), programs)
      let names = FunctionNames(functions)
      for (address, count) in executed { sums[[name, names[address]], default: 0] += count }
    }
    self.init(
      parts: sums.map { Part(function: $0.key[1], place: $0.key[0], instructions: $0.value) }.sorted { ($0.place, $0.function) < ($1.place, $1.function) },
      about: "sum, to the prompt and a moment longer")
  }

  /// The file of which most functions were entered.
  private static func owner(of executed: Set<UInt64>, _ programs: [(name: String, functions: [SymbolModule.Symbol])]) -> (String, [SymbolModule.Symbol]) {
    var best = (entered: 0, name: "?", functions: [SymbolModule.Symbol]())
    for (name, functions) in programs {
      let entered = functions.count { executed.contains($0.address) }
      if entered > best.entered { best = (entered, name, functions) }
    }
    return (best.name, best.functions)
  }
}
