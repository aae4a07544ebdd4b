import IPC
import Protocols

@testable import VFSServer

/// VM's page cache: pages by file and index.
struct FakeCache {
  struct File: Hashable {
    var mount: UInt32
    var inode: UInt64
  }

  var pages: [File: [UInt64: [UInt8]]] = [:]
  /// False: VM knows no such calls. Otherwise how many pages there may be.
  var isThere = true
  var limit = Int.max
  var hits = 0
  /// File systems without a disk, and how many pages each may have.
  var stores: [UInt32: UInt64] = [:]
  var maps: [PageCache.Map] = []
  /// Those for programs.
  var images: [PageCache.Map] = []
  var mapped: Set<File> = []
  var failures: [PageCache.Fail] = []
  /// What copies met, and which pages processes have changed.
  var missing: [PageCache.Place] = []
  var changed: [File: Set<UInt64>] = [:]
  /// The page of each that VFS took last.
  var writing: [File: UInt64] = [:]
  var wroteBack: [PageCache.WroteBack] = []

  var count: Int { pages.values.reduce(0) { $0 + $1.count } }

  mutating func handle(_ number: PageCache.Number, _ message: Message, _ world: World) -> Message {
    guard isThere else { return Message(error: .noSuchCall) }
    do throws(Errno) { return try perform(number, message, world) } catch { return Message(error: error) }
  }

  private mutating func perform(_ number: PageCache.Number, _ message: Message, _ world: World) throws(Errno) -> Message {
    switch number {
    case .read:
      let call: PageCache.Read = message.body()
      return Message(reply: VFS.Count(count: try read(call, world)))
    case .fill:
      let call: PageCache.Fill = message.body()
      return Message(reply: VFS.Count(count: fill(call)))
    case .write:
      let call: PageCache.Write = message.body()
      let bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: UInt(call.source)), count: Int(call.length))
      let file = File(mount: call.mount, inode: call.inode)
      for (index, byte) in bytes.enumerated() {
        let at = call.position + UInt64(index)
        pages[file]?[at >> 12]?[Int(at & 4095)] = byte
      }
    case .truncate:
      let call: PageCache.Truncate = message.body()
      let file = File(mount: call.mount, inode: call.inode)
      pages[file] = pages[file]?.filter { $0.key < (call.size + 4095) >> 12 }
      if call.size & 4095 != 0 {
        for at in Int(call.size & 4095)..<4096 { pages[file]?[call.size >> 12]?[at] = 0 }
      }
    case .forget:
      let call: PageCache.Forget = message.body()
      pages = pages.filter { $0.key.mount != call.mount || (call.inode != 0 && $0.key.inode != call.inode) }
      if call.inode == 0 { stores[call.mount] = nil }
    case .map:
      let call: PageCache.Map = message.body()
      if call.flags & PageCache.Map.image != 0 { images.append(call) } else { maps.append(call) }
      return Message(reply: PageCache.Map.Reply(address: 0x7000_0000, isFirst: mapped.insert(File(mount: call.mount, inode: call.inode)).inserted ? 1 : 0))
    case .fail: failures.append(message.body())
    case .missing:
      guard !missing.isEmpty else { throw .noSuchFile }
      return Message(reply: missing.removeFirst())
    case .mapping: throw .noMemory
    case .takeChanged:
      let call: PageCache.TakeChanged = message.body()
      let file = File(mount: call.mount, inode: call.inode)
      guard let page = changed[file]?.filter({ $0 >= call.position >> 12 }).min(), let bytes = pages[file]?[page] else { throw .noSuchFile }
      changed[file]?.remove(page)
      writing[file] = page
      UnsafeMutableRawPointer(bitPattern: UInt(call.destination))!.copyMemory(from: bytes, byteCount: 4096)
      return Message(reply: VFS.Count(count: page << 12))
    case .makeStore:
      let call: PageCache.MakeStore = message.body()
      guard stores.updateValue(call.pages == 0 ? 64 : call.pages, forKey: call.mount) == nil else { throw .fileExists }
    case .put: return Message(reply: VFS.Count(count: try put(message.body(), world)))
    case .storeInformation:
      let call: PageCache.StoreInformation = message.body()
      guard let limit = stores[call.mount] else { throw .noSuchFile }
      return Message(reply: PageCache.StoreInformation.Reply(pages: used(call.mount), limit: limit, nodes: 0, files: 0))
    case .notWritten:
      let call: PageCache.NotWritten = message.body()
      let file = File(mount: call.mount, inode: call.inode)
      if let page = writing.removeValue(forKey: file) { changed[file, default: []].insert(page) }
    case .wroteBack: wroteBack.append(message.body())
    case .information, .pressure: throw .noSuchCall
    }
    return Message(reply: Done())
  }

  private mutating func read(_ call: PageCache.Read, _ world: World) throws(Errno) -> UInt64 {
    guard call.process == .vfs || world.spaces[call.process.raw] != nil else { throw .noSuchProcess }
    let file = File(mount: call.mount, inode: call.inode)
    var done: UInt64 = 0
    let hole = stores[call.mount] == nil ? nil : [UInt8](repeating: 0, count: 4096)
    while done < min(call.length, PageCache.limit), let page = pages[file]?[(call.position + done) >> 12] ?? hole {
      let inside = (call.position + done) & 4095
      let count = min(call.length - done, 4096 - inside)
      if call.process == .vfs {
        let part = Array(page[Int(inside)..<Int(inside + count)])
        UnsafeMutableRawPointer(bitPattern: UInt(call.address + done))!.copyMemory(from: part, byteCount: part.count)
      } else if !world.write(call.process, call.address &+ done, Array(page[Int(inside)..<Int(inside + count)])) {
        if done > 0 { break }
        throw .badAddress
      }
      done += count
      hits += 1
    }
    return done
  }

  private func used(_ mount: UInt32) -> UInt64 { pages.reduce(0) { $0 + ($1.key.mount == mount ? UInt64($1.value.count) : 0) } }

  private mutating func put(_ call: PageCache.Put, _ world: World) throws(Errno) -> UInt64 {
    guard let limit = stores[call.mount] else { throw .invalidArgument }
    let file = File(mount: call.mount, inode: call.inode)
    var done: UInt64 = 0
    while done < min(call.length, PageCache.limit) {
      let at = call.position + done
      let count = min(call.length - done, 4096 - at & 4095)
      guard let bytes = world.read(call.process, call.address + done, Int(count)) else {
        if done == 0 { throw .badAddress } else { break }
      }
      if pages[file]?[at >> 12] == nil {
        guard used(call.mount) < limit else {
          if done == 0 { throw .noSpace } else { break }
        }
        pages[file, default: [:]][at >> 12] = [UInt8](repeating: 0, count: 4096)
      }
      pages[file]![at >> 12]!.replaceSubrange(Int(at & 4095)..<Int(at & 4095 + count), with: bytes)
      done += count
    }
    return done
  }

  private mutating func fill(_ call: PageCache.Fill) -> UInt64 {
    let file = File(mount: call.mount, inode: call.inode)
    let bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: UInt(call.source)), count: Int(call.length))
    var done = 0
    var filled: UInt64 = 0
    while done < bytes.count {
      let part = Array(bytes[done..<min(done + 4096, bytes.count)])
      let index = call.position >> 12 + UInt64(done >> 12)
      if pages[file]?[index] == nil {
        guard count < limit else { break }
        pages[file, default: [:]][index] = part + [UInt8](repeating: 0, count: 4096 - part.count)
      }
      filled += 1
      done += 4096
    }
    return filled
  }
}
