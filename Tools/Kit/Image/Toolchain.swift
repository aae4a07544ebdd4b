import Foundation

/// The Swift toolchain in PATH, and the LLVM tools that come with it.
public enum Toolchain {
  /// The folder of its programs, by its own word: `swift` in PATH may be a link of a version manager.
  public static let folder: String? = {
    guard let said = try? Child.run(["swift", "-print-target-info"], seconds: 60, errorsToo: false), said.status == 0,
      let info = try? JSONSerialization.jsonObject(with: Data(said.output.utf8)) as? [String: Any],
      let paths = info["paths"] as? [String: Any], let resources = paths["runtimeResourcePath"] as? String
    else { return nil }
    // .../usr/lib/swift -> .../usr/bin
    return ((resources as NSString).deletingLastPathComponent as NSString).deletingLastPathComponent + "/bin"
  }()

  /// Of the toolchain, else whatever PATH has under that name.
  public static func tool(_ name: String) -> String {
    if let folder, Files.exists(folder + "/" + name) { return folder + "/" + name }
    return name
  }
}
