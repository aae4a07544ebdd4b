import Script
import Simulator
import ToolKit

@main
struct Main {
  static func main() {
    do { try Commands(Array(CommandLine.arguments.dropFirst())).run() } catch {
      print("simulator: \(error)")
    }
  }
}
