import Foundation

/// Real files of the host, for a disk that is like one in use: documentation and libraries. Which ones is settled by
/// the host's contents alone: the same machine gives the same files.
public struct HostFiles: Sendable {
  public struct File: Sendable, Equatable {
    public var path: String
    public var size: Int
    public init(path: String, size: Int) {
      self.path = path
      self.size = size
    }
  }

  /// Where every Linux system keeps files that all may read; the toolchain's own come last.
  static var places: [String] {
    let toolchain = Toolchain.folder.map { [($0 as NSString).deletingLastPathComponent] } ?? []
    return ["/usr/share/doc", "/usr/share/perl", "/usr/lib/python3", "/usr/share", "/usr/include", "/usr/lib"] + toolchain
  }

  /// No single file is more than a sixteenth of the whole: the disk shall have many.
  public static func find(count: Int, bytes: Int) throws -> [File] {
    var found: [File] = []
    for place in places {
      let all = Files.tree(place).map { File(path: place + "/" + $0, size: Files.size(place + "/" + $0)) }
      found += all.filter { FileManager.default.isReadableFile(atPath: $0.path) }
      if let chosen = choose(found, count: count, bytes: bytes) { return chosen }
    }
    throw Failure("this machine has not \(count) files of \(bytes) bytes in \(places.joined(separator: ", "))")
  }

  /// `count` files with at least `bytes` together: an even sample in the order found, in which small files give way
  /// to the next larger ones until it is enough. Nil if there are not that many.
  public static func choose(_ files: [File], count: Int, bytes: Int) -> [File]? {
    var seen: Set<String> = []
    let fit = files.filter { $0.size <= max(bytes / 16, 1) && seen.insert($0.path).inserted }
    guard fit.count >= count, count > 0 else { return nil }
    var chosen = Set((0..<count).map { $0 * fit.count / count })
    var sum = chosen.reduce(0) { $0 + fit[$1].size }
    if sum < bytes {
      let rest = fit.indices.filter { !chosen.contains($0) }.sorted { (fit[$1].size, $0) < (fit[$0].size, $1) }
      let small = chosen.sorted { (fit[$0].size, $0) < (fit[$1].size, $1) }
      for (out, into) in zip(small, rest) {
        guard sum < bytes, fit[into].size > fit[out].size else { break }
        chosen.remove(out)
        chosen.insert(into)
        sum += fit[into].size - fit[out].size
      }
    }
    return sum < bytes ? nil : chosen.sorted().map { fit[$0] }
  }

  /// Copies them to `folder` as d00/f000, d00/f001 ...: names that any file system takes.
  /// - Returns: the new names, relative to `folder`.
  public static func copy(_ files: [File], to folder: String) throws -> [String] {
    var names: [String] = []
    for (index, file) in files.enumerated() {
      let name = String(format: "d%02d/f%03d", index / 100, index % 100)
      if index % 100 == 0 { try Files.makeDirectory(folder + String(format: "/d%02d", index / 100)) }
      try Files.write(Files.read(file.path), to: folder + "/" + name)
      names.append(name)
    }
    return names
  }

  /// SHA-256 of files, by the host's own `sha256sum`: path relative to `folder` -> digest.
  public static func digests(_ names: [String], in folder: String) throws -> [String: String] {
    var found: [String: String] = [:]
    for start in stride(from: 0, to: names.count, by: 500) {
      let part = Array(names[start..<min(start + 500, names.count)])
      let said = try Child.run(["sha256sum", "--"] + part, errorsToo: false, folder: folder).succeeded("sha256sum")
      found.merge(readDigests(said)) { $1 }
    }
    return found
  }

  /// Lines of `sha256sum`: digest, two spaces, path.
  public static func readDigests(_ text: String) -> [String: String] {
    var found: [String: String] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      guard words.count == 2, words[0].count == 64 else { continue }
      found[String(words[1].drop { $0 == " " || $0 == "*" })] = String(words[0])
    }
    return found
  }
}
