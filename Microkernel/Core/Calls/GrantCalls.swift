import IPC
import Protocols

// Who may reach whose memory. Grants say it, the copy calls use them; a grant is checked at each use, link by link.
extension Core where M: ~Copyable {
  /// Links of a chain of grants, the last of which names memory.
  static var chainLimit: UInt8 { 4 }

  mutating func grantCreate(_ call: Kernel.GrantCreate, _ me: ThreadPointer) throws(Errno) -> Kernel.GrantReply {
    let access = try self.access(call.access)
    guard isUserRange(call.address, call.length) else { throw .badAddress }
    guard lookup(call.grantee) != nil else { throw .deadEndpoint }
    let grant = try reserve(me)
    grant.pointee.kind = .own
    grant.pointee.access = access
    grant.pointee.address = call.address
    return commit(grant, me, call.grantee, call.length)
  }

  mutating func grantCaller(_ call: Kernel.GrantCaller, _ me: ThreadPointer) throws(Errno) -> Kernel.GrantReply {
    let access = try self.access(call.access)
    guard isUserRange(call.address, call.length) else { throw .badAddress }
    let client = try waitingClient(call.client, of: me)
    guard lookup(call.grantee) != nil else { throw .deadEndpoint }
    let grant = try reserve(me)
    grant.pointee.kind = .caller
    grant.pointee.access = access
    grant.pointee.address = call.address
    grant.pointee.client = call.client
    grant.pointee.serial = client.pointee.serial
    return commit(grant, me, call.grantee, call.length)
  }

  mutating func grantIndirect(_ call: Kernel.GrantIndirect, _ me: ThreadPointer) throws(Errno) -> Kernel.GrantReply {
    guard let granter = lookup(call.granter) else { throw .deadEndpoint }
    guard let parent = grant(call.id), parent.pointee.owner == granter, parent.pointee.grantee == me.pointee.endpoint else {
      throw .notPermitted
    }
    guard contains(parent, call.offset, call.length) else { throw .notPermitted }
    guard parent.pointee.depth < Self.chainLimit else { throw .tooManyLevels }
    guard lookup(call.grantee) != nil else { throw .deadEndpoint }
    let grant = try reserve(me)
    grant.pointee.kind = .indirect
    grant.pointee.access = parent.pointee.access
    grant.pointee.depth = parent.pointee.depth + 1
    grant.pointee.address = call.offset
    grant.pointee.client = call.granter
    grant.pointee.parent = call.id
    return commit(grant, me, call.grantee, call.length)
  }

  mutating func grantRevoke(_ call: Kernel.GrantRevoke, _ me: ThreadPointer) throws(Errno) -> Done {
    guard let grant = grant(call.id), grant.pointee.owner == me else { throw .notPermitted }
    revoke(grant)
    return Done()
  }

  // MARK: Table

  private mutating func access(_ access: UInt32) throws(Errno) -> UInt32 {
    guard access != 0, access & ~(Kernel.Access.read | Kernel.Access.write) == 0 else { throw .invalidArgument }
    return access
  }

  /// A row that is still free; `commit` takes it.
  private mutating func reserve(_ me: ThreadPointer) throws(Errno) -> GrantPointer {
    guard me.pointee.grantCount < UInt32(me.pointee.privileges.grantQuota), let grant = freeGrants else { throw .noSpace }
    return grant
  }

  private mutating func commit(_ grant: GrantPointer, _ me: ThreadPointer, _ grantee: Endpoint, _ length: UInt64) -> Kernel.GrantReply {
    freeGrants = grant.pointee.next
    grantCount += 1
    me.pointee.grantCount += 1
    if grant.pointee.kind != .indirect { grant.pointee.depth = 1 }
    // 0 is no id.
    grant.pointee.generation = grant.pointee.generation == .max ? 1 : grant.pointee.generation + 1
    grant.pointee.owner = me
    grant.pointee.grantee = grantee
    grant.pointee.length = length
    grant.pointee.previous = nil
    grant.pointee.next = me.pointee.grants
    if let first = me.pointee.grants { first.pointee.previous = grant }
    me.pointee.grants = grant
    return Kernel.GrantReply(id: UInt64(grant.pointee.generation) << 32 | UInt64(grant - grants))
  }

  mutating func revoke(_ grant: GrantPointer) {
    guard let owner = grant.pointee.owner else { return }
    if let next = grant.pointee.next { next.pointee.previous = grant.pointee.previous }
    if let previous = grant.pointee.previous { previous.pointee.next = grant.pointee.next } else { owner.pointee.grants = grant.pointee.next }
    owner.pointee.grantCount -= 1
    grantCount -= 1
    grant.pointee.kind = .free
    grant.pointee.owner = nil
    grant.pointee.previous = nil
    grant.pointee.next = freeGrants
    freeGrants = grant
  }

  /// The row behind an id that holds.
  mutating func grant(_ id: UInt64) -> GrantPointer? {
    let index = id & 0xFFFF_FFFF
    guard index < UInt64(limits.grants) else { return nil }
    let grant = grants + Int(index)
    return grant.pointee.kind != .free && UInt64(grant.pointee.generation) == id >> 32 ? grant : nil
  }

  mutating func contains(_ grant: GrantPointer, _ offset: UInt64, _ length: UInt64) -> Bool {
    offset <= grant.pointee.length && length <= grant.pointee.length - offset
  }

  /// A thread that waits for the answer of `me` to a request of its own.
  mutating func waitingClient(_ endpoint: Endpoint, of me: ThreadPointer) throws(Errno) -> ThreadPointer {
    guard let client = lookup(endpoint) else { throw .deadEndpoint }
    guard client.pointee.state == .waiting, client.pointee.peer == me, client.pointee.purpose == .request else { throw .notReady }
    return client
  }

  /// The memory behind a grant that `grantee` holds: every link is valid, allows the access and covers the range (SEC22).
  mutating func resolve(
    _ granter: Endpoint, _ id: UInt64, _ offset: UInt64, _ length: UInt64, _ access: UInt32, for grantee: Endpoint
  ) throws(Errno) -> Bytes {
    var (granter, id, offset, grantee) = (granter, id, offset, grantee)
    for _ in 0..<Self.chainLimit {
      guard let owner = lookup(granter) else { throw .deadEndpoint }
      guard let grant = grant(id), grant.pointee.owner == owner, grant.pointee.grantee == grantee,
        grant.pointee.access & access == access, contains(grant, offset, length)
      else { throw .notPermitted }
      // Inside the grant, which was inside user memory or its parent: no overflow.
      let address = grant.pointee.address + offset
      switch grant.pointee.kind {
      case .free: throw .notPermitted
      case .own: return Bytes(thread: owner, address: address)
      case .caller:
        guard let client = lookup(grant.pointee.client), client.pointee.state == .waiting, client.pointee.peer == owner,
          client.pointee.purpose == .request, client.pointee.serial == grant.pointee.serial
        else { throw .notPermitted }
        return Bytes(thread: client, address: address)
      case .indirect:
        grantee = granter
        granter = grant.pointee.client
        id = grant.pointee.parent
        offset = address
      }
    }
    throw .tooManyLevels
  }
}
