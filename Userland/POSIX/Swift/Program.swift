import IPC

/// What a program was started with.
public struct Program {
  /// As the user called it: its messages begin with this.
  public var name: [UInt8]
  public var arguments: [[UInt8]]
  /// NAME=value.
  public var environment: [[UInt8]]

  public init(name: [UInt8], arguments: [[UInt8]], environment: [[UInt8]]) {
    self.name = name
    self.arguments = arguments
    self.environment = environment
  }

  /// Reads the System V start-up stack: argc, argv[], 0, envp[], 0.
  public init(stack: UnsafeRawPointer) {
    let words = stack.assumingMemoryBound(to: UInt.self)
    // The stack was laid by VM for this process; a null pointer in it ends the list.
    func list(_ at: inout Int) -> [[UInt8]] {
      var strings: [[UInt8]] = []
      while let string = UnsafePointer<UInt8>(bitPattern: words[at]) {
        strings.append([UInt8](cString: string))
        at += 1
      }
      at += 1
      return strings
    }
    var at = 1
    arguments = list(&at)
    environment = list(&at)
    name = arguments.isEmpty ? [UInt8]("program") : baseName(arguments.removeFirst())
  }

  /// getenv(3).
  public func variable(_ name: StaticString) -> [UInt8]? {
    for entry in environment where entry.starts(with: name) && entry.count > name.utf8CodeUnitCount && entry[name.utf8CodeUnitCount] == "=" {
      return entry.slice(from: name.utf8CodeUnitCount + 1)
    }
    return nil
  }
}

/// The whole life of a program: reads the stack, runs `body`, ends with its status.
public func run(_ stack: UnsafeRawPointer, _ body: (Program) -> Int) -> Never {
  exit(body(Program(stack: stack)))
}

extension Program {
  /// `name: what: words for the error`, on descriptor 2.
  public func complain(_ what: [UInt8], _ error: Errno) {
    complain(what, [UInt8](errorText(error)))
  }

  public func complain(_ what: [UInt8], _ why: StaticString) { complain(what, [UInt8](why)) }

  public func complain(_ what: [UInt8], _ why: [UInt8]) {
    var text = name
    text += ": "
    if !what.isEmpty {
      text += what
      text += ": "
    }
    text += why
    text += "\n"
    printError(text)
  }

  public func complain(_ why: StaticString) { complain([], [UInt8](why)) }

  /// Complains and ends the program.
  public func die(_ what: [UInt8], _ error: Errno, status: Int = 1) -> Never {
    complain(what, error)
    exit(status)
  }

  public func die(_ why: StaticString, status: Int = 1) -> Never {
    complain(why)
    exit(status)
  }
}
