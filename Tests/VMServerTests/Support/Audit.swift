import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

extension TestSystem {
  /// Everything that must hold between two messages (V39, V48, V67, V68, V80): totals, counts against entries, entries
  /// against regions, trees, TLB against tables. Returns what is wrong.
  func audit() -> [String] {
    var problems: [String] = []
    var references: [UInt64: UInt32] = [:]
    var tables: [UInt64: UInt32] = [:]
    var objects: [MemoryObject.Pointer: UInt32] = [:]
    var regionCount: UInt64 = 0
    var spaceCount: UInt64 = 0
    for index in 0..<Spaces.limit {
      guard let space = vm.spaces[index: index] else { continue }
      spaceCount += 1
      regionCount += auditTree(space, &problems, &objects)
      auditTables(space, &problems, &references, &tables)
      var link = space.pointee.contiguous
      while let object = link {
        objects[object, default: 0] += 1
        link = object.pointee.next
      }
      if space.pointee.thread != .none, vm.spaces[space.pointee.thread] != space { problems.append("space and thread disagree") }
    }
    auditLoans(&problems, &objects)
    for (object, count) in objects {
      if object.pointee.references != count { problems.append("object has \(object.pointee.references) references, should \(count)") }
      auditObject(object, &references, isContiguous: object.pointee.pages > 0 && isContiguous(object))
    }
    if spaceCount != vm.spaces.count { problems.append("\(spaceCount) spaces, counted \(vm.spaces.count)") }
    if regionCount != vm.regions.slab.used { problems.append("\(regionCount) regions, records \(vm.regions.slab.used)") }
    if UInt64(objects.count) != vm.objects.slab.used { problems.append("\(objects.count) objects, records \(vm.objects.slab.used)") }
    auditFrames(&problems, references, tables)
    auditCache(&problems)
    auditTranslations(&problems)
    return problems + early
  }

  /// Loans against the regions that name them, and their hold of objects.
  private func auditLoans(_ problems: inout [String], _ objects: inout [MemoryObject.Pointer: UInt32]) {
    var borrowings: [Loan.Pointer: UInt32] = [:]
    var pins: [Loan.Pointer: UInt32] = [:]
    var lent: [MemoryObject.Pointer: UInt32] = [:]
    var lenders: [Loan.Pointer: Space.Pointer] = [:]
    for index in 0..<Spaces.limit {
      guard let space = vm.spaces[index: index] else { continue }
      var count = 0
      var next = space.pointee.loans
      while let loan = next {
        next = loan.pointee.next
        count += 1
        lenders[loan] = space
        borrowings[loan, default: 0] += 0
        if !loan.pointee.isEnded, let object = loan.pointee.object { objects[object, default: 0] += 1 }
        if loan.pointee.isEnded, loan.pointee.borrowings == 0 { problems.append("a loan was kept for nobody") }
      }
      if count != space.pointee.loanCount { problems.append("\(count) loans, counted \(space.pointee.loanCount)") }
      var link = space.pointee.regions.lowest(above: 0)
      while let region = link {
        link = space.pointee.regions.next(region)
        if region.pointee.type == .lent {
          if let object = region.pointee.object { lent[object, default: 0] += 1 } else { problems.append("lent memory without an object") }
          if !space.pointee.hasLent { problems.append("a space does not know that it has lent memory") }
        }
        if let loan = region.pointee.loan {
          borrowings[loan, default: 0] += 1
          if region.pointee.has(Region.pinned) { pins[loan, default: 0] += 1 }
          if loan.pointee.object != region.pointee.object || loan.pointee.type != region.pointee.type || loan.pointee.cache != region.pointee.cache
            || region.pointee.first < loan.pointee.first || region.pointee.first + region.pointee.pages > loan.pointee.first + loan.pointee.pages
          {
            problems.append("a region shows what its loan does not have")
          }
        } else if region.pointee.type == .borrowed || region.pointee.has(Region.pinned) {
          problems.append("borrowed without a loan")
        }
      }
    }
    for (loan, count) in borrowings {
      if loan.pointee.borrowings != count { problems.append("a loan counts \(loan.pointee.borrowings) regions, not \(count)") }
      if loan.pointee.pins != pins[loan, default: 0] { problems.append("a loan counts \(loan.pointee.pins) pins") }
      if loan.pointee.lender != lenders[loan] { problems.append("a loan has the wrong lender") }
    }
    if UInt64(borrowings.count) != vm.loans.slab.used { problems.append("\(borrowings.count) loans, records \(vm.loans.slab.used)") }
    for (object, count) in lent where object.pointee.mapped != count { problems.append("an object counts \(object.pointee.mapped) regions of its lender") }
  }

