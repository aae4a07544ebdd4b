import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct MappingTests {
  let system = TestSystem()

  @Test("V21 M-A1 anonymous memory is zeroed on first touch and costs nothing before")
  func demandZero() throws {
    let process = system.process()
    let before = system.information
    let address = try system.map(process, pages: 1024)
    #expect(system.information.user == before.user)
    for page in stride(from: UInt64(0), to: 1024, by: 4) { #expect(system.read(process, address + page << 12) == 0) }
    #expect(system.space(process).pointee.zeroFaults == 256)
    #expect(system.information.user == before.user + 256)
    system.expectSound()
    system.exit(process)
    system.expectSound()
  }
}
