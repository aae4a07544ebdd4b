import IPC
import Protocols

// Open files: the calls of fcntl.h and unistd.h that take descriptors.

public typealias OpenFlags = VFS.OpenFlags
public typealias Attributes = VFS.Attributes

/// open(2).
public func open(_ path: [UInt8], _ flags: UInt32 = OpenFlags.readOnly, mode: UInt32 = 0o666) throws(Errno) -> Int {
  while true {
    do throws(Errno) { return Int(try request(path: path) { VFS.Open(path: $0, length: $1, flags: flags, mode: mode) }.descriptor) } catch {
      if error != .restarted { throw error }
    }
  }
}

/// close(2).
public func close(_ descriptor: Int) throws(Errno) {
  _ = try request(VFS.Close(descriptor: Int64(descriptor)), of: .vfs)
}

/// read(2): 0 at the end.
public func read(_ descriptor: Int, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
  let call = VFS.Read(descriptor: Int64(descriptor), address: address(of: UnsafeRawBufferPointer(buffer)), length: UInt64(buffer.count))
  // A count beyond the buffer would be the server's mistake; believing it would be ours.
  return min(Int(clamping: try lastingRequest(call, of: .vfs).count), buffer.count)
}

/// read(2) as an array; empty at the end.
public func read(_ descriptor: Int, atMost count: Int) throws(Errno) -> [UInt8] {
  let bytes: Result<[UInt8], Errno> = withBuffer(count) { buffer in
    do throws(Errno) {
      let count = try read(descriptor, into: buffer)
      return .success([UInt8](UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])))
    } catch { return .failure(error) }
  }
  return try bytes.get()
}

/// write(2): may take less than all.
public func write(_ descriptor: Int, _ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
  let call = VFS.Write(descriptor: Int64(descriptor), address: address(of: bytes), length: UInt64(bytes.count))
  return min(Int(clamping: try lastingRequest(call, of: .vfs).count), bytes.count)
}

/// write(2) until all is written; goes on after a signal.
public func writeAll(_ descriptor: Int, _ bytes: UnsafeRawBufferPointer) throws(Errno) {
  var start = 0
  while start < bytes.count {
    do throws(Errno) {
      let count = try write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[start...]))
      if count == 0 { throw .ioError }
      start += count
    } catch {
      if error != .interrupted { throw error }
    }
  }
}

public func writeAll(_ descriptor: Int, _ bytes: [UInt8]) throws(Errno) {
  var failure: Errno?
  bytes.withUnsafeBytes { buffer in
    do throws(Errno) { try writeAll(descriptor, buffer) } catch { failure = error }
  }
  if let failure { throw failure }
}

public enum Whence {
  public static var set: UInt64 { 0 }
  public static var current: UInt64 { 1 }
  public static var end: UInt64 { 2 }
}

/// lseek(2).
@discardableResult
public func seek(_ descriptor: Int, _ offset: Int, _ whence: UInt64 = Whence.set) throws(Errno) -> Int {
  Int(try request(VFS.Seek(descriptor: Int64(descriptor), offset: Int64(offset), whence: whence), of: .vfs).offset)
}

/// fstat(2).
public func stat(_ descriptor: Int) throws(Errno) -> Attributes {
  try request(VFS.FileStat(descriptor: Int64(descriptor)), of: .vfs)
}

/// ftruncate(2).
public func truncate(_ descriptor: Int, _ size: UInt64) throws(Errno) {
  _ = try request(VFS.FileTruncate(descriptor: Int64(descriptor), size: size), of: .vfs)
}

/// dup(2).
public func duplicate(_ descriptor: Int) throws(Errno) -> Int {
  Int(try request(VFS.Duplicate(descriptor: Int64(descriptor), target: -1), of: .vfs).descriptor)
}

/// dup2(2).
public func duplicate(_ descriptor: Int, to target: Int) throws(Errno) {
  _ = try request(VFS.Duplicate(descriptor: Int64(descriptor), target: Int64(target)), of: .vfs)
}

public enum FileControl {
  public static var duplicate: UInt64 { 0 }
  public static var getDescriptorFlags: UInt64 { 1 }
  public static var setDescriptorFlags: UInt64 { 2 }
  public static var getStatusFlags: UInt64 { 3 }
  public static var setStatusFlags: UInt64 { 4 }
}

/// fcntl(2).
@discardableResult
public func control(_ descriptor: Int, _ command: UInt64, _ argument: UInt64 = 0) throws(Errno) -> Int {
  Int(try request(VFS.FileControl(descriptor: Int64(descriptor), command: command, argument: argument), of: .vfs).result)
}

/// pipe2(2).
public func pipe(_ flags: UInt32 = 0) throws(Errno) -> (readEnd: Int, writeEnd: Int) {
  let ends = try request(VFS.Pipe(flags: UInt64(flags)), of: .vfs)
  return (Int(ends.readEnd), Int(ends.writeEnd))
}

/// sync(2): returns when everything is on the devices.
public func sync() throws(Errno) { _ = try request(VFS.Sync(), of: .vfs) }

/// fsync(2).
public func sync(_ descriptor: Int) throws(Errno) {
  _ = try request(VFS.FileSync(descriptor: Int64(descriptor)), of: .vfs)
}

/// The whole file, up to `limit` bytes; more is `.fileTooLarge`.
public func contents(of path: [UInt8], limit: Int = 16 << 20) throws(Errno) -> [UInt8] {
  let descriptor = try open(path)
  defer { do throws(Errno) { try close(descriptor) } catch {} }
  return try contents(of: descriptor, limit: limit)
}

public func contents(of descriptor: Int, limit: Int = 16 << 20) throws(Errno) -> [UInt8] {
  var all: [UInt8] = []
  let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 16)
  defer { chunk.deallocate() }
  while true {
    let count = try read(descriptor, into: chunk)
    if count == 0 { return all }
    if all.count + count > limit { throw .fileTooLarge }
    all.append(contentsOf: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(chunk)[..<count]))
  }
}
