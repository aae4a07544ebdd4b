import Foundation

/// The programs that carry the system on this machine (`broker`, `simulator`): release builds by SwiftPM in a folder of
/// their own, made when they are first wanted and again when a source has changed.
public struct HostBuild {
  let project: Project
  public let product: String

  public init(_ project: Project, _ product: String) {
    self.project = project
    self.product = product
  }

  static let sources = ["Package.swift", "IPC", "Boot", "Microkernel", "Servers", "Userland", "Tools/Simulator"]

  private var scratch: String { project.build + "/host" }
  public var path: String { scratch + "/release/" + product }
  /// Touched after each build of the product that went through.
  private var stamp: String { scratch + "/built-" + product }

  public var isUpToDate: Bool {
    guard let built = Files.modified(stamp), Files.exists(path) else { return false }
    return Files.newest(Self.sources.map { project.root + "/" + $0 }) < built
  }

  /// Builds it if it is out of date; returns its path. SwiftPM's progress goes to standard error.
  @discardableResult
  public func run(say: (String) -> Void) throws -> String {
    if isUpToDate { return path }
    say("builds \(product)")
    let started = Date()
    let child = try Child(
      ["swift", "build", "-c", "release", "--product", product, "--scratch-path", scratch],
      seconds: 1800, pipes: .outputIsProgress, folder: project.root)
    guard child.wait() == 0 else { throw Failure("\(product) does not build") }
    try Files.write("", to: stamp)
    // A source that changed while it was compiled must be compiled again.
    try? FileManager.default.setAttributes([.modificationDate: started], ofItemAtPath: stamp)
    return path
  }
}
