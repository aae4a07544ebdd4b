// What the CPU and the entry code lay down in memory, and the instructions that Swift has no words for, one a
// function. Intel SDM vol. 3 for all of it.
#ifndef APUS_X86_H
#define APUS_X86_H
#include <stddef.h>
#include <stdint.h>
#include "x86_layout.h"

#pragma clang assume_nonnull begin

// The registers of a thread. The CPU pushes rip...ss straight into it (TSS.RSP0 points at its end, which must be
// aligned to 16), the stubs push the rest.
typedef struct {
  uint64_t rbx, r12, r13, r14, r15, r8, r9, r10;  // the eight words of a message
  uint64_t rax, rdi, rsi, rdx;                    // operation, destination, source, deadline
  uint64_t rcx, r11, rbp;
  uint64_t entry;  // a vector, ENTRY_SYSCALL, ENTRY_SYSENTER or ENTRY_FULL
  uint64_t error;
  uint64_t rip, cs, flags, rsp, ss;
} __attribute__((aligned(16))) apus_context;

// The 64-bit TSS; packed because RSP0 is not aligned.
typedef struct {
  uint32_t reserved0;
  uint64_t rsp[3];
  uint64_t reserved1;
  uint64_t ist[7];
  uint64_t reserved2;
  uint16_t reserved3, io_map_base;
} __attribute__((packed)) apus_tss;

// What few threads have; loaded and taken away at a switch only if one of the two has any. On 64 bytes, behind the vector registers.
typedef struct {
  uint64_t fs, gs;       // bases
  uint64_t address[4];   // DR0 ... DR3
  uint32_t control;      // DR7
  uint32_t status;       // DR6: what was noticed
  uint64_t is_used;      // whether anything of it is not as in a new thread
} apus_special;
_Static_assert(sizeof(apus_special) == EXTENDED_STRIDE - EXTENDED_SIZE && EXTENDED_STRIDE % 64 == 0, "XSAVE wants its areas aligned");

// What belongs to one processor. The first fields are known to the assembly.
typedef struct {
  apus_context *_Nullable current;  // the thread that was resumed last; null in idle
  uint64_t stack;          // top of this processor's kernel stack
  uint64_t scratch;        // the user's rsp for the first instructions of SYSCALL
  uint64_t root;           // what CR3 holds
  uint64_t kernel_root;    // top table without a user half, for idle
  uint8_t *_Nullable fpu;  // whose state is in the FPU registers: its place in memory; null: nobody's
  uint8_t *fpu_states;  // EXTENDED_STRIDE bytes a thread slot
  uint64_t fpu_mxcsr_mask; // bits of MXCSR that this CPU has
  apus_tss *tss;
  void *self;     // this very struct
  void *core;     // the kernel core that runs here
  // For the fast path: the thread table, a mask for slots, a count.
  void *_Nullable threads;
  uint64_t slots;
  uint64_t fast_calls;
  uint64_t fpu_features;   // what XCR0 holds; 0: no XSAVE
  apus_special *_Nullable special;  // whose the bases and debug registers are; null: as in a new thread
  // The MSR that says where programs enter, and both places: with the fast path and without. 0: always without.
  uint32_t entry_register;
  uint64_t entry_fast, entry_full;
} apus_cpu;

