import Foundation
import IPC
import Testing

@testable import Ext2Server

/// What a tree of files should be: the same calls on dictionaries.
final class Model {
  final class Node {
    var children: [String: Node] = [:]
    var bytes: [UInt8] = []
    var text = ""
    let kind: Kind
    var links = 1
    init(_ kind: Kind) { self.kind = kind }
  }
  enum Kind { case file, directory, link }

  let root = Node(.directory)

  func find(_ path: String) -> Node? {
    var node = root
    for name in path.split(separator: "/") {
      guard let next = node.children[String(name)] else { return nil }
      node = next
    }
    return node
  }

  func paths(_ kind: Kind?, _ node: Node? = nil, _ prefix: String = "") -> [String] {
    let node = node ?? root
    var result: [String] = []
    for (name, child) in node.children.sorted(by: { $0.key < $1.key }) {
      if kind == nil || child.kind == kind { result.append(prefix + "/" + name) }
      result += paths(kind, child, prefix + "/" + name)
    }
    return result
  }

  func split(_ path: String) -> (Node, String) {
    let slash = path.lastIndex(of: "/")!
    return (find(String(path[..<slash]))!, String(path[path.index(after: slash)...]))
  }
}

/// Random calls on a volume and on a model, which must agree, also in their errors.
struct Walker {
  var mounted: Mounted
  var model = Model()
  var random: Random
  var serial = 0

  mutating func step() throws {
    let directories = [""] + model.paths(.directory)
    let files = model.paths(.file)
    let any = model.paths(nil)
    serial += 1
    // Half of the new names are long, some are taken already.
    let fresh = directories.randomElement(using: &random)! + "/" + (serial % 2 == 0 ? "n\(serial % 40)" : "name-\(serial)-" + String(repeating: "x", count: Int(random.next() % 100)))
    switch random.next() % 20 {
    case 0..<4: try both(fresh, { m throws(Errno) in try m.make(fresh) }) { parent, name in parent.children[name] = Model.Node(.file) }
    case 4: try both(fresh, { m throws(Errno) in try m.mkdir(fresh) }) { parent, name in parent.children[name] = Model.Node(.directory) }
    case 5:
      let text = String(repeating: "t", count: Int(random.next() % 120) + 1)
      try both(fresh, { m throws(Errno) in try m.symlink(text, fresh) }) { parent, name in
        parent.children[name] = Model.Node(.link)
        parent.children[name]!.text = text
      }
    case 6:
      guard let old = files.randomElement(using: &random) else { return }
      let node = model.find(old)!
      try both(fresh, { m throws(Errno) in try m.link(old, fresh) }) { parent, name in
        parent.children[name] = node
        node.links += 1
      }
    case 7..<10:
      guard let path = any.randomElement(using: &random) else { return }
      try remove(path)
    case 10..<12:
      guard let path = any.randomElement(using: &random) else { return }
      let target = random.next() % 2 == 0 ? fresh : any.randomElement(using: &random)!
      try rename(path, target)
    case 12..<17:
      guard let path = files.randomElement(using: &random) else { return }
      try write(path)
    case 17:
      guard let path = files.randomElement(using: &random) else { return }
      let size = Int(random.next() % 200_000)
      try mounted.truncate(path, UInt64(size))
      let node = model.find(path)!
      if size < node.bytes.count { node.bytes.removeLast(node.bytes.count - size) } else { node.bytes += [UInt8](repeating: 0, count: size - node.bytes.count) }
    default:
      guard let path = files.randomElement(using: &random) else { return }
      #expect(try mounted.read(path) == model.find(path)!.bytes)
    }
  }

  /// A call that makes `path`: fails with EEXIST exactly if the model has it.
  private mutating func both(_ path: String, _ call: (inout Mounted) throws(Errno) -> Void, _ change: (Model.Node, String) -> Void) throws {
    let (parent, name) = model.split(path)
    if parent.children[name] != nil {
      #expect(throws: Errno.fileExists) { try call(&mounted) }
    } else {
      try call(&mounted)
      change(parent, name)
    }
  }

