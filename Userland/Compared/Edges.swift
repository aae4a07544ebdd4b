import IPC
import POSIX
import Protocols

// Which calls are made: each on a new arena, and its line tells the answer and what is left there. Left out is what would take
// away the memory of the program itself.

private let readWrite = Protection.read | Protection.write
private let anonymous = MapFlags.private | MapFlags.anonymous
private let huge: UInt64 = 1 << 44
private let beyond: UInt64 = 1 << 47
/// The first address that no program can have, one that no page table can, and one of the kernel's.
private let strange: [UInt64] = [0x7FFF_FFFF_F000, 0x8000_0000_0000, 0xFFFF_8000_0000_0000, 0xFFFF_FFFF_FFFF_F000]
/// The last lengths that can be written: rounded up they are 0 or one page less than all.
private let longest: [UInt64] = [UInt64.max, UInt64.max - 4094, UInt64.max - 4095, UInt64.max - 4096]

func printEdges() throws(Errno) {
  let arena = try Arena()
  try ranges(arena)
  try protections(arena)
  try advice(arena)
  try synchronizing(arena)
  try locking(arena)
  try residence(arena)
  try mapping(arena)
  try files(arena)
  try remapping(arena)
  try breaks()
  try unlink(arena.path)
}

private func show(_ operation: Operation, _ arena: Arena) throws(Errno) {
  try arena.build()
  var given: UInt64?
  var line = operation.text + [UInt8](": ")
  line += answer { () throws(Errno) in given = try operation.perform() }
  if let given {
    let isInside = given >= Arena.start && given < Arena.start &+ Arena.length
    line += " "
    line += isInside ? place(given) : given % page == 0 ? [UInt8]("elsewhere") : [UInt8]("unaligned")
    if !isInside { try release(operation, given) }
  }
  line += " "
  line += arena.text
  printLine(line)
}

/// So that no case finds what an earlier one left somewhere.
private func release(_ operation: Operation, _ address: UInt64) throws(Errno) {
  let length: UInt64
  switch operation {
  case .map(_, let mapped, _, _), .mapFile(_, _, let mapped, _, _, _): length = mapped
  case .remap(_, _, let new, _, _): length = new
  default: return
  }
  _ = try request(VM.MUnmap(address: address, length: (length &+ page &- 1) & ~(page &- 1)), of: .vm)
}

// MARK: Ranges

/// Whole pages, parts of them, several kinds, holes at the beginning, inside and at the end; then what cannot be.
private func pairs() -> [(UInt64, UInt64)] {
  var all: [(UInt64, UInt64)] = []
  for index in [0, 1, 2, 3, 5, 6, 8, 10, 12, 14] as [UInt64] {
    for length in [0, 1, page, 2 &* page, 3 &* page &+ 1] as [UInt64] { all.append((Arena.at(index), length)) }
  }
  for length in [0, 1, page] as [UInt64] {
    all.append((Arena.start &+ 1, length))
    all.append((Arena.start &+ 4095, length))
    all.append((Arena.at(2) &- 1, length))
  }
  all.append((Arena.start, 16 &* page))
  all.append((Arena.start &- 2 &* page, 4 &* page))
  all += edges()
  return all
}

private func edges() -> [(UInt64, UInt64)] {
  var all: [(UInt64, UInt64)] = [(0, 0), (0, page), (1, page), (page, page)]
  for address in strange {
    all.append((address, 0))
    all.append((address, 1))
    all.append((address, page))
  }
  for length in longest { all.append((Arena.start, length)) }
  all.append((Arena.start, 1 << 63))
  return all
}

private func ranges(_ arena: Arena) throws(Errno) {
  for (address, length) in pairs() {
    try show(.unmap(address, length), arena)
    try show(.protect(address, length, Protection.none), arena)
    try show(.protect(address, length, readWrite), arena)
    if length >> 62 != 2 { try show(.advise(address, length, Advice.dontNeed), arena) }
    try show(.lock(address, length), arena)
    try show(.unlock(address, length), arena)
    try show(.synchronize(address, length, Synchronize.now), arena)
  }
  try show(.unmap(Arena.start, beyond), arena)
  try show(.protect(Arena.start, beyond, Protection.read), arena)
  try show(.lock(Arena.start, beyond), arena)
}

