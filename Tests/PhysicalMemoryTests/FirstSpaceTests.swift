import BootImage
import PageTable
import PhysicalMemory
import Testing

/// RAM as bytes of this process.
private struct Frames: FrameAccess {
  let ram: UnsafeMutableRawPointer
  func pointer(_ physical: UInt64) -> UnsafeMutableRawPointer { ram + Int(physical) }
  func stop(_ reason: StaticString) -> Never { fatalError("\(reason)") }
}

@Suite("VM's first space") struct FirstSpaceTests {
  private static let size: UInt64 = 8 << 20

  /// An ELF file with text at 0x400000 and data, half of it zeroes, at 0x402100.
  private static let vm: [UInt8] = {
    var file = [UInt8](repeating: 0, count: 0x3000)
    func put<T: FixedWidthInteger>(_ value: T, _ at: Int) { withUnsafeBytes(of: value.littleEndian) { for (index, byte) in $0.enumerated() { file[at + index] = byte } } }
    file.replaceSubrange(0..<8, with: [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0])
    put(2 as UInt16, 16)
    put(62 as UInt16, 18)
    put(1 as UInt32, 20)
    put(0x40_0010 as UInt64, 24)
    put(64 as UInt64, 32)
    put(64 as UInt16, 52)
    put(56 as UInt16, 54)
    put(2 as UInt16, 56)
    for (index, (flags, offset, address, length, memory)) in [(5 as UInt32, 0x1000, 0x40_0000, 0x1000, 0x1000), (6, 0x2100, 0x40_2100, 0x80, 0x1F80)].enumerated() {
      let at = 64 + index * 56
      put(1 as UInt32, at)
      put(flags, at + 4)
      put(UInt64(offset), at + 8)
      put(UInt64(address), at + 16)
      put(UInt64(address), at + 24)
      put(UInt64(length), at + 32)
      put(UInt64(memory), at + 40)
      put(4096 as UInt64, at + 48)
    }
    for index in 0x1000..<0x2000 { file[index] = UInt8(truncatingIfNeeded: index &* 3) }
    for index in 0x2100..<0x2180 { file[index] = 0xDD }
    return file
  }()

  private static var archive: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    func put(_ value: UInt64, _ at: Int) { withUnsafeBytes(of: value.littleEndian) { for (index, byte) in $0.enumerated() { bytes[at + index] = byte } } }
    put(BootArchive.magic, 0)
    put(1, 8)
    put(packName("vm").0, 16)
    put(4096, 32)
    put(UInt64(vm.count), 40)
    return bytes + vm
  }

  @Test("has image, stack, stub, what the loader said and all free memory, with no right too many, and no frame twice") func build() throws {
    let ram = UnsafeMutableRawPointer.allocate(byteCount: Int(Self.size), alignment: 4096)
    defer { ram.deallocate() }
    ram.initializeMemory(as: UInt8.self, repeating: 0xEE, count: Int(Self.size))
    let frames = Frames(ram: ram)
    let archive = Self.archive
    let place = PhysicalRange(base: 1 << 20, length: Page.up(UInt64(archive.count)))
    archive.withUnsafeBytes { (ram + Int(place.base)).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    var free = MemoryMap()
    _ = free.add(base: 1 << 20, length: Self.size - 1 << 20)
    var window = free
    free.remove(base: place.base, length: place.length)
    let (root, stub) = (frames.zeroed(&free), frames.zeroed(&free))
    let words = Array("ipc=int root=ram".utf8)
    let first = words.withUnsafeBytes {
      FirstSpace.build(
        .init(root: root, stub: stub, archive: place, total: Self.size, memoryEnd: Self.size, commandLine: $0), free: &free, window: &window, access: frames)
    }
    #expect(first.root == root && first.entry == 0x40_0010 && first.stack == AddressSpace.stackTop - 64)

    var seen: Set<UInt64> = []
    /// The leaf entry of an address, and each frame of what is VM's own only once.
    func leaf(_ address: UInt64) -> PageEntry? {
      var table = root
      for level: UInt64 in [4, 3, 2, 1] {
        let entry = PageEntry(raw: (ram + Int(table)).load(fromByteOffset: Page.index(address, level: level) * 8, as: UInt64.self))
        guard entry.isPresent else { return nil }
        if level == 1 || level == 2 && entry.isLarge { return entry }
        table = entry.frame
      }
      return nil
    }
    func check(_ address: UInt64, writable: Bool, executable: Bool, _ contents: [UInt8], place: SourceLocation = #_sourceLocation) throws {
      let entry = try #require(leaf(address), sourceLocation: place)
      #expect(entry.isUser && entry.isWritable == writable && (entry.raw & PageEntry.noExecute == 0) == executable, sourceLocation: place)
      #expect(seen.insert(entry.frame).inserted, sourceLocation: place)
      #expect(UnsafeRawBufferPointer(start: ram + Int(entry.frame), count: 4096).elementsEqual(contents + [UInt8](repeating: 0, count: 4096 - contents.count)), sourceLocation: place)
    }
    try check(0x40_0000, writable: false, executable: true, Array(Self.vm[0x1000..<0x2000]))
    try check(0x40_2000, writable: true, executable: false, [UInt8](repeating: 0, count: 0x100) + [UInt8](repeating: 0xDD, count: 0x80))
    try check(0x40_4000, writable: true, executable: false, [])
    for page in 1...16 as ClosedRange<UInt64> { try check(AddressSpace.stackTop - page * 4096, writable: true, executable: false, []) }
    #expect(leaf(AddressSpace.stackTop) == nil && leaf(AddressSpace.stackTop - 17 * 4096) == nil && leaf(0) == nil)
    #expect(leaf(AddressSpace.stub)?.frame == stub && leaf(AddressSpace.stub)?.isWritable == false)
    for address in stride(from: 1 << 20, to: Self.size, by: 4096) {
      let entry = try #require(leaf(AddressSpace.vmWindow + address))
      #expect(entry.isWritable && entry.raw & PageEntry.noExecute != 0)
      #expect(entry.isLarge ? entry.frame == address & ~(Page.large - 1) : entry.frame == address)
    }
    let page = try #require(leaf(AddressSpace.vmBootInformation))
    #expect(!page.isWritable)
    let information = (ram + Int(page.frame)).assumingMemoryBound(to: BootInformation.self)
    #expect(information.pointee.magic == BootInformation.magic && information.pointee.vmRoot == root && information.pointee.archive == place)
    #expect(information.pointee.commandLineLength == UInt64(words.count))
    // What VM is told is free is in use nowhere.
    for index in 0..<Int(information.pointee.freeCount) {
      let range = information.pointee.free[index]
      for frame in seen.union([root, stub, page.frame, place.base]) { #expect(frame < range.base || frame >= range.end) }
    }
  }
}
