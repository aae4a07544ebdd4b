import BootImage
import IPC
import Protocols

/// The calls of all protocols, by number: their names and what their payloads hold.
public enum CallShapes {
  static let all: [any Call.Type] = [
    Kernel.Null.self, Kernel.Log.self, Kernel.Clock.self, Kernel.Alarm.self, Kernel.Exit.self, Kernel.GrantCreate.self,
    Kernel.GrantCaller.self, Kernel.GrantIndirect.self, Kernel.GrantRevoke.self, Kernel.CopyGrant.self,
    Kernel.CopyCaller.self, Kernel.PortRead.self, Kernel.PortWrite.self, Kernel.InterruptAttach.self,
    Kernel.InterruptEnable.self, Kernel.ThreadCreate.self, Kernel.ThreadFork.self, Kernel.ThreadStart.self,
    Kernel.ThreadStop.self, Kernel.ThreadDestroy.self, Kernel.ThreadRestart.self, Kernel.ThreadExec.self,
    Kernel.ThreadInfo.self, Kernel.SpaceRoot.self, Kernel.SpacePrepare.self, Kernel.SpaceFlush.self,
    Kernel.SetPrivileges.self, Kernel.AllowPorts.self, Kernel.Signal.self, Kernel.SignalReturn.self, Kernel.Statistics.self,
    Kernel.Shutdown.self, Kernel.Yield.self, Kernel.ThreadBases.self, Kernel.ThreadWatch.self, Kernel.ThreadStack.self,
    KernelEvent.PageFault.self, KernelEvent.Exception.self,
    VM.MMap.self, VM.MUnmap.self, VM.MProtect.self, VM.Brk.self, VM.Fork.self, VM.ExecBegin.self, VM.ExecMap.self,
    VM.ExecWrite.self, VM.ExecCommit.self, VM.ExecAbort.self, VM.Exit.self, VM.Spawn.self, VM.Release.self,
    VM.MapPhysical.self, VM.MapContiguous.self, VM.MapModule.self, VM.AllowPhysical.self, VM.Information.self,
    VM.RegionInformation.self, VM.CommandLine.self,
    VM.MAdvise.self, VM.MInCore.self, VM.MLock.self, VM.MUnlock.self, VM.MLockAll.self, VM.MSync.self, VM.MRemap.self,
    VM.MImmutable.self, VM.NameRegion.self, VM.GetLimit.self, VM.SetLimit.self, VM.SignalStack.self,
    VM.Lend.self, VM.Borrow.self, VM.EndLoan.self,
    PM.Fork.self, PM.Exec.self, PM.Exit.self, PM.WaitPID.self, PM.Kill.self, PM.SignalAction.self, PM.SignalReturn.self,
    PM.SignalMask.self, PM.SignalStack.self, PM.Pause.self, PM.Identity.self, PM.SetProcessGroup.self, PM.SetSession.self, PM.Times.self,
    PM.Sleep.self, PM.Alarm.self, PM.Adopt.self, PM.SignalGroup.self, PM.SignalProcess.self, PM.ProcessInformation.self,
    PM.EndpointOf.self,
    VFS.Open.self, VFS.Close.self, VFS.Read.self, VFS.Write.self, VFS.Seek.self, VFS.Stat.self, VFS.FileStat.self,
    VFS.ReadDirectory.self, VFS.Unlink.self, VFS.RemoveDirectory.self, VFS.MakeDirectory.self, VFS.Rename.self,
    VFS.Link.self, VFS.SymbolicLink.self, VFS.ReadLink.self, VFS.Truncate.self, VFS.FileTruncate.self, VFS.ChangeMode.self,
    VFS.Duplicate.self, VFS.Pipe.self, VFS.ChangeDirectory.self, VFS.CurrentDirectory.self, VFS.Control.self,
    VFS.FileControl.self, VFS.Sync.self, VFS.FileSync.self, VFS.Mount.self, VFS.Unmount.self, VFS.Access.self,
    VFS.FileSystemStatistics.self, VFS.MountInformation.self, VFS.ExecLoad.self, VFS.ProcessForked.self,
    VFS.ProcessExited.self, VFS.Cancel.self, VFS.BringPage.self, VFS.ServiceUp.self,
    VFS.MapFile.self, VFS.SyncMemory.self, VFS.PageRequest.self, VFS.FileUnmapped.self, VFS.WriteBack.self,
    PageCache.Read.self, PageCache.Fill.self, PageCache.Write.self, PageCache.Truncate.self, PageCache.Forget.self,
    PageCache.Information.self, PageCache.Map.self, PageCache.Fail.self, PageCache.Missing.self, PageCache.Mapping.self,
    PageCache.TakeChanged.self, PageCache.MakeStore.self, PageCache.Put.self, PageCache.StoreInformation.self,
    PageCache.NotWritten.self, PageCache.WroteBack.self, PageCache.Pressure.self,
    FS.Mount.self, FS.Unmount.self, FS.Lookup.self, FS.Forget.self, FS.Read.self, FS.Write.self, FS.Truncate.self,
    FS.Attributes.self, FS.Create.self, FS.MakeDirectory.self, FS.Unlink.self, FS.RemoveDirectory.self, FS.Rename.self,
    FS.Link.self, FS.SymbolicLink.self, FS.ReadLink.self, FS.ReadDirectory.self, FS.SetAttributes.self, FS.Sync.self,
    FS.Statistics.self,
    Block.Open.self, Block.Transfer.self, Block.Flush.self,
    Char.Open.self, Char.Close.self, Char.Read.self, Char.Write.self, Char.Control.self, Char.Cancel.self,
    Echo.Ping.self, Echo.Sum.self, Echo.GiveBack.self,
    RS.Status.self, RS.Up.self, RS.Down.self, RS.Restart.self, RS.Kill.self, RS.Inject.self, RS.Ready.self, RS.Complain.self,
    RS.Shutdown.self,
    Service.Inject.self,
    DS.Publish.self, DS.Lookup.self, DS.Withdraw.self, DS.Keep.self, DS.Recall.self, DS.List.self,
  ]