private func protections(_ arena: Arena) throws(Errno) {
  // Whether what may be executed alone can be read depends on the processor.
  for access in [0, 1, 2, 3, 5, 6, 7, 0x10, 0x40] as [UInt32] {
    for index in [0, 2, 3, 5, 6, 8, 10] as [UInt64] { try show(.protect(Arena.at(index), page, access), arena) }
  }
  try show(.protect(Arena.start, 0, 0x10), arena)
  try show(.protect(Arena.start &+ 1, 0, Protection.read), arena)
}

private func advice(_ arena: Arena) throws(Errno) {
  for advice in [0, 1, 2, 3, 4, 8, 5, 6, 7, 99, UInt32.max] as [UInt32] {
    for index in [0, 2, 3, 5, 6, 8, 10, 12] as [UInt64] { try show(.advise(Arena.at(index), page, advice), arena) }
    try show(.advise(Arena.start, 0, advice), arena)
    try show(.advise(Arena.start, 4 &* page, advice), arena)
    try show(.advise(Arena.start &+ 1, page, advice), arena)
  }
  // DONTFORK, DONTDUMP, COLD.
  for advice in [10, 16, 20] as [UInt32] { try show(.advise(Arena.start, page, advice), arena) }
}

private func synchronizing(_ arena: Arena) throws(Errno) {
  for flags in [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, UInt32.max] as [UInt32] {
    for index in [0, 2, 5, 6, 8, 10, 12] as [UInt64] { try show(.synchronize(Arena.at(index), page, flags), arena) }
    try show(.synchronize(Arena.start, 0, flags), arena)
    try show(.synchronize(Arena.start &+ 1, page, flags), arena)
    try show(.synchronize(Arena.at(11), 2 &* page, flags), arena)
  }
}

/// What the limits are for a user: `Tests/Support/Userland` gives itself the same.
private func locking(_ arena: Arena) throws(Errno) {
  for flags in [2, 4, 8, 0x10, UInt32.max] as [UInt32] { try show(.lockAll(flags), arena) }
}

private func residence(_ arena: Arena) throws(Errno) {
  for index in [0, 2, 3, 5, 6, 12] as [UInt64] {
    for pages in [0, 1, 2, 4] as [UInt64] { try show(.resident(Arena.at(index), pages), arena) }
  }
  for address in [0, 1, page, Arena.start &+ 1] + strange {
    for pages in [0, 1] as [UInt64] { try show(.resident(address, pages), arena) }
  }
}

// MARK: mmap

private func mapping(_ arena: Arena) throws(Errno) {
  for length in [0, 1, page, 3 &* page &+ 1, huge, beyond, 1 << 63] + longest {
    for access in [Protection.none, readWrite] { try show(.map(0, length, protection: access, flags: anonymous), arena) }
  }
  for flags in [0x20, 0x21, 0x22, 0x23, 0x24, 0x2222, 0x8022, 0x2_0022, 0x122, 0x222, 0x8000_0022] as [UInt32] {
    try show(.map(0, page, protection: readWrite, flags: flags), arena)
  }
  for access in [0, 1, 2, 3, 5, 6, 7, 0x10, 0x40] as [UInt32] {
    try show(.map(Arena.at(14), page, protection: access, flags: anonymous | MapFlags.fixed), arena)
  }
  // How low the lowest page may be is a setting of Linux; page 0 nobody but root has.
  let places: [UInt64] = [0, 1, Arena.start, Arena.start &+ 1, Arena.at(2), Arena.at(5), Arena.at(11), Arena.at(12), Arena.at(14), Arena.at(14) &+ 1]
  for flags in [0, MapFlags.fixed, MapFlags.fixedNoReplace, MapFlags.fixed | MapFlags.fixedNoReplace] {
    for address in places + strange {
      for length in [page, 2 &* page] { try show(.map(address, length, protection: readWrite, flags: anonymous | flags), arena) }
    }
    try show(.map(Arena.start, 16 &* page, protection: Protection.read, flags: MapFlags.shared | MapFlags.anonymous | flags), arena)
    for length in [0, beyond, UInt64.max] { try show(.map(Arena.start, length, protection: Protection.none, flags: anonymous | flags), arena) }
  }
}

