import IPC
import Protocols
import Testing

/// Embedded Swift has no Mirror, so padding and foreign field types are looked for here, on the host.
@Suite("Wire") struct WireTests {
  /// Sum of the leaf sizes of a value, and the leaves that are not fixed-width integers.
  static func leaves(_ value: Any) -> (size: Int, foreign: [String]) {
    switch value {
    case is UInt8, is Int8: return (1, [])
    case is UInt16, is Int16: return (2, [])
    case is UInt32, is Int32: return (4, [])
    case is UInt64, is Int64: return (8, [])
    default: break
    }
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle != .struct && mirror.displayStyle != .tuple { return (0, ["\(type(of: value))"]) }
    return mirror.children.reduce((0, [])) { sum, child in
      let part = leaves(child.value)
      return (sum.0 + part.size, sum.1 + part.foreign)
    }
  }

  static func zero<T: Wire>(_: T.Type) -> T { Message().body(T.self) }

  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var number: Int32
    var size: Int
    var replySize: Int
    var problems: [String]
    var testDescription: String { name }

    init<C: Call>(_: C.Type) {
      name = String(reflecting: C.self)
      number = C.number
      size = MemoryLayout<C>.size
      replySize = MemoryLayout<C.Reply>.size
      var problems: [String] = []
      let call = leaves(zero(C.self)), reply = leaves(zero(C.Reply.self))
      problems += call.foreign + reply.foreign
      if call.size != MemoryLayout<C>.size { problems.append("padding in the call") }
      if reply.size != MemoryLayout<C.Reply>.size { problems.append("padding in the reply") }
      self.problems = problems
    }
  }

  static let rows: [Row] = kernelRows + vmRows + pmRows + vfsRows + fsRows + deviceRows + serviceRows + echoRows

  static let kernelRows: [Row] = [
    Row(Kernel.Null.self), Row(Kernel.Log.self), Row(Kernel.Clock.self), Row(Kernel.Alarm.self), Row(Kernel.Exit.self),
    Row(Kernel.GrantCreate.self), Row(Kernel.GrantCaller.self), Row(Kernel.GrantIndirect.self), Row(Kernel.GrantRevoke.self),
    Row(Kernel.CopyGrant.self), Row(Kernel.CopyCaller.self), Row(Kernel.PortRead.self), Row(Kernel.PortWrite.self),
    Row(Kernel.InterruptAttach.self), Row(Kernel.InterruptEnable.self), Row(Kernel.ThreadCreate.self), Row(Kernel.ThreadFork.self),
    Row(Kernel.ThreadStart.self), Row(Kernel.ThreadStop.self), Row(Kernel.ThreadDestroy.self), Row(Kernel.ThreadRestart.self),
    Row(Kernel.ThreadExec.self), Row(Kernel.ThreadInfo.self), Row(Kernel.SpaceRoot.self), Row(Kernel.SpacePrepare.self),
    Row(Kernel.SpaceFlush.self), Row(Kernel.SetPrivileges.self), Row(Kernel.AllowPorts.self), Row(Kernel.Signal.self),
    Row(Kernel.SignalReturn.self), Row(Kernel.Statistics.self), Row(Kernel.Shutdown.self), Row(Kernel.Yield.self),
    Row(Kernel.ThreadBases.self), Row(Kernel.ThreadWatch.self), Row(Kernel.ThreadStack.self),
  ]
  static let vmRows: [Row] = [
    Row(VM.MMap.self), Row(VM.MUnmap.self), Row(VM.MProtect.self), Row(VM.Brk.self), Row(VM.Fork.self), Row(VM.ExecBegin.self),
    Row(VM.ExecMap.self), Row(VM.ExecWrite.self), Row(VM.ExecCommit.self), Row(VM.ExecAbort.self), Row(VM.Exit.self),
    Row(VM.Spawn.self), Row(VM.Release.self), Row(VM.MapPhysical.self), Row(VM.MapContiguous.self), Row(VM.MapModule.self),
    Row(VM.AllowPhysical.self), Row(VM.Information.self), Row(VM.RegionInformation.self), Row(VM.CommandLine.self),
    Row(VM.MAdvise.self), Row(VM.MInCore.self), Row(VM.MLock.self), Row(VM.MUnlock.self), Row(VM.MLockAll.self), Row(VM.MSync.self),
    Row(VM.MRemap.self), Row(VM.MImmutable.self), Row(VM.NameRegion.self), Row(VM.GetLimit.self), Row(VM.SetLimit.self), Row(VM.SignalStack.self),
  ]
  static let pmRows: [Row] = [
    Row(PM.Fork.self), Row(PM.Exec.self), Row(PM.Exit.self), Row(PM.WaitPID.self), Row(PM.Kill.self), Row(PM.SignalAction.self),
    Row(PM.SignalReturn.self), Row(PM.SignalMask.self), Row(PM.SignalStack.self), Row(PM.Pause.self), Row(PM.Identity.self), Row(PM.SetProcessGroup.self),
    Row(PM.Times.self), Row(PM.Sleep.self), Row(PM.Alarm.self), Row(PM.Adopt.self), Row(PM.SignalGroup.self),
    Row(PM.ProcessInformation.self), Row(PM.EndpointOf.self),
  ]
  static let vfsRows: [Row] = [
    Row(VFS.Open.self), Row(VFS.Close.self), Row(VFS.Read.self), Row(VFS.Write.self), Row(VFS.Seek.self), Row(VFS.Stat.self),
    Row(VFS.FileStat.self), Row(VFS.ReadDirectory.self), Row(VFS.Unlink.self), Row(VFS.RemoveDirectory.self),
    Row(VFS.MakeDirectory.self), Row(VFS.Rename.self), Row(VFS.Link.self), Row(VFS.SymbolicLink.self), Row(VFS.ReadLink.self),
    Row(VFS.Truncate.self), Row(VFS.FileTruncate.self), Row(VFS.ChangeMode.self), Row(VFS.Duplicate.self), Row(VFS.Pipe.self),
    Row(VFS.ChangeDirectory.self), Row(VFS.CurrentDirectory.self), Row(VFS.Control.self), Row(VFS.FileControl.self),
    Row(VFS.Sync.self), Row(VFS.FileSync.self), Row(VFS.Mount.self), Row(VFS.Unmount.self), Row(VFS.Access.self),
    Row(VFS.FileSystemStatistics.self), Row(VFS.ExecLoad.self), Row(VFS.ProcessForked.self), Row(VFS.ProcessExited.self),
    Row(VFS.Cancel.self), Row(VFS.BringPage.self), Row(VFS.ServiceUp.self),
  ]
  static let fsRows: [Row] = [
    Row(FS.Mount.self), Row(FS.Unmount.self), Row(FS.Lookup.self), Row(FS.Forget.self), Row(FS.Read.self), Row(FS.Write.self),
    Row(FS.Truncate.self), Row(FS.Attributes.self), Row(FS.Create.self), Row(FS.MakeDirectory.self), Row(FS.Unlink.self),
    Row(FS.RemoveDirectory.self), Row(FS.Rename.self), Row(FS.Link.self), Row(FS.SymbolicLink.self), Row(FS.ReadLink.self),
    Row(FS.ReadDirectory.self), Row(FS.SetAttributes.self), Row(FS.Sync.self), Row(FS.Statistics.self),
  ]
  static let deviceRows: [Row] = [
    Row(Block.Open.self), Row(Block.Transfer.self), Row(Block.Flush.self), Row(Char.Open.self), Row(Char.Close.self),
    Row(Char.Read.self), Row(Char.Write.self), Row(Char.Control.self), Row(Char.Cancel.self),
  ]
  static let echoRows: [Row] = [Row(Echo.Ping.self)]
  static let serviceRows: [Row] = [
    Row(RS.Status.self), Row(RS.Up.self), Row(RS.Down.self), Row(RS.Restart.self), Row(RS.Kill.self), Row(RS.Inject.self),
    Row(RS.Ready.self), Row(RS.Complain.self), Row(RS.Shutdown.self), Row(Service.Inject.self), Row(DS.Publish.self),
    Row(DS.Lookup.self), Row(DS.Withdraw.self), Row(DS.List.self), Row(DS.Keep.self), Row(DS.Recall.self), Row(KernelEvent.PageFault.self), Row(KernelEvent.Exception.self),
  ]

  @Test("SEC20 payloads are fixed-width integers without padding", arguments: rows)
  func sound(row: Row) { #expect(row.problems == []) }

  @Test("requests and replies fit into seven words", arguments: rows)
  func fits(row: Row) {
    #expect(row.size <= 56)
    #expect(row.replySize <= 56)
  }

  @Test("requests that VFS and PM send asynchronously, and their replies, leave the token's word free", arguments: fsRows + deviceRows + [Row(VFS.ExecLoad.self)])
  func roomForToken(row: Row) {
    #expect(row.size <= 48)
    #expect(row.replySize <= 48)
  }

  @Test("numbers are unique over all services")
  func unique() {
    var seen: [Int32: String] = [:]
    for row in Self.rows {
      #expect(seen[row.number] == nil, "\(row.name) and \(seen[row.number] ?? "") are both \(row.number)")
      seen[row.number] = row.name
    }
  }

  @Test("SEC26 every kernel call has a bit in the mask, and a row here")
  func kernelCalls() {
    for number in Kernel.Number.allCases { #expect((0..<64).contains(number.rawValue)) }
    #expect(Set(Self.kernelRows.map(\.number)) == Set(Kernel.Number.allCases.map(\.rawValue)))
  }
}
