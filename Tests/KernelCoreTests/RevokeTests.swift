import IPC
import Protocols
import Testing

@testable import KernelCore

/// What ends a grant while a copy through it waits for a page: the copy is checked anew and stops there.
@Suite struct RevokeTests {
  enum End: CaseIterable { case revoked, linkRevoked, granterDies, granterRestarts, middleDies }

  let world = World(frames: 4096)
  let granter: Endpoint, middle: Endpoint, copier: Endpoint
  let remote: UInt64 = 0x10_0000
  let local: UInt64 = 0x20_0000

  init() {
    granter = world.spawn(slot: 10, priority: 6)
    middle = world.spawn(slot: 11, priority: 6)
    copier = world.spawn(slot: 12)
    world.map(copier, local, pages: 2)
    world.map(granter, remote)
  }

  @Test("SEC24 a grant that ends while the copy waits for a page is not used any more, in whichever way it ends", arguments: End.allCases)
  func endsMeanwhile(end: End) throws {
    let id = try world.kernel(granter, Kernel.GrantCreate(address: remote, length: 8192, grantee: middle, access: 3)).id
    let link = try world.kernel(middle, Kernel.GrantIndirect(granter: granter, id: id, offset: 0, length: 8192, grantee: copier)).id
    world.store(granter, remote, [1, 2, 3])
    world.receive(.vm)
    world.trap(copier, .kernelCall, Message(Kernel.CopyGrant(granter: middle, id: link, offset: 0, address: local, length: 8192, direction: 0)))
    let fault = world.pageFault()!
    #expect(fault.address == remote + 4096 && fault.space == world[granter].space)
    let error: Errno
    let place = world.core.machine.takeFrame()!
    let root = world.root(granter)
    switch end {
    case .revoked:
      try world.kernel(granter, Kernel.GrantRevoke(id: id))
      error = .notPermitted
    case .linkRevoked:
      try world.kernel(middle, Kernel.GrantRevoke(id: link))
      error = .notPermitted
    case .granterDies:
      try world.kernel(.vm, Kernel.ThreadDestroy(thread: granter))
      error = .deadEndpoint
    case .granterRestarts:
      try world.kernel(.vm, Kernel.ThreadRestart(thread: granter, root: root, space: 9, entry: 0x1000, stack: 0, fault: 1))
      error = .notPermitted
    case .middleDies:
      try world.kernel(.vm, Kernel.ThreadDestroy(thread: middle))
      error = .deadEndpoint
    }
    world.core.machine.map(root, remote + 4096, frame: place)
    world.core.machine.store(root, remote + 4096, [99])
    world.reply(.vm, copier)
    world.receive(.vm)
    #expect(world[copier].context.message.type == -error.rawValue)
    #expect(world[copier].copied == 0)
    #expect(world.load(copier, local, 3) == [1, 2, 3], "what came before the page is there")
    #expect(world.load(copier, local + 4096, 1) == [0], "nothing after it is")
    world.check()
  }

  @Test("SEC24 a new grant in the place of the revoked one does not continue its copy")
  func reused() throws {
    func call() -> Kernel.GrantCreate { Kernel.GrantCreate(address: remote, length: 8192, grantee: copier, access: 1) }
    let id = try world.kernel(granter, call()).id
    world.receive(.vm)
    world.trap(copier, .kernelCall, Message(Kernel.CopyGrant(granter: granter, id: id, offset: 0, address: local, length: 8192, direction: 0)))
    try world.kernel(granter, Kernel.GrantRevoke(id: id))
    let next = try world.kernel(granter, call()).id
    #expect(next & 0xFFFF_FFFF == id & 0xFFFF_FFFF && next != id, "the same row")
    world.map(granter, remote + 4096)
    world.reply(.vm, copier)
    world.receive(.vm)
    #expect(world[copier].context.message.type == -Errno.notPermitted.rawValue)
  }
}
