// Canonical mode: the line being typed can be changed until it is committed by its end.

extension LineDiscipline {
  mutating func edit(_ byte: UInt8) {
    if byte == 0x0A || endsLine(byte) { return endLine(byte) }
    if settings.isSpecial(byte, .endOfFile) { return endFile() }
    if settings.isSpecial(byte, .erase) { return eraseCharacter() }
    if settings.isSpecial(byte, .kill) { return eraseLine(byte) }
    if settings.local(Settings.Local.extended) {
      if settings.isSpecial(byte, .wordErase) { return eraseWord() }
      if settings.isSpecial(byte, .reprint) { return reprint(byte) }
      if settings.isSpecial(byte, .literalNext) {
        literalNext = true
        if settings.local(Settings.Local.echo | Settings.Local.echoControl) {
          output.append(0x5E)  // ^ and back: the next character takes its place
          output.append(0x08)
        }
        return
      }
    }
    insert(byte)
  }

  private mutating func endLine(_ byte: UInt8) {
    // Without any room the line is there to be read, and its end is lost with what did not fit.
    input.append(UInt16(byte))
    input.commit()
    if settings.local(Settings.Local.echo) {
      echo(byte)
    } else if byte == 0x0A, settings.local(Settings.Local.echoNL) {
      put(byte)
    }
    editColumn = column
  }

  private mutating func endFile() {
    input.append(InputQueue.endOfFile)
    input.commit()
    editColumn = column
  }

  /// Ctrl-H: one character, which in UTF-8 may be several bytes.
  private mutating func eraseCharacter() {
    guard input.edited > 0 else { return }
    let before = editWidth
    if settings.input(Settings.Input.utf8) {
      while input.edited > 1, input[input.back - 1] & 0xC0 == 0x80 { input.removeLast() }
    }
    input.removeLast()
    showErased(from: before)
  }

  private mutating func eraseWord() {
    let before = editWidth
    while input.edited > 0, isBlank(input[input.back - 1]) { input.removeLast() }
    while input.edited > 0, !isBlank(input[input.back - 1]) { input.removeLast() }
    showErased(from: before)
  }

  private mutating func eraseLine(_ byte: UInt8) {
    let before = editWidth
    while input.edited > 0 { input.removeLast() }
    if settings.local(Settings.Local.echoKillErase) && settings.local(Settings.Local.echoErase) {
      showErased(from: before)
    } else {
      echo(byte)
      if settings.local(Settings.Local.echo | Settings.Local.echoKill) { put(0x0A) }
      editColumn = column
    }
  }

  private mutating func reprint(_ byte: UInt8) {
    guard settings.local(Settings.Local.echo) else { return }
    echo(byte)
    put(0x0A)
    editColumn = column
    var position = input.committed
    while position < input.back {
      echo(UInt8(truncatingIfNeeded: input[position]))
      position += 1
    }
  }

  private func isBlank(_ entry: UInt16) -> Bool { entry == 0x20 || entry == 0x09 }

  // MARK: Echo

  /// Shows a typed character: control characters as ^X, but for newline and tab.
  mutating func echo(_ byte: UInt8) {
    guard settings.local(Settings.Local.echo) else { return }
    if (byte < 0x20 && byte != 0x0A && byte != 0x09) || byte == 0x7F, settings.local(Settings.Local.echoControl) {
      put(0x5E)
      put(byte ^ 0x40)
    } else {
      put(byte)
    }
  }

  /// Columns of the line being edited, from where it began.
  private var editWidth: Int {
    var column = editColumn
    var position = input.committed
    while position < input.back {
      let byte = UInt8(truncatingIfNeeded: input[position])
      switch byte {
      case 0x09: column = (column | 7) + 1
      case 0x00..<0x20, 0x7F: column += settings.local(Settings.Local.echoControl) ? 2 : 0
      case 0x80..<0xC0: if !settings.input(Settings.Input.utf8) { column += 1 }
      default: column += 1
      }
      position += 1
    }
    return column - editColumn
  }

  private mutating func showErased(from before: Int) {
    guard settings.local(Settings.Local.echo) else { return }
    let after = editWidth
    guard settings.local(Settings.Local.echoErase) else {
      if before != after { echo(settings[.erase]) }
      return
    }
    for _ in 0..<max(0, before - after) {
      put(0x08)
      put(0x20)
      put(0x08)
    }
  }
}
