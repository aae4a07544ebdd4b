import IPC
import POSIX
import Protocols

private let page = 4096

/// A buffer of words, and their sum without the last, where echo puts it.
private struct Buffer {
  let memory: UnsafeMutableRawPointer
  let pages: Int

  init(pages: Int) throws(Errno) {
    memory = try mapMemory((pages + 1) * page, flags: MapFlags.anonymous | MapFlags.private)
    self.pages = pages
    for index in 0..<pages * 512 { self[index] = UInt64(index) &* 0x9E37_79B9 }
  }

  subscript(_ index: Int) -> UInt64 {
    get { memory.load(fromByteOffset: index * 8, as: UInt64.self) }
    nonmutating set { memory.storeBytes(of: newValue, toByteOffset: index * 8, as: UInt64.self) }
  }

  var last: Int { pages * 512 - 1 }
  var sum: UInt64 {
    var sum: UInt64 = 0
    for index in 0..<last { sum &+= self[index] }
    return sum
  }

  func lend() throws(Errno) -> UInt64 {
    try request(VM.Lend(to: .echo, address: UInt64(UInt(bitPattern: memory)), length: UInt64(pages * page), access: 3), of: .vm).loan
  }

  /// Whether echo sees what we see, and we what it wrote.
  func isSeen(_ loan: UInt64) throws(Errno) -> Bool {
    let expected = sum
    let answer = try request(Echo.Sum(loan: loan, length: UInt64(pages * page)), of: .echo).sum
    return answer == expected && self[last] == expected
  }
}

private func failure(_ body: () throws(Errno) -> Void) -> Errno? {
  do throws(Errno) { try body() } catch { return error }
  return nil
}

private func startEcho() throws(Errno) {
  do throws(Errno) { _ = try request(RS.Up(name: packed(Bytes("echo")) ?? (0, 0)), of: .rs) } catch {
    if error != .alreadyInProgress && error != .busy { throw error }
  }
}

/// V70, V71, V75, V76, R4: a service reads and writes a program's buffer in place; while it has it, the program cannot take it away;
/// a fork, the service's death and the program's end are each survived by the other side.
func lending() throws(Errno) -> Bool {
  try startEcho()
  let buffer = try Buffer(pages: 20)
  let loan = try buffer.lend()
  guard try buffer.isSeen(loan) else { return false }
  buffer[5000] = 77
  guard try buffer.isSeen(loan) else { return false }

  // Pinned: nothing of it changes, and nothing beside it.
  let refused = [
    failure { () throws(Errno) in try unmapMemory(buffer.memory, 21 * page) },
    failure { () throws(Errno) in try protectMemory(buffer.memory + 19 * page, 2 * page, Protection.read) },
  ]
  guard refused == [.busy, .busy] else { return false }
  buffer[21 * 512 - 1] = 1

  // A child has a copy, and may end without a word to echo while that has its memory.
  let child = try fork()
  if child == 0 {
    let before = buffer.sum
    buffer[0] = 1_000_000
    let own = try buffer.lend()
    let seen = try buffer.isSeen(own)
    exit(seen && buffer.sum != before ? 0 : 1)
  }
  let status = waitUntilEnd(of: child)
  guard status.exited, status.exitStatus == 0, buffer[0] == 0, try buffer.isSeen(loan) else { return false }

  // A service that dies lets go, and its next life may borrow again.
  _ = try request(RS.Kill(name: packed(Bytes("echo")) ?? (0, 0)), of: .rs)
  guard try buffer.isSeen(loan) else { return false }
  _ = try request(VM.EndLoan(loan: loan), of: .vm)
  guard try buffer.isSeen(loan), failure({ () throws(Errno) in try unmapMemory(buffer.memory, page) }) == .busy else { return false }
  _ = try request(Echo.GiveBack(), of: .echo)
  guard failure({ () throws(Errno) in _ = try buffer.isSeen(loan) }) == .notPermitted else { return false }
  try unmapMemory(buffer.memory, 21 * page)
  return true
}
