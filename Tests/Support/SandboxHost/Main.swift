// A broker of its own for tests that end one: `sandbox-host hold STUB N` makes N processes, one of which runs, says
// its own id and theirs in one line and waits for ever. `sandbox-host cycles STUB N` makes and ends N processes one after the
// other, closes the sandbox and looks for what is left. `sandbox-host measure STUB` prints what the sandbox costs.
import CSandboxCode
import CX86
import Glibc
import Sandbox

@main
struct Host {
  static func main() {
    let arguments = CommandLine.arguments
    do {
      switch arguments.count > 2 ? arguments[1] : "" {
      case "hold": try hold(stub: arguments[2], count: arguments.count > 3 ? Int(arguments[3]) ?? 1 : 1)
      case "cycles": try cycles(stub: arguments[2], count: arguments.count > 3 ? Int(arguments[3]) ?? 1 : 1)
      case "measure": try measure(stub: arguments[2])
      default:
        print("usage: sandbox-host hold STUB N | cycles STUB N | measure STUB")
        exit(2)
      }
    } catch {
      print("failed: \(error)")
      exit(1)
    }
  }
}

func program(_ sandbox: Sandbox, _ slot: Int, _ start: UnsafeRawPointer, _ length: Int, prepare: (inout apus_context) -> Void = { _ in }) {
  (sandbox.memory + slot * 8192).copyMemory(from: start, byteCount: length)
  sandbox.map(slot: slot, address: 0x40_0000, frame: UInt64(slot) * 8192, length: 4096, writable: false, executable: true)
  sandbox.map(slot: slot, address: 0x7FFF_0000, frame: UInt64(slot) * 8192 + 4096, length: 4096, writable: true, executable: false)
  var context = apus_context()
  context.rip = 0x40_0000
  context.rsp = 0x7FFF_0F00
  context.flags = 0x202
  prepare(&context)
  sandbox.context(slot: slot).pointee = context
  let area = sandbox.extendedState(slot: slot)
  area.initializeMemory(as: UInt8.self, repeating: 0, count: 512)
  area.storeBytes(of: 0x037F, as: UInt16.self)
  area.storeBytes(of: 0x1F80, toByteOffset: 24, as: UInt32.self)
}

func hold(stub: String, count: Int) throws {
  let sandbox = try Sandbox(frames: count * 8192, slots: count, stub: stub)
  for slot in 0..<count { try sandbox.create(slot: slot) }
  program(sandbox, 0, start_of_loop(), length_of_loop())
  sandbox.resume(slot: 0, full: true)
  print(([getpid()] + (0..<count).map { sandbox.pid(slot: $0)! }).map { "\($0)" }.joined(separator: " "))
  fflush(nil)
  print(sandbox.wait(until: .max))
}

/// What this process has: descriptors, threads, lines of its memory map that name a memory file, and children.
func belongings() -> [String] {
  func names(_ folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var found: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
      if name != "." && name != ".." { found.append(folder + "/" + name) }
    }
    return found
  }
  func text(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var text = "", buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += String(decoding: buffer[..<count], as: UTF8.self) }
    return text
  }
  let threads = names("/proc/self/task")
  let children = threads.flatMap { text($0 + "/children").split(separator: " ").map { "child \($0)" } }
  let maps = text("/proc/self/maps").split(separator: "\n").filter { $0.contains("memfd:") }.map(String.init)
  return (names("/proc/self/fd").sorted() + threads + children + maps)
}

func cycles(stub: String, count: Int) throws {
  let before = belongings()
  let sandbox = try Sandbox(frames: 64 * 4096, slots: 8, stub: stub)
  for cycle in 0..<count {
    let slot = cycle % 8
    sandbox.destroy(slot: slot)
    try sandbox.create(slot: slot)
    program(sandbox, slot, start_of_trap(), length_of_trap())
    sandbox.resume(slot: slot, full: true)
    guard sandbox.wait(until: .max) == .trap(slot: slot) else { fatalError("cycle \(cycle): no trap") }
  }
  sandbox.close()
  let after = belongings()
  print(after == before ? "nothing left after \(count)" : "before: \(before)\nafter: \(after)")
}
