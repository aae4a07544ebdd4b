import IPC
import POSIX
import Protocols

/// What dd(1) was asked for.
struct DdRequest: Equatable {
  var input: [UInt8] = []
  var output: [UInt8] = []
  var inputBlock: UInt64 = 512
  var outputBlock: UInt64 = 512
  var count: UInt64?
  var skip: UInt64 = 0
  var seek: UInt64 = 0
  var noTruncation = false
  var noError = false
  var pad = false
  /// status=none: no word at the end.
  var quiet = false
  var syncAtEnd = false

  /// Nil names the operand that is wrong in `bad`.
  init?(_ operands: [[UInt8]], bad: inout [UInt8]) {
    for operand in operands {
      bad = operand
      guard let equals = operand.firstIndex(of: "=") else { return nil }
      let value = operand.slice(from: equals + 1)
      func size() -> UInt64? { sizeWithSuffix(value) }
      switch operand.slice(0..<equals) {
      case "if": input = value
      case "of": output = value
      case "bs":
        guard let bytes = size(), bytes > 0, bytes <= 1 << 26 else { return nil }
        inputBlock = bytes
        outputBlock = bytes
      case "ibs":
        guard let bytes = size(), bytes > 0, bytes <= 1 << 26 else { return nil }
        inputBlock = bytes
      case "obs":
        guard let bytes = size(), bytes > 0, bytes <= 1 << 26 else { return nil }
        outputBlock = bytes
      case "count":
        guard let blocks = size() else { return nil }
        count = blocks
      case "skip", "iseek":
        guard let blocks = size() else { return nil }
        skip = blocks
      case "seek", "oseek":
        guard let blocks = size() else { return nil }
        seek = blocks
      case "status": quiet = value == "none"
      case "conv":
        for word in split(value, at: ",") {
          switch word {
          case "notrunc": noTruncation = true
          case "noerror": noError = true
          case "sync": pad = true
          case "fsync", "fdatasync": syncAtEnd = true
          default: return nil
          }
        }
      default: return nil
      }
    }
    bad = []
  }
}

/// A number with k, M, G (powers of 1024) or b (512) behind it.
func sizeWithSuffix(_ text: [UInt8]) -> UInt64? {
  guard let last = text.last else { return nil }
  let unit: UInt64
  switch last {
  case "b": unit = 512
  case "k", "K": unit = 1 << 10
  case "M": unit = 1 << 20
  case "G": unit = 1 << 30
  default: return number(text)
  }
  guard let value = number(text.slice(0..<text.count - 1)) else { return nil }
  let (product, overflow) = value.multipliedReportingOverflow(by: unit)
  return overflow ? nil : product
}

/// dd(1): if= of= bs= ibs= obs= count= skip= seek= conv=notrunc,noerror,sync,fsync status=none.
public func dd(_ program: Program) -> Int {
  if program.arguments.first.map({ $0 == "--help" }) ?? false {
    printText("usage: dd [if=file] [of=file] [bs=n] [count=n] [skip=n] [seek=n] [conv=notrunc,noerror,sync,fsync] [status=none]\n")
    return 0
  }
  var bad: [UInt8] = []
  guard let plan = DdRequest(program.arguments, bad: &bad) else {
    program.complain(bad, "not understood")
    return 1
  }
  var copy = DdCopy(plan)
  var status = 0
  var what = plan.input
  do throws(Errno) {
    try copy.openInput()
    what = plan.output
    try copy.openOutput()
    what = []
    try copy.run(program)
  } catch {
    program.complain(what, error)
    if !what.isEmpty { return 1 }
    status = 1
  }
  if !plan.quiet { copy.report() }
  return max(status, copy.status)
}

struct DdCopy {
  let plan: DdRequest
  var input = 0, output = 1
  var status = 0
  var fullIn: UInt64 = 0, partIn: UInt64 = 0, fullOut: UInt64 = 0, partOut: UInt64 = 0, bytes: UInt64 = 0
  let started = now()

  init(_ plan: DdRequest) { self.plan = plan }

