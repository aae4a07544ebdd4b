import KernelCore
import PhysicalMemory

/// What the command line says of a trace: `trace=on` for messages, `trace=all` for kernel calls too, `trace=last` for
/// only the last messages before the end.
struct TraceRequest {
  let what: Tracing
  let keepsLast: Bool

  init(_ report: LoaderReport) {
    keepsLast = report.hasWord("trace=last")
    what = report.hasWord("trace=all") ? .everything : keepsLast || report.hasWord("trace=on") ? .messages : .off
  }

  var isOff: Bool { what == .off }
}
