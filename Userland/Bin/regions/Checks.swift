import CTrap
import IPC
import POSIX
import Protocols

// One function a check. Each runs in a child and may leave its memory as it likes.

private let page = 4096

private func mapped(_ pages: Int, shared: Bool = false) throws(Errno) -> UnsafeMutableRawPointer {
  try mapMemory(pages * page, flags: MapFlags.anonymous | (shared ? MapFlags.shared : MapFlags.private))
}

private func write(_ memory: UnsafeMutableRawPointer, _ index: Int, _ value: UInt8) { memory.storeBytes(of: value, toByteOffset: index * page, as: UInt8.self) }
private func read(_ memory: UnsafeMutableRawPointer, _ index: Int) -> UInt8 { memory.load(fromByteOffset: index * page, as: UInt8.self) }

/// The error of a call; nil if it went well.
private func failure(_ body: () throws(Errno) -> Void) -> Errno? {
  do throws(Errno) { try body() } catch { return error }
  return nil
}

func advice() throws(Errno) -> Bool {
  let own = try mapped(4)
  let shared = try mapped(2, shared: true)
  for index in 0..<4 { write(own, index, 7) }
  for index in 0..<2 { write(shared, index, 8) }
  try adviseMemory(own + page, 2 * page, Advice.dontNeed)
  try adviseMemory(shared, 2 * page, Advice.dontNeed)
  guard read(own, 0) == 7, read(own, 1) == 0, read(own, 2) == 0, read(own, 3) == 7, read(shared, 0) == 8, read(shared, 1) == 8 else { return false }
  try adviseMemory(own, 4 * page, Advice.free)
  write(own, 1, 9)
  for hint in [Advice.sequential, Advice.random, Advice.normal, Advice.willNeed] { try adviseMemory(own, 4 * page, hint) }
  try unmapMemory(own + 2 * page, page)
  return read(own, 1) == 9 && failure { () throws(Errno) in try adviseMemory(own, 4 * page, Advice.dontNeed) } == .noMemory
}

func residence() throws(Errno) -> Bool {
  let memory = try mapped(500)
  write(memory, 0, 1)
  write(memory, 450, 1)
  var there = try residentPages(memory, 500 * page)
  guard there.count == 500, there[0], there[450], !there[1], !there[449] else { return false }
  try adviseMemory(memory, 500 * page, Advice.willNeed)
  there = try residentPages(memory, 500 * page)
  return !there.contains(false)
}

private func faults() throws(Errno) -> UInt32 { try request(VM.Information(), of: .vm).faults }

func lock() throws(Errno) -> Bool {
  let memory = try mapped(64)
  try lockMemory(memory, 64 * page)
  let before = try faults()
  for index in 0..<64 { write(memory, index, 1) }
  // Others run meanwhile and fault as they like: far fewer than the pages.
  guard try faults() &- before < 32 else { return false }
  try unlockMemory(memory, 64 * page)
  let limit = try resourceLimit(Resource.locked)
  try setResourceLimit(Resource.locked, soft: UInt64(8 * page), hard: limit.hard)
  guard failure({ () throws(Errno) in try lockMemory(memory, 9 * page) }) == .noMemory else { return false }
  try lockMemory(memory, 8 * page)
  guard failure({ () throws(Errno) in try lockAllMemory(LockAll.current) }) == .noMemory else { return false }
  try unlockAllMemory()
  try lockAllMemory(LockAll.future)
  let small = try mapped(4)
  return !(try residentPages(small, 4 * page)).contains(false)
}