  private func isContiguous(_ object: MemoryObject.Pointer) -> Bool {
    vm.frames.record(object.pointee.root)?.pointee.kind == .user
  }

  private func auditObject(_ object: MemoryObject.Pointer, _ references: inout [UInt64: UInt32], isContiguous: Bool) {
    if isContiguous {
      for page in 0..<object.pointee.pages { references[object.pointee.root.number + page, default: 0] += 1 }
    } else if object.pointee.root.number != 0 {
      func visit(_ node: Frame, _ levels: UInt32) {
        for index in 0..<512 where vm.frames.words(node)[index] != 0 {
          let frame = Frame(address: vm.frames.words(node)[index])
          if levels > 1 { visit(frame, levels - 1) } else { references[frame.number, default: 0] += 1 }
        }
      }
      visit(object.pointee.root, object.pointee.levels)
    }
  }

  private func auditTree(_ space: Space.Pointer, _ problems: inout [String], _ objects: inout [MemoryObject.Pointer: UInt32]) -> UInt64 {
    var count: UInt64 = 0
    var lastEnd: UInt64 = 0
    func visit(_ node: Region.Pointer, _ parent: Region.Pointer?) -> UInt8 {
      if node.pointee.parent != parent { problems.append("a region has the wrong parent") }
      let left = node.pointee.left.map { visit($0, node) } ?? 0
      count += 1
      if node.pointee.start < lastEnd || node.pointee.end <= node.pointee.start || (node.pointee.start | node.pointee.end) & 4095 != 0 {
        problems.append("regions overlap or are empty")
      }
      lastEnd = node.pointee.end
      if let object = node.pointee.object { objects[object, default: 0] += 1 }
      let right = node.pointee.right.map { visit($0, node) } ?? 0
      if max(left, right) > min(left, right) + 1 { problems.append("the tree leans") }
      let before = node.pointee
      _ = RegionTree.refresh(node)
      if before.height != node.pointee.height || before.subtreeGap != node.pointee.subtreeGap
        || before.subtreeStart != node.pointee.subtreeStart || before.subtreeEnd != node.pointee.subtreeEnd
      {
        problems.append("a region misjudges its subtree")
      }
      return max(left, right) + 1
    }
    if let root = space.pointee.regions.root { _ = visit(root, nil) }
    var totals = RegionTotals()
    var link = space.pointee.regions.lowest(above: 0)
    while let region = link {
      totals.add(region)
      link = space.pointee.regions.next(region)
    }
    if totals != space.pointee.regions.totals { problems.append("totals of regions are \(space.pointee.regions.totals), should be \(totals)") }
    if count != space.pointee.regions.count { problems.append("region count is wrong") }
    return count
  }

  /// Each table counts once, however many spaces show it: its entries are references, and what leads to it is.
  private func auditTables(
    _ space: Space.Pointer, _ problems: inout [String], _ references: inout [UInt64: UInt32], _ tables: inout [UInt64: UInt32]
  ) {
    func visit(_ frame: Frame, _ level: UInt64, _ base: UInt64, isNew: Bool) {
      var entries: UInt16 = 0
      for index in 0..<(level == 4 ? 256 : 512) {
        let entry = PageEntry(raw: vm.frames.words(frame)[index])
        if entry.raw == 0 { continue }
        entries += 1
        if vm.frames.owned(frame).pointee.lines & (1 << UInt64(index / 8)) == 0 { problems.append("a table forgot an entry") }
        let address = base + UInt64(index) << (3 + 9 * level)
        let number = entry.frame >> 12
        if level > 1 {
          let isFirst = tables[number] == nil
          if isNew { tables[number, default: 0] += 1 }
          if entry.isWritable, vm.frames.owned(Frame(number: number)).pointee.count != 1 { problems.append("a shared table can be written through") }
          if entry.raw & ~(PageEntry.frameMask | PageEntry.writable) != PageEntry.present | PageEntry.user { problems.append("a directory entry with wrong rights") }
          visit(Frame(address: entry.frame), level - 1, address, isNew: isNew && isFirst)
        } else {
          auditLeaf(space, address, entry, &problems)
          if isNew { references[number, default: 0] += 1 }
        }
      }
      if vm.frames.owned(frame).pointee.entries != entries { problems.append("a table at level \(level) miscounts its entries") }
      if entries == 0, level < 4 { problems.append("an empty table was kept") }
    }
    tables[space.pointee.root.number] = 0
    visit(space.pointee.root, 4, 0, isNew: true)
  }

