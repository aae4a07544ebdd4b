import IPC
import POSIX
import Runtime

/// A stack overflow whose handler runs on a stack of its own, and there once more, one signal within the other: nothing is broken.
func catchOverflow() {
  let stack = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 16)
  do throws(Errno) {
    try setSignalStack(stack)
    try handle(Signal.user1, flags: SignalFlags.onStack) { _ in
      // The inner handler: on the same stack, below the outer one, which may therefore not be taken away.
      do throws(Errno) { try setSignalStack(nil) } catch {
        if error == .notPermitted { terminate(0) }
      }
      terminate(2)
    }
    try handle(Signal.segmentation, flags: SignalFlags.onStack) { _ in
      do throws(Errno) { try kill(processID(), Signal.user1) } catch {}
      terminate(3)
    }
  } catch { terminate(1) }
  overflowStack()
}
