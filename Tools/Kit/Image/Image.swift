import BootImage
import Foundation

/// All that a machine boots from, made from the products of `MetalBuild`: the archive and the standard disk.
public struct Image {
  public let project: Project
  /// Progress, for the user.
  let say: (String) -> Void

  public init(_ project: Project, say: @escaping (String) -> Void) {
    self.project = project
    self.say = say
  }

  /// Builds what is out of date: products, archive, disk.
  public func make() throws {
    let build = MetalBuild(project)
    if !build.isUpToDate { say("builds kernel, servers and programs") }
    try build.run()
    try Files.makeDirectory(project.output)
    guard Files.exists(project.kernel) else { throw Failure("the build gave no kernel") }
    let newest = Files.newest([build.stamp, project.root + "/Tools/Disk", project.root + "/Tools/Kit/Image"])
    let stamp = project.output + "/made"
    if let made = Files.modified(stamp), made > newest, Files.exists(project.archive), Files.exists(project.disk) { return }
    say("makes the boot archive and the disk")
    try stage(build)
    try makeArchive()
    try makeDisk()
    try Files.write("", to: stamp)
  }

  /// Strips an ELF file of the build into `path`.
  private func strip(_ product: String, to path: String) throws {
    _ = try Child.run([Toolchain.tool("llvm-objcopy"), "--strip-all", project.product(product), path]).succeeded("llvm-objcopy")
  }

  /// The tree of the standard disk: Tools/Disk, the programs, and the empty folders that git does not keep.
  private func stage(_ build: MetalBuild) throws {
    Files.remove(project.staging)
    do { try FileManager.default.copyItem(atPath: project.root + "/Tools/Disk", toPath: project.staging) } catch {
      throw Failure("cannot copy Tools/Disk to \(project.staging)")
    }
    for folder in ["bin", "dev", "etc", "home", "mnt", "proc", "tmp"] { try Files.makeDirectory(project.staging + "/" + folder) }
    for name in build.programs { try strip("bin-" + name, to: project.staging + "/bin/" + name) }
  }

  private func makeArchive() throws {
    let stripped = project.output + "/modules"
    try Files.makeDirectory(stripped)
    var modules: [Archive.Module] = []
    for name in MetalBuild.modules {
      guard Files.exists(project.product(name)) else {
        say("no '\(name)' was built: the boot archive goes without it")
        continue
      }
      try strip(name, to: stripped + "/" + name)
      modules.append(Archive.Module(name: name, contents: try Files.read(stripped + "/" + name)))
    }
    let ramDisk = project.output + "/ramdisk.img"
    try DiskImage.make(ramDisk, from: project.staging, size: DiskImage.room(for: project.staging, free: 2 * DiskImage.mebibyte), blockSize: 1024, label: "ram")
    modules.append(Archive.Module(name: "\(BootTable.ramDiskModule)", contents: try Files.read(ramDisk)))
    let symbols = try SymbolModule.functions(of: project.kernel)
    modules.append(Archive.Module(name: "\(SymbolTable.module)", contents: SymbolModule.bytes(symbols)))
    try Files.write(Archive.bytes(modules), to: project.archive)
  }

  /// The user's disk lives on: only what the build makes (/bin and the files of Tools/Disk) is replaced in it.
  private func makeDisk() throws {
    guard Files.exists(project.disk) else {
      return try DiskImage.make(project.disk, from: project.staging, size: Self.diskSize)
    }
    let files = Files.tree(project.staging).map { (inside: "/" + $0, outside: project.staging + "/" + $0) }
    do { try DiskImage.update(project.disk, files) } catch {
      throw Failure("\(error)\nYour files are still in it. `Tools/apus clean --disk` starts with a new one.")
    }
  }

  public static let diskSize = 64 * DiskImage.mebibyte

  /// A disk of its own for a test or a drill: the standard tree, over it what is in `folder`, over that small `files`
  /// (path inside, contents).
  public func makeDisk(_ path: String, adding folder: String? = nil, files: [String: String] = [:], size: Int? = nil, blockSize: Int? = nil) throws {
    let tree = path + ".tree"
    Files.remove(tree)
    defer { Files.remove(tree) }
    _ = try Child.run(["cp", "-a", project.staging, tree]).succeeded("cp")
    if let folder { _ = try Child.run(["cp", "-a", folder + "/.", tree]).succeeded("cp") }
    for (name, text) in files {
      try Files.makeDirectory((tree + "/" + name as NSString).deletingLastPathComponent)
      try Files.write(text, to: tree + "/" + name)
    }
    try DiskImage.make(path, from: tree, size: size ?? DiskImage.room(for: tree, free: Self.diskSize), blockSize: blockSize)
  }
}
