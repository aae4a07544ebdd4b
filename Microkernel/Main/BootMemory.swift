import BootImage
import CStart
import KernelCore
import PageTable
import PhysicalMemory
import X86Hardware

/// Who gets which part of RAM at boot. Below 1 MiB nobody gets anything (V2: VGA, the BIOS and its data live there).
/// The maps are in the image's bss: the boot stack is too small for copies of them.
struct BootMemory {
  /// RAM that the linear map will hold: all but the kernel image, which is mapped elsewhere.
  let memory: UnsafeMutablePointer<MemoryMap>
  /// What nobody has yet. In the end it is VM's.
  let free: UnsafeMutablePointer<MemoryMap>
  /// What VM sees in its window: everything but the kernel's frames.
  let window: UnsafeMutablePointer<MemoryMap>
  let archive: PhysicalRange
  let total: UInt64

  init(_ report: LoaderReport) {
    // Zeroed by the loader, and zeroes are an empty map.
    guard let maps = UnsafeMutablePointer<MemoryMap>(bitPattern: UInt(address_of_boot_maps())), 3 * MemoryLayout<MemoryMap>.stride <= Int(BOOT_TABLE_SIZE)
    else { Panic.stop("no room for the memory maps") }
    (memory, free, window) = (maps, maps + 1, maps + 2)
    report.fill(&memory.pointee) { range, repair in
      let log = Log()
      log.text("memory: ").hex(range.base).text(" length ").hex(range.length)
      if repair.contains(.rounded) { log.text(", rounded to pages") }
      if repair.contains(.dropped) { log.text(", dropped") }
      if repair.contains(.merged) { log.text(", overlaps another") }
      if repair.contains(.clipped) { log.text(", clipped") }
      if repair.contains(.displaced) { log.text(", too many ranges") }
      log.line()
    }
    total = memory.pointee.total
    memory.pointee.remove(base: 0, length: 1 << 20)
    let start = address_of_kernel_image_start() - AddressSpace.kernelImage
    let end = address_of_kernel_image_end() - AddressSpace.kernelImage
    guard memory.pointee.contains(start, length: end - start) else { Panic.stop("the kernel image is not in memory") }
    memory.pointee.remove(base: start, length: end - start)
    free.update(from: memory, count: 1)
    archive = Self.placeArchive(report.archive, free, scratch: window)
    Log().text("memory: ").decimal(total >> 20).text(" MiB in ").decimal(UInt64(memory.pointee.count)).text(" ranges, boot archive ")
      .decimal(archive.length >> 10).text(" KiB").line()
  }

  /// Takes the archive's frames out of `free`, in a place where they are whole pages: if the loader put it across page
  /// boundaries it is moved.
  private static func placeArchive(
    _ reported: PhysicalRange, _ free: UnsafeMutablePointer<MemoryMap>, scratch: UnsafeMutablePointer<MemoryMap>
  ) -> PhysicalRange {
    guard reported.length >= Page.size, reported.length < 1 << 32, reported.base < 1 << 32 else { Panic.stop("no boot archive") }
    guard let place = free.pointee.takeInPlace(reported, scratch: &scratch.pointee) else { Panic.stop("no room for the boot archive") }
    if place != reported.base { Frames.pointer(place).copyMemory(from: Frames.pointer(reported.base), byteCount: Int(reported.length)) }
    return PhysicalRange(base: place, length: Page.up(reported.length))
  }

  /// Sizes of the kernel's tables: a machine of 64 MiB or less gets smaller ones.
  var limits: Limits {
    total > 96 << 20 ? Limits() : Limits(threads: 256, grants: 2048, envelopes: 2048)
  }

  /// From here on nothing in `free` becomes the kernel's.
  func closeKernel() {
    window.update(from: free, count: 1)
    _ = window.pointee.add(base: archive.base, length: archive.length)
  }

  var archiveBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: Frames.pointer(archive.base), count: Int(archive.length)) }
}
