// Every register is garbage at the trap and may be anything after it, the stack pointer too: what must not be lost is in memory
// that is addressed from rip.

    .text
    .globl hostile_trap
hostile_trap:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsi, hostile_registers_at(%rip)
    mov %rsp, hostile_stack(%rip)
    lea hostile_by_stub(%rip), %rax
    test %edi, %edi
    je 1f
    lea hostile_by_syscall(%rip), %rax
    cmp $1, %edi
    je 1f
    lea hostile_by_int80(%rip), %rax
    cmp $2, %edi
    je 1f
    sub $3, %edi
    shl $4, %rdi
    lea hostile_by_int(%rip), %rax
    add %rdi, %rax
1:  mov %rax, hostile_target(%rip)
    cmp hostile_stub_target(%rip), %rax
    je 2f
    mov 56(%rsi), %rsp
2:  mov (%rsi), %rax
    mov 8(%rsi), %rbx
    mov 16(%rsi), %rcx
    mov 24(%rsi), %rdx
    mov 40(%rsi), %rdi
    mov 48(%rsi), %rbp
    mov 64(%rsi), %r8
    mov 72(%rsi), %r9
    mov 80(%rsi), %r10
    mov 88(%rsi), %r11
    mov 96(%rsi), %r12
    mov 104(%rsi), %r13
    mov 112(%rsi), %r14
    mov 120(%rsi), %r15
    mov 32(%rsi), %rsi
    jmp *hostile_target(%rip)

hostile_by_stub:
    movabs $0x600000000000, %r11        // AddressSpace.stub
    call *%r11
    jmp hostile_back
hostile_by_syscall:
    syscall
    jmp hostile_back
hostile_by_int80:
    int $0x80
    jmp hostile_back
    .balign 16
hostile_by_int:
.set vector, 0
.rept 256
    .balign 16
    .byte 0xCD, vector                  // int $3 too in two bytes
    jmp hostile_back
.set vector, vector + 1
.endr

hostile_back:
    mov %rax, hostile_saved(%rip)
    mov hostile_registers_at(%rip), %rax
    mov %rbx, 8(%rax)
    mov %rcx, 16(%rax)
    mov %rdx, 24(%rax)
    mov %rsi, 32(%rax)
    mov %rdi, 40(%rax)
    mov %rbp, 48(%rax)
    mov %rsp, 56(%rax)
    mov %r8, 64(%rax)
    mov %r9, 72(%rax)
    mov %r10, 80(%rax)
    mov %r11, 88(%rax)
    mov %r12, 96(%rax)
    mov %r13, 104(%rax)
    mov %r14, 112(%rax)
    mov %r15, 120(%rax)
    mov hostile_saved(%rip), %rbx
    mov %rbx, (%rax)
    mov hostile_stack(%rip), %rsp
    pushfq
    popq 128(%rax)
    push $0x202
    popfq
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

    .data
    .balign 8
hostile_stub_target:
    .quad hostile_by_stub
    .bss
    .balign 8
hostile_registers_at:
    .quad 0
hostile_stack:
    .quad 0
hostile_target:
    .quad 0
hostile_saved:
    .quad 0