func remap() throws(Errno) -> Bool {
  let memory = try mapped(4)
  for index in 0..<4 { write(memory, index, UInt8(index + 1)) }
  let wall = try mapMemory(page, flags: MapFlags.private | MapFlags.anonymous | MapFlags.fixed, at: UInt64(UInt(bitPattern: memory + 4 * page)))
  guard failure({ () throws(Errno) in _ = try remapMemory(memory, 4 * page, 8 * page) }) == .noMemory else { return false }
  let moved = try remapMemory(memory, 4 * page, 8 * page, Remap.mayMove)
  write(wall, 0, 1)
  for index in 0..<8 where read(moved, index) != (index < 4 ? UInt8(index + 1) : 0) { return false }
  guard try remapMemory(moved, 8 * page, 2 * page) == moved else { return false }
  guard failure({ () throws(Errno) in _ = try remapMemory(moved, 4 * page, 5 * page, Remap.mayMove) }) == .badAddress else { return false }
  guard failure({ () throws(Errno) in _ = try remapMemory(moved, 2 * page, Int.max - 4095, Remap.mayMove) }) == .noMemory else { return false }
  let target: UInt64 = 0x3000_0000_0000
  let there = try remapMemory(moved, 2 * page, 2 * page, Remap.mayMove | Remap.fixed, to: target)
  return UInt64(UInt(bitPattern: there)) == target && read(there, 0) == 1 && read(there, 1) == 2
}

func synchronize() throws(Errno) -> Bool {
  let memory = try mapped(3, shared: true)
  write(memory, 0, 1)
  try synchronizeMemory(memory, 5)
  try synchronizeMemory(memory, 3 * page, Synchronize.asynchronously | Synchronize.invalidate)
  guard failure({ () throws(Errno) in try synchronizeMemory(memory + 1, 5) }) == .invalidArgument else { return false }
  try unmapMemory(memory + page, page)
  return failure { () throws(Errno) in try synchronizeMemory(memory, 3 * page) } == .noMemory && read(memory, 0) == 1
}

func immutable() throws(Errno) -> Bool {
  let memory = try mapped(2)
  try makeImmutable(memory, 2 * page)
  let errors = [
    failure { () throws(Errno) in try protectMemory(memory, page, Protection.read) },
    failure { () throws(Errno) in try unmapMemory(memory, 2 * page) },
    failure { () throws(Errno) in try makeImmutable(memory, page) },
    failure { () throws(Errno) in try adviseMemory(memory, page, Advice.dontNeed) },
    failure { () throws(Errno) in try nameMemory(memory, page, Bytes("x")) },
    failure { () throws(Errno) in _ = try remapMemory(memory, page, 2 * page, Remap.mayMove) },
  ]
  write(memory, 1, 3)
  return errors.allSatisfy { $0 == .notPermitted } && read(memory, 1) == 3
}

/// As people see it: /proc has the name and the marks.
func names() throws(Errno) -> Bool {
  let memory = try mapped(3)
  try nameMemory(memory + page, page, Bytes("the middle"))
  try makeImmutable(memory + page, page)
  let descriptor = try open(Bytes("/proc/") + decimal(UInt64(processID())) + Bytes("/maps"))
  var text: Bytes = []
  while true {
    let part = try read(descriptor, atMost: 4096)
    if part.isEmpty { break }
    text += part
  }
  try close(descriptor)
  let ending = Bytes("anonymous immutable [the middle]")
  var found = 0
  for line in split(text, at: "\n") where line.count > ending.count && line.slice(from: line.count - ending.count) == ending { found += 1 }
  return found == 1 && failure { () throws(Errno) in try nameMemory(memory, page, Bytes("sixteen bytes ..")) } == .invalidArgument
}

func limits() throws(Errno) -> Bool {
  try setResourceLimit(Resource.data, soft: 4 << 20, hard: 4 << 20)
  guard failure({ () throws(Errno) in _ = try mapped(1024) }) == .noMemory else { return false }
  _ = try mapped(1024, shared: true)
  guard failure({ () throws(Errno) in try setResourceLimit(Resource.data, soft: 5 << 20, hard: 5 << 20) }) == .notPermitted else { return false }
  guard failure({ () throws(Errno) in try setResourceLimit(Resource.data, soft: 4 << 20, hard: 3 << 20) }) == .invalidArgument else { return false }
  try setResourceLimit(Resource.addressSpace, soft: 16 << 20, hard: 32 << 20)
  guard failure({ () throws(Errno) in _ = try mapped(2048, shared: true) }) == .noMemory else { return false }
  // A child has the same.
  let child = try fork()
  if child == 0 {
    let limit = failure { () throws(Errno) in _ = try mapped(2048, shared: true) }
    exit(limit == .noMemory ? 0 : 1)
  }
  let status = waitUntilEnd(of: child)
  return status.exited && status.exitStatus == 0
}

