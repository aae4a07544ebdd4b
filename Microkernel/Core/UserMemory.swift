import IPC
import PageTable
import Protocols

// User memory as the kernel reaches it: by a walk through the page tables that VM has written, page by page,
// then through the linear map. A page that is missing, or not writable when it must be, is VM's to find, so copy on
// write works for the kernel as it does for programs.
extension Core where M: ~Copyable {
  /// Where a byte of user memory is.
  struct Place: BitwiseCopyable {
    var result: Result
    var physical: UInt64 = 0
    /// If absent: what `PageFault.access` says of it.
    var access: UInt32 = 0
  }

  enum Result: BitwiseCopyable { case found, absent, noMemory }

  /// Not empty of sense: no wrap, all below the end of user memory.
  mutating func isUserRange(_ address: UInt64, _ length: UInt64) -> Bool {
    address <= AddressSpace.userEnd && length <= AddressSpace.userEnd - address
  }

  mutating func translate(_ root: UInt64, _ address: UInt64, write: Bool) -> Place {
    let asked = write ? KernelEvent.PageFault.write : 0
    var table = root
    var level: UInt64 = 4
    while true {
      // Tables are VM's work: even a wrong one must not lead outside RAM.
      guard machine.isMemory(table, length: Page.size) else { return Place(result: .noMemory) }
      let entry = PageEntry(raw: machine.memory(at: table).load(fromByteOffset: Page.index(address, level: level) * 8, as: UInt64.self))
      guard entry.isPresent else { return Place(result: .absent, access: asked) }
      guard entry.isUser, !write || entry.isWritable else {
        return Place(result: .absent, access: asked | KernelEvent.PageFault.present)
      }
      if level == 1 || level == 2 && entry.isLarge {
        let mask = level == 1 ? Page.size - 1 : Page.large - 1
        let physical = entry.frame & ~mask | address & mask
        guard machine.isMemory(physical & ~(Page.size - 1), length: Page.size) else { return Place(result: .noMemory) }
        return Place(result: .found, physical: physical)
      }
      table = entry.frame
      level -= 1
    }
  }

  /// One end of a copy.
  struct Bytes: BitwiseCopyable {
    var thread: ThreadPointer
    var address: UInt64
  }

  /// Copies for a kernel call of `me`. False: a page is missing, `me` waits for VM and its call will be done again. What is
  /// copied until then stays copied and is not copied again (`copied`), so a long copy costs no more for being
  /// interrupted often. VM itself never waits: for it a missing page is `.badAddress`.
  mutating func copy(_ me: ThreadPointer, from source: Bytes, to target: Bytes, _ length: UInt64) throws(Errno) -> Bool {
    guard isUserRange(source.address, length), isUserRange(target.address, length) else { throw .badAddress }
    var done = me.pointee.copied
    while done < length {
      let read = place(source, done, write: false)
      guard read.result == .found else { return try need(me, done, read, source, write: false) }
      let write = place(target, done, write: true)
      guard write.result == .found else { return try need(me, done, write, target, write: true) }
      let count = min(length - done, min(Page.size - read.physical % Page.size, Page.size - write.physical % Page.size))
      machine.memory(at: write.physical).copyMemory(from: machine.memory(at: read.physical), byteCount: Int(count))
      done += count
    }
    me.pointee.copied = 0
    return true
  }

  @inline(__always)
  private mutating func place(_ end: Bytes, _ done: UInt64, write: Bool) -> Place {
    let address = end.address + done
    let place = translate(end.thread.pointee.root, address, write: write)
    if place.result != .found, let physical = machine.native(slot: end.thread.pointee.slot, address: address) {
      return Place(result: .found, physical: physical)
    }
    return place
  }

  private mutating func need(_ me: ThreadPointer, _ done: UInt64, _ place: Place, _ end: Bytes, write: Bool) throws(Errno) -> Bool {
    me.pointee.copied = 0
    let vm = threads + Endpoint.vm.slot
    guard place.result == .absent, me != vm, end.thread != vm, vm.pointee.isAlive else { throw .badAddress }
    me.pointee.copied = done
    faults &+= 1
    askVM(for: me, .copy, in: end.thread, address: end.address + done, access: place.access | KernelEvent.PageFault.kernelCopy)
    return false
  }
}