  mutating func openInput() throws(Errno) {
    if !plan.input.isEmpty { input = try open(plan.input) }
    guard plan.skip > 0 else { return }
    let (offset, overflow) = plan.skip.multipliedReportingOverflow(by: plan.inputBlock)
    guard !overflow, offset <= UInt64(Int.max) else { throw .invalidArgument }
    do throws(Errno) { try seek(input, Int(offset)) } catch {
      guard error == .illegalSeek else { throw error }
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(plan.inputBlock), alignment: 16)
      defer { buffer.deallocate() }
      for _ in 0..<plan.skip where try readBlock(buffer) == 0 { return }
    }
  }

  mutating func openOutput() throws(Errno) {
    let (offset, overflow) = plan.seek.multipliedReportingOverflow(by: plan.outputBlock)
    guard !overflow, offset <= UInt64(Int.max) else { throw .invalidArgument }
    if !plan.output.isEmpty {
      let truncates = !plan.noTruncation && plan.seek == 0
      output = try open(plan.output, OpenFlags.writeOnly | OpenFlags.create | (truncates ? OpenFlags.truncate : 0))
      if !plan.noTruncation, plan.seek > 0, try stat(output).isRegular { try truncate(output, offset) }
    }
    if plan.seek > 0 { try seek(output, Int(offset)) }
  }

  /// One read, short on a pipe.
  private func readBlock(_ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    while true {
      do throws(Errno) { return try read(input, into: buffer) } catch {
        if error != .interrupted { throw error }
      }
    }
  }

  mutating func run(_ program: Program) throws(Errno) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(plan.inputBlock), alignment: 16)
    defer { buffer.deallocate() }
    var waiting: [UInt8] = []  // with different block sizes: what is not a whole output block yet
    var done: UInt64 = 0
    while plan.count.map({ done < $0 }) ?? true {
      var count = 0
      do throws(Errno) { count = try readBlock(buffer) } catch {
        guard plan.noError else { throw error }
        program.complain(plan.input, error)
        status = 1
        // POSIX: the block counts as zeros if it is padded, else as nothing; reading goes on behind it.
        try seek(input, Int(plan.inputBlock), Whence.current)
        done += 1
        partIn += 1
        if !plan.pad { continue }
        count = -1
      }
      if count == 0 { break }
      done += 1
      if count > 0 { if count == buffer.count { fullIn += 1 } else { partIn += 1 } }
      var length = max(count, 0)
      if plan.pad, length < buffer.count {
        for index in length..<buffer.count { buffer[index] = 0 }
        length = buffer.count
      }
      let block = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<length])
      if plan.inputBlock == plan.outputBlock {
        try put(block)
      } else {
        waiting.append(contentsOf: block)
        while waiting.count >= Int(plan.outputBlock) {
          try put(waiting.slice(0..<Int(plan.outputBlock)))
          waiting = waiting.slice(from: Int(plan.outputBlock))
        }
      }
    }
    if !waiting.isEmpty { try put(waiting) }
    if plan.syncAtEnd { try sync(output) }
  }

  private mutating func put(_ block: [UInt8]) throws(Errno) {
    var failure: Errno?
    block.withUnsafeBytes { bytes in
      do throws(Errno) { try put(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private mutating func put(_ block: UnsafeRawBufferPointer) throws(Errno) {
    try writeAll(output, block)
    bytes += UInt64(block.count)
    if block.count == Int(plan.outputBlock) { fullOut += 1 } else { partOut += 1 }
  }

  func report() {
    var text = decimal(fullIn) + [0x2B] + decimal(partIn) + [UInt8](" records in\n")
    text += decimal(fullOut) + [0x2B] + decimal(partOut) + [UInt8](" records out\n")
    text += decimal(bytes) + [UInt8](" bytes copied, ")
    let time = now() &- started
    text += decimal(time / 1_000_000_000) + [0x2E] + digits(time / 1_000_000 % 1000, base: 10, width: 3) + [UInt8](" s\n")
    printError(text)
  }
}
