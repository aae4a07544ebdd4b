// The ways into the kernel and out of it. A thread's registers go straight into its own record (`apus_context`):
// the CPU pushes its frame there because TSS.RSP0 is the end of the current thread's context. The kernel itself runs
// on one stack a processor, empty at every entry, so leaving it is never unwinding: whoever is current in the end is
// resumed from where Swift happens to be.
//
// Interrupts are off from entry to exit. SFMASK and `popfq` clear what a user may have set in RFLAGS (SEC5).

#include "../C/include/x86_layout.h"
#include "saved.h"

// MARK: SYSCALL

    .section .text.entry_syscall, "ax", @progbits
    .globl entry_syscall_saved
    .balign 16
entry_syscall_saved:
    SAVED_TO kernel_call, ENTRY_SYSCALL

    .section .text.entry_syscall_slow, "ax", @progbits
    .globl entry_syscall_slow
    .balign 16
entry_syscall_slow:                     // in its place where messages are recorded, or the fast path is off
    swapgs
    mov %rsp, %gs:CPU_SCRATCH
    mov %gs:CPU_CURRENT, %rsp
    SAVED_TO kernel_call_slow, ENTRY_SYSCALL

    .section .text.entry_syscall_foreign, "ax", @progbits
    .globl entry_syscall_foreign
    .balign 16
entry_syscall_foreign:                  // in its place on a kernel whose programs enter by SYSENTER, or while one runs that the fast path
                                        // must not find (`Special`)
    swapgs
    mov %rsp, %gs:CPU_SCRATCH
    mov %gs:CPU_CURRENT, %rsp
    SAVED_TO kernel_call, ENTRY_FULL

    .section .text.entry_syscall, "ax", @progbits

// MARK: Out

// rdi = the context of the thread to run, which is `current` by now.
    .globl entry_resume
    .balign 16
entry_resume:
    mov %rdi, %rsp
    cmpl $ENTRY_SYSCALL, CONTEXT_ENTRY(%rsp)
    jne 1f
    mov CONTEXT_RIP(%rsp), %rcx
    mov %rcx, %rax
    shr $47, %rax                       // SYSRET to a non-canonical address faults in ring 0 on Intel (SEC1)
    jnz full
    LOADED
    xor %edx, %edx
    mov CONTEXT_RSP(%rsp), %rsp
    swapgs
    sysretq

1:  cmpl $ENTRY_SYSENTER, CONTEXT_ENTRY(%rsp)
    jne full
    mov CONTEXT_RSP(%rsp), %rcx
    mov CONTEXT_RIP(%rsp), %rdx
    mov %rcx, %rax
    or %rdx, %rax
    shr $47, %rax                       // so does SYSEXIT, for either of the two
    jnz full
    LOADED
    jmp entry_sysexit

full:
    mov entry_way(%rip), %rax           // what the fast path would have to write when the thread comes by it
    mov %rax, CONTEXT_ENTRY(%rsp)
    pop %rbx
    pop %r12
    pop %r13
    pop %r14
    pop %r15
    pop %r8
    pop %r9
    pop %r10
    pop %rax
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %r11
    pop %rbp
    add $16, %rsp                       // entry, error
    swapgs
    iretq

// An interrupt between STI and HLT is held back until HLT, so a wake-up is never missed; it enters `from_kernel`.
    .globl entry_idle
entry_idle:
    mov %gs:CPU_STACK, %rsp
    xor %ebp, %ebp
    cmpb $0, entry_polls(%rip)
    jne 2f
1:  sti
    hlt
    jmp 1b
2:  sti                                 // `idle=poll`: where time is counted in instructions, waiting takes some
3:  jmp 3b

    .section .data.entry_way, "aw", @progbits
    .globl entry_way
    .balign 8
entry_way:
    .quad ENTRY_SYSCALL
    .section .data.entry_polls, "aw", @progbits
    .globl entry_polls
entry_polls:
    .byte 0
    .section .text.entry_syscall, "ax", @progbits

// SYSCALL from 32-bit code: there is no such code (no 32-bit segment), so this is never reached on AMD and QEMU and
// does not exist on Intel.
    .section .text.entry_compat, "ax", @progbits
    .globl entry_compat
    .balign 16
entry_compat:
    ud2

// MARK: Interrupts and exceptions

