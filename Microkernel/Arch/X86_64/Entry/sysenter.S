// SYSENTER, in and out.
//
// It keeps neither rip nor rsp nor flags. The stub page passes rsp in rcx, rip is a constant, the flags are still the
// user's: TF too, which traps at the first instruction here (`debug` in `entry.S` then goes to `entry_sysenter_stepped`).
// `fastpath.S` has the first instructions of `entry_sysenter` and goes on here: rsp is the record, the user's is in CPU_SCRATCH, rcx is the
// return address, r11 the flags, as after SYSCALL.
#include "../C/include/x86_layout.h"
#include "saved.h"

    .section .text.entry_sysenter, "ax", @progbits
    .globl entry_sysenter_saved
    .balign 16
entry_sysenter_saved:
    SAVED_TO kernel_call, ENTRY_SYSENTER

    .globl entry_sysenter_slow
    .balign 16
entry_sysenter_slow:                    // in place of `entry_sysenter` where messages are recorded, or the fast path is off
    SYSENTER_TO_RECORD sysenter_odd_slow
    SAVED_TO kernel_call_slow, ENTRY_SYSENTER

// With a stack pointer that SYSEXIT would not take in ring 3, or flags that the kernel must not have: leaves by IRETQ. r11 are the flags.
.macro ODD_TO function
    mov %gs:CPU_STACK, %rsp
    push $2
    popfq
    mov %gs:CPU_CURRENT, %rsp
    movabs $SYSENTER_RETURN, %rcx
    SAVED_TO \function, ENTRY_FULL
.endm

    .globl entry_sysenter_odd
entry_sysenter_odd:
    ODD_TO kernel_call
sysenter_odd_slow:
    ODD_TO kernel_call_slow

// In place of `entry_sysenter` while a thread runs that the fast path must not find (`Special`).
    .globl entry_sysenter_foreign
entry_sysenter_foreign:
    SYSENTER_FLAGS
    jmp entry_sysenter_odd

// Single step over the trap: `debug` has cleared TF, nothing else of SYSENTER's work is touched.
    .globl entry_sysenter_stepped
entry_sysenter_stepped:
    SYSENTER_FLAGS FLAGS_INTERRUPT | FLAGS_TRAP
    cmpb $0, entry_records(%rip)
    jne sysenter_odd_slow
    jmp entry_sysenter_odd

// Out by SYSEXIT. rdx = rip, rcx = rsp, r11 = flags, all other registers the user's already.
    .globl entry_sysexit
    .balign 16
entry_sysexit:
    mov %gs:CPU_STACK, %rsp
    and $~(FLAGS_INTERRUPT | FLAGS_TRAP), %r11d
    push %r11
    popfq
    swapgs
    sti                                 // takes effect behind the next instruction; `non_maskable` sees to that
    .globl sysexit_instruction
sysexit_instruction:
    sysexitq

    .section .data.entry_records, "aw", @progbits
    .globl entry_records
entry_records:
    .byte 0

    .section .note.GNU-stack, "", @progbits