  private func auditLeaf(_ space: Space.Pointer, _ address: UInt64, _ entry: PageEntry, _ problems: inout [String]) {
    guard let region = space.pointee.regions.find(address) else {
      problems.append("an entry outside of all regions")
      return
    }
    if entry.raw & ~PageEntry.frameMask & ~PageEntry.writable != LeafEntry.flags(region) { problems.append("an entry with the wrong rights") }
    guard entry.isWritable else { return }
    if !LeafEntry.isWritable(region) { problems.append("writable against the region") }
    if entry.raw & PageEntry.noExecute == 0 { problems.append("SEC14: writable and executable") }
    if !region.pointee.type.writesInPlace, !vm.isSoleOwner(of: Frame(address: entry.frame)) {
      problems.append("a shared private page is writable")
    }
  }

  private func auditFrames(_ problems: inout [String], _ references: [UInt64: UInt32], _ tableCounts: [UInt64: UInt32]) {
    var totals: [FrameKind: UInt64] = [:]
    var tables = 0
    for index in 0..<vm.frames.sectionCount {
      let section = vm.frames.sections[index]
      totals[.free, default: 0] += UInt64(section.count - section.touched)
      for at in 0..<Int(section.touched) {
        let record = section.records[at]
        let number = section.first + UInt64(at)
        totals[record.kind, default: 0] += 1
        if record.kind == .table {
          tables += 1
          if tableCounts[number] != record.count {
            problems.append("table count \(record.count), directory entries \(tableCounts[number].map { "\($0)" } ?? "none, in no space")")
          }
        } else if record.kind == .user {
          if record.count != references[number, default: 0] { problems.append("frame count \(record.count), references \(references[number, default: 0])") }
          if record.count == 0 { problems.append("a user frame without users") }
        } else if record.kind == .cache {
          if record.count > 0, record.count != 1 + references[number, default: 0] { problems.append("a page of a file counts \(record.count)") }
        } else if references[number] != nil {
          problems.append("a mapped frame of kind \(record.kind)")
        }
      }
    }
    let information = self.information
    let given = vm.frames.idle + vm.frames.nodes - vm.files.stores.total.nodes
    let free = information.free - given
    if totals[.free, default: 0] != free { problems.append("free: \(totals[.free, default: 0]), counted \(free)") }
    if totals[.cache, default: 0] != vm.frames.cache { problems.append("cache total is wrong") }
    if totals[.user, default: 0] + vm.frames.cache - given != information.user { problems.append("user total is wrong") }
    if totals[.table, default: 0] != information.tables { problems.append("tables total is wrong") }
    if information.free + information.user + information.tables + information.metadata != information.total { problems.append("V80: the sum is wrong") }
    var seen: UInt64 = 0
    var at = vm.frames.firstFree
    var previous = FrameRecord.none
    while at != FrameRecord.none, seen <= information.total {
      let record = vm.frames.owned(Frame(number: UInt64(at))).pointee
      if record.kind != .free || record.previous != previous { problems.append("the free list is broken") }
      previous = at
      at = record.next
      seen += 1
    }
    let untouched = (0..<vm.frames.sectionCount).reduce(UInt64(0)) { $0 + UInt64(vm.frames.sections[$1].count - vm.frames.sections[$1].touched) }
    if seen + untouched != free { problems.append("the free list has \(seen) frames, not \(free - untouched)") }
  }

