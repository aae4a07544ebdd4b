import BootImage
import IPC
import Protocols
import ServerKit

/// How soon a dead service lives again. A death that was asked for costs nothing; one that came by itself is a
/// strike, until a life answers a heartbeat. The delays bound what a crash loop can take from the rest: ten
/// restarts a second at the start, then one, then none (SEC38).
enum Backoff {
  /// Strikes with which the next life comes at once.
  static var free: UInt32 { 3 }
  static var shortest: UInt64 { 10_000_000 }
  /// The service is given up with this strike (M-F2).
  static var last: UInt32 { 11 }

  static func delay(_ strikes: UInt32) -> UInt64 {
    strikes <= free ? 0 : shortest << UInt64(min(strikes - free - 1, 10))
  }
}

extension Supervisor {
  /// An exception of a thread that we supervise, from the kernel or VM.
  public mutating func exception(_ event: KernelEvent.Exception, _ port: inout P) {
    guard let index = find(event.thread), services[index].isAlive else { return }
    // News of an earlier life: the present one is not stopped.
    do throws(Errno) {
      switch try port.look(at: event.thread.slot).state {
      case Kernel.ThreadState.stopped, Kernel.ThreadState.faulted: break
      default: return
      }
    } catch {}  // no thread at all: dead indeed
    died(index, Cause(event), &port)
  }

  /// The end of a life, and the start of the next by the service's policy.
  mutating func died(_ index: Int, _ cause: Cause, _ port: inout P) {
    services[index].died = port.now
    services[index].cause = cause
    if services[index].entry.policy == .vital {
      var line = Text("RS: ")
      line.append(name: services[index].name)
      line.append(" died (")
      line.append(cause.text)
      line.append("); the system cannot live without it\n")
      port.log(line)
      services[index].state = .failed
      port.shutdown(RS.Shutdown.vitalDied)
      return
    }
    services[index].isAtFault = cause.isFault
    if cause.isFault, services[index].injected > 0 {
      services[index].injected -= 1
      services[index].isAtFault = false
    }
    if !cause.isAsked {
      services[index].strikes = services[index].pulse.answered ? 1 : services[index].strikes &+ 1
    }
    comeBack(index, asked: cause.isAsked, &port)
  }

  /// At once, later or never, as the strikes say.
  private mutating func comeBack(_ index: Int, asked: Bool, _ port: inout P) {
    let strikes = services[index].strikes
    if !asked && strikes >= Backoff.last { return giveUp(index, &port) }
    let delay = asked ? 0 : Backoff.delay(strikes)
    if delay == 0 { return revive(index, &port) }
    port.stop(services[index].endpoint)
    services[index].state = .backingOff(until: port.now &+ delay)
    setAlarm(&port)
  }

  /// A new life under the same endpoint; the requests that callers wait for come to it again.
  mutating func revive(_ index: Int, _ port: inout P) {
    do throws(Errno) {
      _ = try port.spawn(services[index].entry, life: services[index].isAtFault ? VM.Life.afterFault : VM.Life.next)
    } catch {
      // No memory, perhaps: that may change.
      services[index].strikes = max(services[index].strikes &+ 1, Backoff.free + 1)
      return comeBack(index, asked: false, &port)
    }
    services[index].restarts &+= 1
    if services[index].cause.isAsked { services[index].kills &+= 1 }
    services[index].state = .starting
    run(index, &port)
  }

  private mutating func giveUp(_ index: Int, _ port: inout P) {
    services[index].state = .failed
    port.release(services[index].endpoint)
    var line = Text("RS: ")
    line.append(name: services[index].name)
    line.append(" given up (")
    line.append(services[index].cause.text)
    line.append(") after ")
    line.append(UInt64(services[index].strikes))
    line.append(" deaths in a row\n")
    port.log(line)
    tellVFS(index, &port)
  }

  /// The one line that each recovery leaves in the kernel's log; drills read it.
  func reportRecovery(_ index: Int, _ port: inout P) {
    var line = Text("RS: ")
    line.append(name: services[index].name)
    line.append(" restarted (")
    line.append(services[index].cause.text)
    line.append(") recovery ")
    line.append(services[index].lastRecovery)
    line.append(" ns count ")
    line.append(UInt64(services[index].restarts))
    line.append(" at ")
    line.append(port.now)
    line.append("\n")
    port.log(line)
  }

  // MARK: Time

  /// The alarm: lives whose time has come, then heartbeats.
  public mutating func alarm(_ port: inout P) {
    let now = port.now
    for index in 0..<count {
      if case .backingOff(let until) = services[index].state, until <= now { revive(index, &port) }
    }
    if nextBeat <= now {
      for index in 0..<count { beat(index, &port) }
      nextBeat = now &+ Rhythm.period
    }
    setAlarm(&port)
  }

  private mutating func beat(_ index: Int, _ port: inout P) {
    guard services[index].isAlive, services[index].endpoint != .rs else { return }
    if services[index].pulse.asked {
      let starting = if case .starting = services[index].state { true } else { false }
      let patient = starting || services[index].entry.policy == .vital
      let verdict: Pulse.Verdict
      do throws(Errno) {
        let thread = try port.look(at: services[index].endpoint.slot)
        verdict = services[index].pulse.silence(thread, limit: patient ? Rhythm.patientLimit : Rhythm.restartLimit)
      } catch { verdict = .dead }
      switch verdict {
      case .alive: break
      case .dead: return died(index, .exit, &port)
      case .hung: return died(index, .hang, &port)
      }
    }
    services[index].pulse.asked = true
    port.ping(services[index].endpoint)
  }

  /// A service's answer to a ping.
  public mutating func heartbeat(from source: Endpoint) {
    guard let index = find(source), services[index].isAlive else { return }
    services[index].pulse.answer()
    services[index].strikes = 0
  }

  func setAlarm(_ port: inout P) {
    var deadline = nextBeat
    for index in 0..<count {
      if case .backingOff(let until) = services[index].state { deadline = min(deadline, until) }
    }
    port.setAlarm(deadline)
  }
}