  private mutating func remove(_ path: String) throws {
    let (parent, name) = model.split(path)
    let node = parent.children[name]!
    if node.kind == .directory {
      if node.children.isEmpty {
        try mounted.rmdir(path)
        parent.children[name] = nil
      } else {
        #expect(throws: Errno.notEmpty) { try mounted.rmdir(path) }
      }
    } else {
      try mounted.unlink(path)
      parent.children[name] = nil
      node.links -= 1
    }
  }

  private mutating func rename(_ old: String, _ new: String) throws {
    let (from, oldName) = model.split(old)
    let (to, newName) = model.split(new)
    let node = from.children[oldName]!
    let existing = to.children[newName]
    let expected: Errno? =
      if existing === node { nil }
      else if node.kind == .directory, new == old || new.hasPrefix(old + "/") { .invalidArgument }
      else if let existing {
        switch (node.kind == .directory, existing.kind == .directory) {
        case (true, false): .notDirectory
        case (false, true): .isDirectory
        case (true, true): existing.children.isEmpty ? nil : .notEmpty
        default: nil
        }
      } else { nil }
    do throws(Errno) {
      try mounted.rename(old, new)
      #expect(expected == nil, "\(old) -> \(new)")
    } catch { #expect(error == expected, "\(old) -> \(new)") }
    if expected == nil, existing !== node {
      existing?.links -= 1
      from.children[oldName] = nil
      to.children[newName] = node
    }
  }

  private mutating func write(_ path: String) throws {
    let node = model.find(path)!
    let count = [1, 100, 1024, 5000, 40000].randomElement(using: &random)!
    let byte = UInt8(truncatingIfNeeded: random.next())
    let bytes = [UInt8](repeating: byte, count: count)
    let isAppend = random.next() % 3 == 0
    let position = isAppend ? node.bytes.count : Int(random.next() % 150_000) / (random.next() % 2 == 0 ? 1 : 1024) * 1
    try mounted.write(path, at: isAppend ? .max : UInt64(position), bytes)
    if node.bytes.count < position + count { node.bytes += [UInt8](repeating: 0, count: position + count - node.bytes.count) }
    node.bytes.replaceSubrange(position..<position + count, with: bytes)
  }

  mutating func compare() throws {
    for path in [""] + model.paths(.directory) {
      let expected = Set(model.find(path)!.children.keys).union([".", ".."]).union(path.isEmpty ? ["lost+found"] : [])
      #expect(Set(try mounted.list(path).map(\.name)) == expected)
    }
    for path in model.paths(.file) {
      let node = model.find(path)!
      #expect(try mounted.read(path) == node.bytes, "\(path)")
      #expect(try Int(mounted.stat(path).links) == node.links)
    }
    for path in model.paths(.link) { #expect(try mounted.readLink(path) == model.find(path)!.text) }
  }
}

@Suite struct ModelTests {
  @Test("random calls agree with a model, and e2fsck with both", arguments: [
    ("-b 1024 -I 128", UInt64(11)), ("-b 1024 -I 256", 12), ("-b 2048", 13), ("-b 4096", 14), ("-b 1024 -g 1024", 15), ("-b 1024 -O ^filetype", 16),
  ])
  func randomCalls(shape: String, seed: UInt64) throws {
    print("seed \(seed), \(shape)")
    var walker = Walker(mounted: try Mounted(Image(blocks: "64M", shape), cache: 192 << 10), random: Random(seed: seed))
    defer { walker.mounted.done() }
    for round in 0..<4 {
      for _ in 0..<250 { try walker.step() }
      if round % 2 == 0 { try walker.compare() }
      #expect(try walker.mounted.judge() == nil)
    }
    try walker.compare()
    #expect(walker.mounted.volume.isUnused)
    // Mounted anew, the same is there.
    var again = try Mounted(walker.mounted.image)
    swap(&again, &walker.mounted)
    try walker.compare()
    swap(&again, &walker.mounted)
  }
}
