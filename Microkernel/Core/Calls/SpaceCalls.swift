import IPC
import PageTable
import Protocols

// VM's word on spaces: the kernel knows of them only roots.
extension Core where M: ~Copyable {
  /// A frame that can be a top table.
  mutating func checkRoot(_ root: UInt64) throws(Errno) {
    guard root & (Page.size - 1) == 0, machine.isMemory(root, length: Page.size) else { throw .invalidArgument }
  }

  /// Where a thread may begin: nothing that could fault in the kernel's way out.
  mutating func checkStart(entry: UInt64, stack: UInt64) throws(Errno) {
    guard entry < AddressSpace.userEnd, stack <= AddressSpace.userEnd else { throw .badAddress }
  }

  mutating func spaceRoot(_ call: Kernel.SpaceRoot) throws(Errno) -> Done {
    guard let thread = lookup(call.thread) else { throw .deadEndpoint }
    try checkRoot(call.root)
    thread.pointee.root = call.root
    thread.pointee.space = call.space
    return Done()
  }

  mutating func spacePrepare(_ call: Kernel.SpacePrepare) throws(Errno) -> Done {
    try checkRoot(call.root)
    machine.prepareRoot(call.root)
    return Done()
  }

  mutating func spaceFlush(_ call: Kernel.SpaceFlush) throws(Errno) -> Done {
    try checkRoot(call.root)
    guard call.count <= AddressSpace.userEnd >> Page.shift, isUserRange(call.address, call.count << Page.shift) else { throw .badAddress }
    if call.count > 0 { machine.flush(root: call.root, address: call.address, count: call.count) }
    return Done()
  }
}
