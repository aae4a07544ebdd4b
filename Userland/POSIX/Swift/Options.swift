/// Command-line options after POSIX's utility syntax: `-la -n 3 -n3 -- operands`.
public struct Options {
  public private(set) var operands: [[UInt8]] = []
  private var seen: [(letter: UInt8, value: [UInt8])] = []

  /// Whether `letter` was given.
  public subscript(_ letter: Unicode.Scalar) -> Bool {
    for option in seen where option.letter == letter { return true }
    return false
  }

  /// The last value given for `letter`.
  public func value(_ letter: Unicode.Scalar) -> [UInt8]? {
    var value: [UInt8]?
    for option in seen where option.letter == letter { value = option.value }
    return value
  }

  /// Which of these letters came last, if any did.
  public func last(of letters: StaticString) -> UInt8? {
    var last: UInt8?
    let letters = [UInt8](letters)
    for option in seen {
      for letter in letters where letter == option.letter { last = letter }
    }
    return last
  }

  public enum Failure: Equatable, Error {
    case unknown(UInt8)
    case missingValue(UInt8)
  }

  /// - Parameter accepted: letters as in getopt(3), a colon after those that take a value.
  public init(_ arguments: [[UInt8]], _ accepted: StaticString) throws(Failure) {
    let accepted = [UInt8](accepted)
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      guard argument.count > 1, argument[0] == "-" else { break }
      index += 1
      if argument == "--" { break }
      var at = 1
      while at < argument.count {
        let letter = argument[at]
        at += 1
        var place = 0
        while place < accepted.count, accepted[place] != letter { place += 1 }
        guard place < accepted.count, letter != ":" else { throw .unknown(letter) }
        guard place + 1 < accepted.count, accepted[place + 1] == ":" else {
          seen.append((letter, []))
          continue
        }
        if at < argument.count {
          seen.append((letter, argument.slice(from: at)))
          at = argument.count
        } else if index < arguments.count {
          seen.append((letter, arguments[index]))
          index += 1
        } else {
          throw .missingValue(letter)
        }
      }
    }
    while index < arguments.count {
      operands.append(arguments[index])
      index += 1
    }
  }
}

extension Program {
  /// The program's options. `--help` prints the usage and ends it; a mistake prints it as an error and ends it with
  /// `status`.
  /// - Parameter usage: what comes after the program's name in the usage line, then further lines of help.
  public func options(_ accepted: StaticString, usage: StaticString, status: Int = 1) -> Options {
    for argument in arguments {
      if argument == "--" { break }
      if argument == "--help" {
        printBytes(usageText(usage))
        exit(0)
      }
    }
    do throws(Options.Failure) {
      return try Options(arguments, accepted)
    } catch {
      var text = name
      switch error {
      case .unknown(let letter):
        text += ": invalid option -- '"
        text.append(letter)
        text += "'\n"
      case .missingValue(let letter):
        text += ": option requires an argument -- '"
        text.append(letter)
        text += "'\n"
      }
      printError(text + usageText(usage))
      exit(status)
    }
  }

  /// Prints the usage as an error and ends the program.
  public func misused(_ usage: StaticString, status: Int = 1) -> Never {
    printError(usageText(usage))
    exit(status)
  }

  private func usageText(_ usage: StaticString) -> [UInt8] {
    var text = [UInt8]("usage: ")
    text += name
    if usage.utf8CodeUnitCount != 0 { text += " " }
    text += usage
    text += "\n"
    return text
  }
}
