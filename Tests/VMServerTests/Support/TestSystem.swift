import BootImage
import Glibc
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// VM over an array of frames, with processes that touch memory through page tables and a TLB.
final class TestSystem {
  static let archiveBase: UInt64 = 1 << 20
  static let freeBase: UInt64 = 8 << 20

  let kernel: FakeKernel
  var ipc: FakeTransport
  var vm: VirtualMemory
  let boot: UnsafeMutablePointer<BootInformation>
  let window: UnsafeMutableRawPointer
  private let windowSize: Int
  /// What `checkLimbo` found.
  var early: [String] = []
  /// Slots for `process`.
  private var nextSlot = 100

  /// - Parameter ranges: free memory, in frames from `freeBase` if not given.
  init(frames: UInt64 = 2048, ranges: [PhysicalRange]? = nil, modules: [(name: String, bytes: [UInt8])]? = nil, commandLine: String = "", floors: Bool = false) {
    let free = ranges ?? [PhysicalRange(base: Self.freeBase, length: frames << 12)]
    let end = max(free.map(\.end).max()!, Self.freeBase)
    windowSize = Int(end)
    let window = mmap(nil, windowSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)!
    self.window = window
    // Nothing may rely on memory that happens to be zero.
    if end - Self.freeBase < 64 << 20, free.count == 1 { memset(window + Int(Self.freeBase), 0xA5, Int(end - Self.freeBase)) }
    let archive = makeArchive(modules ?? [("rs", TestELF.standard.bytes), ("ramdisk", [UInt8](repeating: 7, count: 10_000))])
    archive.withUnsafeBytes { (window + Int(Self.archiveBase)).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }

    boot = .allocate(capacity: 1)
    boot.initialize(to: BootInformation())
    boot.pointee.archive = PhysicalRange(base: Self.archiveBase, length: UInt64(archive.count))
    boot.pointee.stubFrame = 0x10_0000 - 0x1000
    boot.pointee.memoryEnd = end
    boot.pointee.totalMemory = free.reduce(0) { $0 + $1.length } + (1 << 20)
    boot.pointee.freeCount = UInt64(free.count)
    for (index, range) in free.enumerated() { boot.pointee.free[index] = range }
    boot.pointee.commandLineLength = UInt64(commandLine.utf8.count)
    for (index, byte) in commandLine.utf8.enumerated() { boot.pointee.commandLine[index] = byte }

    kernel = FakeKernel(window: window)
    ipc = FakeTransport(kernel: kernel)
    vm = VirtualMemory(UnsafePointer(boot), window: window)!
    kernel.willForget = { [unowned self] root, _ in checkLimbo(root) }
    if !floors {
      vm.frames.userFloor = 0
      vm.frames.serviceFloor = 0
    }
  }

  deinit {
    munmap(window, windowSize)
    boot.deallocate()
  }

  // MARK: Messages

  func deliver(_ message: Message, from source: Endpoint, flags: Delivery.Flags = .request) -> Message? {
    var message = message
    message.source = source
    return vm.handle(Delivery(message: message, flags: flags), &ipc)
  }

  @discardableResult
  func call<C: Call>(_ call: C, from source: Endpoint) throws(Errno) -> C.Reply {
    guard let reply = deliver(Message(call), from: source) else { throw .timedOut }
    return try reply.reply()
  }

  /// The error of a call, nil if it went well.
  func error<C: Call>(_ call: C, from source: Endpoint) -> Errno? {
    do throws(Errno) {
      try self.call(call, from: source)
      return nil
    } catch { return error }
  }

  // MARK: Processes

  /// A bare process: stub and stack, made without exec, with 16 pages for the heap from 0x500000 on.
  func process(supervisor: Endpoint = .pm) -> Endpoint { thread(slot: nextProcessSlot(), supervisor: supervisor, .user) }
  /// A bare service in a slot of its own.
  func service(_ endpoint: Endpoint) -> Endpoint { thread(slot: endpoint.slot, supervisor: .rs, .service) }

  private func nextProcessSlot() -> Int {
    nextSlot += 1
    while kernel.threads[nextSlot] != nil { nextSlot += 1 }
    return nextSlot
  }

  private func thread(slot: Int, supervisor: Endpoint, _ claim: Claim) -> Endpoint {
    do throws(Errno) {
      let space = try vm.makeSpace(claim, &ipc)
      try vm.mapStub(space)
      try vm.addStack(space)
      vm.placeHeap(space, imageEnd: 0x50_0000)
      let reply = try ipc.kernel(Kernel.ThreadCreate(
        root: space.pointee.root.address, space: space.pointee.id, entry: 0, stack: 0, slot: UInt32(slot), supervisor: supervisor, priority: 5))
      space.pointee.supervisor = supervisor
      vm.adopt(space, reply.thread)
      vm.settle()
      return reply.thread
    } catch { fatalError("no process: \(error)") }
  }

  func space(_ thread: Endpoint) -> Space.Pointer { vm.spaces[thread]! }
  func fork(_ parent: Endpoint) throws(Errno) -> Endpoint { try call(VM.Fork(parent: parent), from: .pm).thread }
  func exit(_ process: Endpoint) { try! call(VM.Exit(process: process), from: .pm) }

  static let readWrite = VM.Protection.read | VM.Protection.write

