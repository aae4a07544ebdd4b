import IPC
import POSIX
import Protocols

// < > >> <& >& <<: POSIX 2.7.

extension Shell {
  /// Where descriptors were, to put them back.
  private struct Saved {
    var descriptor: Int
    /// -1: it was closed.
    var copy: Int
  }

  /// Runs `body` with the redirections, then takes them back. If one fails, that is the command's failure.
  func withRedirections(_ redirections: [Redirection], _ body: () -> Void) {
    if redirections.isEmpty {
      body()
      standardOutput.flush()
      return
    }
    standardOutput.flush()
    var saved: [Saved] = []
    var failed = false
    for redirection in redirections {
      var copy = -1
      do throws(Errno) { copy = try control(redirection.descriptor, FileControl.duplicate, 10) } catch {}
      if copy >= 0 { do throws(Errno) { try control(copy, FileControl.setDescriptorFlags, 1) } catch {} }
      saved.append(Saved(descriptor: redirection.descriptor, copy: copy))
      if !apply(redirection) {
        failed = true
        break
      }
    }
    if failed { status = status == 0 ? 1 : status } else { body() }
    standardOutput.flush()
    standardOutput.clearFailure()
    for entry in saved.reversed() {
      if entry.copy >= 0 { move(entry.copy, to: entry.descriptor) } else { closeQuietly(entry.descriptor) }
    }
  }

  /// For a process that has nothing else to do with its descriptors.
  func redirectForGood(_ redirections: [Redirection]) -> Bool {
    for redirection in redirections where !apply(redirection) { return false }
    return true
  }

  private func apply(_ redirection: Redirection) -> Bool {
    if redirection.operation == .hereDocument {
      guard let text = expanding({ () throws(ExpansionError) in try Expander(self).text(redirection.hereDocument?.body ?? Word()) }) else { return false }
      return feed(text, to: redirection.descriptor)
    }
    guard let target = expanding({ () throws(ExpansionError) in try Expander(self).text(redirection.target) }) else { return false }
    do throws(Errno) {
      switch redirection.operation {
      case .read: try open(target, OpenFlags.readOnly, as: redirection.descriptor)
      case .write: try open(target, OpenFlags.writeOnly | OpenFlags.create | OpenFlags.truncate, as: redirection.descriptor)
      case .append: try open(target, OpenFlags.writeOnly | OpenFlags.create | OpenFlags.append, as: redirection.descriptor)
      case .readWrite: try open(target, OpenFlags.readWrite | OpenFlags.create, as: redirection.descriptor)
      case .duplicate:
        if target == "-" {
          closeQuietly(redirection.descriptor)
        } else {
          guard let source = number(target), source < 1 << 16 else { throw .badFileDescriptor }
          try duplicate(Int(source), to: redirection.descriptor)
        }
      case .hereDocument: break
      }
      return true
    } catch {
      let verb: StaticString = redirection.operation == .write || redirection.operation == .append ? "cannot create " : redirection.operation == .duplicate ? "" : "cannot open "
      complain([UInt8](verb) + target, error)
      status = redirection.operation == .duplicate ? 2 : 2
      return false
    }
  }

  private func open(_ path: [UInt8], _ flags: UInt32, as descriptor: Int) throws(Errno) {
    let opened = try POSIX.open(path, flags)
    if opened != descriptor {
      try duplicate(opened, to: descriptor)
      try close(opened)
    }
  }

  /// A here-document through a pipe; a child writes what the pipe does not take at once.
  private func feed(_ text: [UInt8], to descriptor: Int) -> Bool {
    do throws(Errno) {
      let ends = try pipe()
      if text.count <= 4096 {  // PIPE_BUF fits any pipe
        try writeAll(ends.writeEnd, text)
      } else if try fork() == 0 {
        closeQuietly(ends.readEnd)
        do throws(Errno) { try writeAll(ends.writeEnd, text) } catch {}
        terminate(0)
      }
      try close(ends.writeEnd)
      move(ends.readEnd, to: descriptor)
      return true
    } catch {
      complain([UInt8]("here-document"), error)
      status = 2
      return false
    }
  }
}
