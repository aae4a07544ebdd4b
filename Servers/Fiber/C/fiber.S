// The context switch of fibers, System V ABI: what a function call must keep is rbx, rbp, r12-r15 and rsp, so that
// is all there is to save. Fibers of one thread only; they switch in ordinary calls.
#if defined(__x86_64__)
// void apus_fiber_switch(uint64_t *saved, uint64_t next)
    .section .text.apus_fiber_switch, "ax", @progbits
    .globl apus_fiber_switch
apus_fiber_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

// uint64_t apus_fiber_prepare(void *top, void *pool, uint64_t index): the stack pointer to switch to first
    .section .text.apus_fiber_prepare, "ax", @progbits
    .globl apus_fiber_prepare
apus_fiber_prepare:
    and $-16, %rdi
    lea fiber_start(%rip), %rax
    mov %rax, -8(%rdi)
    movq $0, -16(%rdi)      // rbp: the end of backtraces
    movq $0, -24(%rdi)      // rbx
    mov %rsi, -32(%rdi)     // r12
    mov %rdx, -40(%rdi)     // r13
    movq $0, -48(%rdi)
    movq $0, -56(%rdi)
    lea -56(%rdi), %rax
    ret

    .section .text.fiber_start, "ax", @progbits
fiber_start:
    mov %r12, %rdi
    mov %r13, %rsi
    call apus_fiber_entry   // Servers/Fiber/Swift; does not return
    ud2
#endif
    .section .note.GNU-stack, "", @progbits
