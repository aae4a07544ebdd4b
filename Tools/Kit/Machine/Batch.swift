/// Runs shell commands in a machine without a terminal: the word `batch` on the kernel's command line makes `init`
/// start a shell that neither prompts nor echoes and the machine end with its status.
public struct Batch {
  public static let word = "batch"
  /// What the tty driver says on the kernel's log when the shell is there to read.
  public static let ready = "tty: first read"

  public struct Result {
    public var ending: Ending
    public var output: String
    public var log: String
  }

  /// Feeds `script` to the shell and then Ctrl-D; nil: nothing is typed. `listener` gets the output as it comes,
  /// `watcher` is called every now and then and can ask for the kernel's log so far.
  public static func run(
    _ machine: Machine, script: String?, seconds: Int, listener: (([UInt8]) -> Void)? = nil, watcher: ((() -> String) -> Void)? = nil
  ) throws -> Result {
    let session = try Session(machine, seconds: seconds)
    session.listener = listener
    if let watcher { session.watcher = { [unowned session] in watcher { session.log } } }
    if let script, session.expectInLog(ready) {
      session.type(script.hasSuffix("\n") || script.isEmpty ? script : script + "\n")
      session.type("\u{4}")
    }
    let ending = session.end()
    return Result(ending: ending, output: session.text, log: session.log)
  }
}
