/// A CD that GRUB boots: kernel and archive by Multiboot2.
public enum ISO {
  public static func configuration(words: [String]) -> String {
    let line = words.joined(separator: " ")
    return """
      set timeout=0
      set default=0
      menuentry "Apus" {
        multiboot2 /boot/kernel \(line)
        module2 /boot/archive archive
        boot
      }

      """
  }

  /// Makes `path`; the command line is part of it.
  public static func make(_ path: String, kernel: String, archive: String, words: [String]) throws {
    let tree = path + ".tree"
    Files.remove(tree)
    defer { Files.remove(tree) }
    try Files.makeDirectory(tree + "/boot/grub")
    _ = try Child.run([Toolchain.tool("llvm-objcopy"), "--strip-debug", kernel, tree + "/boot/kernel"]).succeeded("llvm-objcopy")
    _ = try Child.run(["cp", archive, tree + "/boot/archive"]).succeeded("cp")
    try Files.write(configuration(words: words), to: tree + "/boot/grub/grub.cfg")
    _ = try Child.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", path, tree]).succeeded("grub-mkrescue")
  }
}
