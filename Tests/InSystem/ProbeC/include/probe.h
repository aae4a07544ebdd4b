// What no compiler would write: code that breaks rules on purpose, and traps with every register under control.
#ifndef APUS_PROBE_H
#define APUS_PROBE_H
#include <stdint.h>

// A null kernel call with a pattern in every register; 0, or a bit for each thing that was not as promised:
// 1 rbp or rsp, 2 status, 4 message, 8 flags, 16 rsi or rdx not cleared by SYSCALL, 32 SSE, AVX or x87 state.
// `way`: 0 the stub page, 1 syscall, 2 int $0x80. `flags`: what RFLAGS has on top of the usual.
uint64_t probe_registers(uint64_t way, uint64_t flags);
// Sets `probe_wide`, which says whether programs have AVX; what looks at upper halves asks it.
void probe_find_wide(void);
__attribute__((swift_attr("nonisolated(unsafe)"))) extern uint8_t probe_wide;
// Cost in TSC ticks of `count` null calls through the stub page.
uint64_t probe_null_calls(uint64_t count);
// Touches what is not there. In VM's place that is the end of the kernel.
void probe_crash(void);

// Whether the processor says that it has SYSCALL.
__attribute__((always_inline)) static inline _Bool probe_has_syscall(void) {
  uint32_t a = 0x80000001, d;
  __asm__ volatile("cpuid" : "+a"(a), "=d"(d) : : "rbx", "rcx");
  return d >> 11 & 1;
}

#define PROBE_PLACE(name) \
  extern char name; \
  __attribute__((always_inline)) static inline uint64_t address_of_##name(void) { return (uint64_t)&name; }
// Threads that end by the exception in their name.
PROBE_PLACE(probe_invalid)
PROBE_PLACE(probe_divide)
PROBE_PLACE(probe_halt)
PROBE_PLACE(probe_breakpoint)
PROBE_PLACE(probe_single_step)
PROBE_PLACE(probe_port)
PROBE_PLACE(probe_cr3)
PROBE_PLACE(probe_msr)
PROBE_PLACE(probe_swapgs)
PROBE_PLACE(probe_sysret)
PROBE_PLACE(probe_interrupt)
PROBE_PLACE(probe_kernel_code)
PROBE_PLACE(probe_compatibility)
PROBE_PLACE(probe_non_canonical)
PROBE_PLACE(probe_stack)
PROBE_PLACE(probe_alignment)
PROBE_PLACE(probe_x87)
PROBE_PLACE(probe_avx)
PROBE_PLACE(probe_fresh)
PROBE_PLACE(probe_sysenter_hole)
PROBE_PLACE(probe_sysenter_kernel)
PROBE_PLACE(probe_call_without_stack)
PROBE_PLACE(probe_trap_without_stack)
PROBE_PLACE(probe_frame)
PROBE_PLACE(probe_steps)
PROBE_PLACE(probe_steps_end)
// Page faults.
PROBE_PLACE(probe_read_kernel)
PROBE_PLACE(probe_write_text)
PROBE_PLACE(probe_execute_data)
PROBE_PLACE(probe_null)
PROBE_PLACE(probe_top)
// Do nothing, at addresses that a trace of the processor can be cut at: around what a figure measures.
void probe_begin(void);
void probe_end(void);
// Threads that are functions of `Figures.swift`.
PROBE_PLACE(probe_waiter)
PROBE_PLACE(probe_toucher)
// A function of `Rounds.swift`, and what it watches (`rounds.S`).
PROBE_PLACE(probe_granter)
PROBE_PLACE(probe_rounds)
PROBE_PLACE(probe_handler)
PROBE_PLACE(probe_restorer)
__attribute__((swift_attr("nonisolated(unsafe)"))) extern uint64_t probe_rounds_left;
void probe_spoil(void);
__attribute__((swift_attr("nonisolated(unsafe)"))) extern uint64_t probe_based, probe_based_turns;
// Threads with bases and debug registers, and places in them (`Registers.swift`).
PROBE_PLACE(own_fs)
PROBE_PLACE(own_gs)
PROBE_PLACE(watched)
PROBE_PLACE(probe_based_other)
PROBE_PLACE(probe_based_waiter)
PROBE_PLACE(probe_read_base)
PROBE_PLACE(probe_write_base)
PROBE_PLACE(probe_watch_write)
PROBE_PLACE(probe_watch_write_seen)
PROBE_PLACE(probe_watch_execution)
PROBE_PLACE(probe_watch_execution_place)
PROBE_PLACE(probe_watch_copy)
PROBE_PLACE(probe_watch_selector)
PROBE_PLACE(probe_watch_selector_call)
PROBE_PLACE(probe_watch_child)
PROBE_PLACE(probe_read_selectors)
void probe_load_selectors(void);
// Does the traps that it is told to (`Stage.swift`).
PROBE_PLACE(probe_puppet)
// A server: answers every request with the request, for ever; it ends the machine on type 1. Loads its own
// patterns into the SSE, AVX and x87 registers first and checks them after every message: type 2 is the answer if they changed.
PROBE_PLACE(probe_server)
#endif
