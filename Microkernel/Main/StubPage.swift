import CX86
import PhysicalMemory
import X86Hardware

/// The page that every space has at `AddressSpace.stub`: how programs enter the kernel on this machine. `ipc=syscall`, `ipc=sysenter`
/// or `ipc=int` on the command line decides; without it, or where the processor lacks what was asked for, the first of these that
/// it has.
enum StubPage {
  static func choose(_ report: LoaderReport) -> Processor.Way {
    var way = Processor.Way.interrupt
    if Processor.has(.sysenter) { way = .sysenter }
    if Processor.has(.syscall) { way = .syscall }
    if report.hasWord("ipc=syscall") { way = take(.syscall, else: way, "entry: this processor has no syscall") }
    if report.hasWord("ipc=sysenter") { way = take(.sysenter, else: way, "entry: this processor has no sysenter") }
    if report.hasWord("ipc=int") { way = .interrupt }
    switch way {
    case .syscall: Log().text("entry: syscall").line()
    case .sysenter: Log().text("entry: sysenter").line()
    case .interrupt: Log().text("entry: int 0x80").line()
    }
    return way
  }

  private static func take(_ wanted: Processor.Way, else other: Processor.Way, _ complaint: StaticString) -> Processor.Way {
    if Processor.has(wanted) { return wanted }
    Log().text(complaint).line()
    return other
  }

  static func make(_ way: Processor.Way, _ frames: inout MemoryMap) -> UInt64 {
    let page = Frames.zeroed(&frames)
    let code = Frames.pointer(page).assumingMemoryBound(to: UInt8.self)
    switch way {
    case .syscall: write(code, 0xC3_050F, 3)  // syscall; ret
    case .sysenter: write(code, 0xC3_34_0F_E1_89_48, 6)  // mov %rsp, %rcx; sysenter; ret: SYSENTER_RETURN
    case .interrupt: write(code, 0xC3_80CD, 3)  // int $0x80; ret
    }
    return page
  }

  private static func write(_ code: UnsafeMutablePointer<UInt8>, _ bytes: UInt64, _ count: Int) {
    for index in 0..<count { code[index] = UInt8(truncatingIfNeeded: bytes &>> UInt64(8 &* index)) }
  }
}
