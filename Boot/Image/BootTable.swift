import IPC
import Protocols

/// One row for each thing that the system is made of, and all that a service may do: it stands here and nowhere
/// else. The kernel starts VM, VM starts RS, RS the rest in this order.
public struct BootEntry: BitwiseCopyable {
  /// What `service`, `ps` and DS call it.
  public var name: StaticString
  /// Its ELF file in the boot archive.
  public var module: StaticString
  public var endpoint: Endpoint
  public var kind: Kind
  public var policy: Policy
  /// 0 (highest) ... 7.
  public var priority: UInt32
  public var privileges: Privileges
  public var ports: (PortRange, PortRange, PortRange, PortRange) = (.none, .none, .none, .none)
  /// Device memory that it may map; length 0 for none.
  public var memory = PhysicalRange(base: 0, length: 0)
  /// False: only `service up` starts it.
  public var autostart = true

  public enum Kind: BitwiseCopyable {
    /// Started by the kernel (VM) or by VM (RS); RS gives it its privileges but not its life.
    case core
    case service
    /// Handed to PM once it is built: init.
    case process
  }

  public enum Policy: BitwiseCopyable {
    /// Restarted under the same endpoint; its callers' unanswered requests come again.
    case restart
    /// What the system cannot live without yet (level 2 and 3 of recovery): its death ends the machine, loudly.
    case vital
  }
}

public struct PortRange: BitwiseCopyable {
  public var first, count: UInt32
  public init(_ first: UInt32, _ count: UInt32) {
    self.first = first
    self.count = count
  }
  public static var none: PortRange { PortRange(0, 0) }
}

public enum BootTable {
  public static var count: Int { 13 }

  /// Row `index`, 0 ..< count.
  public static func entry(_ index: Int) -> BootEntry {
    switch index {
    case 0:
      BootEntry(name: "vm", module: "vm", endpoint: .vm, kind: .core, policy: .vital, priority: 1, privileges: Privileges(
        kernelCalls: common | call(.threadCreate) | call(.threadFork) | call(.threadStart) | call(.threadStop)
          | call(.threadDestroy) | call(.threadRestart) | call(.threadExec) | call(.threadStack) | call(.threadInfo) | call(.spaceRoot)
          | call(.spacePrepare) | call(.spaceFlush) | call(.copyCaller) | call(.copyGrant),
        sendTo: to(.rs) | to(.pm) | to(.vfs), asynchronousQuota: 512))
    case 1:
      BootEntry(name: "rs", module: "rs", endpoint: .rs, kind: .core, policy: .vital, priority: 1, privileges: Privileges(
        kernelCalls: common | call(.setPrivileges) | call(.allowPorts) | call(.threadStart) | call(.threadStop)
          | call(.threadInfo) | call(.statistics) | call(.shutdown),
        sendTo: ~0, asynchronousQuota: 64))
    case 2:
      BootEntry(name: "ds", module: "ds", endpoint: .ds, kind: .service, policy: .vital, priority: 2, privileges: Privileges(
        kernelCalls: common, sendTo: basic))
    case 3:
      BootEntry(name: "pm", module: "pm", endpoint: .pm, kind: .service, policy: .vital, priority: 2, privileges: Privileges(
        kernelCalls: common | call(.signal) | call(.signalReturn) | call(.threadBases) | call(.threadWatch) | call(.threadStart) | call(.threadStop) | call(.threadInfo)
          | call(.grantCaller) | call(.grantRevoke) | call(.copyCaller) | call(.statistics),
        sendTo: basic | to(.vfs), asynchronousQuota: 512, grantQuota: 512))
    case 4:
      BootEntry(name: "memory", module: "memory", endpoint: .memory, kind: .service, policy: .restart, priority: 3, privileges: driver(lines: 0))
    case 5:
      BootEntry(name: "disk", module: "disk", endpoint: .disk, kind: .service, policy: .restart, priority: 3,
        privileges: driver(lines: 0x0E00 | 0x0020),  // PCI INTx of QEMU's pc machine: 5, 9, 10, 11
        // PCI configuration space, and the window in which firmware places I/O BARs. A PCI server that hands
        // out single devices (SEC30) comes later.
        ports: (PortRange(0xCF8, 8), PortRange(0xC000, 0x4000), .none, .none))
    case 6:
      BootEntry(name: "tty", module: "tty", endpoint: .tty, kind: .service, policy: .restart, priority: 3,
        privileges: driver(lines: 1 << 4, also: to(.pm)),
        ports: (PortRange(0x3F8, 8), .none, .none, .none))
    case 7:
      BootEntry(name: "rootfs", module: "ext2", endpoint: .rootfs, kind: .service, policy: .vital, priority: 4, privileges: fileSystem)
    case 8:
      BootEntry(name: "extfs", module: "ext2", endpoint: .extfs, kind: .service, policy: .vital, priority: 4, privileges: fileSystem)
    case 9:
      BootEntry(name: "proc", module: "proc", endpoint: .proc, kind: .service, policy: .vital, priority: 4, privileges: Privileges(
        kernelCalls: common | call(.copyGrant) | call(.threadInfo) | call(.statistics),
        sendTo: basic | to(.pm) | to(.vfs), asynchronousQuota: 64))
    case 10:
      BootEntry(name: "vfs", module: "vfs", endpoint: .vfs, kind: .service, policy: .vital, priority: 3, privileges: Privileges(
        kernelCalls: common | call(.grantCreate) | call(.grantCaller) | call(.grantIndirect) | call(.grantRevoke) | call(.copyGrant)
          | call(.copyCaller) | call(.statistics),
        sendTo: ~(1 << 0), asynchronousQuota: 256, grantQuota: 1024))
    case 11:
      // The example of Servers/README.md: `service up echo` starts it.
      BootEntry(name: "echo", module: "echo", endpoint: .echo, kind: .service, policy: .restart, priority: 3,
        privileges: driver(lines: 0), autostart: false)
    default:
      BootEntry(name: "init", module: "init", endpoint: .initProcess, kind: .process, policy: .vital, priority: 5, privileges: .user)
    }
  }

  /// The module with the RAM disk's image (ext2), mapped by the `memory` driver.
  public static var ramDiskModule: StaticString { "ramdisk" }

  static func call(_ number: Kernel.Number) -> UInt64 { 1 << UInt64(number.rawValue) }
  static func to(_ endpoint: Endpoint) -> UInt64 { 1 << UInt64(endpoint.slot) }
  /// Every service: time, log, its own end.
  static var common: UInt64 { call(.null) | call(.log) | call(.clock) | call(.alarm) | call(.exit) | call(.yield) }
  /// Every service: memory, RS and DS.
  static var basic: UInt64 { to(.vm) | to(.rs) | to(.ds) }

  static func driver(lines: UInt32, also: UInt64 = 0) -> Privileges {
    Privileges(
      kernelCalls: common | call(.copyGrant) | call(.portRead) | call(.portWrite) | call(.interruptAttach) | call(.interruptEnable),
      sendTo: basic | to(.vfs) | also, lines: lines, asynchronousQuota: 64)
  }

  static var fileSystem: Privileges {
    Privileges(
      kernelCalls: common | call(.grantCreate) | call(.grantRevoke) | call(.copyGrant),
      sendTo: basic | to(.vfs) | to(.disk) | to(.memory), asynchronousQuota: 256, grantQuota: 256)
  }
}
