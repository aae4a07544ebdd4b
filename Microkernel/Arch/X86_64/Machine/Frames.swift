import PageTable
import PhysicalMemory

/// Frames at boot, through the linear map, which start.S has set up for the first 4 GiB.
public enum Frames {
  public static func pointer(_ physical: UInt64) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(AddressSpace.kernelLinear &+ physical)).unsafelyUnwrapped
  }

  public static func take(_ length: UInt64, _ frames: inout MemoryMap) -> UInt64 { LinearFrames().take(length, &frames) }

  public static func zeroed(_ frames: inout MemoryMap, length: UInt64 = 4096) -> UInt64 { LinearFrames().zeroed(&frames, length: length) }
}

/// The same for code that builds tables on every host.
public struct LinearFrames: FrameAccess {
  public init() {}
  public func pointer(_ physical: UInt64) -> UnsafeMutableRawPointer { Frames.pointer(physical) }
  public func stop(_ reason: StaticString) -> Never { Panic.stop(reason) }
}
