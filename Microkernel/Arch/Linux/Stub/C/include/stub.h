// The assembly of the stub as its Swift part sees it.
#ifndef APUS_STUB_H
#define APUS_STUB_H
#include <stdint.h>
#include "../../../CLinux/include/sandbox_layout.h"

#define APUS_PLACE __attribute__((swift_attr("nonisolated(unsafe)"))) extern char
APUS_PLACE stub_notified, stub_ordered, stub_signal, stub_restorer, stub_signal_stack, stub_hello;
#undef APUS_PLACE
#define APUS_ADDRESS(name) \
  __attribute__((always_inline)) static inline uint64_t address_of_##name(void) { return (uint64_t)&name; }
APUS_ADDRESS(stub_notified)
APUS_ADDRESS(stub_ordered)
APUS_ADDRESS(stub_signal)
APUS_ADDRESS(stub_restorer)
APUS_ADDRESS(stub_signal_stack)
APUS_ADDRESS(stub_hello)
#undef APUS_ADDRESS

// Leaves the stack that Linux gave for the stub's own and calls stub_zygote.
__attribute__((noreturn)) void stub_own_stack(void);
// Tells the broker that this process is locked in, and goes on as a thread of the slot.
__attribute__((noreturn)) void stub_ready(void);
#endif