#define APUS_AT(type, field, offset) _Static_assert(offsetof(type, field) == offset, #field)
APUS_AT(apus_context, rbx, CONTEXT_RBX);
APUS_AT(apus_context, r12, CONTEXT_R12);
APUS_AT(apus_context, r13, CONTEXT_R13);
APUS_AT(apus_context, r14, CONTEXT_R14);
APUS_AT(apus_context, r15, CONTEXT_R15);
APUS_AT(apus_context, r8, CONTEXT_R8);
APUS_AT(apus_context, r9, CONTEXT_R9);
APUS_AT(apus_context, r10, CONTEXT_R10);
APUS_AT(apus_context, rax, CONTEXT_RAX);
APUS_AT(apus_context, rdi, CONTEXT_RDI);
APUS_AT(apus_context, rsi, CONTEXT_RSI);
APUS_AT(apus_context, rdx, CONTEXT_RDX);
APUS_AT(apus_context, rcx, CONTEXT_RCX);
APUS_AT(apus_context, r11, CONTEXT_R11);
APUS_AT(apus_context, rbp, CONTEXT_RBP);
APUS_AT(apus_context, entry, CONTEXT_ENTRY);
APUS_AT(apus_context, error, CONTEXT_ERROR);
APUS_AT(apus_context, rip, CONTEXT_RIP);
APUS_AT(apus_context, cs, CONTEXT_CS);
APUS_AT(apus_context, flags, CONTEXT_FLAGS);
APUS_AT(apus_context, rsp, CONTEXT_RSP);
APUS_AT(apus_context, ss, CONTEXT_SS);
_Static_assert(sizeof(apus_context) == CONTEXT_SIZE && CONTEXT_SIZE % 16 == 0, "RSP0 must be aligned");
APUS_AT(apus_cpu, current, CPU_CURRENT);
APUS_AT(apus_cpu, stack, CPU_STACK);
APUS_AT(apus_cpu, scratch, CPU_SCRATCH);
APUS_AT(apus_cpu, self, CPU_SELF);
APUS_AT(apus_cpu, threads, CPU_THREADS);
APUS_AT(apus_cpu, slots, CPU_SLOTS);
APUS_AT(apus_cpu, fast_calls, CPU_FAST);
APUS_AT(apus_tss, rsp, TSS_RSP0);
_Static_assert(sizeof(apus_cpu) <= CPU_TSS, "the TSS is behind it");
_Static_assert(sizeof(apus_tss) == 104, "TSS");
#undef APUS_AT

#if defined(__x86_64__)
#define APUS_INLINE __attribute__((always_inline)) static inline

// MARK: Ports

