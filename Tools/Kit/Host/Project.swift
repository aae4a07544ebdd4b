import Foundation

/// Where things are: the source tree, and below its `.build` what the tools make.
public struct Project: Sendable {
  public let root: String

  public init(root: String) { self.root = root }

  /// The tree that `Tools/apus` names, else the nearest one above the working directory.
  public static func find() throws -> Project {
    if let named = ProcessInfo.processInfo.environment["APUS_ROOT"] { return Project(root: named) }
    var folder = FileManager.default.currentDirectoryPath
    while folder != "/" {
      if FileManager.default.fileExists(atPath: folder + "/Tools/apus") { return Project(root: folder) }
      folder = (folder as NSString).deletingLastPathComponent
    }
    throw Failure("not inside the source tree of Apus")
  }

  public var build: String { root + "/.build" }
  /// SwiftPM's folder for kernel, servers and programs.
  public var metal: String { build + "/metal" }
  public var products: String { metal + "/x86_64-unknown-none-elf/release" }
  /// SwiftPM's folder for the tests.
  public var tests: String { build + "/tests" }
  /// What the tools themselves make: archive, disk, ISO, logs.
  public var output: String { build + "/apus" }
  public var archive: String { output + "/archive" }
  public var kernel: String { products + "/kernel" }
  public var disk: String { output + "/disk.img" }
  public var logs: String { output + "/logs" }
  public var staging: String { output + "/staging" }

  public func product(_ name: String) -> String { products + "/" + name }
}

/// Small file operations, each with an error that names the file.
public enum Files {
  public static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  public static func isDirectory(_ path: String) -> Bool {
    var answer: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &answer) && answer.boolValue
  }

  public static func makeDirectory(_ path: String) throws {
    do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
      throw Failure("cannot make the folder \(path)")
    }
  }

  public static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  public static func read(_ path: String) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path) else { throw Failure("cannot read \(path)") }
    return [UInt8](data)
  }

  public static func write(_ bytes: [UInt8], to path: String) throws {
    do { try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic) } catch { throw Failure("cannot write \(path)") }
  }

  public static func write(_ text: String, to path: String) throws { try write([UInt8](text.utf8), to: path) }

  /// The names in a folder, sorted; none if there is no such folder.
  public static func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  public static func size(_ path: String) -> Int {
    ((try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? NSNumber)?.intValue ?? 0
  }

  /// Modification time in nanoseconds; nil if there is no such file.
  public static func modified(_ path: String) -> Int64? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
  }

  /// The newest modification time of `paths` and all below them, folders too, so that a deletion counts.
  public static func newest(_ paths: [String]) -> Int64 {
    var newest: Int64 = 0
    for path in paths {
      newest = max(newest, modified(path) ?? 0)
      guard isDirectory(path), let walk = FileManager.default.enumerator(atPath: path) else { continue }
      while let name = walk.nextObject() as? String { newest = max(newest, modified(path + "/" + name) ?? 0) }
    }
    return newest
  }

  /// All regular files below `folder` as paths relative to it, sorted by their bytes.
  public static func tree(_ folder: String) -> [String] {
    guard let walk = FileManager.default.enumerator(atPath: folder) else { return [] }
    var found: [String] = []
    while let name = walk.nextObject() as? String {
      if walk.fileAttributes?[.type] as? FileAttributeType == .typeRegular { found.append(name) }
    }
    return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
