// Single instructions that benchmarks and hostile programs need, and no other program.
#ifndef APUS_PROBE_H
#define APUS_PROBE_H
#include <stdint.h>

#if defined(__x86_64__)
// How many ticks a loop of 2,001 instructions takes, the clock's own cost taken off: 2,001 where a tick is an instruction.
__attribute__((always_inline)) static inline uint64_t apus_calibrate(void) {
  uint64_t empty, full;
  __asm__ volatile(
      "lfence\n\trdtsc\n\tmov %%eax, %%esi\n\tlfence\n\trdtsc\n\tsub %%esi, %%eax\n\tmov %%rax, %0"
      : "=r"(empty) : : "rax", "rdx", "rsi", "cc");
  __asm__ volatile(
      "lfence\n\trdtsc\n\tmov %%eax, %%esi\n\tmov $1000, %%ecx\n1:\tdec %%ecx\n\tjnz 1b\n\tlfence\n\trdtsc\n\t"
      "sub %%esi, %%eax\n\tmov %%rax, %0"
      : "=r"(full) : : "rax", "rcx", "rdx", "rsi", "cc");
  return (uint32_t)(full - empty);
}

__attribute__((always_inline)) static inline void apus_port_write(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

__attribute__((always_inline)) static inline void apus_halt(void) { __asm__ volatile("hlt"); }
__attribute__((always_inline)) static inline void apus_disable_interrupts(void) { __asm__ volatile("cli"); }
__attribute__((always_inline)) static inline uint64_t apus_read_cr3(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr3, %0" : "=r"(value));
  return value;
}

// Sets flags that a program may set and a kernel must not inherit (SEC5): direction, alignment check, trap is left out.
__attribute__((always_inline)) static inline uint64_t apus_trap_with_flags(uint64_t operation) {
  uint64_t status = operation, destination = 0;
  __asm__ volatile(
      "pushfq\n\torq $0x40400, (%%rsp)\n\tpopfq\n\t"
      "xor %%ebx, %%ebx\n\tmovabs $0x600000000000, %%r11\n\tcall *%%r11\n\t"
      "pushfq\n\tpop %%rcx\n\tcld\n\tpushfq\n\tandq $-0x40001, (%%rsp)\n\tpopfq\n\tmov %%rcx, %%rdi"
      : "+a"(status), "+D"(destination)
      :
      : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  return status == 0 ? destination : 0;
}

// Executes one byte `ret` wherever it is.
__attribute__((always_inline)) static inline void apus_call(uint64_t address) {
  __asm__ volatile("call *%0" : : "r"(address) : "memory", "cc");
}

// Traps with the stack pointer some bytes below `stack`, where three words must be writable: an empty message. What the trap has returned.
__attribute__((always_inline)) static inline uint64_t apus_trap_at(uint64_t stack, uint64_t operation, uint64_t destination) {
  __asm__ volatile(
      "mov %%rsp, -8(%%rcx)\n\tlea -8(%%rcx), %%rsp\n\t"
      "xor %%ebx, %%ebx\n\tmovabs $0x600000000000, %%r11\n\tcall *%%r11\n\tpop %%rsp"
      : "+a"(operation), "+D"(destination), "+c"(stack)
      :
      : "rbx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  return operation;
}

// Moves the stack pointer to `stack` and pushes a word there.
__attribute__((always_inline)) static inline void apus_push_at(uint64_t stack) {
  __asm__ volatile("mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\tpush %%rax\n\tmov %%rbx, %%rsp" : : "r"(stack) : "rbx", "memory");
}
#endif
#endif
