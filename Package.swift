// swift-tools-version: 6.2
// One manifest for both worlds. Plain `swift build` makes the libraries, tools and tests for Linux;
// `METAL=x86_64 swift build -c release --triple x86_64-unknown-none-elf --scratch-path .build/metal`
// makes the kernel, the servers and the programs as Embedded Swift. `Tools/apus` does both.
import Foundation
import PackageDescription

let metal = Context.environment["METAL"]

// MARK: Settings

/// Reasons for each flag: Microkernel/README.md.
let embedded: [SwiftSetting] = metal == nil ? [
  .treatWarning("EmbeddedRestrictions", as: .error),
  .unsafeFlags(["-enforce-exclusivity=unchecked"]),
  // The broker and the simulator are made of generic parts of other modules: without this none would be specialised.
  .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
] : [
  .enableExperimentalFeature("Embedded"), .enableExperimentalFeature("Extern"), .enableExperimentalFeature("Volatile"),
  .unsafeFlags([
    "-parse-as-library", "-enforce-exclusivity=unchecked", "-Xcc", "-ffreestanding", "-Xcc", "-mno-red-zone",
    "-Xfrontend", "-function-sections", "-Xfrontend", "-disable-stack-protector",
  ]),
]
/// For code that runs in ring 0: no SSE registers; the kernel itself also allocates nothing.
let ring0: [SwiftSetting] = metal == nil ? [] : [.unsafeFlags(["-Xcc", "-mno-sse"])]
let noAllocations: [SwiftSetting] = metal == nil ? [] : [.unsafeFlags(["-no-allocations"])]
let freestandingC: [CSetting] = metal == nil ? [] : [.unsafeFlags(["-ffreestanding", "-fno-builtin", "-mno-red-zone", "-mno-sse"])]

func elf(_ script: String) -> [LinkerSetting] {
  [.unsafeFlags([
    "-use-ld=lld", "-nostartfiles", "-Xclang-linker", "-nostdlib", "-Xclang-linker", "-static", "-Xlinker", "--gc-sections",
    "-Xlinker", "--build-id=none", "-Xlinker", "-z", "-Xlinker", "max-page-size=4096",
    "-Xlinker", "-T", "-Xlinker", "\(Context.packageDirectory)/Boot/Start/x86_64/\(script)",
  ])]
}

/// For programs of one thread. Not in tests: what two modules specialise alike is linked once, and tests have many threads.
let singleThreaded: [SwiftSetting] = [.unsafeFlags(["-Xfrontend", "-assume-single-threaded"], .when(configuration: .release))]

/// For code that waits more than it computes: exec reads less.
let forSize: [SwiftSetting] = metal == nil ? [] : [.unsafeFlags(["-Osize"])]

/// A library that builds for both worlds.
func library(_ name: String, _ path: String, _ dependencies: [Target.Dependency] = [], _ settings: [SwiftSetting] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: path, swiftSettings: embedded + settings)
}

/// A server's or driver's Main: an ELF file of the boot archive. Metal only.
func server(_ name: String, _ path: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies + ["IPC", "Protocols", "ServerKit", "Trap", "Runtime"], path: path,
    swiftSettings: embedded, linkerSettings: elf("user.ld"))
}

/// A program: `Userland/Bin/<name>`, an ELF file called `bin-<name>`. Metal only.
func program(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: "bin-\(name)", dependencies: dependencies + ["IPC", "Protocols", "POSIX", "Trap", "Runtime"], path: "Userland/Bin/\(name)",
    swiftSettings: embedded, linkerSettings: elf("user.ld"))
}

/// Tests of a library, on Linux.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests", swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"])])
}

// MARK: What both sides of a boundary agree on, and the logic of every part

