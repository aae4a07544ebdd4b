/// What fills the file system's caches before a drill counts frames: a cache that grows to its fixed size is no leak. Both of
/// its zones: file data, and metadata in as many blocks as there are folders.
enum Ballast {
  static let groups = 8, foldersInGroup = 100

  /// Files for the disk: path inside, contents.
  static var files: [String: String] {
    var all = ["drill/data": String(repeating: "fills the cache\n", count: 500_000)]
    for group in 0..<groups {
      for folder in 0..<foldersInGroup { all["drill/ballast/\(group)/\(folder)/empty"] = "" }
    }
    return all
  }

  /// Shell commands that read all of it.
  static var commands: [String] {
    ["cat /drill/data > /dev/null"] + (0..<groups).map { "ls /drill/ballast/\($0)/* > /dev/null" }
  }
}
