import IPC
import Protocols
import ServerKit

/// A fixed number of records in memory that never moves. Copies of a `Table` are the same table, so fibers and
/// the main loop see each other's changes.
struct Table<Element: BitwiseCopyable> {
  let base: UnsafeMutablePointer<Element>
  let count: Int

  init(count: Int, repeating element: Element) {
    base = UnsafeMutablePointer<Element>.allocate(capacity: count)
    base.initialize(repeating: element, count: count)
    self.count = count
  }

  subscript(index: Int) -> Element {
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < count, "index outside a table")
      return UnsafePointer(base + index)
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      precondition(index >= 0 && index < count, "index outside a table")
      return base + index
    }
  }

  func deallocate() { base.deallocate() }
}

/// Memory that has its frames from the start: VFS asks VM for nothing once it runs, so a program that takes all
/// memory cannot hurt it, and what it uses never looks like a leak.
func residentMemory(_ count: Int) -> UnsafeMutableRawPointer {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
  memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
  return memory
}

/// A descriptor: an open file, and whether exec closes it.
struct DescriptorSlot: BitwiseCopyable {
  /// -1: free.
  var file: Int16 = -1
  var closeOnExec = false
}

/// What a process waits for. It has one request at a time, so this is all that there is to know.
enum Waiting: BitwiseCopyable {
  case nothing
  /// For a free worker.
  case queued
  case worker(Int)
  /// For a page of the file that its buffer is in; then the request is done again.
  case page
  /// For bytes in, or room in, the pipe of this open file; `ProcessRecord.done` bytes are over.
  case pipeRead(file: Int)
  case pipeWrite(file: Int)
  /// For a character driver, by the process's own request slot; 0: no grant.
  case device(grant: UInt64)
}

struct ProcessRecord: BitwiseCopyable {
  /// `.none`: free.
  var endpoint = Endpoint.none
  /// Vnode, -1 before the root is mounted.
  var directory = -1
  /// The vnode of its program, held; -1 if that is a module of the boot archive.
  var program = -1
  var waiting = Waiting.nothing
  /// The request that is served or waits, and who gets the answer.
  var request = Message()
  var requester = Requester(Delivery(message: Message(), flags: Delivery.Flags(raw: 0)))
  var done: UInt64 = 0
  /// Whether the signal that interrupts its request has a handler with SA_RESTART.
  var restarts = false
  /// The next in the queue that `waiting` tells of, -1 at its end.
  var next = -1
  var descriptors = InlineArray<64, DescriptorSlot>(repeating: DescriptorSlot())
}

struct OpenFile: BitwiseCopyable {
  /// Descriptors and running calls that use it; 0: free.
  var users = 0
  /// -1 for pipes.
  var vnode = -1
  var pipe = -1
  /// `VFS.OpenFlags`.
  var flags: UInt32 = 0
  var position: UInt64 = 0
  /// The device lost it and could not be opened again: all but close is EIO (M-F5).
  var isInvalid = false
  var next = -1

  var isReadable: Bool { flags & VFS.OpenFlags.accessMask != VFS.OpenFlags.writeOnly }
  var isWritable: Bool { flags & VFS.OpenFlags.accessMask != VFS.OpenFlags.readOnly }
}

/// An inode that somebody uses. References are those that its file system counts for us.
struct Vnode: BitwiseCopyable {
  /// -1: free.
  var mount = -1
  var inode: UInt64 = 0
  var users = 0
  var references: UInt64 = 0
  /// As the file system told last.
  var node = FS.Node(inode: 0, size: 0, mode: 0, links: 0, special: 0, blocks: 0, modified: 0)
  /// The mount whose root lies on this directory, -1 for none.
  var covering = -1
  var next = -1
  /// Where the last fetched page of a file ended: who goes on there reads in order.
  var readUpTo: UInt64 = 0
  /// How often VM has said that somebody maps it now, less how often that nobody does any more: each is a use.
  var mappings = 0
  /// Somebody maps it shared and may write to it, also when its descriptor is closed.
  var isMappedForWriting = false
  /// Open files that may be written to, and processes that run it as their program: never both (ETXTBSY).
  var writers = 0
  var programs = 0
  /// 1: a job writes back what processes changed.
  var isChanged = false

  var type: UInt32 { node.mode & VFS.Mode.typeMask }
  var isDirectory: Bool { type == VFS.Mode.directory }
  var isSymbolicLink: Bool { type == VFS.Mode.symbolicLink }
  var isRegular: Bool { type == VFS.Mode.regular }
  var isCharacter: Bool { type == VFS.Mode.character }
  var isBlock: Bool { type == VFS.Mode.block }
}

struct Mount: BitwiseCopyable {
  var isUsed = false
  /// `.none`: /dev, which VFS makes itself.
  var server = Endpoint.none
  var root = -1
  /// The vnode that it lies on, held; -1 for the root.
  var covered = -1
  var isReadOnly = false
  var driver = Endpoint.none
  var minor: UInt32 = 0
  /// Our grants to the server: path buffers (read), scratch buffers (write).
  var names: UInt64 = 0
  var scratch: UInt64 = 0
  /// For VM's page cache, 0 if files of this mount are not cached; and the buffer for it with the server's grant.
  var number: UInt32 = 0
  var buffer = 0
  var bufferGrant: UInt64 = 0
  /// Where it lies, for people: see `VFS.MountInformation`.
  var path: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
}