var targets: [Target] = [
  // The kernel links these too: without `ring0` a copy in one of them could use a register of the thread it interrupts.
  library("IPC", "IPC/Message", [], ring0),
  library("Protocols", "IPC/Protocols", ["IPC"], ring0),
  library("PageTable", "IPC/PageTable", [], ring0),
  library("Executable", "IPC/Executable", [], ring0),
  library("BootImage", "Boot/Image", ["IPC", "Protocols"], ring0),
  library("KernelCore", "Microkernel/Core", ["IPC", "Protocols", "PageTable"], ring0 + noAllocations),
  library("PhysicalMemory", "Microkernel/PhysicalMemory", ["BootImage", "Executable", "PageTable"], ring0 + noAllocations),
  .target(name: "CX86", path: "Microkernel/Arch/X86_64/C"),
  library("X86State", "Microkernel/Arch/X86_64/State", ["CX86", "IPC", "KernelCore", "PageTable", "Protocols"], ring0 + noAllocations),
  .target(name: "CLinux", path: "Microkernel/Arch/Linux/CLinux"),
  library("ServerKit", "Servers/Kit", ["IPC", "Protocols"]),
  library("Ext2Server", "Servers/FS/Ext2/Logic", ["IPC", "Protocols", "ServerKit"]),
  library("MemoryDriver", "Servers/Drivers/Memory/Logic", ["BootImage", "IPC", "Protocols", "ServerKit"]),
  library("VirtioBlock", "Servers/Drivers/VirtioBlock/Logic", ["IPC", "Protocols", "ServerKit"]),
  library("EchoDriver", "Servers/Drivers/Echo/Logic", ["IPC", "Protocols", "ServerKit"]),
  library("ProcServer", "Servers/FS/Proc/Logic", ["IPC", "Protocols", "ServerKit"]),
  .target(name: "CFiber", path: "Servers/Fiber/C"),
  library("Fiber", "Servers/Fiber/Swift", ["CFiber"]),
  library("VFSServer", "Servers/VFS/Logic", ["IPC", "Protocols", "Executable", "PageTable", "ServerKit", "Fiber"]),
  library("VMServer", "Servers/VM/Logic", ["IPC", "Protocols", "PageTable", "Executable", "BootImage", "ServerKit"], noAllocations),
  library("RSServer", "Servers/RS/Logic", ["IPC", "Protocols", "BootImage", "ServerKit"]),
  library("PMServer", "Servers/PM/Logic", ["IPC", "Protocols", "ServerKit"]),
  library("DSServer", "Servers/DS/Logic", ["IPC", "Protocols", "ServerKit"]),
  library("Terminal", "Servers/Drivers/Terminal"),
  library("NS16550", "Servers/Drivers/NS16550/Logic", ["IPC", "Protocols", "ServerKit", "Terminal"]),
]

// Userland: the POSIX library, and what programs do, as libraries that also run on Linux.
targets += [
  library("POSIX", "Userland/POSIX/Swift", ["IPC", "Protocols"] + (metal == nil ? [] : ["Trap", "CPOSIX"])),
  library("Programs", "Userland/Programs", ["IPC", "Protocols", "POSIX"]),
  library("Shell", "Userland/Shell", ["IPC", "Protocols", "POSIX"], forSize),
  library("Script", "Userland/Script", ["IPC", "Protocols"]),
  library("Compared", "Userland/Compared", ["IPC", "Protocols", "POSIX"]),
]

// MARK: Metal: the kernel, the servers and the programs

if metal != nil {
  targets += [
    .target(name: "CStart", path: "Boot/Start/x86_64", exclude: ["kernel.ld", "stub.ld", "user.ld"], cSettings: freestandingC),
    .target(name: "CEntry", path: "Microkernel/Arch/X86_64/Entry", cSettings: freestandingC),
    library(
      "X86Hardware", "Microkernel/Arch/X86_64/Machine",
      ["BootImage", "CEntry", "CStart", "CX86", "IPC", "KernelCore", "PageTable", "PhysicalMemory", "X86State"], ring0 + noAllocations),
    .executableTarget(
      name: "kernel",
      dependencies: [
        "BootImage", "CEntry", "CRuntime", "CStart", "CX86", "IPC", "KernelCore", "PageTable", "PhysicalMemory", "X86Hardware",
        "X86State",
      ],
      path: "Microkernel/Main", swiftSettings: embedded + ring0 + noAllocations, linkerSettings: elf("kernel.ld")),
    .target(name: "CProbe", path: "Tests/InSystem/ProbeC"),
    server("probe", "Tests/InSystem/Probe", ["BootImage", "CProbe", "CTrap", "PageTable"]),
    .target(name: "CTrap", path: "IPC/Trap/C"),
    .target(name: "CStub", path: "Microkernel/Arch/Linux/Stub/C", cSettings: freestandingC),
    .executableTarget(
      name: "linux-stub", dependencies: ["CLinux", "CRuntime", "CStub"], path: "Microkernel/Arch/Linux/Stub/Main",
      swiftSettings: embedded + noAllocations, linkerSettings: elf("stub.ld")),
    library("Trap", "IPC/Trap/Metal", ["IPC", "CTrap"]),
    .target(name: "CRuntime", path: "IPC/Runtime/C", cSettings: freestandingC),
    library("Runtime", "IPC/Runtime/Swift", ["CRuntime", "IPC", "Protocols", "Trap"]),
    server("ext2", "Servers/FS/Ext2/Main", ["Ext2Server"]),
    server("memory", "Servers/Drivers/Memory/Main", ["MemoryDriver"]),
    server("disk", "Servers/Drivers/VirtioBlock/Main", ["VirtioBlock"]),
    server("echo", "Servers/Drivers/Echo/Main", ["EchoDriver"]),
    server("proc", "Servers/FS/Proc/Main", ["ProcServer"]),
    server("vfs", "Servers/VFS/Main", ["VFSServer"]),
    // VM has no heap: it links the assembly of the runtime alone.
    .executableTarget(
      name: "vm", dependencies: ["VMServer", "IPC", "Protocols", "PageTable", "BootImage", "ServerKit", "Trap", "CRuntime"],
      path: "Servers/VM/Main", swiftSettings: embedded + noAllocations, linkerSettings: elf("user.ld")),
    server("rs", "Servers/RS/Main", ["RSServer"]),
    server("pm", "Servers/PM/Main", ["PMServer"]),
    server("ds", "Servers/DS/Main", ["DSServer"]),
    server("init", "Userland/Init", ["POSIX"]),
    server("tty", "Servers/Drivers/NS16550/Main", ["NS16550", "CTrap"]),
  ]
}

