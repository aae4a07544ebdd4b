// The way into the kernel: a call of the stub page, with the message in registers. Which registers, and why
// the message is not in memory: IPC/Message/Trap.swift and DESIGN.
#ifndef APUS_TRAP_H
#define APUS_TRAP_H
#include <stdint.h>

typedef struct {
  uint64_t word[8];
} apus_message;

typedef struct {
  uint64_t status;  // 0 or a negated errno
  uint64_t flags;   // Delivery.Flags
} apus_result;

#if defined(__x86_64__)
__attribute__((always_inline)) static inline apus_result apus_trap(
    uint64_t operation, uint64_t destination, uint64_t source, uint64_t deadline, apus_message *message) {
  register uint64_t header __asm__("rbx") = message->word[0];
  register uint64_t w1 __asm__("r12") = message->word[1];
  register uint64_t w2 __asm__("r13") = message->word[2];
  register uint64_t w3 __asm__("r14") = message->word[3];
  register uint64_t w4 __asm__("r15") = message->word[4];
  register uint64_t w5 __asm__("r8") = message->word[5];
  register uint64_t w6 __asm__("r9") = message->word[6];
  register uint64_t w7 __asm__("r10") = message->word[7];
  // 0x600000000000 is AddressSpace.stub. The call pushes below rsp: nothing of ours is built with a red zone.
  __asm__ volatile("movabs $0x600000000000, %%r11\n\tcall *%%r11"
                   : "+a"(operation), "+D"(destination), "+S"(source), "+d"(deadline), "+r"(header), "+r"(w1),
                     "+r"(w2), "+r"(w3), "+r"(w4), "+r"(w5), "+r"(w6), "+r"(w7)
                   :
                   : "rcx", "r11", "memory", "cc");
  message->word[0] = header;
  message->word[1] = w1;
  message->word[2] = w2;
  message->word[3] = w3;
  message->word[4] = w4;
  message->word[5] = w5;
  message->word[6] = w6;
  message->word[7] = w7;
  apus_result result = {operation, destination};
  return result;
}

// Reads the time-stamp counter when all before it is done.
__attribute__((always_inline)) static inline uint64_t apus_timestamp(void) {
  uint64_t ticks;  // put together in here, so that two readings are the same number of instructions apart everywhere
  __asm__ volatile("lfence\n\trdtsc\n\tshl $32, %%rdx\n\tor %%rdx, %%rax" : "=a"(ticks) : : "rdx", "memory", "cc");
  return ticks;
}
#endif
#endif
