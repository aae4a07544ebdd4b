/// A terminal as POSIX describes it (XBD chapter 11), without hardware: bytes typed go in by `receive`, bytes for
/// programs come out by `peek` and `consume`; programs write by `write`, and `nextOutput` says what to show.
/// No input of any kind traps; every queue has a bound.
public struct LineDiscipline: BitwiseCopyable {
  public private(set) var settings = Settings()
  /// Who gets the signals of keys: a process group, 0 for nobody.
  public var group: Int32 = 0
  /// Rows, columns, pixels: struct winsize.
  public var window: (UInt16, UInt16, UInt16, UInt16) = (24, 80, 0, 0)
  /// Output waits: Ctrl-S.
  public private(set) var stopped = false
  var input = InputQueue()
  var output = OutputQueue()
  var literalNext = false
  /// Where the cursor is, and where it was when the line being edited began.
  var column = 0
  var editColumn = 0

  public init() {}

  /// Signals that keys make.
  public enum Signal {
    public static var interrupt: UInt32 { 2 }
    public static var quit: UInt32 { 3 }
    public static var stop: UInt32 { 20 }
  }

  var isCanonical: Bool { settings.local(Settings.Local.canonical) }

  public mutating func apply(_ new: Settings, flushInput: Bool = false) {
    let wasCanonical = isCanonical
    settings = new
    if flushInput { input.clear() }
    // A line half typed becomes readable; there is no line any more.
    if wasCanonical && !isCanonical { input.commit() }
    if !settings.input(Settings.Input.flowControl) { stopped = false }
    literalNext = false
    editColumn = column
  }

  // MARK: The keyboard

  /// False while it is better to leave bytes in the hardware, so that whoever sends them waits. With nothing to
  /// read and a full line the only way out is to take bytes and drop them.
  public var wantsInput: Bool { input.free >= 64 || input.front == input.committed }

  /// A byte arrived. Returns the signal that it means for `group`, or 0.
  public mutating func receive(_ typed: UInt8) -> UInt32 {
    var byte = settings.input(Settings.Input.strip) ? typed & 0x7F : typed
    if literalNext {
      literalNext = false
      insert(byte)
      return 0
    }
    if settings.input(Settings.Input.flowControl) {
      if settings.isSpecial(byte, .stop) {
        stopped = true
        return 0
      }
      if stopped && settings.input(Settings.Input.anyStarts) { stopped = false }
      if settings.isSpecial(byte, .start) {
        stopped = false
        return 0
      }
    }
    if settings.local(Settings.Local.signals) {
      let signal = signal(of: byte)
      if signal != 0 {
        interrupt(byte)
        return signal
      }
    }
    if byte == 0x0D {
      if settings.input(Settings.Input.ignoreCR) { return 0 }
      if settings.input(Settings.Input.crToNL) { byte = 0x0A }
    } else if byte == 0x0A, settings.input(Settings.Input.nlToCR) {
      byte = 0x0D
    }
    if isCanonical { edit(byte) } else { insert(byte) }
    return 0
  }

  private func signal(of byte: UInt8) -> UInt32 {
    if settings.isSpecial(byte, .interrupt) { return Signal.interrupt }
    if settings.isSpecial(byte, .quit) { return Signal.quit }
    if settings.isSpecial(byte, .suspend) { return Signal.stop }
    return 0
  }

  private mutating func interrupt(_ byte: UInt8) {
    stopped = false
    if !settings.local(Settings.Local.noFlush) {
      input.clear()
      output.clear()
    }
    echo(byte)
    editColumn = column
  }

  /// A character of the text, whatever it would mean elsewhere.
  mutating func insert(_ byte: UInt8) {
    // The last place of a line is for its end.
    guard input.free > 1 else { return bell() }
    if input.edited == 0 { editColumn = column }
    input.append(UInt16(byte))
    echo(byte)
    if !isCanonical { input.commit() }
  }

  // MARK: Programs read

  public struct Chunk: BitwiseCopyable {
    /// Bytes put into the buffer; 0 is the end of the file.
    public var count: Int
    /// What `consume` must take away for them.
    var entries: Int
  }

  /// What a read of `limit` bytes would get now, into `buffer`; nil: it has to wait. Takes nothing away.
  public func peek(_ limit: Int, into buffer: UnsafeMutableRawBufferPointer) -> Chunk? {
    let room = min(limit, buffer.count)
    guard room > 0 else { return Chunk(count: 0, entries: 0) }
    let available = input.committed - input.front
    if !isCanonical {
      let minimum = Int(settings[.minimum])
      if available < min(minimum, room) { return nil }
    } else if available == 0 {
      return nil
    }
    var count = 0
    var entries = 0
    while count < room, entries < available {
      let entry = input[input.front + entries]
      if entry == InputQueue.endOfFile {
        // Alone it is the end of the file; after text it only ends this read.
        if count == 0 || isCanonical { entries += 1 }
        break
      }
      entries += 1
      buffer[count] = UInt8(truncatingIfNeeded: entry)
      count += 1
      if isCanonical && endsLine(UInt8(truncatingIfNeeded: entry)) { break }
    }
    return Chunk(count: count, entries: entries)
  }

  public mutating func consume(_ chunk: Chunk) { input.removeFirst(chunk.entries) }

  /// Bytes that a read could get now: FIONREAD.
  public var readable: Int { input.committed - input.front }

  func endsLine(_ byte: UInt8) -> Bool {
    byte == 0x0A || settings.isSpecial(byte, .endOfLine) || settings.isSpecial(byte, .endOfLine2)
  }

  // MARK: Programs write

  /// Takes as many bytes as there is room for what becomes of them; returns how many.
  public mutating func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    var taken = 0
    while taken < bytes.count, output.free >= 8 {
      put(bytes[taken])
      taken += 1
    }
    return taken
  }

  /// Whether `write` would take something.
  public var hasRoom: Bool { output.free >= 8 }

  /// The next byte for the screen; nil if there is none or Ctrl-S holds it.
  public mutating func nextOutput() -> UInt8? { stopped ? nil : output.removeFirst() }

  /// Nothing waits for the line, stopped or not.
  public var isDrained: Bool { output.isEmpty }
  public var hasOutput: Bool { !stopped && !output.isEmpty }

  /// A byte for the screen, processed as `settings.output` says.
  mutating func put(_ byte: UInt8) {
    guard settings.output(Settings.Output.process) else {
      track(byte)
      return output.append(byte)
    }
    if byte == 0x0A, settings.output(Settings.Output.nlToCRNL) {
      output.append(0x0D)
      column = 0
    }
    if byte == 0x09, settings.output(Settings.Output.expandTabs) {
      repeat { show(0x20) } while column & 7 != 0
      return
    }
    show(byte == 0x0D && settings.output(Settings.Output.crToNL) ? 0x0A : byte)
  }

  private mutating func show(_ byte: UInt8) {
    track(byte)
    output.append(byte)
  }

  /// Columns count characters, not bytes: continuation bytes of UTF-8 have no width. Escape sequences are not
  /// understood; they only matter for erasing tabs.
  private mutating func track(_ byte: UInt8) {
    switch byte {
    case 0x0D: column = 0
    case 0x08: column = max(0, column - 1)
    case 0x09: column = (column | 7) &+ 1
    case 0x20...0x7E, 0xC0...0xFF: column &+= 1
    default: break
    }
    column &= 0xFFFF
  }

  mutating func bell() {
    if settings.local(Settings.Local.echo) { output.append(0x07) }
  }
}
