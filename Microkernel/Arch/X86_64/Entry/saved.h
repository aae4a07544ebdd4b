// What the ways in and out share: SYSCALL and SYSENTER, fast and slow, interrupts and faults.

// The message in the registers, into the record in rsp.
.macro MESSAGE_KEPT
    mov %rbx, CONTEXT_RBX(%rsp)
    mov %r12, CONTEXT_R12(%rsp)
    mov %r13, CONTEXT_R13(%rsp)
    mov %r14, CONTEXT_R14(%rsp)
    mov %r15, CONTEXT_R15(%rsp)
    mov %r8, CONTEXT_R8(%rsp)
    mov %r9, CONTEXT_R9(%rsp)
    mov %r10, CONTEXT_R10(%rsp)
.endm

// SYSENTER's first steps: r11 = the flags, CPU_SCRATCH = the user's rsp. On to \odd with a stack pointer that SYSEXIT would not take in
// ring 3, or flags that the kernel must not have; else rsp = the current thread's record and rcx = the return address.
.macro SYSENTER_FLAGS set=FLAGS_INTERRUPT
    swapgs
    pushfq                              // rsp is the kernel stack
    pop %r11
    or $(\set), %r11d
    mov %rcx, %gs:CPU_SCRATCH
.endm
.macro SYSENTER_TO_RECORD odd
    SYSENTER_FLAGS
    mov %rcx, %rsp
    shr $47, %rsp
    jnz \odd
    test $FLAGS_ODD, %r11d
    jnz \odd
    mov %gs:CPU_CURRENT, %rsp
    movabs $SYSENTER_RETURN, %rcx
.endm

// All registers below the vector that is on the stack: the lower part of a record.
.macro PUSH_ALL
    push %rbp
    push %r11
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rax
    push %r10
    push %r9
    push %r8
    push %r15
    push %r14
    push %r13
    push %r12
    push %rbx
.endm

// rcx = return address, r11 = flags, both lost to the caller by contract, as rsi and rdx are (IPC/Message/Trap.swift).
// `fastpath.S` comes first and goes on here with what it does not do itself: rsp is the record, the user's is in CPU_SCRATCH.
.macro SAVED_TO function, kind
    MESSAGE_KEPT
    mov %rax, CONTEXT_RAX(%rsp)
    mov %rdi, CONTEXT_RDI(%rsp)
    mov %rsi, CONTEXT_RSI(%rsp)
    mov %rdx, CONTEXT_RDX(%rsp)
    mov %rbp, CONTEXT_RBP(%rsp)
    mov %rcx, CONTEXT_RIP(%rsp)
    mov %r11, CONTEXT_FLAGS(%rsp)
.if \kind == ENTRY_FULL
    mov %rcx, CONTEXT_RCX(%rsp)         // lost to the caller too, but what comes back must not be of an earlier entry
    mov %r11, CONTEXT_R11(%rsp)
.endif
    movq $\kind, CONTEXT_ENTRY(%rsp)
    mov %gs:CPU_SCRATCH, %rcx
    mov %rcx, CONTEXT_RSP(%rsp)
    mov %gs:CPU_STACK, %rsp
    xor %ebp, %ebp
    call \function                      // does not return, nor do the others: they end in entry_resume or entry_idle
    ud2
.endm

// What SYSRET and SYSEXIT do not load themselves, from the record in rsp: the message, the result, rbp, and the flags in r11.
.macro LOADED
    mov CONTEXT_RBX(%rsp), %rbx
    mov CONTEXT_R12(%rsp), %r12
    mov CONTEXT_R13(%rsp), %r13
    mov CONTEXT_R14(%rsp), %r14
    mov CONTEXT_R15(%rsp), %r15
    mov CONTEXT_R8(%rsp), %r8
    mov CONTEXT_R9(%rsp), %r9
    mov CONTEXT_R10(%rsp), %r10
    mov CONTEXT_RAX(%rsp), %rax
    mov CONTEXT_RDI(%rsp), %rdi
    mov CONTEXT_RBP(%rsp), %rbp
    mov CONTEXT_FLAGS(%rsp), %r11
    xor %esi, %esi                      // nothing of the kernel's leaks
.endm
