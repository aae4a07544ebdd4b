// The traps that programs live on, from entry to exit without a stack: what `KernelCore/FastPath.swift` does, where the
// message never leaves the registers but for the copy that keeps a caller's request alive. Every check comes before
// the first store that matters; what is not covered goes to the slow entry as if nothing had been tried.
//
// Why not in Swift: the compiler's code for the same was 198 instructions a round trip, 64 of them loads and stores of
// messages that were in the right registers already, and it needs a stack, which needs 44 more to enter and leave.
//
// rsp = the current thread's record (NMI, double fault and machine check have stacks of their own, interrupts are off).
// How it came need not be written down: whatever lets a thread go leaves the word for this path in its record (`entry_resume`).
// Only a thread that came by SYSCALL, or all by SYSENTER, has a state that is dealt with here (`Shortcut`), and its rip and flags are
// good for SYSRET: no page that ends at the canonical hole is ever mapped (SEC1, SEC2). For SYSEXIT rip is a constant, and rsp was looked
// at on the way in.
//
// What the CPU struct says of CR3 and the FPU is not kept up to date here: while a thread runs both are its own, and the
// slow entries say so first (`Main/Entries.swift`).

#include "../C/include/x86_layout.h"
#include "saved.h"

// Out, to the record in rsi: \kind is how all threads of this path have come in. rdx is 0.
.macro LEAVE kind
    mov CONTEXT_RBP(%rsi), %rbp
    mov CONTEXT_FLAGS(%rsi), %r11
    .ifc \kind,SYSCALL
    mov CONTEXT_RIP(%rsi), %rcx
    mov CONTEXT_RSP(%rsi), %rsp
    .else
    mov CONTEXT_RIP(%rsi), %rdx
    mov CONTEXT_RSP(%rsi), %rcx
    .endif
    incq %gs:CPU_FAST
    xor %eax, %eax                      // the trap's status
    xor %esi, %esi                      // nothing of the kernel's leaks
    .ifc \kind,SYSCALL
    swapgs
    sysretq
    .else
    jmp entry_sysexit
    .endif
.endm

// From the record in rsp to the one in rsi, whose message is in the registers and whose rdi is set.
.macro SWITCH kind, state, heard
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    .if \heard
    mov %rax, THREAD_HEARD_AT(%rsp)
    .endif
    add %rax, THREAD_TIME(%rsp)
    sub %rax, THREAD_TIME(%rsi)
    mov %rsi, %gs:CPU_CURRENT
    lea CONTEXT_SIZE(%rsi), %rax
    mov %rax, %gs:CPU_TSS + TSS_RSP0
    mov THREAD_EXTENDED(%rsp), %rcx     // eager: nobody ever sees another's registers (SEC6)
    mov THREAD_EXTENDED(%rsi), %r11
    xor %edx, %edx
    .ifc \state,XSAVE
    mov $EXTENDED_FEATURES, %eax        // what XCR0 lacks of them counts as not asked for
    xsave64 (%rcx)
    xrstor64 (%r11)
    .else
    fxsave64 (%rcx)
    fxrstor64 (%r11)
    .endif
    mov THREAD_ROOT(%rsi), %rax         // a message within one space is rare: to ask would cost all the others more
    mov %rax, %cr3
    LEAVE \kind
.endm

// The three calls. rsp = our record, CPU_SCRATCH the user's rsp, rcx the return address, r11 the flags; on to \saved with all else.
.macro CALLS kind, state, saved
    cmp $3, %rax
    je 10f
    cmp $4, %rax
    je 20f
    test %rax, %rax
    jne \saved

// The null call, the price of a trap.
    test %ebx, %ebx
    jne \saved
    testb $1, THREAD_KERNEL_CALLS(%rsp)
    jz \saved
    mov %gs:CPU_SCRATCH, %rdx
    sub THREAD_STACK_LOW(%rsp), %rdx
    cmp THREAD_STACK_SIZE(%rsp), %rdx
    ja 4f
    incq %gs:CPU_FAST
    xor %ebx, %ebx
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %edi, %edi
    xor %esi, %esi
    .ifc \kind,SYSCALL
    xor %edx, %edx
    mov %gs:CPU_SCRATCH, %rsp
    swapgs
    sysretq
    .else
    mov %rcx, %rdx
    mov %gs:CPU_SCRATCH, %rcx
    jmp entry_sysexit
    .endif
4:  xor %edx, %edx
    jmp \saved

// sendRec to a service that waits for anybody, and than which nobody ready is as important.
    .balign 16
