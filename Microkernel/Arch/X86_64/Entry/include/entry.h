// The entry code's places that Swift puts into descriptors and registers, and its way back to a thread.
#ifndef APUS_ENTRY_H
#define APUS_ENTRY_H
#include <stdint.h>
#include "../../C/include/x86.h"

#define APUS_PLACE __attribute__((swift_attr("nonisolated(unsafe)"))) extern char
APUS_PLACE entry_vectors, entry_syscall, entry_syscall_slow, entry_syscall_foreign, entry_sysenter, entry_sysenter_slow, entry_syscall_xsave, entry_sysenter_xsave, entry_sysenter_foreign, entry_compat,
  entry_polls, entry_records;
#undef APUS_PLACE
__attribute__((swift_attr("nonisolated(unsafe)"))) extern uint64_t entry_way;

// 256 stubs of 16 bytes, in vector order.
__attribute__((always_inline)) static inline uint64_t address_of_entry_vectors(void) { return (uint64_t)&entry_vectors; }
__attribute__((always_inline)) static inline uint64_t address_of_entry_syscall(void) { return (uint64_t)&entry_syscall; }
__attribute__((always_inline)) static inline uint64_t address_of_entry_syscall_slow(void) { return (uint64_t)&entry_syscall_slow; }
__attribute__((always_inline)) static inline uint64_t address_of_entry_compat(void) { return (uint64_t)&entry_compat; }

__attribute__((always_inline)) static inline uint64_t address_of_entry_syscall_foreign(void) { return (uint64_t)&entry_syscall_foreign; }
__attribute__((always_inline)) static inline uint64_t address_of_entry_sysenter(void) { return (uint64_t)&entry_sysenter; }
__attribute__((always_inline)) static inline uint64_t address_of_entry_sysenter_slow(void) { return (uint64_t)&entry_sysenter_slow; }

__attribute__((always_inline)) static inline uint64_t address_of_entry_syscall_xsave(void) { return (uint64_t)&entry_syscall_xsave; }
__attribute__((always_inline)) static inline uint64_t address_of_entry_sysenter_xsave(void) { return (uint64_t)&entry_sysenter_xsave; }

__attribute__((always_inline)) static inline uint64_t address_of_entry_sysenter_foreign(void) { return (uint64_t)&entry_sysenter_foreign; }

// Programs enter by SYSENTER: the word that says so in a thread's record.
__attribute__((always_inline)) static inline void set_entry_by_sysenter(void) { entry_way = ENTRY_SYSENTER; }

// A single step over SYSENTER too must take the slow path.
__attribute__((always_inline)) static inline void set_entry_records(void) { entry_records = 1; }

// Idling without HLT, for the word `idle=poll`.
__attribute__((always_inline)) static inline void set_entry_polls(void) { entry_polls = 1; }

// Leaves the kernel for the thread with these registers.
__attribute__((noreturn)) void entry_resume(apus_context *_Nonnull context);
// Waits for an interrupt.
__attribute__((noreturn)) void entry_idle(void);
#endif
