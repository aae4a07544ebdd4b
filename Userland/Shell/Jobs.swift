import IPC
import POSIX
import Protocols

/// A pipeline that was started: its processes and what became of them.
struct Job {
  enum State: Equatable { case running, stopped, done }
  struct Member {
    var id: Int
    var state = State.running
    var status = WaitStatus(raw: 0)
  }
  var number: Int
  var members: [Member]
  var text: [UInt8]
  var inForeground = false

  var group: Int { members[0].id }
  var state: State {
    var stopped = false
    for member in members {
      if member.state == .running { return .running }
      if member.state == .stopped { stopped = true }
    }
    return stopped ? .stopped : .done
  }
  /// Of the last process: POSIX 2.9.2.
  var status: WaitStatus { members[members.count - 1].status }
}

// Jobs: who is waited for, who owns the terminal.

extension Shell {
  func addJob(_ ids: [Int], text: [UInt8]) -> Int {
    var number = 1
    for job in jobs where job.number >= number { number = job.number + 1 }
    jobs.append(Job(number: number, members: ids.map { Job.Member(id: $0) }, text: text))
    return number
  }

  func index(ofJob number: Int) -> Int? {
    for index in 0..<jobs.count where jobs[index].number == number { return index }
    return nil
  }

  /// Notes what happened to a child, whoever's it is.
  private func note(_ id: Int, _ status: WaitStatus) {
    for job in 0..<jobs.count {
      for member in 0..<jobs[job].members.count where jobs[job].members[member].id == id {
        jobs[job].members[member].status = status
        jobs[job].members[member].state = status.stopped ? .stopped : .done
      }
    }
  }

  /// Waits until the job ends or stops, then takes the terminal back.
  func waitInForeground(_ number: Int) {
    guard let start = index(ofJob: number) else { return }
    if jobControl {
      do throws(Errno) { try setForegroundGroup(0, jobs[start].group) } catch {}
      // Ctrl-C between the line's end and here met the shell, but was meant for the job; or it met only those of a
      // pipeline that were there already.
      if jobs[start].members.count > 1 { collect() }
      if interrupted || jobs[start].members.contains(where: { $0.state == .done && $0.status.signal == Signal.interrupt }) {
        do throws(Errno) { try kill(-jobs[start].group, Signal.interrupt) } catch {}
      }
    }
    while let place = index(ofJob: number), jobs[place].state == .running {
      do throws(Errno) {
        let (id, status) = try wait(options: jobControl ? WaitOptions.untraced : 0)
        note(id, status)
      } catch {
        if error == .interrupted { continue }
        for member in 0..<jobs[place].members.count { jobs[place].members[member].state = .done }
      }
    }
    if jobControl { do throws(Errno) { try setForegroundGroup(0, ownGroup) } catch {} }
    guard let place = index(ofJob: number) else { return }
    let job = jobs[place]
    status = job.status.shellStatus
    if job.state == .stopped {
      printError([0x0A])
      report(job)
      return
    }
    jobs.remove(at: place)
    let signal = job.status.signal
    if signal == Signal.interrupt {
      // Ctrl-C meant the whole command line, loops around it too.
      if interactive { interrupted = true }
    } else if signal != 0, signal != Signal.pipe {
      printError([UInt8](signalText(signal)) + [0x0A])
    }
  }

  private func wait(options: UInt32) throws(Errno) -> (Int, WaitStatus) {
    let result = try POSIX.wait(for: -1, options)
    return (result.id, result.status)
  }

  /// Looks who has ended meanwhile; an interactive shell says so.
  func reportJobs() {
    collect()
    for job in jobs where job.state == .done { report(job) }
    jobs.removeAll { $0.state == .done }
  }

  /// Notes all children that have something to tell, without waiting.
  func collect() {
    while true {
      do throws(Errno) {
        let (id, status) = try wait(options: WaitOptions.noHang | (jobControl ? WaitOptions.untraced : 0))
        if id == 0 { return }
        note(id, status)
      } catch { return }
    }
  }

  func report(_ job: Job) { printError(line(for: job)) }

  func line(for job: Job) -> [UInt8] {
    var text = [UInt8]("[")
    text += decimal(job.number)
    text += "] "
    switch job.state {
    case .running: text += "Running"
    case .stopped: text += "Stopped"
    case .done:
      if job.status.exited {
        text += "Done"
        if job.status.exitStatus != 0 { text += [UInt8]("(") + decimal(job.status.exitStatus) + [UInt8](")") }
      } else {
        text += signalText(job.status.signal)
      }
    }
    return left(text, 24) + job.text + [0x0A]
  }

  /// %n, %% or %+; nil says so.
  func job(named text: [UInt8]) -> Int? {
    if text.count > 1, text[0] == "%" {
      let rest = text.slice(from: 1)
      if rest == "%" || rest == "+" { return jobs.isEmpty ? nil : jobs.count - 1 }
      if let number = number(rest) { return index(ofJob: Int(clamping: number)) }
    } else if text == "%" {
      return jobs.isEmpty ? nil : jobs.count - 1
    }
    return nil
  }

  /// wait(1) for one job or process: until it ends or a signal comes.
  func waitFor(_ place: Int) {
    let number = jobs[place].number
    while let place = index(ofJob: number), jobs[place].state == .running {
      do throws(Errno) {
        let (id, status) = try wait(options: 0)
        note(id, status)
      } catch {
        if error == .interrupted {
          status = 128 + Signal.interrupt
          return
        }
        break
      }
    }
    guard let place = index(ofJob: number) else { return }
    status = jobs[place].status.shellStatus
    if jobs[place].state != .stopped { jobs.remove(at: place) }
  }

  /// fg(1), bg(1).
  func resume(_ place: Int, foreground: Bool) {
    let group = jobs[place].group
    for member in 0..<jobs[place].members.count where jobs[place].members[member].state == .stopped {
      jobs[place].members[member].state = .running
    }
    if foreground {
      printLine(jobs[place].text)
      standardOutput.flush()
      do throws(Errno) { try setForegroundGroup(0, group) } catch {}
    } else {
      printError([UInt8]("[") + decimal(jobs[place].number) + [UInt8]("] ") + jobs[place].text + [0x0A])
    }
    do throws(Errno) { try kill(-group, Signal.continue) } catch { complain([UInt8]("kill"), error) }
    status = 0
    if foreground { waitInForeground(jobs[place].number) }
  }
}
