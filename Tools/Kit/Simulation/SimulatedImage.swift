import Foundation

/// The disk that simulations begin with: empty but for `/bin/play`, the same bytes for everybody.
public enum SimulatedImage {
  /// - Parameter play: the program, as the simulator wants it.
  public static func make(play: [UInt8]) throws -> [UInt8] {
    let folder = NSTemporaryDirectory() + "apus-simulator-\(getpid())"
    defer { Files.remove(folder) }
    for name in ["bin", "dev", "proc", "tmp"] { try Files.makeDirectory(folder + "/tree/" + name) }
    try Files.write(play, to: folder + "/tree/bin/play")
    guard chmod(folder + "/tree/bin/play", 0o755) == 0 else { throw Failure("cannot make /bin/play executable") }
    // The times of files are data of the run.
    for name in ["", "/bin", "/dev", "/proc", "/tmp", "/bin/play"] {
      try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1_704_067_200)], ofItemAtPath: folder + "/tree" + name)
    }
    try DiskImage.make(folder + "/disk", from: folder + "/tree", size: 4 * DiskImage.mebibyte, blockSize: 1024, label: "simulated")
    return try Files.read(folder + "/disk")
  }

  /// The verdict of `e2fsck` on the disk of a run: nil if it is sound.
  public static func complaint(_ disk: [UInt8]) throws -> String? {
    let path = NSTemporaryDirectory() + "apus-simulated-disk-\(getpid())"
    defer { Files.remove(path) }
    try Files.write(disk, to: path)
    return try DiskImage.complaint(path)
  }
}