/// With 512 KiB of stack a touch 600 KiB below its top is the end.
func stackLimit() throws(Errno) -> Bool {
  try setResourceLimit(Resource.stack, soft: 512 << 10, hard: 1 << 20)
  var here: UInt8 = 0
  let place = withUnsafePointer(to: &here) { UInt(bitPattern: $0) }
  touch(place - (300 << 10))
  touch(place - (600 << 10))
  return false
}

/// Not where the optimiser sees that no variable is there.
@inline(never) private func touch(_ address: UInt) { UnsafeMutablePointer<UInt8>(bitPattern: address)?.pointee = 1 }

/// A stack by MAP_STACK: a push that faults there is answered.
func ownStack() throws(Errno) -> Bool {
  let stack = try mapMemory(16 * page, flags: MapFlags.private | MapFlags.anonymous | MapFlags.stack)
  let top = UInt64(UInt(bitPattern: stack + 16 * page))
  apus_push_at(top)
  guard try residentPages(stack, 16 * page)[15] else { return false }
  // Traps from there and from the first stack, in turn: kernel calls and messages.
  for _ in 0..<3 {
    guard apus_trap_at(top, 0, 0) == 0, apus_trap_at(top, 3, UInt64(Endpoint.vm.raw)) == 0, try !residentPages(stack, page)[0] else { return false }
  }
  return true
}

/// The same with memory that is no stack.
func wrongStack() throws(Errno) -> Bool {
  let memory = try mapped(16)
  apus_push_at(UInt64(UInt(bitPattern: memory + 16 * page)))
  return false
}

/// Memory that is there, so that no fault tells: the trap does.
func wrongTrap() throws(Errno) -> Bool {
  let memory = try mapped(2)
  touch(UInt(bitPattern: memory) + 2 * UInt(page) - 1)
  _ = apus_trap_at(UInt64(UInt(bitPattern: memory + 2 * page)), 0, 0)
  return false
}

/// The same with a message, on what was a stack until just now.
func formerStack() throws(Errno) -> Bool {
  let stack = try mapMemory(2 * page, flags: MapFlags.private | MapFlags.anonymous | MapFlags.stack)
  let top = UInt64(UInt(bitPattern: stack + 2 * page))
  guard apus_trap_at(top, 3, UInt64(Endpoint.vm.raw)) == 0 else { return false }
  let again = try mapMemory(2 * page, flags: MapFlags.private | MapFlags.anonymous | MapFlags.fixed, at: UInt64(UInt(bitPattern: stack)))
  touch(UInt(bitPattern: again) + 2 * UInt(page) - 1)
  _ = apus_trap_at(top, 3, UInt64(Endpoint.vm.raw))
  return false
}

/// The page by which programs enter the kernel; it is the same for all.
private var stubPage: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: 0x6000_0000_0000) }

/// V96: nobody takes it away, makes it writable or puts another in its place; and the calls that say so come by it.
func stub() throws(Errno) -> Bool {
  guard let place = stubPage else { return false }
  let errors = [
    failure { () throws(Errno) in try unmapMemory(place, page) },
    failure { () throws(Errno) in try protectMemory(place, page, Protection.read | Protection.write) },
    failure { () throws(Errno) in
      _ = try mapMemory(page, flags: MapFlags.private | MapFlags.anonymous | MapFlags.fixed, at: UInt64(UInt(bitPattern: place)))
    },
  ]
  return errors.allSatisfy { $0 == .notPermitted }
}

func writeStub() throws(Errno) -> Bool {
  if let place = stubPage { write(place, 0, 0xC3) }
  return false
}
