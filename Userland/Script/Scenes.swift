import IPC

// What generated scripts are made of: short stories, each of which leaves nothing behind.
extension Generator {
  mutating func scene() {
    switch random.below(depth == 0 ? 11 : depth == 1 ? 6 : 4) {
    case 0: file()
    case 1: folder()
    case 2: memory()
    case 3: links()
    case 4: copyOnWrite()
    case 5: pipe()
    case 6: obedience()
    case 7: faultingChild()
    case 8: family()
    case 9: sharedRegion()
    default: shotChild()
    }
  }

  /// Sizes around the borders that matter: nothing, a few bytes, blocks, more than VFS moves at a time.
  mutating func size() -> UInt64 {
    switch random.below(6) {
    case 0: UInt64(random.below(3))
    case 1: UInt64(1 + random.below(100))
    case 2: UInt64(4095 + random.below(3))
    case 3: UInt64(1 + random.below(20_000))
    case 4: UInt64(65_535 + random.below(3))
    default: UInt64(4096 * (1 + random.below(30)))
    }
  }

  private mutating func file() {
    let (path, pattern) = (newFile(), newPattern())
    let length = size()
    add(.open, a: 0, flags: OpenBits.create | (random.below(2) == 0 ? OpenBits.exclusive : OpenBits.truncate), x: path)
    add(.write, a: 0, x: pattern, y: length)
    for _ in 0..<random.below(5) {
      switch random.below(7) {
      case 0: add(.fsync, a: 0)
      case 1: add(.stat, x: path)
      case 2:
        add(.seek, a: 0, y: UInt64(random.below(Int(length) + 5000)))
        add(.write, a: 0, x: newPattern(), y: size() / 2)
      case 3: add(.truncate, a: 0, y: size())
      case 4:
        add(.seek, a: 0, y: UInt64(random.below(Int(length) + 1)))
        add(.read, a: 0, y: size())
      case 5: add(.open, a: 1, flags: OpenBits.create | OpenBits.exclusive, x: path)  // it is there
      default:
        add(.open, a: 1, flags: OpenBits.append, x: path)
        add(.write, a: 1, x: newPattern(), y: UInt64(random.below(3000)))
        add(.close, a: 1)
      }
    }
    add(.seek, a: 0, y: 0)
    add(.read, a: 0, y: 1 << 20)
    if random.below(3) == 0 {  // a file without a name is still one
      add(.unlink, x: path)
      add(.write, a: 0, x: newPattern(), y: 500)
      add(.close, a: 0)
    } else {
      add(.close, a: 0)
      add(.unlink, x: path)
    }
    add(.stat, x: path)
  }

  private mutating func folder() {
    nextFile += 1
    let folder = nextFile
    add(.mkdir, x: ScriptPath.file(folder))
    let count = 1 + random.below(6)
    for file in 0..<count {
      add(.open, a: 0, flags: OpenBits.create, x: ScriptPath.file(file, in: folder))
      add(.write, a: 0, x: newPattern(), y: UInt64(random.below(600)))
      add(.close, a: 0)
    }
    add(.rmdir, x: ScriptPath.file(folder))  // not empty
    add(.list, x: ScriptPath.file(folder))
    let moved = ScriptPath.file(count + 1, in: folder)
    add(.rename, x: ScriptPath.file(0, in: folder), y: UInt64(moved))
    add(.stat, x: ScriptPath.file(0, in: folder))
    add(.list, x: ScriptPath.file(folder))
    add(.unlink, x: moved)
    for file in 1..<count { add(.unlink, x: ScriptPath.file(file, in: folder)) }
    add(.list, x: ScriptPath.file(folder))
    add(.rmdir, x: ScriptPath.file(folder))
  }

  private mutating func links() {
    let (old, new) = (newFile(), newFile())
    add(.open, a: 0, flags: OpenBits.create, x: old)
    add(.write, a: 0, x: newPattern(), y: UInt64(random.below(5000)))
    add(.link, x: old, y: UInt64(new))
    add(.stat, x: new)
    add(.unlink, x: old)
    add(.dup, a: 0, b: 1)
    add(.close, a: 0)
    add(.seek, a: 1, y: 0)
    add(.read, a: 1, y: 10_000)
    add(.close, a: 1)
    add(.close, a: 1)  // closed already
    add(.rename, x: new, y: UInt64(old))
    add(.unlink, x: new)  // not there
    add(.unlink, x: old)
  }

  private mutating func touches(_ region: Int, _ pages: Int, _ count: Int) {
    for _ in 0..<count { add(.touch, a: region, x: UInt32(random.below(pages)), y: UInt64(random.below(100_000))) }
  }