struct Pipe: BitwiseCopyable {
  /// Open files for each end, 0 or 1: descriptors share the open file.
  var readers = 0
  var writers = 0
  var isUsed = false
  var head = 0
  var count = 0
  /// Processes that wait, in order; -1: none.
  var firstReader = -1
  var firstWriter = -1
}

/// A request that a service has not answered yet. Slot n belongs to worker n, the slots behind the workers'
/// to the processes.
struct Outstanding: BitwiseCopyable {
  /// 0: free.
  var token: UInt64 = 0
  var service = Endpoint.none
  var message = Message()
  /// More bytes than this in the reply's first word make it nonsense.
  var limit = UInt64.max
  /// The open device that it is about, -1 for none.
  var file = -1
  /// How often the service has died since.
  var tries = 0
  /// False: still to be sent (queue full, or the service recovers).
  var isSent = false
  /// Char.Cancel has gone out.
  var isCancelled = false
}

/// A page of a file that somebody waits for. `mount` as the page cache numbers it.
struct WantedPage: BitwiseCopyable {
  var mount: UInt32 = 0
  /// The process whose request is done again afterwards, -1 for none: a thread waits at VM.
  var process: Int32 = -1
  /// Of PM's `VFS.BringPage`, 0 for none: it is told.
  var token: UInt64 = 0
  var inode: UInt64 = 0
  var position: UInt64 = 0
  /// Nobody waits for it.
  var isAhead = false
}

enum Job: BitwiseCopyable {
  case none
  case startUp
  case page(WantedPage)
  /// What processes have changed in the pages of a vnode goes to its file system, since nobody maps it any more or memory is short;
  /// the job holds the vnode.
  case writeBack(vnode: Int, isUnmapped: Bool)
  case recovery(service: Endpoint)
  /// A request of a process, or `ExecLoad` for one.
  case request(process: Int)
}

struct Worker: BitwiseCopyable {
  var job = Job.none
  /// The process that the job is done for; it may be gone.
  var client = Endpoint.none
  var message = Message()
  var requester = Requester(Delivery(message: Message(), flags: Delivery.Flags(raw: 0)))
  /// What `ask` waits for.
  var reply = Message()
  /// The lock that it waits for, -1 for none, and since when.
  var lock = -1
  var ticket: UInt64 = 0
}

/// A message on its way that nobody waits for.
struct Posted: BitwiseCopyable {
  var destination = Endpoint.none
  var message = Message()
}

/// All that VFS knows: plain tables behind one root.
struct Tables {
  let processes: Table<ProcessRecord>
  /// Process index by slot of the endpoint, -1 for none.
  let processBySlot: Table<Int16>
  let files: Table<OpenFile>
  let vnodes: Table<Vnode>
  /// First vnode by hash, -1 for none.
  let vnodeHash: Table<Int16>
  let mounts: Table<Mount>
  let pipes: Table<Pipe>
  let pipeBuffers: UnsafeMutableRawPointer
  let outstanding: Table<Outstanding>
  let workers: Table<Worker>
  /// Who holds a lock: worker + 1, 0 for nobody. One for each open file, then `Lock`.
  let locks: Table<Int16>
  /// Messages that nobody waits for, kept while our queue in the kernel is full.
  let outbox: Table<Posted>
  /// Pages to be fetched, in order; one for each thread that there can be, and `Bound.ahead` that nobody waits for.
  let wantedPages: Table<WantedPage>

  init(_ limits: Limits, workers workerCount: Int) {
    processes = Table(count: limits.processes, repeating: ProcessRecord())
    processBySlot = Table(count: Endpoint.slotLimit, repeating: -1)
    files = Table(count: limits.files, repeating: OpenFile())
    vnodes = Table(count: limits.vnodes, repeating: Vnode())
    vnodeHash = Table(count: 256, repeating: -1)
    mounts = Table(count: limits.mounts, repeating: Mount())
    pipes = Table(count: limits.pipes, repeating: Pipe())
    pipeBuffers = residentMemory(limits.pipes * limits.pipeCapacity)
    outstanding = Table(count: workerCount + limits.processes, repeating: Outstanding())
    workers = Table(count: workerCount, repeating: Worker())
    locks = Table(count: limits.files + Lock.count, repeating: 0)
    wantedPages = Table(count: limits.threads + Bound.ahead, repeating: WantedPage())
    // Each open file and each vnode sends at most one such message when it goes, and jobs that could make new
    // ones wait while any is kept here; each process can be owed a signal and have a request cancelled, each worker
    // an answer.
    outbox = Table(count: limits.files + limits.vnodes + 2 * limits.processes + 4 * workerCount, repeating: Posted())
  }

  func deallocate() {
    wantedPages.deallocate()
    processes.deallocate()
    processBySlot.deallocate()
    files.deallocate()
    vnodes.deallocate()
    vnodeHash.deallocate()
    mounts.deallocate()
    pipes.deallocate()
    pipeBuffers.deallocate()
    outstanding.deallocate()
    workers.deallocate()
    locks.deallocate()
    outbox.deallocate()
  }
}

/// Locks besides those of open files: buffers of which there is one, and the mount table.
enum Lock {
  static var count: Int { 5 }
  static func program(_ files: Int) -> Int { files }
  static func bounce(_ files: Int) -> Int { files + 1 }
  static func mounting(_ files: Int) -> Int { files + 2 }
  /// The buffer through which pages of files come, one for each file system server.
  static func cache(_ files: Int, _ buffer: Int) -> Int { files + 3 + buffer }
  static var cacheBuffers: Int { 2 }
}