10: mov %edi, %eax
    and $63, %eax                       // a name outside the services is none of theirs
    bt %rax, THREAD_SEND_TO(%rsp)
    jnc 1f
    imul $THREAD_SIZE, %rax, %rsi
    add %gs:CPU_THREADS, %rsi
    cmp %edi, THREAD_ENDPOINT(%rsi)
    jne 1f
    cmpl $STATE_OPEN, THREAD_STATE(%rsi)
    jne 1f
    mov THREAD_URGENT(%rsi), %edx
    test %edx, %gs:CPU_CORE
    jnz 1f
    mov %gs:CPU_SCRATCH, %rdx
    mov %rdx, CONTEXT_RSP(%rsp)         // what goes on slowly stores the same
    sub THREAD_STACK_LOW(%rsp), %rdx
    cmp THREAD_STACK_SIZE(%rsp), %rdx
    ja 1f                               // no stack that the kernel knows: VM may know it (V50)
    // The request stays with its sender until it is answered.
    MESSAGE_KEPT
    mov %rbp, CONTEXT_RBP(%rsp)
    mov %rcx, CONTEXT_RIP(%rsp)
    mov %r11, CONTEXT_FLAGS(%rsp)
    movl $STATE_ASKED, THREAD_STATE(%rsp)
    movl $PURPOSE_REQUEST, THREAD_PURPOSE(%rsp)
    incl THREAD_SERIAL(%rsp)
    mov %rsi, THREAD_PEER(%rsp)
    movl $STATE_RUNNABLE, THREAD_STATE(%rsi)
    mov %ebx, %ebx
    or THREAD_STAMP(%rsp), %rbx
    mov $DELIVERY_REQUEST, %edi
    SWITCH \kind, \state, heard=1
1:  mov $3, %eax
    xor %esi, %esi                      // sendRec has no use for them, and nobody shall find ours there
    xor %edx, %edx
    jmp \saved

// replyReceive to a caller that may run at once, by a service that has nothing else to hear and waits for anybody.
    .balign 16
20: cmp $-1, %esi
    jne \saved
    test %rdx, %rdx
    jne \saved
    mov %edi, %eax
    and %gs:CPU_SLOTS, %eax
    imul $THREAD_SIZE, %rax, %rsi
    add %gs:CPU_THREADS, %rsi
    cmp %edi, THREAD_ENDPOINT(%rsi)
    jne 2f
    cmpl $STATE_ASKED, THREAD_STATE(%rsi)
    jne 2f
    cmp %rsp, THREAD_PEER(%rsi)
    jne 2f
    mov THREAD_URGENT(%rsi), %edx
    test %edx, %gs:CPU_CORE
    jnz 2f
    mov THREAD_NOTIFICATIONS(%rsp), %rdx
    or THREAD_INBOX(%rsp), %rdx
    or THREAD_CALLERS(%rsp), %rdx
    jnz 2f
    mov %rbp, CONTEXT_RBP(%rsp)
    mov %rcx, CONTEXT_RIP(%rsp)
    mov %r11, CONTEXT_FLAGS(%rsp)
    mov %gs:CPU_SCRATCH, %rdx
    mov %rdx, CONTEXT_RSP(%rsp)
    incq THREAD_MESSAGES(%rsp)
    movl $STATE_OPEN, THREAD_STATE(%rsp)
    movl $-1, THREAD_SOURCE(%rsp)
    movl $STATE_RUNNABLE, THREAD_STATE(%rsi)
    movq $0, THREAD_PEER(%rsi)
    mov %ebx, %ebx
    or THREAD_STAMP(%rsp), %rbx
    xor %edi, %edi
    SWITCH \kind, \state, heard=0
2:  mov $4, %eax
    mov $-1, %esi
    xor %edx, %edx
    jmp \saved
.endm

// One of each for processors with XSAVE and for those without: nothing is asked on the way.
.macro BY_SYSCALL name, state
    .globl \name
    .balign 64
\name:
    swapgs
    mov %rsp, %gs:CPU_SCRATCH
    mov %gs:CPU_CURRENT, %rsp
    CALLS SYSCALL, \state, entry_syscall_saved
.endm

.macro BY_SYSENTER name, state
    .globl \name
    .balign 64
\name:
    SYSENTER_TO_RECORD entry_sysenter_odd
    CALLS SYSENTER, \state, entry_sysenter_saved
.endm

    .section .text.entry_syscall, "ax", @progbits
    BY_SYSCALL entry_syscall, FXSAVE
    BY_SYSCALL entry_syscall_xsave, XSAVE

    .section .text.entry_sysenter, "ax", @progbits
    BY_SYSENTER entry_sysenter, FXSAVE
    BY_SYSENTER entry_sysenter_xsave, XSAVE

    .section .note.GNU-stack, "", @progbits
