// What the parser makes of a script: POSIX.1-2024, Shell Command Language, 2.9 and 2.10.

/// A word before expansion.
public struct Word {
  public var parts: [Part]
  public init(_ parts: [Part] = []) { self.parts = parts }

  /// The word if it is plain text without any quoting, as reserved words and names are.
  public var literal: [UInt8]? {
    guard parts.count == 1, case .text(let text, let quoted) = parts[0], !quoted else { return nil }
    return text
  }
}

/// A piece of a word. `quoted`: neither split into fields nor taken for a pattern.
public enum Part {
  case text([UInt8], quoted: Bool)
  case parameter(Parameter, quoted: Bool)
  /// $(list) or `list`.
  case command(List, quoted: Bool)
  /// $((expression)).
  case arithmetic(Word, quoted: Bool)
}

/// $name, ${name:-word} and so on.
public struct Parameter {
  public enum Operation: Equatable {
    case value
    /// ${#name}
    case length
    /// - = ? +
    case useDefault, assignDefault, complain, alternative
    /// % %% # ##
    case cutShortSuffix, cutLongSuffix, cutShortPrefix, cutLongPrefix
  }
  public var name: [UInt8]
  public var operation: Operation
  /// With a colon: an empty value counts as none.
  public var colon: Bool
  public var argument: Word

  public init(name: [UInt8], operation: Operation = .value, colon: Bool = false, argument: Word = Word()) {
    self.name = name
    self.operation = operation
    self.colon = colon
    self.argument = argument
  }
}

/// The text of a here-document comes after the line that names it: the parser hands this out, the lexer fills it.
public final class HereDocument {
  public var body = Word()
  init() {}
}

public struct Redirection {
  public enum Operation: Equatable {
    /// < > >> <> and >| (as >).
    case read, write, append, readWrite
    /// <& and >&: the target is a descriptor, or - to close.
    case duplicate
    case hereDocument
  }
  public var descriptor: Int
  public var operation: Operation
  public var target: Word
  public var hereDocument: HereDocument?
}

public struct Assignment {
  public var name: [UInt8]
  public var value: Word
}

public struct SimpleCommand {
  public var assignments: [Assignment] = []
  public var words: [Word] = []
}

public struct CaseArm {
  public var patterns: [Word]
  public var body: List
}

public struct Branch {
  public var condition: List
  public var body: List
}

public struct Command {
  public indirect enum Kind {
    case simple(SimpleCommand)
    case subshell(List)
    case group(List)
    case conditional([Branch], otherwise: List?)
    case loop(Branch, until: Bool)
    /// `words` nil: over "$@".
    case forEach(name: [UInt8], words: [Word]?, body: List)
    case choose(Word, [CaseArm])
    case function(name: [UInt8], body: Command)
  }
  public var kind: Kind
  public var redirections: [Redirection]
}

public struct Pipeline {
  public var commands: [Command]
  public var negated: Bool
}

/// Pipelines joined by && and ||, from left to right.
public struct AndOr {
  public var first: Pipeline
  public var rest: [(isAnd: Bool, pipeline: Pipeline)]
  public var background: Bool
  /// The source text, for `jobs`.
  public var text: [UInt8]
}

public struct List {
  public var items: [AndOr]
  public init(items: [AndOr] = []) { self.items = items }
}

/// Why a text is no script.
public struct SyntaxError: Error, Equatable {
  /// The text ends too early: more lines may complete it.
  public var incomplete: Bool
  /// What was found, or what is missing.
  public var text: [UInt8]
  public var line: Int
}