APUS_INLINE void x86_out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
APUS_INLINE void x86_out16(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
APUS_INLINE void x86_out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
APUS_INLINE uint8_t x86_in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
APUS_INLINE uint16_t x86_in16(uint16_t port) {
  uint16_t value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
APUS_INLINE uint32_t x86_in32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
APUS_INLINE void x86_out_bytes(uint16_t port, const void *bytes, uint64_t count) {
  __asm__ volatile("rep outsb" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
}

// MARK: Control registers, model-specific registers, CPUID, time

APUS_INLINE uint64_t x86_read_cr0(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr0, %0" : "=r"(value));
  return value;
}
APUS_INLINE void x86_write_cr0(uint64_t value) { __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory"); }
APUS_INLINE uint64_t x86_read_cr2(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}
APUS_INLINE uint64_t x86_read_cr3(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr3, %0" : "=r"(value));
  return value;
}
APUS_INLINE void x86_write_cr3(uint64_t value) { __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory"); }
APUS_INLINE uint64_t x86_read_cr4(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr4, %0" : "=r"(value));
  return value;
}
APUS_INLINE void x86_write_cr4(uint64_t value) { __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }
APUS_INLINE void x86_write_dr7(uint64_t value) { __asm__ volatile("mov %0, %%dr7" : : "r"(value)); }
APUS_INLINE uint64_t x86_read_dr6(void) {
  uint64_t value;
  __asm__ volatile("mov %%dr6, %0" : "=r"(value));
  return value;
}
APUS_INLINE void x86_write_dr6(uint64_t value) { __asm__ volatile("mov %0, %%dr6" : : "r"(value)); }
APUS_INLINE void x86_write_watched(const uint64_t *addresses) {
  __asm__ volatile("mov %0, %%dr0\n\tmov %1, %%dr1\n\tmov %2, %%dr2\n\tmov %3, %%dr3"
    : : "r"(addresses[0]), "r"(addresses[1]), "r"(addresses[2]), "r"(addresses[3]));
}
// Null selectors in DS, ES, FS and the user's GS, whose base lies behind SWAPGS. May clear the bases of the last two.
APUS_INLINE void x86_clear_selectors(void) {
  __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%fs\n\tswapgs\n\tmov %0, %%gs\n\tswapgs" : : "r"(0) : "memory");
}
APUS_INLINE uint64_t x86_read_msr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
  return (uint64_t)high << 32 | low;
}
APUS_INLINE void x86_write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
typedef struct {
  uint32_t a, b, c, d;
} apus_cpuid;
APUS_INLINE apus_cpuid x86_cpuid(uint32_t leaf) {
  apus_cpuid result;
  __asm__ volatile("cpuid" : "=a"(result.a), "=b"(result.b), "=c"(result.c), "=d"(result.d) : "0"(leaf), "2"(0));
  return result;
}
// Of a leaf with parts, like 13.
APUS_INLINE apus_cpuid x86_cpuid_part(uint32_t leaf, uint32_t part) {
  apus_cpuid result;
  __asm__ volatile("cpuid" : "=a"(result.a), "=b"(result.b), "=c"(result.c), "=d"(result.d) : "0"(leaf), "2"(part));
  return result;
}
// Which registers XSAVE keeps; needs CR4.OSXSAVE.
APUS_INLINE void x86_write_xcr0(uint64_t value) {
  __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
APUS_INLINE uint64_t x86_read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
APUS_INLINE uint64_t x86_timestamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}
// Random numbers of the processor (Intel SDM vol. 2, RDRAND, RDSEED); 0 if it has none just now. Only where CPUID names them.
APUS_INLINE uint64_t x86_rdrand(void) {
  uint64_t value;
  uint8_t good;
  __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(good) : : "cc");
  return good ? value : 0;
}
APUS_INLINE uint64_t x86_rdseed(void) {
  uint64_t value;
  uint8_t good;
  __asm__ volatile("rdseed %0; setc %1" : "=r"(value), "=qm"(good) : : "cc");
  return good ? value : 0;
}
APUS_INLINE void x86_invalidate(uint64_t address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }
APUS_INLINE void x86_halt_forever(void) {
  for (;;) __asm__ volatile("cli; hlt");
}
APUS_INLINE uint64_t x86_frame_pointer(void) { return (uint64_t)__builtin_frame_address(0); }

// The struct of the processor that executes this; valid once GS is loaded.
APUS_INLINE apus_cpu *x86_this_cpu(void) {
  apus_cpu *cpu;
  __asm__("mov %%gs:%c1, %0" : "=r"(cpu) : "i"(CPU_SELF));
  return cpu;
}
APUS_INLINE void x86_device_write(uint64_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
APUS_INLINE uint32_t x86_device_read(uint64_t address) { return *(volatile uint32_t *)address; }

// MARK: Descriptor tables

typedef struct {
  uint16_t limit;
  uint64_t base;
} __attribute__((packed)) apus_table;
APUS_INLINE void x86_load_idt(const void *base, uint16_t limit) {
  apus_table table = {limit, (uint64_t)base};
  __asm__ volatile("lidt %0" : : "m"(table));
}
// Loads the GDT, then every segment register and the task register from it.
APUS_INLINE void x86_load_gdt(const void *base, uint16_t limit) {
  apus_table table = {limit, (uint64_t)base};
  __asm__ volatile(
      "lgdt %0\n\t"
      "mov %1, %%ds\n\tmov %1, %%es\n\tmov %1, %%ss\n\tmov %2, %%fs\n\tmov %2, %%gs\n\t"
      "pushq %3\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n1:\n\t"
      "ltr %w4"
      : : "m"(table), "r"(X86_KERNEL_DATA), "r"(0), "i"(X86_KERNEL_CODE), "r"(X86_TSS) : "rax", "memory");
}

// MARK: Floating point

APUS_INLINE void x86_fxsave(void *area) { __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory"); }
APUS_INLINE void x86_fxrstor(const void *area) { __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory"); }
// `area`: EXTENDED_SIZE bytes, aligned to 64.
APUS_INLINE void x86_xsave(void *area) { __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(EXTENDED_FEATURES), "d"(0) : "memory"); }
APUS_INLINE void x86_xrstor(const void *area) { __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(EXTENDED_FEATURES), "d"(0) : "memory"); }
APUS_INLINE void x86_fninit(void) { __asm__ volatile("fninit"); }
#endif

#pragma clang assume_nonnull end
#endif