  private mutating func memory() {
    let pages = 1 + random.below(12)
    add(.map, a: 0, y: UInt64(pages))
    touches(0, pages, 1 + random.below(10))
    add(.sum, a: 0)
    if random.below(2) == 0 {
      add(.protect, a: 0)
      add(.sum, a: 0)
      add(.protect, a: 0, flags: 1)
      touches(0, pages, 3)
      add(.sum, a: 0)
    }
    if random.below(3) == 0 {
      add(.map, a: 1, y: UInt64(1 + random.below(40)))
      add(.sum, a: 1)
      add(.unmap, a: 1)
    }
    add(.unmap, a: 0)
  }

  private mutating func copyOnWrite() {
    let pages = 1 + random.below(8)
    add(.map, a: 2, y: UInt64(pages))
    touches(2, pages, 1 + random.below(8))
    fork(0, .copies(region: 2, pages: pages, status: UInt64(random.below(256))))
    if random.below(2) == 0 { touches(2, pages, 2) }
    add(.sum, a: 2)
    add(.wait, a: 0)
    touches(2, pages, 2)
    add(.sum, a: 2)
    add(.unmap, a: 2)
  }

  private mutating func pipe() {
    let bytes = size()
    add(.pipe, a: 8, b: 9)
    fork(1, .sends(end: 9, bytes: bytes, chunks: 1 + random.below(4), closing: 8, status: UInt64(random.below(256))))
    add(.close, a: 9)
    add(.receive, a: 8, y: bytes / 3)
    add(.receive, a: 8, y: bytes * 5)
    add(.close, a: 8)
    add(.wait, a: 1)
  }

  private mutating func obedience() {
    let times = UInt64(1 + random.below(3))
    let signal: UInt32 = random.below(2) == 0 ? 10 : 12
    add(.pipe, a: 10, b: 11)
    fork(2, .obeys(signal: signal, times: times, end: 11, closing: 10))
    add(.close, a: 11)
    for _ in 0..<times {  // it says when it is ready for the next
      add(.receive, a: 10, y: 1)
      add(.signal, a: 2, x: signal)
    }
    add(.receive, a: 10, y: 10)
    add(.close, a: 10)
    add(.wait, a: 2)
  }

  private mutating func faultingChild() {
    add(.map, a: 3, y: 2)
    touches(3, 2, 2)
    fork(3, .faults(region: 3, kind: random.below(3)))
    add(.wait, a: 3)
    add(.sum, a: 3)
    add(.unmap, a: 3)
  }

  private mutating func family() {
    let count = 2 + random.below(3)
    for child in 0..<count { fork(4 + child, random.below(3) == 0 ? .becomes(status: UInt64(child)) : .works(status: UInt64(10 + child))) }
    for child in 0..<count { add(.wait, a: 4 + child) }
    add(.wait, a: 4)  // it has been
  }

  private mutating func sharedRegion() {
    let pages = 1 + random.below(4)
    add(.map, a: 4, flags: 1, y: UInt64(pages))
    touches(4, pages, 2)
    fork(9, .shares(region: 4, pages: pages))
    add(.wait, a: 9)
    add(.sum, a: 4)
    add(.unmap, a: 4)
  }

  private mutating func shotChild() {
    fork(10, .waits)
    if random.below(2) == 0 { add(.sleep, y: UInt64(random.below(3000))) }
    add(.signal, a: 10, x: random.below(2) == 0 ? 9 : 15)
    add(.wait, a: 10)
  }

  // MARK: Children

  mutating func write(_ body: Child) {
    switch body {
    case .sends(let end, let bytes, let chunks, let closing, let status):
      add(.close, a: closing)
      for chunk in 0..<chunks {
        let share = bytes / UInt64(chunks)
        add(.send, a: end, y: chunk == chunks - 1 ? bytes - share * UInt64(chunks - 1) : share)
      }
      add(.exit, y: status)
    case .copies(let region, let pages, let status):
      add(.sum, a: region)
      touches(region, pages, 3)
      add(.sum, a: region)
      add(.exit, y: status)
    case .faults(let region, let kind):
      switch kind {
      case 0:
        add(.protect, a: region)
        add(.touch, a: region, x: 0, y: 1)
      case 1: add(.fault, y: 64)
      default: add(.fault, y: 0x0000_4000_0000_0000)
      }
      add(.exit, y: 98)
    case .obeys(let signal, let times, let end, let closing):
      add(.close, a: closing)
      add(.handle, x: signal)
      for time in 1...times {
        add(.send, a: end, y: 1)
        add(.await, x: signal, y: time)
      }
      add(.send, a: end, y: 5)
      add(.exit, y: times)
    case .waits:
      add(.pause)
      add(.exit, y: 97)
    case .works(let status):
      for _ in 0..<1 + random.below(2) { scene() }
      add(.exit, y: status)
    case .becomes(let status):
      script.append(Statement(.exec, x: UInt32(script.count + 1)))
      scene()
      add(.exit, y: status)
    case .shares(let region, let pages):
      touches(region, pages, 4)
      add(.sum, a: region)
      add(.exit, y: 5)
    }
  }
}
