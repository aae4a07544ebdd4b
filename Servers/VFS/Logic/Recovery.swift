import IPC
import Protocols

// What follows the death of a driver (M-F): open again what was open there, then repeat what had no answer.
extension VirtualFileSystem {
  func isDriver(_ service: Endpoint) -> Bool { driverIndex(service) != nil }

  private func driverIndex(_ service: Endpoint) -> Int? {
    service == .tty ? 0 : service == .memory ? 1 : service == .disk ? 2 : service == .echo ? 3 : nil
  }

  /// RS says that a service is there, or is given up. When it is there for the first time nothing was lost: our
  /// requests still wait for it in the kernel.
  func serviceUp(_ service: Endpoint, restarts: UInt32) {
    let isFirst = seenServices & bit(service) == 0
    seenServices |= bit(service)
    if isFirst, restarts == 0 { return }
    for slot in 0..<tables.outstanding.count
    where tables.outstanding[slot].token != 0 && tables.outstanding[slot].service == service {
      repeatLater(slot)
    }
    if isDriver(service) { recover(service) }
    sendHeld()
  }

  /// Starts the job that opens a driver's devices again, or has it start over.
  func recover(_ service: Endpoint) {
    guard let index = driverIndex(service) else { return }
    if recovering & bit(service) != 0 {
      recoverAgain |= bit(service)
      return
    }
    guard hasOpenFiles(service) else { return }
    recovering |= bit(service)
    let worker = limits.workers + index
    tables.workers[worker].job = .recovery(service: service)
    ready |= 1 << UInt64(worker)
  }

  private func hasOpenFiles(_ service: Endpoint) -> Bool {
    for file in 0..<limits.files where isOpen(file, on: service) { return true }
    return false
  }

  private func isOpen(_ file: Int, on service: Endpoint) -> Bool {
    guard tables.files[file].users > 0, tables.files[file].vnode >= 0 else { return false }
    let vnode = tables.vnodes[tables.files[file].vnode]
    return vnode.mount == deviceMount && (vnode.isBlock || vnode.isCharacter) && Device.driver(vnode.node.special) == service
  }

  /// The job, on the driver's own worker: it can always run, whatever the others wait for (M-F9).
  func reopenDevices(_ worker: Int, _ service: Endpoint) {
    repeat {
      recoverAgain &= ~bit(service)
      for file in 0..<limits.files where isOpen(file, on: service) {
        // One that cannot be opened again is lost to its users; the others are not.
        tables.files[file].users += 1
        do throws(Errno) {
          try openDevice(worker, tables.files[file].vnode, flags: tables.files[file].flags)
          tables.files[file].isInvalid = false
        } catch {
          tables.files[file].isInvalid = true
          failRequests(about: file)
        }
        releaseFile(file)
      }
    } while recoverAgain & bit(service) != 0
    recovering &= ~bit(service)
    sendHeld()
  }
}
