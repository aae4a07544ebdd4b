import POSIX

/// A pattern of globbing, `case` and ${x%pattern}: POSIX 2.14. A quoted byte stands for itself.
public struct Pattern {
  enum Piece {
    case byte(UInt8)
    case any  // ?
    case star
    case set(ByteSet)
  }
  private(set) var pieces: [Piece] = []

  /// - Parameter quoted: as long as `bytes`; nonzero for bytes without a special meaning.
  init(_ bytes: [UInt8], quoted: [UInt8]) {
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if quoted[index - 1] != 0 {
        pieces.append(.byte(byte))
        continue
      }
      switch byte {
      case "*":
        if case .star? = pieces.last { continue }
        pieces.append(.star)
      case "?": pieces.append(.any)
      case "[":
        if let set = ByteSet(bytes, quoted, &index) { pieces.append(.set(set)) } else { pieces.append(.byte(byte)) }
      default: pieces.append(.byte(byte))
      }
    }
  }

  public init(_ text: [UInt8]) { self.init(text, quoted: [UInt8](repeating: 0, count: text.count)) }

  /// Whether any piece is more than a byte.
  var isSpecial: Bool {
    for piece in pieces {
      if case .byte = piece { continue }
      return true
    }
    return false
  }

  /// Whether the whole text matches. Time is at most pieces times bytes: only the last star is ever tried again.
  public func matches(_ text: [UInt8]) -> Bool {
    var piece = 0, at = 0
    var starPiece = -1, starAt = 0
    while at < text.count {
      if piece < pieces.count {
        if case .star = pieces[piece] {
          starPiece = piece
          starAt = at
          piece += 1
          continue
        }
        if one(pieces[piece], text[at]) {
          piece += 1
          at += 1
          continue
        }
      }
      guard starPiece >= 0 else { return false }
      starAt += 1
      at = starAt
      piece = starPiece + 1
    }
    while piece < pieces.count {
      guard case .star = pieces[piece] else { return false }
      piece += 1
    }
    return true
  }

  private func one(_ piece: Piece, _ byte: UInt8) -> Bool {
    switch piece {
    case .byte(let wanted): wanted == byte
    case .any: true
    case .star: false
    case .set(let set): set.contains(byte)
    }
  }
}

extension ByteSet {
  /// [abc], [a-z], [!x], [[:digit:]]: `index` is behind the opening bracket; on success behind the closing one. Nil if there
  /// is none.
  init?(_ bytes: [UInt8], _ quoted: [UInt8], _ index: inout Int) {
    self.init()
    var at = index
    func special(_ position: Int, _ scalar: Unicode.Scalar) -> Bool {
      position < bytes.count && quoted[position] == 0 && bytes[position] == scalar
    }
    let negated = special(at, "!") || special(at, "^")
    if negated { at += 1 }
    var first = true
    while true {
      guard at < bytes.count else { return nil }
      if !first, special(at, "]") { break }
      first = false
      if special(at, "["), special(at + 1, ":") {
        var end = at + 2
        while end < bytes.count, bytes[end].isLower { end += 1 }
        if special(end, ":"), special(end + 1, "]") {
          insert(class: bytes.slice(at + 2..<end))
          at = end + 2
          continue
        }
      }
      let low = bytes[at]
      if special(at + 1, "-"), at + 2 < bytes.count, !special(at + 2, "]") {
        let high = bytes[at + 2]
        if low <= high { for byte in low...high { insert(byte) } }
        at += 3
      } else {
        insert(low)
        at += 1
      }
    }
    index = at + 1
    if negated { invert() }
  }
}