private func files(_ arena: Arena) throws(Errno) {
  func tryFile(
    _ descriptor: Int, _ access: UInt32, _ flags: UInt32, at address: UInt64? = nil, length: UInt64? = nil, offset: UInt64 = 0
  ) throws(Errno) {
    let address = address ?? Arena.at(14), length = length ?? page
    try show(.mapFile(descriptor, address, length, protection: access, flags: flags, offset: offset), arena)
  }
  for descriptor in [arena.reader, arena.writer, arena.both] {
    for kind in [0, MapFlags.private, MapFlags.shared] {
      for access in [0, 1, 2, 3, 5, 6, 7] as [UInt32] { try tryFile(descriptor, access, kind | MapFlags.fixed) }
    }
  }
  let directory = try open([UInt8]("/tmp")), null = try open([UInt8]("/dev/null"), OpenFlags.readWrite)
  let (readEnd, writeEnd) = try pipe()
  for descriptor in [-1, 999, directory, null, readEnd, writeEnd] {
    for kind in [MapFlags.private, MapFlags.shared] { try tryFile(descriptor, Protection.read, kind) }
  }
  for offset in [1, page - 1, page, 1 << 40, 1 << 62, UInt64.max - 4095] as [UInt64] {
    try tryFile(arena.both, Protection.read, MapFlags.shared, offset: offset)
  }
  for length in [0, 1, 2 &* page, beyond] + longest { try tryFile(arena.both, Protection.read, MapFlags.private, at: 0, length: length) }
  for flags in [MapFlags.fixed, MapFlags.fixedNoReplace] {
    for address in [0, Arena.start, Arena.start &+ 1, Arena.at(2), Arena.at(12), Arena.at(14)] + strange {
      try tryFile(arena.both, readWrite, MapFlags.shared | flags, at: address)
    }
  }
  for descriptor in [directory, null, readEnd, writeEnd] { try close(descriptor) }
}

// MARK: mremap, brk

private func remapping(_ arena: Arena) throws(Errno) {
  let move = Remap.mayMove, fixed = Remap.mayMove | Remap.fixed
  for index in [0, 1, 2, 3, 5, 6, 8, 10, 12] as [UInt64] {
    for (old, new) in [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (2, 4), (0, 1), (1, 0)] as [(UInt64, UInt64)] {
      for flags in [0, move] { try show(.remap(Arena.at(index), old &* page, new &* page, flags: flags, to: 0), arena) }
    }
    try show(.remap(Arena.at(index), page, page, flags: fixed, to: Arena.at(14)), arena)
    try show(.remap(Arena.at(index), page, 2 &* page, flags: fixed, to: Arena.at(14)), arena)
  }
  for flags in [Remap.fixed, 4, 6, 8, 9, UInt32.max] { try show(.remap(Arena.start, page, page, flags: flags, to: Arena.at(14)), arena) }
  for target in [0, 1, Arena.start, Arena.at(1), Arena.at(3), Arena.at(6), Arena.at(7), Arena.at(14) &+ 1] + strange {
    try show(.remap(Arena.start, 2 &* page, 2 &* page, flags: fixed, to: target), arena)
  }
  for address in [0, 1, page, Arena.start &+ 1] + strange { try show(.remap(address, page, page, flags: move, to: 0), arena) }
  for length in [1, page &+ 1, 5 &* page] as [UInt64] { try show(.remap(Arena.start, 2 &* page, length, flags: move, to: 0), arena) }
  // Between these versions of Linux differ.
  for length in [huge, UInt64.max, UInt64.max - 4094] { try show(.remap(Arena.start, 2 &* page, length, flags: move, to: 0), arena) }
}

/// brk(2) answers where the break is then; all is as it was in the end.
private func breaks() throws(Errno) {
  let start = try request(VM.Brk(address: 0), of: .vm).address
  func tell(_ name: StaticString, _ address: UInt64) throws(Errno) {
    let end = try request(VM.Brk(address: address), of: .vm).address
    printText("brk ")
    printText(name)
    printText(end == address ? ": moved\n" : end == start ? ": stays\n" : ": neither\n")
    _ = try request(VM.Brk(address: start), of: .vm)
  }
  try tell("a byte more", start &+ 1)
  try tell("a page more", start &+ page)
  try tell("100 pages more", start &+ 100 &* page)
  try tell("low", page)
  try tell("huge", start &+ huge)
  try tell("beyond", beyond)
  try tell("of the kernel", 0xFFFF_FFFF_FFFF_F000)
}
