import Foundation
import ToolKit

@main
struct Main {
  static func main() {
    var commands = Commands(Array(CommandLine.arguments.dropFirst()))
    do { try commands.run() } catch {
      FileHandle.standardError.write(Data("simulator: \(error)\n".utf8))
      exit(2)
    }
  }
}
