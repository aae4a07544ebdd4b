import IPC
import Protocols
import ServerKit

// `/proc/vm`: the frame table's totals and what the page cache has of them.
extension ProcFileSystem {
  /// When, since power-on; frames by owner, VM's records, then the page cache: one `name value` a line, as in `/proc/kernel`. `cache-pages` are
  /// frames too: `cache-idle` of them and all `cache-nodes` count as `frames-free`, the others as `frames-user`.
  /// But files without a disk: their pages and nodes, `memory-file-`, are in both totals and never free.
  func writeVM(into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    text.append("nanoseconds", try ipc.kernel(Kernel.Clock()).now)
    try writeFrames(into: &text, &ipc)
    let cache = try ipc.call(.vm, PageCache.Information())
    text.append("cache-pages", cache.pages)
    text.append("cache-idle", cache.idle)
    text.append("cache-nodes", cache.nodes)
    text.append("cache-files", cache.files)
    text.append("cache-hits", cache.hits)
    text.append("cache-fills", cache.fills)
    text.append("cache-evictions", cache.evictions)
    let stores = try ipc.call(.vm, PageCache.StoreInformation(mount: 0))
    text.append("memory-file-pages", stores.pages)
    text.append("memory-file-nodes", stores.nodes)
    text.append("memory-files", stores.files)
    let pressure = try ipc.call(.vm, PageCache.Pressure())
    text.append("cache-changed", pressure.changed)
    text.append("cache-written-back", pressure.writeBacks)
    text.append("cache-unmapped", pressure.unmapped)
    text.append("memory-waiting", pressure.waiting)
    text.append("memory-waits", pressure.waits)
    text.append("memory-kills", pressure.kills)
  }

  /// What `/proc/kernel` and `/proc/vm` say alike.
  func writeFrames(into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    let memory = try ipc.call(.vm, VM.Information())
    text.append("frames-total", memory.total)
    text.append("frames-free", memory.free)
    text.append("frames-user", memory.user)
    text.append("frames-tables", memory.tables)
    text.append("frames-metadata", memory.metadata)
    text.append("spaces", UInt64(memory.spaces))
    text.append("regions", UInt64(memory.regions))
    text.append("objects", UInt64(memory.objects))
    text.append("page-faults", UInt64(memory.faults))
  }
}
