// Power-on to Swift. QEMU's `-kernel` enters at pvh_start (Xen's PVH boot ABI: ebx = hvm_start_info), GRUB at
// multiboot_start (Multiboot2, 3.3: eax = magic, ebx = information): both in 32-bit protected mode with flat
// segments, paging off, no stack. From here on the path is one.
//
// The tables built here map the first 4 GiB three times, with 2 MiB pages: where it is (to survive the switch of
// paging), at AddressSpace.kernelLinear, and its first GiB at AddressSpace.kernelImage. Swift reads the loader's
// information through them and then builds the final ones, without the first (V3).

#include "include/start.h"
#define IMAGE 0xFFFFFFFF80000000
#define PHYSICAL(symbol) (symbol - IMAGE)
#define MULTIBOOT2_MAGIC 0xE85250D6
#define MULTIBOOT2_LOADED 0x36D76289

    .section .multiboot, "a", @progbits
    .balign 8
multiboot_header:
    .long MULTIBOOT2_MAGIC, 0, multiboot_end - multiboot_header
    .long -(MULTIBOOT2_MAGIC + 0 + (multiboot_end - multiboot_header))
    .balign 8
    .short 3, 0                         // entry address
    .long 12, PHYSICAL(multiboot_start)
    .balign 8
    .short 6, 0                         // modules on page boundaries
    .long 8
    .balign 8
    .short 0, 0
    .long 8
multiboot_end:

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18                      // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long PHYSICAL(pvh_start)

    .section .text.start, "ax", @progbits
    .code32
    .globl pvh_start, multiboot_start
pvh_start:
    mov $BOOT_PVH, %esi
    jmp start
multiboot_start:
    xor %esi, %esi
    cmp $MULTIBOOT2_LOADED, %eax
    jne start
    mov $BOOT_MULTIBOOT2, %esi
start:
    cli
    cld
    mov %ebx, %edi                      // CPUID wants ebx
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    mov $(1 << 29 | 1 << 20), %eax      // long mode and NX; both since 2004
    and %eax, %edx
    cmp %eax, %edx
    jne no_long_mode

    // Level 2: 2048 entries of 2 MiB: writable, present, large.
    mov $PHYSICAL(boot_level2), %eax
    mov $0x83, %edx
    mov $2048, %ecx
1:  mov %edx, (%eax)
    add $0x200000, %edx
    add $8, %eax
    loop 1b
    // Level 3: four of them from 0 on; in the table for the top, entry 510.
    mov $PHYSICAL(boot_level3), %eax
    mov $(PHYSICAL(boot_level2) + 3), %edx
    mov %edx, PHYSICAL(boot_level3_top) + 510 * 8
    mov $4, %ecx
1:  mov %edx, (%eax)
    add $4096, %edx
    add $8, %eax
    loop 1b
    movl $(PHYSICAL(boot_level3) + 3), PHYSICAL(boot_level4)
    movl $(PHYSICAL(boot_level3) + 3), PHYSICAL(boot_level4) + 256 * 8
    movl $(PHYSICAL(boot_level3_top) + 3), PHYSICAL(boot_level4) + 511 * 8

    mov $(1 << 5), %eax                 // PAE
    mov %eax, %cr4
    mov $PHYSICAL(boot_level4), %eax
    mov %eax, %cr3
    mov $0xC0000080, %ecx               // EFER: NXE, LME, SCE
    rdmsr
    or $(1 << 11 | 1 << 8 | 1 << 0), %eax
    wrmsr
    mov $0x80050023, %eax               // PG AM WP NE MP PE; EM and TS off
    mov %eax, %cr0
    lgdt PHYSICAL(boot_gdt_pointer)
    ljmp $8, $PHYSICAL(long_mode)

no_long_mode:                           // says so on the debug console and on COM1
    mov $PHYSICAL(no_long_mode_text), %esi
1:  lodsb
    test %al, %al
    jz 2f
    outb %al, $0xE9
    mov $0x3F8, %dx
    outb %al, %dx
    jmp 1b
2:  hlt
    jmp 2b
no_long_mode_text:
    .asciz "apus: this processor has no 64-bit mode with NX\r\n"

    .code64
long_mode:
    movabs $high_half, %rax
    jmp *%rax
high_half:
    xor %eax, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    lea kernel_stack + STACK_SIZE(%rip), %rsp
    xor %ebp, %ebp
    mov %edi, %eax
    mov %esi, %edi                      // first argument: which loader
    mov %eax, %esi                      // second: its information, physical
    call kernel_main
    ud2

    .section .rodata.start, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0, 0x00AF9B000000FFFF
boot_gdt_pointer:
    .short 15
    .long PHYSICAL(boot_gdt)

    .section .bss.tables, "aw", @nobits
    .balign 4096
boot_level4: .skip 4096
boot_level3: .skip 4096
boot_level3_top: .skip 4096
boot_level2: .skip 4 * 4096
    .globl boot_report
boot_report: .skip BOOT_TABLE_SIZE      // what Swift keeps of the loader's information
    .globl boot_maps
boot_maps: .skip BOOT_TABLE_SIZE        // who has which memory

// Each stack has a page below it that the final tables leave out: who overruns it meets a double fault, with a
// stack of its own.
    .section .stacks, "aw", @nobits
    .balign 4096
.macro STACK name, size
    .globl \name\()_guard, \name
\name\()_guard: .skip 4096
\name: .skip \size
.endm
    STACK kernel_stack, STACK_SIZE
    STACK nmi_stack, TRAP_STACK_SIZE
    STACK fault_stack, TRAP_STACK_SIZE
    STACK check_stack, TRAP_STACK_SIZE
    STACK debug_stack, TRAP_STACK_SIZE

    .section .note.GNU-stack, "", @progbits
