import BootImage
import IPC
import PageTable

/// Where VM begins with what it places: chosen at random for each program that starts, inherited by fork (S11). The numbers of bits are
/// what there is to guess: so many different pages, each as likely as any other.
struct Layout: BitwiseCopyable {
  /// The first byte above the first stack.
  var stackTop = AddressSpace.stackTop
  /// Where mmap looks for room first.
  var mmapBase = AddressSpace.mmapStart
  /// Bytes between the program and its heap.
  var heapGap: UInt64 = 0

  /// 16 GiB in pages, 1 TiB in pages, 32 MiB in pages.
  static var stackBits: UInt64 { 22 }
  static var mmapBits: UInt64 { 28 }
  static var heapBits: UInt64 { 13 }

  /// The same for all: with `norandom` on the kernel's command line.
  static var fixed: Layout { Layout() }

  init() {}

  init(_ random: inout Randomness) {
    stackTop &-= random.bits(Self.stackBits) << 12
    mmapBase &+= random.bits(Self.mmapBits) << 12
    heapGap = random.bits(Self.heapBits) << 12
  }
}

extension VirtualMemory {
  /// The layout of a program that starts now.
  mutating func newLayout() -> Layout { isRandom ? Layout(&random) : .fixed }

  /// Room for what nobody gave an address: the lowest from the space's own beginning on; only when that is used up, below it.
  func freeRoom(_ space: Space.Pointer, _ length: UInt64) throws(Errno) -> PageRange {
    let bounds = PageRange(start: space.pointee.layout.mmapBase, end: AddressSpace.mmapEnd)
    do throws(Errno) { return try space.pointee.regions.placeAnywhere(length, in: bounds) } catch {
      guard error == .noMemory, bounds.start > AddressSpace.mmapStart else { throw error }
    }
    return try space.pointee.regions.placeAnywhere(length, in: PageRange(start: AddressSpace.mmapStart, end: AddressSpace.mmapEnd))
  }

  /// What the kernel's command line and its seed say of randomness: the seed of `seed=N`, or the kernel's; none with `norandom`, or
  /// without any seed.
  static func seed(_ boot: UnsafePointer<BootInformation>) -> (seed: (UInt64, UInt64, UInt64, UInt64), isRandom: Bool) {
    let line = CommandLineWords(boot)
    let given = boot.pointee.seed
    let isOff = line.find("norandom") != nil
    if let at = line.find("seed="), let number = line.number(at: at) { return ((number, 0, 0, 0), !isOff) }
    return (given, !isOff && given.0 | given.1 | given.2 | given.3 != 0)
  }
}

/// Words of the kernel's command line, which is where VM finds it.
private struct CommandLineWords {
  let boot: UnsafePointer<BootInformation>
  let length: Int

  init(_ boot: UnsafePointer<BootInformation>) {
    self.boot = boot
    let length = boot.pointee.commandLineLength
    self.length = length < UInt64(BootInformation.commandLineLimit) ? Int(length) : BootInformation.commandLineLimit
  }

  private func byte(_ index: Int) -> UInt8 { index < length ? boot.pointee.commandLine[index] : 0x20 }

  /// The index behind `word` where a word is it, or begins with it if it ends with "=".
  func find(_ word: StaticString) -> Int? {
    let count = word.utf8CodeUnitCount
    let isPrefix = word.utf8Start[count &- 1] == 0x3D
    var at = 0
    while at < length {
      if at == 0 || byte(at &- 1) == 0x20 {
        var same = 0
        while same < count, byte(at &+ same) == word.utf8Start[same] { same &+= 1 }
        if same == count, isPrefix || byte(at &+ same) == 0x20 { return at &+ same }
      }
      at &+= 1
    }
    return nil
  }

  /// A decimal number up to the end of the word.
  func number(at start: Int) -> UInt64? {
    var at = start
    var value: UInt64 = 0
    while at < length, byte(at) != 0x20 {
      let digit = byte(at) &- 0x30
      guard digit <= 9, at &- start < 19 else { return nil }
      value = value &* 10 &+ UInt64(digit)
      at &+= 1
    }
    return at > start ? value : nil
  }
}
