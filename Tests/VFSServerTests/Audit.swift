import IPC
import Protocols
import Testing
@testable import VFSServer

extension World {
  /// Counts everything anew and compares with what VFS believes. Valid whenever nothing is on its way.
  func audit(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
    let tables = vfs.tables
    var fileUsers: [Int: Int] = [:]
    var vnodeUsers: [Int: Int] = [:]
    var programs: [Int: Int] = [:]
    var writers: [Int: Int] = [:]
    var deviceGrants = 0
    for index in 0..<tables.processes.count where tables.processes[index].endpoint != .none {
      let record = tables.processes[index]
      for number in 0..<64 where record.descriptors[number].file >= 0 { fileUsers[Int(record.descriptors[number].file), default: 0] += 1 }
      if record.directory >= 0 { vnodeUsers[record.directory, default: 0] += 1 }
      if record.program >= 0 {
        vnodeUsers[record.program, default: 0] += 1
        programs[record.program, default: 0] += 1
      }
      if case .device(let grant) = record.waiting, grant != 0 { deviceGrants += 1 }
    }
    var pipeEnds: [Int: Int] = [:]
    for index in 0..<tables.files.count {
      let file = tables.files[index]
      #expect(file.users == fileUsers[index, default: 0], "users of open file \(index)", sourceLocation: sourceLocation)
      guard file.users > 0 else { continue }
      if file.vnode >= 0 {
        vnodeUsers[file.vnode, default: 0] += 1
        if file.isWritable { writers[file.vnode, default: 0] += 1 }
      }
      if file.pipe >= 0 { pipeEnds[file.pipe, default: 0] += 1 }
    }
    var mountGrants = 0
    for index in 0..<tables.mounts.count where tables.mounts[index].isUsed {
      vnodeUsers[tables.mounts[index].root, default: 0] += 1
      if tables.mounts[index].covered >= 0 { vnodeUsers[tables.mounts[index].covered, default: 0] += 1 }
      if tables.mounts[index].server != .none, !vfs.isMemory(mount: index) { mountGrants += tables.mounts[index].number != 0 ? 3 : 2 }
    }
    var references: [UInt32: UInt64] = [:]
    for index in 0..<tables.vnodes.count {
      let vnode = tables.vnodes[index]
      #expect(vnode.users == vnodeUsers[index, default: 0] + vnode.mappings, "users of vnode \(index)", sourceLocation: sourceLocation)
      #expect(vnode.programs == programs[index, default: 0] && vnode.writers == writers[index, default: 0], "who runs or writes vnode \(index)", sourceLocation: sourceLocation)
      if vnode.mount >= 0 { references[tables.mounts[vnode.mount].server.raw, default: 0] += vnode.references }
    }
    for case let service as MemoryFileSystem in services.values {
      #expect(service.references == references[service.endpoint.raw, default: 0], "references at file system \(service.endpoint.raw)", sourceLocation: sourceLocation)
    }
    auditMemoryNames(sourceLocation)
    for index in 0..<tables.pipes.count {
      let pipe = tables.pipes[index]
      #expect(pipe.readers + pipe.writers == pipeEnds[index, default: 0], "ends of pipe \(index)", sourceLocation: sourceLocation)
      #expect(pipe.isUsed == (pipeEnds[index, default: 0] > 0), sourceLocation: sourceLocation)
    }
    var waiting = 0
    for index in 0..<tables.outstanding.count where tables.outstanding[index].token != 0 { waiting += 1 }
    #expect(waiting == deviceGrants || waiting > 0 && deviceGrants == 0, "requests without an answer", sourceLocation: sourceLocation)
    for index in 0..<tables.workers.count {
      if case .none = tables.workers[index].job {} else { Issue.record("worker \(index) has a job", sourceLocation: sourceLocation) }
      #expect(!vfs.fibers.isBusy(index), sourceLocation: sourceLocation)
    }
    for index in 0..<tables.locks.count { #expect(tables.locks[index] == 0, "lock \(index)", sourceLocation: sourceLocation) }
    #expect(grants.count == mountGrants + deviceGrants, "grants", sourceLocation: sourceLocation)
    #expect(vfs.outboxCount == 0 && vfs.heldCount == 0 && vfs.firstQueued == -1 && vfs.lastQueued == -1 && vfs.ready == 0, comment, sourceLocation: sourceLocation)
    #expect(vfs.recovering == 0, sourceLocation: sourceLocation)
  }

  /// Each name leads to an inode, each inode has as many names as it says, or somebody who uses it; all the rest is free.
  private func auditMemoryNames(_ sourceLocation: SourceLocation) {
    let names = vfs.memoryNames
    var links: [Int: UInt32] = [:]
    var cells = 0
    var used = 0
    for index in 0..<names.nodes.count where names.nodes[index].mount >= 0 {
      used += 1
      let node = names.nodes[index]
      #expect(vfs.isMemory(mount: node.mount), sourceLocation: sourceLocation)
      if node.isDirectory, node.links > 0 {
        links[index, default: 0] += 1
        if let parent = try? names.index(node.parent) { links[parent, default: 0] += 1 }
      }
      var cell = node.first
      while cell >= 0 {
        cells += 1
        if node.isDirectory { links[names.cells[cell].node, default: 0] += 1 }
        if names.cells[cell].next < 0 { #expect(node.last == cell, sourceLocation: sourceLocation) }
        cell = names.cells[cell].next
      }
    }
    for index in 0..<names.nodes.count where names.nodes[index].mount >= 0 {
      let node = names.nodes[index]
      #expect(node.links == links[index, default: 0], "links of inode \(index)", sourceLocation: sourceLocation)
      if node.links == 0 { #expect(vfs.find(node.mount, names.describe(index).inode) != nil, "an inode that nobody has", sourceLocation: sourceLocation) }
    }
    #expect(names.freeNodes == UInt64(names.nodes.count - used), sourceLocation: sourceLocation)
    var free = 0
    var cell = names.firstCell
    while cell >= 0, free <= names.cells.count {
      free += 1
      cell = names.cells[cell].next
    }
    #expect(free + cells == names.cells.count, "cells of names", sourceLocation: sourceLocation)
  }

  /// Open files and vnodes in use.
  var filesInUse: Int { (0..<vfs.tables.files.count).count { vfs.tables.files[$0].users > 0 } }
  var vnodesInUse: Int { (0..<vfs.tables.vnodes.count).count { vfs.tables.vnodes[$0].mount >= 0 } }
  var pipesInUse: Int { (0..<vfs.tables.pipes.count).count { vfs.tables.pipes[$0].isUsed } }
}
