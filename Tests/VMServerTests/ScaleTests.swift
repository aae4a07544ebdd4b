import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// What an operation costs among few regions and among very many, each a mapping of one touched page that merges with no
/// other. Instructions of this build, VM, messages and test together; the same on metal: `apus bench scale`.
@Suite("VM: scale") struct ScaleTests {
  struct Costs {
    var regions: Int
    var values: [(name: String, cost: UInt64)] = []
    /// Bytes for one region, and for one frame.
    var regionBytes = 0.0, frameBytes = 0.0
    var height: UInt8 = 0
  }

  /// The cost of one fault that brings a page, asked for as the kernel asks.
  private func fault(_ system: TestSystem, _ thread: Endpoint, _ space: UInt32, _ address: UInt64) -> Bool {
    let fault = KernelEvent.PageFault(address: address, access: 2, space: space, instruction: 0x40_1234, stack: AddressSpace.stackTop - 64)
    return system.deliver(Message(fault), from: thread, flags: .request | .fromKernel)?.type == 0
  }

  /// The middle of what 201 operations at random places cost, and what one fork costs for each region.
  private func costs(_ regions: Int, _ counter: InstructionCounter) throws -> Costs {
    // A page each, its share of tables, two records of regions (the child's too), and the records of all frames.
    let system = TestSystem(frames: UInt64(regions) + UInt64(regions) / 8 + 4000)
    let process = system.process()
    let space = system.space(process).pointee.id
    var costs = Costs(regions: regions)
    // Without what the kernel and VM's own image keep.
    costs.frameBytes = Double(system.vm.frames.metadata * 4096) / Double(system.vm.frames.managed)
    let metadata = system.information.metadata
    var addresses: [UInt64] = []
    addresses.reserveCapacity(regions)
    for _ in 0..<regions {
      let address = try system.map(process, pages: 1)
      guard fault(system, process, space, address) else { throw Errno.noMemory }
      addresses.append(address)
    }
    #expect(system.space(process).pointee.regions.count >= UInt64(regions), "none has merged")
    costs.regionBytes = Double((system.information.metadata - metadata) * 4096) / Double(regions)
    costs.height = system.space(process).pointee.regions.root?.pointee.height ?? 0

    var random = Random(state: 42)
    var samples: [String: [UInt64]] = [:]
    for _ in 0..<201 {
      let index = random.below(regions)
      let address = addresses[index]
      samples["munmap", default: []].append(try counter.count { try system.unmap(process, address, pages: 1) })
      samples["mmap", default: []].append(try counter.count { addresses[index] = try system.map(process, pages: 1) })
      #expect(addresses[index] == address, "the one hole that is wide enough")
      samples["fault", default: []].append(counter.count { _ = fault(system, process, space, address) })
      let other = addresses[random.below(regions)]
      samples["mprotect", default: []].append(try counter.count { try system.protect(process, other, pages: 1, 1) })
      samples["mprotect", default: []].append(try counter.count { try system.protect(process, other, pages: 1, 3) })
    }
    // The zeros of a page cost the same everywhere and would hide the rest.
    let page = Frame(address: system.frame(process, addresses[0]))
    let zeros = counter.count { system.vm.frames.zero(page) }
    for name in ["mmap", "fault", "mprotect", "munmap"] {
      let sorted = samples[name]!.sorted()
      costs.values.append((name, sorted[sorted.count / 2] - (name == "fault" ? zeros : 0)))
    }
    var child = Endpoint.none
    costs.values.append(("fork, a region", try counter.count { child = try system.fork(process) } / UInt64(regions)))
    costs.values.append(("exit, a region", counter.count { system.exit(child) } / UInt64(regions)))
    try system.unmap(process, addresses[0], pages: (addresses.max()! - addresses.min()!) >> 12 + 1)
    #expect(system.information.metadata == metadata)
    if regions <= 65_536 { system.expectSound() }
    return costs
  }

  @Test("V45 V48 V80 one-page mappings, 100, 65,536 and 1,000,000 of them in one space: each operation within three times, few bytes for each")
  func onePageMappings() throws {
    let counter = InstructionCounter()
    let all = try [100, 65_536, 1_000_000].map { try costs($0, counter) }
    print("scale: \(counter.unit) at " + all.map { "\($0.regions)" }.joined(separator: ", "))
    for (index, few) in all[0].values.enumerated() {
      let row = all.map { $0.values[index].cost }
      print("scale: \(few.name): " + row.map(String.init).joined(separator: ", "))
      // Processor time is no measure for a verdict; the height of the tree is, and `apus bench scale`.
      if counter.isExact { for many in row { #expect(many <= 3 * few.cost, "\(few.name): \(row)") } }
    }
    for costs in all {
      print("scale: \(costs.regions) regions: tree of height \(costs.height), \(costs.regionBytes) bytes a region, \(costs.frameBytes) a frame")
      var limit = 1.0, height = 0.0
      while limit < Double(costs.regions + 8) { (limit, height) = (limit * 2, height + 1) }
      #expect(Double(costs.height) <= 1.45 * height + 1)
    }
    // Slabs come by the page, tables for spaces and files are the same for all sizes of memory.
    for costs in all[1...] { #expect(costs.regionBytes <= 128 && costs.frameBytes <= 32) }
    #expect(MemoryLayout<Region>.stride <= 128 && MemoryLayout<FrameRecord>.stride <= 32)
  }
}
