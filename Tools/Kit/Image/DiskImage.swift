import Foundation

/// ext2 images, made by `mke2fs` from a folder and judged by `e2fsck`.
public enum DiskImage {
  public static let mebibyte = 1 << 20

  /// A new image with the contents of `folder`. The same contents give the same bytes.
  public static func make(_ path: String, from folder: String, size: Int, blockSize: Int? = nil, label: String = "apus") throws {
    let new = path + ".new"
    Files.remove(new)
    var command = ["mke2fs", "-q", "-F", "-t", "ext2", "-L", label, "-d", folder]
    command += ["-U", "61707573-0000-4000-8000-000000000001", "-E", "hash_seed=61707573-0000-4000-8000-000000000002,root_owner=0:0"]
    // Of small disks mke2fs would make blocks of 1 KiB, each of which costs a look-up.
    command += ["-b", "\(blockSize ?? 4096)"]
    _ = try Child.run(command + [new, "\(size / 1024)k"], environment: ["E2FSPROGS_FAKE_TIME": "1704067200"]).succeeded("mke2fs")
    guard rename(new, path) == 0 else { throw Failure("cannot write \(path)") }
  }

  /// What the contents of `folder` take on a disk, with some room for the file system itself.
  public static func room(for folder: String, free: Int) -> Int {
    let files = Files.tree(folder)
    let data = files.reduce(0) { $0 + (Files.size(folder + "/" + $1) + 4095) / 4096 * 4096 + 512 }
    return (data + data / 16 + free + mebibyte - 1) / mebibyte * mebibyte
  }

  /// Repairs what a machine that was cut off leaves: `e2fsck -p`.
  public static func tidy(_ path: String) throws {
    let check = try Child.run(["e2fsck", "-p", path])
    guard check.status <= 1 else { throw Failure("\(path) is damaged; e2fsck says:\n\(check.output)") }
  }

  /// The verdict of `e2fsck -fn`: nil if clean, else what it says.
  public static func complaint(_ path: String) throws -> String? {
    let check = try Child.run(["e2fsck", "-fn", path])
    return check.status == 0 ? nil : check.output
  }

  /// Replaces files of an image by files of the host, leaving all others alone. Folders must exist in the image.
  public static func update(_ path: String, _ files: [(inside: String, outside: String)]) throws {
    try tidy(path)
    var script = ""
    for file in files {
      script += "rm \(file.inside)\nwrite \(file.outside) \(file.inside)\nsif \(file.inside) uid 0\nsif \(file.inside) gid 0\n"
    }
    let commands = path + ".commands"
    try Files.write(script, to: commands)
    defer { Files.remove(commands) }
    _ = try Child.run(["debugfs", "-w", "-f", commands, path]).succeeded("debugfs")
    if let complaint = try complaint(path) { throw Failure("\(path) is damaged after its update:\n\(complaint)") }
  }

  /// One file's bytes out of an image; nil if it is not there.
  public static func contents(of inside: String, in path: String) throws -> [UInt8]? {
    let out = path + ".extracted"
    Files.remove(out)
    defer { Files.remove(out) }
    _ = try Child.run(["debugfs", "-R", "dump \(inside) \(out)", path])
    return Files.exists(out) ? try Files.read(out) : nil
  }
}
