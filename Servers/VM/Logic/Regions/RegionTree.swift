/// The regions of a space: an AVL tree by address whose links are in the regions, so that inserting and removing
/// cannot fail (V40). Each region also knows the widest gap of its subtree, so that room is found without a walk.
struct RegionTree: BitwiseCopyable {
  typealias Link = Region.Pointer?
  var root: Link = nil
  var count: UInt64 = 0
  var totals = RegionTotals()

  /// - Precondition: `node` overlaps no region of the tree.
  mutating func insert(_ node: Region.Pointer) {
    node.pointee.left = nil
    node.pointee.right = nil
    var parent: Link = nil
    var at = root
    while let here = at {
      parent = here
      at = node.pointee.start < here.pointee.start ? here.pointee.left : here.pointee.right
    }
    node.pointee.parent = parent
    if let parent {
      if node.pointee.start < parent.pointee.start { parent.pointee.left = node } else { parent.pointee.right = node }
    } else {
      root = node
    }
    count &+= 1
    totals.add(node)
    _ = Self.refresh(node)
    rebalance(parent)
  }

  mutating func remove(_ node: Region.Pointer) {
    count &-= 1
    totals.subtract(node)
    guard let left = node.pointee.left, let right = node.pointee.right else {
      let parent = node.pointee.parent
      replace(node, under: parent, by: node.pointee.left ?? node.pointee.right)
      rebalance(parent)
      return
    }
    // The next region takes the node's place.
    var next = right
    while let lower = next.pointee.left { next = lower }
    var changed = next
    if next != right {
      changed = next.pointee.parent.unsafelyUnwrapped
      replace(next, under: changed, by: next.pointee.right)
      next.pointee.right = right
      right.pointee.parent = next
    }
    next.pointee.left = left
    left.pointee.parent = next
    replace(node, under: node.pointee.parent, by: next)
    next.pointee.height = 0  // what it says is of its old place: news for those above, whatever it will be
    rebalance(changed)
    rebalance(next)
  }

  /// After `node.start` or `node.end` moved within its gap; `resize` moves them.
  mutating func resized(_ node: Region.Pointer) {
    var at: Link = node
    while let here = at, Self.refresh(here) { at = here.pointee.parent }
  }

  private mutating func replace(_ node: Region.Pointer, under parent: Link, by other: Link) {
    if let parent {
      if parent.pointee.left == node { parent.pointee.left = other } else { parent.pointee.right = other }
    } else {
      root = other
    }
    other?.pointee.parent = parent
  }

  private mutating func rebalance(_ from: Link) {
    var at = from
    while let node = at {
      let changed = Self.refresh(node)
      let left = Self.height(node.pointee.left)
      let right = Self.height(node.pointee.right)
      var top = node
      if left > right &+ 1, let child = node.pointee.left {
        if Self.height(child.pointee.left) < Self.height(child.pointee.right) { _ = rotateLeft(child) }
        top = rotateRight(node)
      } else if right > left &+ 1, let child = node.pointee.right {
        if Self.height(child.pointee.right) < Self.height(child.pointee.left) { _ = rotateRight(child) }
        top = rotateLeft(node)
      } else if !changed {
        return  // nothing above can change
      }
      at = top.pointee.parent
    }
  }

  private mutating func rotateLeft(_ node: Region.Pointer) -> Region.Pointer {
    let top = node.pointee.right.unsafelyUnwrapped
    replace(node, under: node.pointee.parent, by: top)
    node.pointee.right = top.pointee.left
    top.pointee.left?.pointee.parent = node
    top.pointee.left = node
    node.pointee.parent = top
    _ = Self.refresh(node)
    _ = Self.refresh(top)
    return top
  }

  private mutating func rotateRight(_ node: Region.Pointer) -> Region.Pointer {
    let top = node.pointee.left.unsafelyUnwrapped
    replace(node, under: node.pointee.parent, by: top)
    node.pointee.left = top.pointee.right
    top.pointee.right?.pointee.parent = node
    top.pointee.right = node
    node.pointee.parent = top
    _ = Self.refresh(node)
    _ = Self.refresh(top)
    return top
  }

  @inline(__always) static func height(_ link: Link) -> UInt8 {
    if let link { link.pointee.height } else { 0 }
  }

  /// Computes what a node says of its subtree from its children. Returns whether that is news.
  static func refresh(_ node: Region.Pointer) -> Bool {
    var start = node.pointee.start
    var end = node.pointee.end
    var gap: UInt64 = 0
    var height: UInt8 = 0
    if let left = node.pointee.left {
      gap = max(left.pointee.subtreeGap, start &- left.pointee.subtreeEnd)
      start = left.pointee.subtreeStart
      height = left.pointee.height
    }
    if let right = node.pointee.right {
      gap = max(gap, max(right.pointee.subtreeGap, right.pointee.subtreeStart &- end))
      end = right.pointee.subtreeEnd
      height = max(height, right.pointee.height)
    }
    height &+= 1
    if node.pointee.subtreeStart == start, node.pointee.subtreeEnd == end, node.pointee.subtreeGap == gap, node.pointee.height == height {
      return false
    }
    node.pointee.subtreeStart = start
    node.pointee.subtreeEnd = end
    node.pointee.subtreeGap = gap
    node.pointee.height = height
    return true
  }
}
