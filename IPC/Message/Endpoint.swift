/// An endpoint names one thread for as long as it lives: a slot of the kernel's thread table plus the
/// slot's generation. A reused slot has another generation, so an old endpoint never reaches a stranger
/// (SEC25, M-N3).
///
/// Layout: bits 0...11 slot, bits 12...31 generation.
public struct Endpoint: Wire, Equatable, Hashable {
  @inlinable public static var slotBits: UInt32 { 12 }
  /// The most threads that a system can have, whatever its memory.
  public static let slotLimit = 1 << Int(slotBits)
  /// Slots below this belong to services; only they have notification bits and IPC mask bits.
  @inlinable public static var serviceSlots: Int { 64 }

  public var raw: UInt32
  @inlinable public init(raw: UInt32) { self.raw = raw }
  @inlinable public init(slot: Int, generation: UInt32) {
    raw = generation << Self.slotBits | UInt32(truncatingIfNeeded: slot) & (1 << Self.slotBits - 1)
  }

  /// 0 ..< slotLimit.
  @inlinable public var slot: Int { Int(raw & (1 << Self.slotBits - 1)) }
  @inlinable public var generation: UInt32 { raw >> Self.slotBits }
  @inlinable public var isService: Bool { slot < Self.serviceSlots }

  @inlinable public static func == (a: Endpoint, b: Endpoint) -> Bool { a.raw == b.raw }

  /// In `receive`: whoever comes. Never the name of a thread.
  @inlinable public static var any: Endpoint { Endpoint(raw: 0xFFFF_FFFF) }
  /// Nobody; in `receive` with a deadline: sleep. Never the name of a thread.
  @inlinable public static var none: Endpoint { Endpoint(raw: 0xFFFF_FFFE) }

  // The well-known services keep slot and generation over a restart, and when they were down, so these names always hold.
  @inlinable public static var kernel: Endpoint { Endpoint(raw: 0) }
  @inlinable public static var vm: Endpoint { Endpoint(raw: 1) }
  @inlinable public static var rs: Endpoint { Endpoint(raw: 2) }
  @inlinable public static var pm: Endpoint { Endpoint(raw: 3) }
  @inlinable public static var vfs: Endpoint { Endpoint(raw: 4) }
  @inlinable public static var ds: Endpoint { Endpoint(raw: 5) }
  @inlinable public static var tty: Endpoint { Endpoint(raw: 6) }
  /// The RAM disk driver.
  @inlinable public static var memory: Endpoint { Endpoint(raw: 7) }
  /// The virtio block driver.
  @inlinable public static var disk: Endpoint { Endpoint(raw: 8) }
  /// The file system of `/`.
  @inlinable public static var rootfs: Endpoint { Endpoint(raw: 9) }
  @inlinable public static var proc: Endpoint { Endpoint(raw: 10) }
  /// A second ext2 server, for `mount`.
  @inlinable public static var extfs: Endpoint { Endpoint(raw: 11) }
  /// The example driver, and the partner of the IPC benchmark.
  @inlinable public static var echo: Endpoint { Endpoint(raw: 12) }
  /// The first process; its supervisor is PM.
  @inlinable public static var initProcess: Endpoint { Endpoint(slot: Endpoint.serviceSlots, generation: 0) }
}