  private static let byNumber: [Int32: any Call.Type] = Dictionary(all.map { ($0.number, $0) }) { first, _ in first }

  /// `VFS.Open`, as the protocol's struct is called; nil for a number that no protocol has.
  public static func name(_ number: Int32) -> String? {
    byNumber[number].map { String(reflecting: $0).split(separator: ".").dropFirst().joined(separator: ".") }
  }

  /// Fields of the request, in order.
  public static func arguments(of message: Message) -> [Field] {
    guard let shape = byNumber[message.type] else { return [] }
    return call(shape, message)
  }

  /// Fields of the reply to a request with this number.
  public static func results(of message: Message, to number: Int32) -> [Field] {
    guard let shape = byNumber[number] else { return [] }
    return reply(shape, message)
  }

  private static func call<C: Call>(_: C.Type, _ message: Message) -> [Field] { Field.all(message.body(C.self)) }
  private static func reply<C: Call>(_: C.Type, _ message: Message) -> [Field] { Field.all(message.body(C.Reply.self)) }
}

/// A field of a payload, as text.
public struct Field: Equatable, Sendable {
  public var name, value: String

  static func all<Body: Wire>(_ body: Body) -> [Field] {
    Mirror(reflecting: body).children.compactMap { child in
      guard let name = child.label, name != "reserved" else { return nil }
      return Field(name: name, value: text(child.value))
    }
  }

  private static func text(_ value: Any) -> String {
    switch value {
    case let endpoint as Endpoint: EndpointNames.name(endpoint)
    case let words as RS.Name: "'\(unpacked(words))'"
    case let number as UInt64: number < 1 << 20 ? "\(number)" : "0x" + String(number, radix: 16)
    case let number as UInt32: number < 1 << 20 ? "\(number)" : "0x" + String(number, radix: 16)
    case let number as any FixedWidthInteger: "\(number)"
    default:
      "(" + Mirror(reflecting: value).children.map { text($0.value) }.joined(separator: ", ") + ")"
    }
  }

  /// A name of at most 16 bytes out of two words.
  private static func unpacked(_ words: RS.Name) -> String {
    var words = words
    return withUnsafeBytes(of: &words) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// What the system calls its threads.
public enum EndpointNames {
  private static let services: [UInt32: String] = {
    var names: [UInt32: String] = [Endpoint.kernel.raw: "kernel", Endpoint.any.raw: "any", Endpoint.none.raw: "none"]
    for index in 0..<BootTable.count {
      let entry = BootTable.entry(index)
      names[entry.endpoint.raw] = "\(entry.name)"
    }
    return names
  }()

  /// A service's name; of other processes slot and, from the second use of a slot on, generation.
  public static func name(_ endpoint: Endpoint) -> String {
    if let name = services[endpoint.raw] { return name }
    return endpoint.generation == 0 ? "p\(endpoint.slot)" : "p\(endpoint.slot).\(endpoint.generation)"
  }

  /// The endpoint of a service, by its name.
  public static func service(_ name: String) -> Endpoint? { services.first { $0.value == name }.map { Endpoint(raw: $0.key) } }
}