  @discardableResult
  func map(
    _ thread: Endpoint, pages: UInt64, at address: UInt64 = 0, protection: UInt32 = readWrite, flags: UInt32 = 0, shared: Bool = false
  ) throws(Errno) -> UInt64 {
    let all = flags | VM.Flags.anonymous | (shared ? VM.Flags.shared : VM.Flags.private)
    return try call(VM.MMap(address: address, length: pages << 12, protection: protection, flags: all), from: thread).address
  }

  func unmap(_ thread: Endpoint, _ address: UInt64, pages: UInt64) throws(Errno) {
    try call(VM.MUnmap(address: address, length: pages << 12), from: thread)
  }

  func protect(_ thread: Endpoint, _ address: UInt64, pages: UInt64, _ protection: UInt32) throws(Errno) {
    try call(VM.MProtect(address: address, length: pages << 12, protection: protection), from: thread)
  }

  // MARK: Touching memory

  enum Access: UInt32 {
    case read = 0
    case write = 2
    case execute = 4
  }

  /// The physical address behind a user address, page faults included; nil if the thread got a signal.
  func touch(_ thread: Endpoint, _ address: UInt64, _ access: Access, stack: UInt64? = nil) -> UInt64? {
    let stack = stack ?? (vm.spaces[thread]?.pointee.layout.stackTop ?? AddressSpace.stackTop) - 64
    for _ in 0..<4 {
      let state = kernel.threads[thread.slot]!
      if let physical = kernel.translate(state.root, address, access: access.rawValue) { return physical }
      let present = kernel.walk(state.root, address) & 1 != 0 ? KernelEvent.PageFault.present : 0
      let fault = KernelEvent.PageFault(address: address, access: access.rawValue | present, space: state.space, instruction: 0x40_1234, stack: stack)
      // No answer: it is parked.
      guard let reply = deliver(Message(fault), from: thread, flags: .request | .fromKernel) else { return nil }
      if reply.type != 0 { return nil }
    }
    Issue.record("a fault at \(String(address, radix: 16)) does not end")
    return nil
  }

  func read(_ thread: Endpoint, _ address: UInt64) -> UInt8? {
    touch(thread, address, .read).map { (window + Int($0)).load(as: UInt8.self) }
  }

  @discardableResult
  func write(_ thread: Endpoint, _ address: UInt64, _ value: UInt8) -> Bool {
    guard let physical = touch(thread, address, .write) else { return false }
    (window + Int(physical)).storeBytes(of: value, as: UInt8.self)
    return true
  }

  /// A write as the kernel does it when it copies: by the tables, with faults of its own, past the thread's TLB.
  func kernelWrite(_ thread: Endpoint, _ address: UInt64, _ value: UInt8) -> Bool {
    for _ in 0..<3 {
      let state = kernel.threads[thread.slot]!
      let entry = PageEntry(raw: kernel.walk(state.root, address))
      if entry.isPresent, entry.isUser, entry.isWritable {
        (window + Int(entry.frame | address & 4095)).storeBytes(of: value, as: UInt8.self)
        return true
      }
      let access = KernelEvent.PageFault.write | KernelEvent.PageFault.kernelCopy
      let fault = KernelEvent.PageFault(address: address, access: access, space: state.space, instruction: 0, stack: 0)
      if deliver(Message(fault), from: .vfs, flags: .request | .fromKernel)!.type != 0 { return false }
    }
    Issue.record("a fault of a kernel copy at \(String(address, radix: 16)) does not end")
    return false
  }

  func readWord(_ thread: Endpoint, _ address: UInt64) -> UInt64? {
    var word: UInt64 = 0
    for index: UInt64 in 0..<8 {
      guard let byte = read(thread, address + index) else { return nil }
      word |= UInt64(byte) << (8 * index)
    }
    return word
  }

  func bytes(_ thread: Endpoint, _ address: UInt64, _ count: Int) -> [UInt8]? {
    var result: [UInt8] = []
    for index in 0..<count {
      guard let byte = read(thread, address + UInt64(index)) else { return nil }
      result.append(byte)
    }
    return result
  }

  @discardableResult
  func fill(_ thread: Endpoint, _ address: UInt64, _ bytes: [UInt8]) -> Bool {
    bytes.enumerated().allSatisfy { write(thread, address + UInt64($0.offset), $0.element) }
  }

  /// Physical frame that is mapped now, 0 if none.
  func frame(_ thread: Endpoint, _ address: UInt64) -> UInt64 {
    kernel.walk(kernel.threads[thread.slot]!.root, address) & PageEntry.frameMask
  }

  var information: VM.Information.Reply { try! call(VM.Information(), from: .pm) }

  func regions(_ thread: Endpoint) -> [VM.RegionInformation.Reply] {
    var result: [VM.RegionInformation.Reply] = []
    var at: UInt64 = 0
    while let line = try? call(VM.RegionInformation(process: thread, address: at), from: .proc) {
      result.append(line)
      at = line.end
    }
    return result
  }

  /// Only what mmap made.
  func mappings(_ thread: Endpoint) -> [VM.RegionInformation.Reply] {
    regions(thread).filter { $0.start >= AddressSpace.mmapStart && $0.end <= AddressSpace.mmapEnd }
  }
}