// The programs of /bin. Each is one page that calls its function in `Programs` (or `Shell`).
let programs = [
  "cat", "cmp", "cp", "dd", "echo", "env", "false", "free", "grep", "head", "kill", "ln", "ls", "mkdir", "mount", "mv", "ps", "pwd",
  "rm", "rmdir", "service", "sha256sum", "shutdown", "sleep", "stat", "sync", "touch", "true", "umount", "uname", "vmmap", "wc",
]
if metal != nil {
  targets += [.target(name: "CPOSIX", path: "Userland/POSIX/C", cSettings: freestandingC)]
  targets += [.target(name: "CHostile", path: "Userland/HostileC", cSettings: freestandingC)]
  targets += programs.map { program($0, ["Programs"]) }
  targets += [program("sh", ["Shell"]), program("bench", ["CTrap"]), program("hostile", ["CHostile", "CTrap"]), program("steady", ["Programs"]), program("signals"), program("mapped"), program("shm"), program("compared", ["Compared"]), program("regions", ["CTrap"]), program("play", ["CPOSIX", "Script"])]
}

// MARK: Linux: tools and tests

if metal == nil {
  targets += [
    tests("IPC", ["IPC", "Protocols"]),
    tests("Executable", ["Executable", "PageTable"]),
    tests("BootImage", ["BootImage", "IPC", "Protocols"]),
    tests("VMServer", ["VMServer", "IPC", "Protocols", "PageTable", "BootImage", "ServerKit"]),
    tests("Fiber", ["Fiber"]),
    tests("ProcServer", ["ProcServer", "IPC", "Protocols", "ServerKit"]),
    tests("VFSServer", ["VFSServer", "IPC", "Protocols", "ServerKit"]),
    tests("PhysicalMemory", ["PhysicalMemory", "BootImage", "PageTable"]),
    tests("X86State", ["X86State", "CX86", "IPC", "KernelCore", "PageTable"]),
    tests("ServerKit", ["ServerKit", "IPC", "Protocols"]),
    .target(name: "FakeKernel", dependencies: ["IPC", "Protocols"], path: "Tests/Support/FakeKernel"),
    tests("Ext2Server", ["Ext2Server", "FakeKernel", "IPC", "MemoryDriver", "Protocols", "ServerKit"]),
    tests("MemoryDriver", ["MemoryDriver", "FakeKernel", "IPC", "Protocols", "ServerKit"]),
    tests("VirtioBlock", ["VirtioBlock", "FakeKernel", "IPC", "Protocols", "ServerKit"]),
    tests("EchoDriver", ["EchoDriver", "FakeKernel", "IPC", "Protocols", "ServerKit"]),
    tests("Script", ["Script", "IPC"]),
    tests("Simulator", ["Simulator", "Script", "ToolKit", "IPC", "Protocols"]),
    tests("Model", ["ToolKit"]),
    tests("Tools", ["ToolKit", "BootImage", "IPC", "Protocols"]),
    tests("System", ["CLinux", "Script", "Simulator", "ToolKit", "userland"]),
    library("DeviceModels", "Microkernel/Devices"),
    tests("DeviceModels", ["DeviceModels", "FakeKernel", "IPC", "NS16550", "Protocols", "ServerKit", "VirtioBlock"]),
    .target(name: "ToolKit", dependencies: ["BootImage", "Script", "IPC", "Protocols"], path: "Tools/Kit", exclude: ["Campaign/README.md", "MemoryMap/README.md", "Trace/README.md"]),
    library("SimulatedArch", "Microkernel/Arch/Simulated", ["IPC", "PageTable", "KernelCore"]),
    tests("KernelCore", ["KernelCore", "SimulatedArch", "BootImage", "IPC", "Protocols", "PageTable"]),
    .target(
      name: "Simulator",
      dependencies: [
        "BootImage", "CFiber", "DeviceModels", "DSServer", "EchoDriver", "Ext2Server", "IPC", "KernelCore", "MemoryDriver", "NS16550", "PMServer",
        "PageTable", "ProcServer", "Protocols", "RSServer", "Script", "ServerKit", "SimulatedArch", "VFSServer", "VMServer", "VirtioBlock",
      ],
      path: "Tools/Simulator/World", swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"])] + singleThreaded),
    .executableTarget(
      name: "simulator", dependencies: ["Script", "Simulator", "ToolKit"], path: "Tools/Simulator/Main",
      swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"])]),
    .executableTarget(
      name: "apus", dependencies: ["ToolKit", .product(name: "ArgumentParser", package: "swift-argument-parser")], path: "Tools/Apus"),
    .systemLibrary(name: "CSeccomp", path: "Microkernel/Arch/Linux/CSeccomp", pkgConfig: "libseccomp"),
    .target(
      name: "Sandbox", dependencies: ["CLinux", "CSeccomp", "CX86"], path: "Microkernel/Arch/Linux/Sandbox",
      swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"])]),
    .target(
      name: "Broker",
      dependencies: [
        "BootImage", "CLinux", "CSeccomp", "CX86", "DeviceModels", "IPC", "KernelCore", "PageTable", "PhysicalMemory", "Protocols", "Sandbox", "X86State",
      ],
      path: "Microkernel/Arch/Linux/Broker",
      swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"])] + singleThreaded),
    .executableTarget(
      name: "broker", dependencies: ["Broker", "Sandbox"], path: "Microkernel/Arch/Linux/Main",
      swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"])]),
    .target(name: "CSandboxCode", path: "Tests/Support/SandboxCode"),
    .executableTarget(
      name: "sandbox-host", dependencies: ["CSandboxCode", "CX86", "Sandbox"], path: "Tests/Support/SandboxHost",
      swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"])]),
    tests("Sandbox", ["sandbox-host", "CLinux", "CSandboxCode", "CX86", "Sandbox", "ToolKit"]),
    tests("Broker", ["broker", "Broker", "CLinux", "DeviceModels", "PageTable", "Sandbox", "ToolKit"]),
    tests("Terminal", ["IPC", "Protocols", "ServerKit", "Terminal", "NS16550"]),
    .target(name: "LinuxServers", dependencies: ["IPC", "Protocols"], path: "Tests/Support/LinuxServers"),
    .executableTarget(name: "userland", dependencies: ["Compared", "LinuxServers", "POSIX", "Programs", "Shell"], path: "Tests/Support/Userland"),
    tests("PMServer", ["IPC", "Protocols", "ServerKit", "PMServer"]),
    tests("DSServer", ["IPC", "Protocols", "ServerKit", "DSServer"]),
    .target(name: "ProgramRun", dependencies: ["ToolKit"], path: "Tests/Support/ProgramRun"),
    tests("POSIX", ["POSIX", "LinuxServers", "IPC", "Protocols"]),
    tests("Program", ["Programs", "POSIX", "IPC", "Protocols", "ProgramRun", "userland"]),
    tests("Shell", ["Shell", "POSIX", "ProgramRun", "userland"]),
    tests("RSServer", ["IPC", "Protocols", "BootImage", "ServerKit", "RSServer"]),
  ]
}

// A README beside the sources is no source.
for target in targets where !target.exclude.contains("README.md") {
  if FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/\(target.path ?? ".")/README.md") { target.exclude.append("README.md") }
}

// `APUS_ONLY=VMServerTests` leaves one target and what it stands on: `apus planted` builds a copy of the tree that way.
let only = Context.environment["APUS_ONLY"]
if let only {
  var wanted: Set<String> = [], new: Set<String> = [only]
  while !new.isEmpty {
    wanted.formUnion(new)
    new = Set(targets.filter { new.contains($0.name) }.flatMap(\.dependencies).compactMap { dependency in
      if case .byNameItem(let name, _) = dependency { name } else { nil }
    }).subtracting(wanted)
  }
  targets.removeAll { !wanted.contains($0.name) }
}

let package = Package(
  name: "Apus",
  dependencies: only == nil ? [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")] : [],
  targets: targets,
  swiftLanguageModes: [.v6])
