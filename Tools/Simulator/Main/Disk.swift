import Simulator
import ToolKit

enum Disk {
  static func standard() throws -> [UInt8] { try SimulatedImage.make(play: BootModules.play) }
}
