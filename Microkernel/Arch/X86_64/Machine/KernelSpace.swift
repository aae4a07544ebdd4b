import BootImage
import CStart
import CX86
import PageTable
import PhysicalMemory

/// The kernel's half of every address space. All of it is made here, once: 256 top-level entries that every root
/// copies and that never change (V9), global leaf entries (V12), nothing both writable and executable, no mapping of low
/// memory at its own address (V3), no RAM twice: the image is not in the linear map.
public enum KernelSpace {
  /// Where the local APIC's registers are: the page for physical 4096, which the image does not use.
  public static var apic: UInt64 { AddressSpace.kernelImage + 0x1000 }

  /// - Parameters:
  ///   - memory: all RAM that the kernel may ever touch.
  ///   - frames: where tables come from.
  /// - Returns: a top table with an empty user half.
  public static func build(memory: UnsafePointer<MemoryMap>, frames: inout MemoryMap) -> UInt64 {
    let mapper = PageMapper(LinearFrames(), root: Frames.zeroed(&frames), user: false)
    let data = PageEntry.global | PageEntry.writable | PageEntry.noExecute
    let start = address_of_kernel_image_start()
    let constants = address_of_kernel_rodata_start()
    let variables = address_of_kernel_data_start()
    let end = address_of_kernel_image_end()
    func mapImage(_ from: UInt64, _ to: UInt64, _ flags: UInt64, _ frames: inout MemoryMap) {
      // Page by page: guard pages are taken out below.
      var page = from
      while page < to {
        mapper.map(page, to: page &- AddressSpace.kernelImage, length: Page.size, flags: flags, frames: &frames)
        page += Page.size
      }
    }
    mapImage(start, constants, PageEntry.global, &frames)
    mapImage(constants, variables, PageEntry.global | PageEntry.noExecute, &frames)
    mapImage(variables, end, data, &frames)
    mapper.unmap(address_of_kernel_stack_guard(), frames: &frames)
    mapper.unmap(address_of_nmi_stack_guard(), frames: &frames)
    mapper.unmap(address_of_fault_stack_guard(), frames: &frames)
    mapper.unmap(address_of_check_stack_guard(), frames: &frames)
    mapper.unmap(address_of_debug_stack_guard(), frames: &frames)
    let apicFrame = x86_read_msr(0x1B) & PageEntry.frameMask
    mapper.map(apic, to: apicFrame, length: Page.size, flags: data | PageEntry.cacheDisable | PageEntry.writeThrough, frames: &frames)

    for index in 0..<memory.pointee.count {
      let range = memory.pointee[index]
      mapper.map(AddressSpace.kernelLinear &+ range.base, to: range.base, length: range.length, flags: data, frames: &frames)
    }

    // The entries that are left share one empty table: they exist, in every root.
    let empty = Frames.zeroed(&frames)
    let top = Frames.pointer(mapper.root).assumingMemoryBound(to: PageEntry.self)
    for index in 256..<512 where !top[index].isPresent { top[index] = PageEntry(raw: empty | PageEntry.present | PageEntry.writable) }
    return mapper.root
  }
}
