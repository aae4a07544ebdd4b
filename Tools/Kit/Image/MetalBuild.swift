import BootImage
import Foundation

/// Kernel, servers and programs as Embedded Swift, by SwiftPM: `METAL=x86_64 swift build ...`.
public struct MetalBuild {
  let project: Project
  public init(_ project: Project) { self.project = project }

  static let sources = ["Package.swift", "IPC", "Boot", "Microkernel", "Servers", "Userland", "Tests/InSystem"]

  /// Touched after each build that went through.
  var stamp: String { project.metal + "/built" }

  public var isUpToDate: Bool {
    guard let built = Files.modified(stamp), Files.exists(project.kernel) else { return false }
    return Files.newest(Self.sources.map { project.root + "/" + $0 }) < built
  }

  /// Builds what is out of date; SwiftPM's progress goes to standard error.
  public func run() throws {
    if isUpToDate { return }
    forgetOutdated()
    let started = Date()
    let child = try Child(
      ["swift", "build", "-c", "release", "--triple", "x86_64-unknown-none-elf", "--scratch-path", project.metal],
      seconds: 1800, pipes: .outputIsProgress, environment: ["METAL": "x86_64"], folder: project.root)
    guard child.wait() == 0 else { throw Failure("kernel, servers and programs do not build") }
    try Files.write("", to: stamp)
    // A source that changed while it was compiled must be compiled again.
    try? FileManager.default.setAttributes([.modificationDate: started], ofItemAtPath: stamp)
  }

  /// What SwiftPM does not see: a C header that changed (its Swift importers must be compiled again), a linker script that
  /// changed (what it linked must be linked again).
  private func forgetOutdated() {
    let headers = Files.newest(headers)
    if let built = Files.modified(stamp), headers > built { Files.remove(project.metal + "/x86_64-unknown-none-elf") }
    let scripts = Files.newest([project.root + "/Boot/Start"])
    for name in Files.names(in: project.products) where !name.contains(".") {
      let product = project.product(name)
      guard !Files.isDirectory(product), let linked = Files.modified(product), linked < scripts else { continue }
      Files.remove(product)
    }
  }

  private var headers: [String] {
    Self.sources.flatMap { folder in Files.tree(project.root + "/" + folder).filter { $0.hasSuffix(".h") }.map { project.root + "/" + folder + "/" + $0 } }
  }

  /// The modules that the boot table names, each once, in its order.
  public static var modules: [String] {
    var found: [String] = []
    for index in 0..<BootTable.count {
      let name = "\(BootTable.entry(index).module)"
      if !found.contains(name) { found.append(name) }
    }
    return found
  }

  /// The programs: a folder in Userland/Bin each, built as `bin-<name>`.
  public var programs: [String] {
    Files.names(in: project.root + "/Userland/Bin").filter {
      Files.isDirectory(project.root + "/Userland/Bin/" + $0) && Files.exists(project.product("bin-" + $0))
    }
  }
}
