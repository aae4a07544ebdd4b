import BootImage
import IPC
import PageTable
import Protocols
import Trap

// Scenes of memory: grants, and copies that miss pages.
extension Stage {
  private mutating func grant(_ from: Puppet, to: Puppet, length: UInt64 = 64) -> UInt64 {
    expect(kernel(from, Kernel.GrantCreate(address: from.memory, length: length, grantee: to.name, access: Kernel.Access.read)) == .done)
    return heard(from).message.payload.0
  }

  private mutating func copy(_ id: UInt64, by reader: Puppet, from granter: Puppet) -> Errno? {
    reader.cell[Puppet.Place.memory] = 0
    return kernel(reader, Kernel.CopyGrant(
      granter: granter.name, id: id, offset: 0, address: reader.memory, length: 8, direction: Kernel.Direction.read))
  }

  /// Passes it on: the id of the new one, or why there is none.
  private mutating func pass(_ id: UInt64, of granter: Puppet, by holder: Puppet, to: Puppet) -> (id: UInt64, error: Errno?) {
    let error = kernel(holder, Kernel.GrantIndirect(granter: granter.name, id: id, offset: 0, length: 64, grantee: to.name))
    return (error == .done ? heard(holder).message.payload.0 : 0, error)
  }

  /// M-N6: an id that was revoked never works again, not for the next grant in its row either, and guesses do not.
  mutating func revokedGrant() {
    let secret: UInt64 = 0x5EC7_E700_5EC7_E700
    a.cell[Puppet.Place.memory] = secret
    let id = grant(a, to: b)
    expect(copy(id, by: b, from: a) == .done)
    expect(b.cell[Puppet.Place.memory] == secret)
    expect(copy(id, by: c, from: a) == .notPermitted && copy(id, by: b, from: c) == .notPermitted)
    expect(kernel(b, Kernel.GrantRevoke(id: id)) == .notPermitted)
    expect(kernel(a, Kernel.GrantRevoke(id: id)) == .done)
    expect(copy(id, by: b, from: a) == .notPermitted)
    expect(b.cell[Puppet.Place.memory] == 0 && kernel(a, Kernel.GrantRevoke(id: id)) == .notPermitted)
    let second = grant(a, to: b)
    expect(second & 0xFFFF_FFFF == id & 0xFFFF_FFFF && second != id)
    expect(copy(id, by: b, from: a) == .notPermitted)
    expect(copy(second + 1, by: b, from: a) == .notPermitted && copy(second + 1 << 32, by: b, from: a) == .notPermitted)
    expect(copy(0, by: b, from: a) == .notPermitted && copy(~0, by: b, from: a) == .notPermitted)
    expect(copy(second, by: b, from: a) == .done && b.cell[Puppet.Place.memory] == secret)
    // It ends with its granter, whose next life has other ones under the same name.
    destroy(a)
    expect(copy(second, by: b, from: a) == .deadEndpoint)
    create(a)
    expect(copy(second, by: b, from: a) == .notPermitted)
    let third = grant(a, to: b)
    restart(a)
    expect(copy(third, by: b, from: a) == .notPermitted && statistics()?.grants == 0)
    // Memory of a caller, for as long as it waits.
    user.cell[Puppet.Place.memory] = secret
    expect(receive(b) == nil)
    expect(sendRec(user, b.name) == nil)
    expect(kernel(b, Kernel.GrantCaller(client: user.name, address: user.memory, length: 8, grantee: c.name, access: 1)) == .done)
    let lent = heard(b).message.payload.0
    expect(copy(lent, by: c, from: b) == .done)
    expect(c.cell[Puppet.Place.memory] == secret && reply(b, user.name) == .done)
    expect(copy(lent, by: c, from: b) == .notPermitted && sendRec(user, b.name) == nil)
    expect(receive(b) == .done)
    expect(copy(lent, by: c, from: b) == .notPermitted)
  }

  /// M-N7: four links, not five; a circle of two ends at the same place; without its first link none works.
  mutating func grantChains() {
    a.cell[Puppet.Place.memory] = 0xC4A1
    let first = grant(a, to: b)
    var id = first
    for link in 1..<4 {
      let next = pass(id, of: actor(link - 1), by: actor(link), to: actor(link + 1))
      expect(next.error == .done)
      id = next.id
    }
    expect(copy(id, by: e, from: d) == .done && e.cell[Puppet.Place.memory] == 0xC4A1)
    expect(pass(id, of: d, by: e, to: a).error == .tooManyLevels)
    expect(kernel(a, Kernel.GrantRevoke(id: first)) == .done)
    expect(copy(id, by: e, from: d) == .notPermitted)
    id = grant(a, to: b)
    for turn in 0..<3 {
      let next = turn % 2 == 0 ? pass(id, of: a, by: b, to: a) : pass(id, of: b, by: a, to: b)
      expect(next.error == .done)
      id = next.id
    }
    expect(copy(id, by: a, from: b) == .done && a.cell[Puppet.Place.memory] == 0)
    expect(pass(id, of: b, by: a, to: b).error == .tooManyLevels)
  }

  // MARK: Missing pages

