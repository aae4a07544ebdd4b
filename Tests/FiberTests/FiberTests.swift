import Testing
@testable import Fiber

@Suite("fibers")
struct FiberTests {
  /// What a test's fibers share.
  final class Log {
    var lines: [String] = []
    var sums: [Int] = []
  }

  @Test("a fiber goes on where it stopped, with its variables, and others run between")
  func switching() {
    let pool = FiberPool(count: 3, stackSize: 64 << 10)
    let log = Log()
    pool.body = { index in
      for step in 0..<3 {
        log.lines.append("\(index).\(step)")
        if step < 2 { pool.suspend() }
      }
    }
    for index in 0..<3 { pool.start(index) }
    pool.resume(2)
    pool.resume(0)
    pool.resume(0)
    #expect(!pool.isBusy(0) && pool.isBusy(1) && pool.current == -1)
    pool.resume(1)
    pool.resume(2)
    pool.resume(1)
    #expect(log.lines == ["0.0", "1.0", "2.0", "2.1", "0.1", "0.2", "1.1", "2.2", "1.2"])
    pool.body = nil
  }

  @Test("a fiber that ended can be started again, a hundred thousand times")
  func reuse() {
    let pool = FiberPool(count: 1, stackSize: 64 << 10)
    let log = Log()
    log.sums = [0]
    pool.body = { _ in
      log.sums[0] += 1
      pool.suspend()
      log.sums[0] += 1
    }
    for _ in 0..<100_000 {
      pool.start(0)
      pool.resume(0)
    }
    #expect(log.sums == [200_000])
    pool.body = nil
  }

  @Test("floating point and many live values survive a switch")
  func registers() {
    let pool = FiberPool(count: 8, stackSize: 64 << 10)
    let log = Log()
    log.sums = [Int](repeating: 0, count: 8)
    pool.body = { index in
      var a = index, b = index &* 3, c = index &* 5, d = 7, e = 11, f = 13
      var x = Double(index) + 0.5
      for _ in 0..<50 {
        pool.suspend()
        (a, b, c, d, e, f) = (b &+ 1, c &+ a, d ^ e, e &+ f, f &* 3, a)
        x = x * 1.5 - Double(a % 7)
      }
      var plain = (index, index &* 3, index &* 5, 7, 11, 13)
      var y = Double(index) + 0.5
      for _ in 0..<50 {
        plain = (plain.1 &+ 1, plain.2 &+ plain.0, plain.3 ^ plain.4, plain.4 &+ plain.5, plain.5 &* 3, plain.0)
        y = y * 1.5 - Double(plain.0 % 7)
      }
      log.sums[index] = (a, b, c, d, e, f) == plain && x.bitPattern == y.bitPattern ? 1 : -1
    }
    for index in 0..<8 { pool.start(index) }
    for round in 0..<50 { for index in 0..<8 { pool.resume((index * 3 + round) % 8) } }
    #expect(log.sums == [Int](repeating: 1, count: 8))
    pool.body = nil
  }

  @Test("errors are thrown and caught on a fiber's stack")
  func errors() {
    struct Failure: Error {}
    let pool = FiberPool(count: 1, stackSize: 64 << 10)
    let log = Log()
    func deep(_ n: Int) throws {
      if n == 0 {
        pool.suspend()
        throw Failure()
      }
      try deep(n - 1)
    }
    pool.body = { _ in do { try deep(50) } catch { log.lines.append("caught") } }
    pool.start(0)
    pool.resume(0)
    #expect(log.lines == ["caught"])
    pool.body = nil
  }

  @Test("the stacks know how deep they were used")
  func depth() {
    let pool = FiberPool(count: 2, stackSize: 64 << 10)
    pool.body = { index in
      guard index == 1 else { return }
      withUnsafeTemporaryAllocation(byteCount: 20 << 10, alignment: 16) { $0.initializeMemory(as: UInt8.self, repeating: 1) }
    }
    pool.start(0)
    pool.start(1)
    #expect(pool.deepest(0) < 16 << 10)
    #expect(pool.deepest(1) > 20 << 10)
    pool.body = nil
  }
}
