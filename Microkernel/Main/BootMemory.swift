import BootImage
import CStart
import KernelCore
import PageTable
import PhysicalMemory
import X86Hardware

/// Who gets which part of RAM at boot. Below 1 MiB nobody gets anything (V2: VGA, the BIOS and its data live there).
struct BootMemory {
  /// RAM that the linear map will hold: all but the kernel image, which is mapped elsewhere.
  var memory: MemoryMap
  /// What nobody has yet. In the end it is VM's.
  var free: MemoryMap
  /// What VM sees in its window: everything but the kernel's frames.
  var window = MemoryMap()
  var archive: PhysicalRange
  let total: UInt64

  init(_ report: LoaderReport) {
    var map = report.memoryMap { range, repair in
      let log = Log()
      log.text("memory: ").hex(range.base).text(" length ").hex(range.length)
      if repair.contains(.rounded) { log.text(", rounded to pages") }
      if repair.contains(.dropped) { log.text(", dropped") }
      if repair.contains(.merged) { log.text(", overlaps another") }
      if repair.contains(.clipped) { log.text(", clipped") }
      if repair.contains(.displaced) { log.text(", too many ranges") }
      log.line()
    }
    total = map.total
    map.remove(base: 0, length: 1 << 20)
    let imageStart = address_of_kernel_image_start() - AddressSpace.kernelImage
    let imageEnd = address_of_kernel_image_end() - AddressSpace.kernelImage
    guard map.contains(imageStart, length: imageEnd - imageStart) else { Panic.stop("the kernel image is not in memory") }
    map.remove(base: imageStart, length: imageEnd - imageStart)
    memory = map
    free = map
    archive = Self.placeArchive(report.archive, &free)
    Log().text("memory: ").decimal(total >> 20).text(" MiB in ").decimal(UInt64(memory.count)).text(" ranges, boot archive ")
      .decimal(archive.length >> 10).text(" KiB").line()
  }

  /// Takes the archive's frames out of `free`, in a place where they are whole pages: if the loader put it across page
  /// boundaries it is moved.
  private static func placeArchive(_ reported: PhysicalRange, _ free: inout MemoryMap) -> PhysicalRange {
    let length = Page.up(reported.length)
    guard reported.length >= Page.size, reported.length < 1 << 32, reported.base < 1 << 32 else { Panic.stop("no boot archive") }
    if reported.base & (Page.size - 1) == 0 && free.contains(reported.base, length: length) {
      free.remove(base: reported.base, length: length)
      return PhysicalRange(base: reported.base, length: length)
    }
    let untouched = free
    free.remove(base: reported.base, length: reported.length)
    guard let place = free.take(length) else { Panic.stop("no room for the boot archive") }
    let target = Frames.pointer(place)
    target.copyMemory(from: Frames.pointer(reported.base), byteCount: Int(reported.length))
    free = untouched
    free.remove(base: place, length: length)
    return PhysicalRange(base: place, length: length)
  }

  /// Sizes of the kernel's tables: a machine of 64 MiB or less gets smaller ones.
  var limits: Limits {
    total > 96 << 20 ? Limits() : Limits(threads: 256, grants: 2048, envelopes: 2048)
  }

  /// From here on nothing in `free` becomes the kernel's.
  mutating func closeKernel() {
    window = free
    _ = window.add(base: archive.base, length: archive.length)
  }

  var archiveBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: Frames.pointer(archive.base), count: Int(archive.length)) }
}
