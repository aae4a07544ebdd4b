import IPC
import POSIX
import Protocols

/// What handlers and the code that they interrupt have in common. It lies in a page of its own, so that the compiler cannot know
/// what is in it after a call.
struct Board {
  /// How often the handler of the alarm has run, and how deep handlers were in each other at most.
  var alarms = 0
  var depth = 0, deepest = 0
  /// No further alarm is wanted.
  var isOver = false
  var act = Act.nothing
  /// For `feed`, `endChild`.
  var descriptor = 0, child = 0

  /// What the handler of the alarm does when it has run three times.
  enum Act { case nothing, feed, endChild }
}

nonisolated(unsafe) let board = makeBoard()

private func makeBoard() -> UnsafeMutablePointer<Board> {
  do throws(Errno) {
    let board = try mapMemory(4096).bindMemory(to: Board.self, capacity: 1)
    board.initialize(to: Board())
    return board
  } catch { terminate(99) }
}

/// An alarm every half millisecond from now on, until `isOver`; so whatever the process does is met at many moments.
func ring(_ flags: UInt32, _ act: Board.Act = .nothing) throws(Errno) {
  board.pointee = Board()
  board.pointee.act = act
  try handle(Signal.alarm, flags: flags) { _ in
    enter()
    board.pointee.alarms += 1
    if board.pointee.alarms == 3 {
      do throws(Errno) {
        switch board.pointee.act {
        case .nothing: break
        case .feed: try writeAll(board.pointee.descriptor, [65])
        case .endChild: try kill(board.pointee.child, Signal.kill)
        }
      } catch { terminate(98) }
    }
    next()
    leave()
  }
  next()
}

private func next() {
  if board.pointee.isOver { return }
  do throws(Errno) { try alarm(nanoseconds: 500_000) } catch { terminate(97) }
}

func silence() throws(Errno) {
  board.pointee.isOver = true
  try alarm(nanoseconds: 0)
}

func enter() {
  board.pointee.depth += 1
  if board.pointee.depth > board.pointee.deepest { board.pointee.deepest = board.pointee.depth }
}

func leave() { board.pointee.depth -= 1 }
