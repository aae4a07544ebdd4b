/// The buffers of one worker. File systems read paths and names through one grant over all arenas, and write
/// link texts and directory entries into the scratch parts through a second: what a file system may write is
/// never a path that VFS walks on.
enum Arena {
  static var path: Int { 0 }
  static var pathSize: Int { 4096 }
  /// Two names, or a name and a link's text.
  static var names: Int { 4096 }
  static var namesSize: Int { 4608 }
  static var size: Int { 4096 + 4608 }
  static var scratchSize: Int { 4096 }
}