  private static var length: UInt64 { 3 * Page.size }
  /// The client's bytes begin here: four pages.
  private static var remote: UInt64 { area + 100 }
  /// The server's: four pages.
  private static var local: UInt64 { area + 8 * Page.size + 300 }

  /// A byte of `area`, as VM reaches it.
  private func byte(_ address: UInt64) -> UnsafeMutablePointer<UInt8> {
    let physical = leaves[Page.index(address, level: 1)] & PageEntry.frameMask + address % Page.size
    return UnsafeMutablePointer(bitPattern: UInt(AddressSpace.vmWindow + physical)).unsafelyUnwrapped
  }

  private func pattern(_ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: index &* 7 &+ index >> 8) }

  /// What VM does with the pages that a copy misses: how many it was asked for, each of which once and rightly.
  private mutating func supply(to server: Puppet, refuse: Int = -1, _ interrupt: (inout Stage) -> Void = { _ in }) -> Int {
    var count = 0
    while let delivery = try? ipc.receive(from: .any, deadline: 1) {
      let fault: KernelEvent.PageFault = delivery.message.body()
      let page = Page.index(fault.address, level: 1)
      let isLocal = page >= 8
      expect(delivery.flags == .request | .fromKernel && delivery.message.type == KernelEvent.PageFault.number)
      expect(delivery.message.source == server.name && fault.space == (isLocal ? UInt32(server.name.slot) : 99))
      expect(fault.address / Page.size >= Self.area / Page.size && page < Self.areaPages && leaves[page] & PageEntry.present == 0)
      expect(fault.access & ~KernelEvent.PageFault.write == KernelEvent.PageFault.kernelCopy && status(server) == nil)
      interrupt(&self)
      let isRefused = count == refuse
      if !isRefused { leaves[page] |= PageEntry.present }
      count += 1
      expect((try? ipc.reply(Message(type: isRefused ? 1 : 0), to: server.name)) != nil)
      if isRefused { break }
    }
    return count
  }

  /// M-N8: for each page that is missing VM is asked, then the call is done again, and in the end it is whole: no short
  /// result, no byte wrong, nothing else heard meanwhile. If VM refuses one, or the client dies, it has failed as a whole.
  mutating func missingPages() {
    expect(receive(b) == nil)
    expect(sendRec(user, b.name) == nil)
    for direction in Kernel.Direction.read...Kernel.Direction.write {
      let call = Kernel.CopyCaller(client: user.name, remote: Self.remote, local: Self.local, length: Self.length, direction: direction)
      let (source, target) = direction == Kernel.Direction.read ? (Self.remote, Self.local) : (Self.local, Self.remote)
      hidePages()
      for index in 0..<Self.length {
        byte(source + index).pointee = pattern(index)
        byte(target + index).pointee = ~pattern(index)
      }
      byte(target - 1).pointee = 0xA1
      byte(target + Self.length).pointee = 0xA2
      expect(kernel(b, call) == nil)
      expect(state(b) == Kernel.ThreadState.faulted)
      // What comes meanwhile is heard afterwards.
      expect(supply(to: b) { stage in stage.expect(stage.notify(stage.a, stage.b.name) == .done) } == 8)
      expect(status(b) == .done && heard(b).message.type == 0)
      var wrong = 0
      for index in 0..<Self.length where byte(target + index).pointee != pattern(index) { wrong += 1 }
      expect(wrong == 0)
      expect(byte(target - 1).pointee == 0xA1 && byte(target + Self.length).pointee == 0xA2)
      expect(receive(b) == .done)
      expect(heard(b).isNotification && poll(b) == .timedOut)
      // Refused at the third page: an error, and the next call begins at the beginning.
      hidePages()
      expect(kernel(b, call) == nil)
      expect(supply(to: b, refuse: 2) == 3)
      expect(status(b) == .done && heard(b).message.type == -Errno.badAddress.rawValue)
      expect(kernel(b, call) == nil)
      expect(supply(to: b) == 6 && heard(b).message.type == 0)
    }
    // The same over a grant, which is revoked meanwhile.
    hidePages()
    expect(kernel(c, Kernel.GrantCreate(address: Self.local, length: Self.length, grantee: b.name, access: 1)) == .done)
    let id = heard(c).message.payload.0
    expect(kernel(b, Kernel.CopyGrant(granter: c.name, id: id, offset: 0, address: b.memory, length: 8, direction: 0)) == nil)
    expect(kernel(c, Kernel.GrantRevoke(id: id)) == .done)
    expect((try? ipc.receive(from: b.name, deadline: 1))?.isFromKernel == true)
    leaves[8] |= PageEntry.present
    expect((try? ipc.reply(Message(type: 0), to: b.name)) != nil)
    expect(status(b) == .done && heard(b).message.type == -Errno.notPermitted.rawValue)
    // The client dies while its server waits for its page.
    hidePages()
    expect(kernel(b, Kernel.CopyCaller(client: user.name, remote: Self.remote, local: b.memory, length: 8, direction: 0)) == nil)
    expect((try? ipc.receive(from: b.name, deadline: 1))?.isFromKernel == true)
    destroy(user)
    expect((try? ipc.reply(Message(type: 0), to: b.name)) != nil)
    expect(status(b) == .done && heard(b).message.type == -Errno.deadEndpoint.rawValue)
  }
}