  /// Files, their trees and the list of idle pages agree.
  private func auditCache(_ problems: inout [String]) {
    var pages: Set<UInt64> = []
    var nodes: UInt64 = 0
    var files: UInt64 = 0
    func visit(_ slot: UnsafeMutablePointer<UInt64>, _ level: UInt32) {
      let frame = Frame(address: slot.pointee)
      let record = vm.frames.owned(frame).pointee
      if record.slot != slot { problems.append("a frame of the cache does not know who points to it") }
      if record.kind != .cache { problems.append("a frame of kind \(record.kind) in the cache") }
      guard level > 0 else {
        pages.insert(frame.number)
        return
      }
      nodes += 1
      var entries: UInt16 = 0
      for index in 0..<512 where vm.frames.words(frame)[index] != 0 {
        entries += 1
        visit(vm.frames.words(frame) + index, level - 1)
      }
      if entries == 0 || entries != record.entries { problems.append("a node of the cache miscounts") }
    }
    for index in 0..<vm.files.limit where vm.files[index].pointee.mount != 0 {
      let file = vm.files[index]
      files += 1
      if vm.files.find(file.pointee.mount, file.pointee.inode) != file { problems.append("a file of the cache cannot be found") }
      if file.pointee.root != 0 { visit(UnsafeMutableRawPointer(file).assumingMemoryBound(to: UInt64.self), file.pointee.levels) }
    }
    for index in 0..<Stores.limit {
      let store = vm.files.stores[index]
      let own = (0..<vm.files.limit).map { vm.files[$0] }.filter { Int($0.pointee.store) == index + 1 }
      if store.files != UInt64(own.count) || store.mount == 0 && !own.isEmpty { problems.append("a store has \(own.count) files, counted \(store.files)") }
      let before = (pages, nodes)
      pages = []
      nodes = 0
      for file in own where file.pointee.root != 0 { visit(UnsafeMutableRawPointer(file).assumingMemoryBound(to: UInt64.self), file.pointee.levels) }
      if store.pages != UInt64(pages.count) || store.nodes != nodes { problems.append("a store has \(pages.count) pages and \(nodes) nodes, counted \(store.pages) and \(store.nodes)") }
      if store.pages > store.limit { problems.append("a store is too full") }
      if pages.contains(where: { !vm.frames.owned(Frame(number: $0)).pointee.isChanged }) { problems.append("a page of a store could be given up") }
      for file in own where file.pointee.mount != store.mount { problems.append("a file in the wrong store") }
      (pages, nodes) = before
    }
    if files != vm.files.used { problems.append("\(files) files in the cache, counted \(vm.files.used)") }
    if nodes != vm.frames.nodes || UInt64(pages.count) + nodes != vm.frames.cache { problems.append("pages and nodes of the cache are miscounted") }
    var idle: UInt64 = 0
    var at = vm.frames.firstIdle
    var previous = FrameRecord.none
    while at != FrameRecord.none, idle <= vm.frames.cache {
      let record = vm.frames.owned(Frame(number: UInt64(at))).pointee
      if !record.isIdle || record.previous != previous || !pages.contains(UInt64(at)) { problems.append("the idle list is broken") }
      previous = at
      at = record.next
      idle += 1
    }
    let sole = pages.filter { vm.frames.owned(Frame(number: $0)).pointee.isIdle }.count
    let changed = pages.filter { vm.frames.owned(Frame(number: $0)).pointee.isChanged }.count
    let counted = (0..<vm.files.limit).reduce(0) { $0 + Int(vm.files[$1].pointee.changed) }
    if changed != counted { problems.append("\(changed) changed pages, counted \(counted)") }
    if idle != vm.frames.idle || UInt64(sole) != idle || vm.frames.lastIdle != previous { problems.append("idle pages are miscounted") }
  }

  /// No thread may reach by its TLB what its tables do not allow.
  private func auditTranslations(_ problems: inout [String]) {
    for thread in kernel.threads.values {
      for (page, cached) in kernel.translations[thread.root] ?? [:] {
        let now = kernel.walk(thread.root, page)
        let keeps = cached & PageEntry.writable & ~now == 0 && PageEntry(raw: now).isPresent && PageEntry(raw: now).frame == PageEntry(raw: cached).frame
        if !keeps { problems.append("a stale translation of \(String(page, radix: 16))") }
      }
      for (block, cached) in kernel.directories[thread.root] ?? [:] {
        let now = kernel.directory(thread.root, block << 21)
        let keeps = cached & PageEntry.writable & ~now == 0 && PageEntry(raw: now).frame == PageEntry(raw: cached).frame
        if !keeps { problems.append("a stale directory entry of \(String(block << 21, radix: 16))") }
      }
    }
  }

  /// V86: until the kernel has answered a flush, other processors reach by their TLBs what the tables do not show any more. So
  /// what such a translation leads to is still in use, or waits in limbo; it is not free for others. VM's tables are read in
  /// the middle of an operation here, which is what another processor does.
  func checkLimbo(_ root: UInt64) {
    var waiting: Set<UInt64>?
    for (page, cached) in kernel.translations[root] ?? [:] where early.isEmpty {
      let frame = cached & PageEntry.frameMask
      guard kernel.walk(root, page) & PageEntry.frameMask != frame, isFree(frame >> 12) else { continue }
      if waiting == nil { waiting = limbo() }
      if !waiting!.contains(frame >> 12) { early.append("V86: the frame of \(String(page, radix: 16)) was free before the flush") }
    }
  }

  private func isFree(_ number: UInt64) -> Bool {
    for index in 0..<vm.frames.sectionCount {
      let section = vm.frames.sections[index]
      if number >= section.first, number < section.end { return section.records[Int(number - section.first)].kind == .free }
    }
    return false
  }

  /// Frames that are free once their translations are flushed.
  func limbo() -> Set<UInt64> {
    var found: Set<UInt64> = []
    var at = vm.frames.firstLimbo
    while at != FrameRecord.none {
      found.insert(UInt64(at))
      at = vm.frames.owned(Frame(number: UInt64(at))).pointee.next
    }
    return found
  }

  func expectSound(_ location: SourceLocation = #_sourceLocation) {
    let problems = audit()
    #expect(problems.isEmpty, "\(problems.prefix(5))", sourceLocation: location)
  }
}
