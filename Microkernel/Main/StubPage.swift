import PhysicalMemory
import X86Hardware

/// The page that every space has at `AddressSpace.stub`: how programs enter the kernel on this machine. `ipc=int` or
/// `ipc=syscall` on the command line decide, else what the processor has. A SYSENTER stub will go here too.
enum StubPage {
  static func make(_ report: LoaderReport, _ frames: inout MemoryMap) -> UInt64 {
    let byCall = !report.hasWord("ipc=int") && (report.hasWord("ipc=syscall") || Processor.hasSystemCall)
    let page = Frames.zeroed(&frames)
    let code = Frames.pointer(page).assumingMemoryBound(to: UInt8.self)
    code[0] = byCall ? 0x0F : 0xCD  // syscall, or int 0x80
    code[1] = byCall ? 0x05 : 0x80
    code[2] = 0xC3  // ret
    Log().text(byCall ? "entry: syscall" : "entry: int 0x80").line()
    return page
  }
}
