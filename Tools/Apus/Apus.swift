import ArgumentParser
import Foundation
import ToolKit

@main struct Apus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus",
    abstract: "Builds, boots and tests Apus, a self-healing microkernel operating system.",
    discussion: """
      EXAMPLES
        apus boot                           a shell on the terminal; Ctrl-A x ends the machine
        echo 'ps' | apus boot               runs shell commands, ends with the shell's status
        apus sim                            the same, each part a Linux process, no QEMU
        apus boot --iso --cpu qemu64        by GRUB, on the plainest processor
        apus test --fast                    unit tests only
        apus drill disk-driver-dies         kills the disk driver 200 times under a workload
        echo 'ls /' | apus trace            every message that it takes, by name
        apus vmmap --output memory.svg      address spaces and all frames, as a picture
        apus simulate files --seed 7        the whole system in one process, every run the same
        apus campaign --minutes 2           every message as a crash point, in the simulator
        apus planted                        mistakes put into a copy of the tree: do the tests find them?
        apus bench ipc-roundtrip null-call  guest instructions, beside the figures of others
      """,
    subcommands: [
      Boot.self, Sim.self, Test.self, DrillCommand.self, CampaignCommand.self, PlantedCommand.self, BenchCommand.self, TraceCommand.self, VMMapCommand.self, Simulate.self, ImageCommand.self,
      Symbolize.self, Clean.self,
    ])
}

/// Progress and complaints, on standard error: standard output holds results only.
func say(_ text: String) { FileHandle.standardError.write(Data("apus: \(text)\n".utf8)) }
