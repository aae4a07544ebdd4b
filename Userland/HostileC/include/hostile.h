// Traps with every register under control: what `hostile` needs and no compiler would write.
#ifndef APUS_HOSTILE_H
#define APUS_HOSTILE_H
#include <stdint.h>

// rax rbx rcx rdx rsi rdi rbp rsp r8 ... r15, then the flags (on the way back only).
typedef struct {
  uint64_t value[17];
} hostile_registers;

// Ways in. By the stub page rsp stays ours, for it returns by the stack, and r11 holds its address.
#define HOSTILE_STUB 0
#define HOSTILE_SYSCALL 1
#define HOSTILE_INT80 2
#define HOSTILE_INT 3 // and the vector

// Loads all registers, traps, and puts what they hold then in their place.
void hostile_trap(uint64_t way, hostile_registers *registers);
#endif
