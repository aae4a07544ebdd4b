import IPC
import PageTable
import Protocols

/// User memory: a few pages from 1 MiB on in each of a few spaces, and nothing anywhere else.
struct ModelMemory {
  struct Page {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var isThere = false
    var isWritable = false
  }

  static let start: UInt64 = 0x10_0000
  static let pages = 4

  /// By space, then page.
  var spaces: [[Page]]

  init(spaces count: Int) { spaces = Array(repeating: Array(repeating: Page(), count: Self.pages), count: count) }

  static func page(_ address: UInt64) -> Int? {
    address >= start && address < start + UInt64(pages) * 4096 ? Int(address - start) / 4096 : nil
  }

  func byte(_ space: Int, _ address: UInt64) -> UInt8 { spaces[space][Self.page(address)!].bytes[Int(address % 4096)] }
  mutating func setByte(_ space: Int, _ address: UInt64, _ byte: UInt8) { spaces[space][Self.page(address)!].bytes[Int(address % 4096)] = byte }

  /// What VM would be told of this byte; nil if it can be used.
  func missing(_ space: Int, _ address: UInt64, write: Bool) -> UInt32? {
    let asked = KernelEvent.PageFault.kernelCopy | (write ? KernelEvent.PageFault.write : 0)
    guard let page = Self.page(address), spaces[space][page].isThere else { return asked }
    return write && !spaces[space][page].isWritable ? asked | KernelEvent.PageFault.present : nil
  }

  /// The first byte of a range that cannot be used.
  func missing(_ space: Int, _ address: UInt64, _ length: UInt64, write: Bool) -> (address: UInt64, access: UInt32)? {
    for address in address..<address + length {
      if let access = missing(space, address, write: write) { return (address, access) }
    }
    return nil
  }

  static func isUserRange(_ address: UInt64, _ length: UInt64) -> Bool {
    let end = address.addingReportingOverflow(length)
    return !end.overflow && end.partialValue <= AddressSpace.userEnd
  }
}

/// A row of the grant table.
struct GrantRow {
  enum Kind { case own, caller, indirect }
  /// Nil: free.
  var kind: Kind?
  var generation: UInt64 = 0
  var owner = 0
  var grantee = Endpoint.none
  var access: UInt32 = 0
  var address: UInt64 = 0
  var length: UInt64 = 0
  var depth = 1
  /// Of `caller`: whose memory, in which of its requests. Of `indirect`: whose grant, which.
  var other = Endpoint.none
  var request: UInt32 = 0
  var parent: UInt64 = 0
}

extension Model {
  func revoke(_ index: Int) {
    rows[grants[index].owner].grants.removeAll { $0 == index }
    grants[index].kind = nil
    freeGrants.append(index)
  }

  func grant(_ id: UInt64) -> Int? {
    let index = Int(id & 0xFFFF_FFFF)
    return grants.indices.contains(index) && grants[index].kind != nil && grants[index].generation == id >> 32 ? index : nil
  }

  func create(_ row: GrantRow, _ me: Int) throws(Errno) -> UInt64 {
    guard find(row.grantee) != nil else { throw .deadEndpoint }
    guard rows[me].grants.count < Int(rows[me].privileges.grantQuota), let index = freeGrants.popLast() else { throw .noSpace }
    let generation = grants[index].generation + 1
    grants[index] = row
    grants[index].generation = generation
    grants[index].owner = me
    // The newest first.
    rows[me].grants.insert(index, at: 0)
    return generation << 32 | UInt64(index)
  }

  func covers(_ index: Int, _ offset: UInt64, _ length: UInt64) -> Bool {
    let end = offset.addingReportingOverflow(length)
    return !end.overflow && end.partialValue <= grants[index].length
  }

  /// Whose memory, and where.
  func resolve(_ granter: Endpoint, _ id: UInt64, _ offset: UInt64, _ length: UInt64, _ access: UInt32, for grantee: Endpoint) throws(Errno) -> (Int, UInt64) {
    guard let owner = find(granter) else { throw .deadEndpoint }
    guard let index = grant(id), grants[index].owner == owner, grants[index].grantee == grantee, grants[index].access & access == access,
      covers(index, offset, length)
    else { throw .notPermitted }
    let row = grants[index]
    switch row.kind {
    case nil: throw .notPermitted
    case .own: return (owner, row.address + offset)
    case .caller:
      guard let client = find(row.other), rows[client].state == .waiting(owner), rows[client].need == .answer, rows[client].requests == row.request
      else { throw .notPermitted }
      return (client, row.address + offset)
    case .indirect: return try resolve(row.other, row.parent, row.address + offset, length, access, for: granter)
    }
  }

  /// Up to the next page border of either end at a time. False: a page is missing, VM is asked, and the call will be done again
  /// from there.
  func copy(_ me: Int, from source: (Int, UInt64), to target: (Int, UInt64), _ length: UInt64) throws(Errno) -> Bool {
    guard ModelMemory.isUserRange(source.1, length), ModelMemory.isUserRange(target.1, length) else { throw .badAddress }
    while rows[me].copied < length {
      let (from, to) = (source.1 + rows[me].copied, target.1 + rows[me].copied)
      for (end, address, write) in [(source.0, from, false), (target.0, to, true)] {
        guard let access = memory.missing(rows[end].space, address, write: write) else { continue }
        if me == 1 || end == 1 { throw .badAddress }
        askVM(me, .pageForCall, owner: end, address: address, access: access)
        return false
      }
      let count = min(length - rows[me].copied, 4096 - from % 4096, 4096 - to % 4096)
      let bytes = (0..<count).map { memory.byte(rows[source.0].space, from + $0) }
      for (offset, byte) in bytes.enumerated() { memory.setByte(rows[target.0].space, to + UInt64(offset), byte) }
      rows[me].copied += count
    }
    rows[me].copied = 0
    return true
  }
}