// One stub a vector, 16 bytes apart; afterwards there is an error code on the stack in any case.
    .section .text.entry_vectors, "ax", @progbits
    .globl entry_vectors
    .balign 16
entry_vectors:
.set vector, 0
.rept 256
    .balign 16
.if vector == VECTOR_NMI
    jmp non_maskable
.elseif vector == VECTOR_DEBUG
    jmp debug
.elseif vector == VECTOR_DOUBLE_FAULT  // this and the next: the end, from wherever they come
    push $vector
    jmp save_fault
.elseif vector == VECTOR_MACHINE_CHECK
    push $0
    push $vector
    jmp save_fault
.else
.if (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
    push $0
.endif
    push $vector
    jmp common
.endif
.set vector, vector + 1
.endr


    .balign 16
common:
    testb $3, 24(%rsp)                  // cs
    jz from_kernel
    swapgs
    lfence                              // no speculation with the user's GS (SEC4)
save:
    PUSH_ALL
    mov %rsp, %rdi                      // the current thread's context
    mov %gs:CPU_STACK, %rsp
    push $2                             // clears AC and DF, which interrupts leave as they are
    popfq
    xor %ebp, %ebp
    call kernel_trap
    ud2

// Ring 0: an interrupt in idle, whose stack holds nothing, or the kernel's own fault.
from_kernel:
    cld
    cmpq $VECTOR_LINES, (%rsp)
    jae idle_interrupt
save_fault:
    PUSH_ALL
    mov %rsp, %rdi
    mov CONTEXT_RBP(%rsp), %rbp
    and $-16, %rsp
    call kernel_fault                   // does not use GS, does not return
    ud2
idle_interrupt:
    mov (%rsp), %rdi
    mov %gs:CPU_STACK, %rsp
    xor %ebp, %ebp
    call kernel_idle_interrupt
    ud2

// Has a stack of its own, lest a trap on the first instruction of SYSCALL use the user's (SEC3). From ring 3 the frame
// moves from there into the thread's context.
debug:
    push $0
    push $VECTOR_DEBUG
    testb $3, 24(%rsp)
    jz 1f
    swapgs
    lfence
    mov %rax, %gs:CPU_SCRATCH
    mov %gs:CPU_CURRENT, %rax
    popq CONTEXT_ENTRY(%rax)
    popq CONTEXT_ERROR(%rax)
    popq CONTEXT_RIP(%rax)
    popq CONTEXT_CS(%rax)
    popq CONTEXT_FLAGS(%rax)
    popq CONTEXT_RSP(%rax)
    popq CONTEXT_SS(%rax)
    lea CONTEXT_ENTRY(%rax), %rsp
    mov %gs:CPU_SCRATCH, %rax
    jmp save
1:  cmpq $entry_sysenter, 16(%rsp)      // rip: SYSENTER with TF set
    je 2f
    cmpq $entry_sysenter_xsave, 16(%rsp)
    je 2f
    cmpq $entry_sysenter_foreign, 16(%rsp)
    je 2f
    cmpq $entry_sysenter_slow, 16(%rsp)
    jne 3f
2:  movq $entry_sysenter_stepped, 16(%rsp)
    andq $~FLAGS_TRAP, 32(%rsp)
    add $16, %rsp
    iretq
// A program's own breakpoint, on the stack segment's selector that it loads just before a trap: MOV SS holds the news back until the
// kernel's first instruction. It is forgotten. Nothing of the kernel's can be watched, and it reaches user memory at other addresses.
3:  push %rax
    mov %db6, %rax
    test $0xF, %al
    jz 4f
    mov $0xFFFF0FF0, %eax
    mov %rax, %db6
    pop %rax
    add $16, %rsp
    iretq
4:  pop %rax
    jmp save_fault

// May come at any instruction, also between SYSCALL and `swapgs`: touches nothing but its own stack and a count. Between STI and SYSEXIT
// its IRETQ would end the delay of STI, and an interrupt could come in ring 0 with the user's GS: then STI is done again.
non_maskable:
    incq entry_nmi_count(%rip)
    cmpq $sysexit_instruction, (%rsp)
    jne 1f
    decq (%rsp)
1:  iretq

    .section .bss.entry_nmi_count, "aw", @nobits
    .balign 8
entry_nmi_count: .skip 8

    .section .note.GNU-stack, "", @progbits
