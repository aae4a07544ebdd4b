import IPC

/// rename(2): the one call that changes two directories, two inodes and perhaps "..".
extension Volume {
  public func rename(
    _ oldName: UnsafeRawBufferPointer, in from: UInt64, to newName: UnsafeRawBufferPointer, in to: UInt64
  ) throws(Errno) {
    if isDots(oldName) || isDots(newName) { throw .invalidArgument }
    guard newName.count > 0, oldName.count > 0 else { throw .noSuchFile }
    guard newName.count <= 255, oldName.count <= 255 else { throw .nameTooLong }
    for byte in newName where byte == 0 || byte == 0x2F { throw .invalidArgument }
    var source = try directory(from)
    var target = try directory(to)
    guard let entry = try find(oldName, in: source) else { throw .noSuchFile }
    var inode = try linked(entry.inode)
    guard target.links > 0 else { throw .noSuchFile }
    var room: Room? = nil
    let existing = try find(newName, in: target, needed: Self.entryLength(newName.count), room: &room)
    if existing?.inode == entry.inode { return }
    let isMove = source.number != target.number
    if inode.isDirectory, isMove { try checkNoLoop(inode.number, target) }
    var replaced: Inode? = nil
    if let existing { replaced = try checkReplace(existing, by: inode, in: target, source) }
    let linksUp = inode.isDirectory && isMove && replaced == nil
    if linksUp, target.links >= Self.linkLimit { throw .tooManyLinks }
    let parent = inode.isDirectory && isMove ? try parentEntry(inode) : nil

    // Checked. What may still fail is room for the entry, before anything has changed.
    try beginChange()
    if let existing {
      try redirect(existing, to: inode.number, mode: inode.mode)
      try storeChanged(&target)
    } else {
      try insert(newName, inode.number, mode: inode.mode, into: &target, room: room)
    }
    if !isMove { source = target }
    // Inserting may have changed what stands in front of the old entry.
    guard let old = try find(oldName, in: source) else { throw damaged("damaged: a name vanished") }
    try remove(old, from: &source)
    if let parent { try redirect(parent, to: target.number, mode: FileType.directory) }
    try settleLinks(&source, &target, isMove: isMove, movedDirectory: inode.isDirectory, replacedDirectory: replaced?.isDirectory ?? false)
    inode.changed = now
    try store(inode)
    if var replaced {
      replaced.links = replaced.isDirectory ? 0 : replaced.links - 1
      replaced.changed = now
      try dropped(replaced)
    }
  }

  /// Links of the two parents: a directory's ".." left one and arrived at the other.
  private func settleLinks(
    _ source: inout Inode, _ target: inout Inode, isMove: Bool, movedDirectory: Bool, replacedDirectory: Bool
  ) throws(Errno) {
    if !movedDirectory { return }
    if isMove {
      if source.links > 2 { source.links -= 1 }
      if !replacedDirectory { target.links += 1 }
      try store(source)
      try store(target)
    } else if replacedDirectory {
      if source.links > 2 { source.links -= 1 }
      try store(source)
    }
  }

  /// What stands under the new name may be replaced by `inode`: it is returned.
  private func checkReplace(_ existing: Entry, by inode: Inode, in target: Inode, _ source: Inode) throws(Errno) -> Inode {
    let replaced = try linked(existing.inode)
    if inode.isDirectory {
      guard replaced.isDirectory else { throw .notDirectory }
      guard replaced.number != Geometry.root else { throw .busy }
      guard try isEmpty(replaced), replaced.number != source.number, replaced.number != target.number else { throw .notEmpty }
    } else if replaced.isDirectory {
      throw .isDirectory
    }
    return replaced
  }

  /// `directory` must not be `moved` nor lie below it. The walk up ends at the root; one that is longer than
  /// there are directories is a cycle.
  private func checkNoLoop(_ moved: UInt32, _ directory: Inode) throws(Errno) {
    var at = directory.number
    var steps: UInt64 = 0
    for index in 0..<groups.count { steps += UInt64(groups[index].directories) }
    steps += 2
    while at != Geometry.root {
      if at == moved { throw .invalidArgument }
      guard steps > 0 else { throw damaged("damaged: a directory lies below itself") }
      steps -= 1
      let inode = try linked(at)
      guard inode.isDirectory, let parent = try parentEntry(inode) else { throw damaged("damaged: a directory has no parent") }
      at = parent.inode
    }
    if moved == Geometry.root { throw .invalidArgument }
  }

  private func parentEntry(_ directory: Inode) throws(Errno) -> Entry? {
    var dots: UInt16 = 0x2E2E
    // The closure's error type is not inferred; it hands back a Result.
    let result = withUnsafeBytes(of: &dots) { dots in
      do throws(Errno) { return Result<Entry?, Errno>.success(try find(dots, in: directory)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
