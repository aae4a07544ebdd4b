// What the start-up code and the linker script leave for Swift: places, of which only the address means something.
#ifndef APUS_START_H
#define APUS_START_H
#ifndef __ASSEMBLER__
#include <stdint.h>
#endif

#define BOOT_PVH 1
#define BOOT_MULTIBOOT2 2

// Kernel stacks: one page without a mapping below each. Sizes in start.S.
#define STACK_SIZE 16384
#define TRAP_STACK_SIZE 8192
#define BOOT_TABLE_SIZE 4096

#ifndef __ASSEMBLER__
#define APUS_PLACE __attribute__((swift_attr("nonisolated(unsafe)"))) extern char
APUS_PLACE kernel_image_start, kernel_rodata_start, kernel_data_start, kernel_image_end, boot_report, boot_maps;
APUS_PLACE kernel_stack_guard, kernel_stack, nmi_stack_guard, nmi_stack, fault_stack_guard, fault_stack, check_stack_guard,
    check_stack, debug_stack_guard, debug_stack;
#undef APUS_PLACE
#define APUS_ADDRESS(name) \
  __attribute__((always_inline)) static inline uint64_t address_of_##name(void) { return (uint64_t)&name; }
APUS_ADDRESS(kernel_image_start)
APUS_ADDRESS(kernel_rodata_start)
APUS_ADDRESS(kernel_data_start)
APUS_ADDRESS(kernel_image_end)
APUS_ADDRESS(boot_report)
APUS_ADDRESS(boot_maps)
APUS_ADDRESS(kernel_stack_guard)
APUS_ADDRESS(kernel_stack)
APUS_ADDRESS(nmi_stack_guard)
APUS_ADDRESS(nmi_stack)
APUS_ADDRESS(fault_stack_guard)
APUS_ADDRESS(fault_stack)
APUS_ADDRESS(check_stack_guard)
APUS_ADDRESS(check_stack)
APUS_ADDRESS(debug_stack_guard)
APUS_ADDRESS(debug_stack)
#undef APUS_ADDRESS
#endif
#endif
