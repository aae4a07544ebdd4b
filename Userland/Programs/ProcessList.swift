import IPC
import POSIX
import Protocols

// ps(1), free(1), vmmap: what processes and memory there are.

/// ps(1): processes; `-a` services too.
public func ps(_ program: Program) -> Int {
  let options = program.options("aAef", usage: "[-a]\nLists the processes; -a the services too.")
  printText("  PID  PPID STATE     TIME NAME\n")
  if options["a"] || options["A"] || options["e"] { listServices() }
  var index: UInt64 = 0
  while true {
    do throws(Errno) {
      let process = try request(PM.ProcessInformation(index: index), of: .pm)
      printBytes(
        row(
          id: decimal(Int(process.id)), parent: decimal(Int(process.parent)), state: UInt8(truncatingIfNeeded: process.state), time: process.time,
          name: text(inWords: process.name)))
      index = UInt64(process.index) + 1
    } catch {
      if error == .noSuchProcess { return 0 }
      program.die([], error)
    }
  }
}

/// Services are no processes: no ids, and their times are the kernel's secret.
private func listServices() {
  var index: UInt64 = 0
  while true {
    do throws(Errno) {
      let service = try request(RS.Status(index: index), of: .rs)
      let letter: UInt8 = service.state == RS.State.running ? 0x53 : service.state == RS.State.down ? 0x2D : 0x52
      printBytes(row(id: [0x2D], parent: [0x2D], state: letter, time: nil, name: text(inWords: service.name)))
      index += 1
    } catch { return }
  }
}

func row(id: [UInt8], parent: [UInt8], state: UInt8, time: UInt64?, name: [UInt8]) -> [UInt8] {
  var text = right(id, 5)
  text += " "
  text += right(parent, 5)
  text += " "
  text += left([state], 5)
  text += " "
  text += right(time.map(timeText) ?? [0x2D], 8)
  text += " "
  text += name
  text += "\n"
  return text
}

/// Nanoseconds as m:ss.cc.
func timeText(_ nanoseconds: UInt64) -> [UInt8] {
  var text = decimal(nanoseconds / 60_000_000_000)
  text += ":"
  text += digits(nanoseconds / 1_000_000_000 % 60, base: 10, width: 2)
  text += "."
  text += digits(nanoseconds / 10_000_000 % 100, base: 10, width: 2)
  return text
}

/// free(1): memory in KiB, by who has it.
public func free(_ program: Program) -> Int {
  _ = program.options("k", usage: "\nSays how much memory there is and who has it, in KiB.")
  do throws(Errno) {
    let memory = try request(VM.Information(), of: .vm)
    let files = try request(PageCache.StoreInformation(mount: 0), of: .vm)
    printText("             total       used       free     tables   metadata      tmpfs\n")
    printText("memory:  ")
    for frames in [memory.total, memory.total &- memory.free, memory.free, memory.tables, memory.metadata, files.pages &+ files.nodes] {
      printBytes(right(decimal(frames &* 4), frames == memory.total ? 9 : 11))
    }
    standardOutput.newline()
    printText("spaces ")
    printBytes(decimal(UInt64(memory.spaces)))
    printText(", regions ")
    printBytes(decimal(UInt64(memory.regions)))
    printText(", faults ")
    printLine(decimal(UInt64(memory.faults)))
    return 0
  } catch { program.die([], error) }
}

/// vmmap: the regions of a process or a service.
public func vmmap(_ program: Program) -> Int {
  let usage: StaticString = "id | service\nLists the memory regions of a process or a service: addresses, access, kind, pages present and shared."
  let options = program.options("", usage: usage)
  guard options.operands.count == 1 else { program.misused(usage) }
  var resident: UInt64 = 0
  var shared: UInt64 = 0
  var proportional: UInt64 = 0
  var address: UInt64 = 0
  do throws(Errno) {
    let process = try owner(options.operands[0])
    printText("           start              end prot kind          offset  pages shared name\n")
    while true {
      let region: VM.RegionInformation.Reply
      do throws(Errno) { region = try request(VM.RegionInformation(process: process, address: address), of: .vm) } catch {
        if error == .noSuchFile { break }
        throw error
      }
      printBytes(regionText(region))
      resident &+= UInt64(region.resident)
      shared &+= UInt64(region.shared)
      proportional &+= UInt64(region.proportional)
      guard region.end > address else { break }
      address = region.end
    }
  } catch {
    program.die(options.operands[0], error)
  }
  printText("resident ")
  printBytes(decimal(resident &* 4))
  printText(" KiB, of it shared ")
  printBytes(decimal(shared &* 4))
  printText(" KiB; its share of all ")
  printBytes(decimal(proportional))
  printText(" KiB\n")
  return 0
}

/// Whose space is meant: a process by its number, a service by its name.
private func owner(_ word: [UInt8]) throws(Errno) -> Endpoint {
  if let id = number(word) { return try request(PM.EndpointOf(id: Int64(clamping: id)), of: .pm).thread }
  guard let name = packed(word), let index = try findService(name) else { throw .noSuchProcess }
  return try request(RS.Status(index: index), of: .rs).service
}

func regionText(_ region: VM.RegionInformation.Reply) -> [UInt8] {
  var text = right(digits(region.start, base: 16, width: 12), 16)
  text += " "
  text += right(digits(region.end, base: 16, width: 12), 16)
  text += " "
  let access = UInt32(region.protection)
  text.append(access & VM.Protection.read != 0 ? UInt8(ascii: "r") : 0x2D)
  text.append(access & VM.Protection.write != 0 ? UInt8(ascii: "w") : 0x2D)
  text.append(access & VM.Protection.execute != 0 ? UInt8(ascii: "x") : 0x2D)
  text.append(region.flags & VM.RegionFlags.shared != 0 ? UInt8(ascii: "s") : UInt8(ascii: "p"))
  text += " "
  let kinds: [StaticString] = ["anonymous", "stack", "heap", "physical", "contiguous", "module", "stub", "image", "reserved", "file", "borrowed"]
  text += left([UInt8](Int(region.kind) < kinds.count ? kinds[Int(region.kind)] : "?"), 10)
  text += right(digits(region.offset, base: 16, width: 8), 9)
  text += right(decimal(UInt64(region.resident)), 7)
  text += right(decimal(UInt64(region.shared)), 7)
  for (flag, word): (UInt16, StaticString) in [
    (VM.RegionFlags.locked, " locked"), (VM.RegionFlags.immutable, " immutable"), (VM.RegionFlags.sequential, " sequential"),
    (VM.RegionFlags.random, " random"), (VM.RegionFlags.lent, " lent"), (VM.RegionFlags.pinned, " pinned"),
  ] where region.flags & flag != 0 { text += word }
  if region.name.0 != 0 {
    text += " "
    text += POSIX.text(inWords: region.name)
  }
  text += "\n"
  return text
}
