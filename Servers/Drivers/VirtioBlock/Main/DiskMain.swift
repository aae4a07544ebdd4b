import IPC
import Runtime
import ServerKit
import Trap
import VirtioBlock
import _Volatile

/// DMA memory on metal: no access is left out, merged or moved.
struct VolatileMemory: DMAMemory {
  let address: UInt64
  let physical: UInt64

  init(address: UInt64, physical: UInt64, length: Int) {
    self.address = address
    self.physical = physical
  }

  private func place(_ offset: Int) -> UInt { UInt(address) + UInt(offset) }
  func read8(_ offset: Int) -> UInt8 { VolatileMappedRegister(unsafeBitPattern: place(offset)).load() }
  func read16(_ offset: Int) -> UInt16 { VolatileMappedRegister(unsafeBitPattern: place(offset)).load() }
  func read32(_ offset: Int) -> UInt32 { VolatileMappedRegister(unsafeBitPattern: place(offset)).load() }
  func write8(_ offset: Int, _ value: UInt8) { VolatileMappedRegister(unsafeBitPattern: place(offset)).store(value) }
  func write16(_ offset: Int, _ value: UInt16) { VolatileMappedRegister(unsafeBitPattern: place(offset)).store(value) }
  func write32(_ offset: Int, _ value: UInt32) { VolatileMappedRegister(unsafeBitPattern: place(offset)).store(value) }
  func write64(_ offset: Int, _ value: UInt64) { VolatileMappedRegister(unsafeBitPattern: place(offset)).store(value) }
}

@c(disk_main)
func disk_main(_ stack: UnsafeRawPointer) {
  serve(VirtioBlockDriver<KernelTrap, VolatileMemory>(), over: KernelTrap())
}
