import FakeKernel
import IPC
import Protocols

@testable import VirtioBlock

/// DMA memory in a test: plain, and known to the device by an invented physical address.
struct PlainMemory: DMAMemory {
  let address, physical: UInt64
  init(address: UInt64, physical: UInt64, length: Int) {
    self.address = address
    self.physical = physical
  }
  private var base: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: UInt(address))! }
  func read8(_ offset: Int) -> UInt8 { base.loadUnaligned(fromByteOffset: offset, as: UInt8.self) }
  func read16(_ offset: Int) -> UInt16 { base.loadUnaligned(fromByteOffset: offset, as: UInt16.self) }
  func read32(_ offset: Int) -> UInt32 { base.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  func write8(_ offset: Int, _ value: UInt8) { base.storeBytes(of: value, toByteOffset: offset, as: UInt8.self) }
  func write16(_ offset: Int, _ value: UInt16) { base.storeBytes(of: value, toByteOffset: offset, as: UInt16.self) }
  func write32(_ offset: Int, _ value: UInt32) { base.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
  func write64(_ offset: Int, _ value: UInt64) { base.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
}

/// A virtio block device as QEMU models it, written from the standard and not from the driver. It works only when
/// the test says so, in any order, and lies when told to.
final class DeviceModel {
  enum Lie: CaseIterable {
    /// The used index runs ahead.
    case indexAhead, indexFarAhead
    /// A chain that was never offered.
    case strangeHead, hugeHead, middleOfChain
    /// A length that cannot be.
    case longLength, shortLength
    /// Done, but the status was not written, or is none.
    case untouchedStatus, strangeStatus
  }

  let base: UInt32
  let line: UInt32
  let queueSize: Int
  var features: UInt32 = 1 << 9
  var contents: [UInt8]
  var status: UInt64 = 4 | 2 | 1  // the last driver left it at work
  var frame: UInt64 = 0
  var guestFeatures: UInt64 = 0
  var interruptPending = false
  var resets = 0, notifies = 0, flushes = 0
  var offeredSeen: UInt16 = 0
  var used: UInt16 = 0
  /// Heads taken from the ring and not yet worked on.
  var pending: [Int] = []
  var lie: Lie? = nil
  /// Sectors that cannot be read or written.
  var badSectors: Range<UInt64> = 0..<0
  /// It neither answers nor takes a reset.
  var isStuck = false
  let physicalToHost: (UInt64) -> UnsafeMutableRawPointer?

  init(base: UInt32, line: UInt32, sectors: Int, queueSize: Int = 256, physicalToHost: @escaping (UInt64) -> UnsafeMutableRawPointer?) {
    self.base = base
    self.line = line
    self.queueSize = queueSize
    contents = (0..<sectors * 512).map { UInt8(truncatingIfNeeded: $0 >> 9 ^ $0) }
    self.physicalToHost = physicalToHost
  }

  // MARK: Registers

  func read(_ register: UInt32, _ width: UInt32) -> UInt64 {
    switch register {
    case 0: return UInt64(features)
    case 8: return frame
    case 12: return UInt64(queueSize)
    case 18: return status
    case 19:
      defer { interruptPending = false }
      return interruptPending ? 1 : 0
    case 20: return UInt64(contents.count / 512) & 0xFFFF_FFFF
    case 24: return UInt64(contents.count / 512) >> 32
    default: return 0
    }
  }

  func write(_ register: UInt32, _ width: UInt32, _ value: UInt64) {
    switch register {
    case 4: guestFeatures = value
    case 8: frame = value
    case 16:
      notifies += 1
      take()
    case 18:
      if value == 0, !isStuck {
        resets += 1
        frame = 0
        offeredSeen = 0
        used = 0
        pending = []
        interruptPending = false
      }
      if !(isStuck && value == 0) { status = value }
    default: break
    }
  }

  // MARK: Work

  private var ring: UnsafeMutableRawPointer { physicalToHost(frame << 12)! }
  private var usedRing: UnsafeMutableRawPointer { ring + (queueSize * 16 + 6 + queueSize * 2 + 4095) / 4096 * 4096 }

  /// Takes what the driver has offered.
  func take() {
    guard frame != 0, status & 4 != 0, !isStuck else { return }
    let index = (ring + queueSize * 16 + 2).load(as: UInt16.self)
    while offeredSeen != index {
      let at = queueSize * 16 + 4 + Int(offeredSeen) % queueSize * 2
      pending.append(Int((ring + at).load(as: UInt16.self)))
      offeredSeen &+= 1
    }
  }

  private struct Part { var memory: UnsafeMutableRawPointer, length: Int, isWritable: Bool }

  private func chain(_ head: Int) -> [Part] {
    var parts: [Part] = []
    var index = head
    for _ in 0..<queueSize {
      let descriptor = ring + index * 16
      let flags = (descriptor + 12).load(as: UInt16.self)
      parts.append(
        Part(
          memory: physicalToHost(descriptor.load(as: UInt64.self))!, length: Int((descriptor + 8).load(as: UInt32.self)),
          isWritable: flags & 2 != 0))
      if flags & 1 == 0 { break }
      index = Int((descriptor + 14).load(as: UInt16.self))
    }
    return parts
  }

  /// Does one pending request and says so; `which` chooses among them.
  func work(_ which: Int = 0, interrupt: Bool = true) {
    guard pending.indices.contains(which), !isStuck else { return }
    let head = pending.remove(at: which)
    let parts = chain(head)
    let header = parts[0]
    let type = header.memory.load(as: UInt32.self)
    let sector = (header.memory + 8).load(as: UInt64.self)
    let statusPart = parts.last!
    precondition(header.length == 16 && !header.isWritable && statusPart.length == 1 && statusPart.isWritable, "the driver's chain is wrong")
    var outcome: UInt8 = 0
    var written: UInt32 = 1
    switch type {
    case 0, 1:
      var position = sector * 512
      for part in parts[1..<parts.count - 1] {
        precondition(part.isWritable == (type == 0), "the driver's chain has the wrong direction")
        if position + UInt64(part.length) > UInt64(contents.count) || badSectors.overlaps(position / 512..<(position + UInt64(part.length)) / 512) {
          outcome = 1
        } else if type == 0 {
          contents.withUnsafeBytes { part.memory.copyMemory(from: $0.baseAddress! + Int(position), byteCount: part.length) }
        } else {
          contents.withUnsafeMutableBytes { ($0.baseAddress! + Int(position)).copyMemory(from: part.memory, byteCount: part.length) }
        }
        if type == 0 { written += UInt32(part.length) }
        position += UInt64(part.length)
      }
    case 4: flushes += 1
    default: outcome = 2
    }
    let lie = lie
    self.lie = nil
    if lie == .strangeStatus { outcome = 77 }
    if lie != .untouchedStatus { statusPart.memory.storeBytes(of: outcome, as: UInt8.self) }
    var reported = UInt32(head)
    if lie == .strangeHead { reported = UInt32((head + 3) % 12) }
    if lie == .hugeHead { reported = 0xFFFF_FFFF }
    if lie == .middleOfChain { reported = UInt32(head + 1) }
    if lie == .longLength { written = 0x7FFF_FFFF }
    if lie == .shortLength { written = 0 }
    let element = usedRing + 4 + Int(used) % queueSize * 8
    element.storeBytes(of: reported, as: UInt32.self)
    (element + 4).storeBytes(of: written, as: UInt32.self)
    used &+= lie == .indexAhead ? 5 : lie == .indexFarAhead ? 0x8000 : 1
    (usedRing + 2).storeBytes(of: used, as: UInt16.self)
    if interrupt { interruptPending = true }
  }
}
