#define STUB 0x600000000000
#define KERNEL_CALL 0
#define REPLY_RECEIVE 4
#define SHUTDOWN_CALL 31

    .section .bss.probe_wide, "aw", @nobits
    .globl probe_wide
probe_wide: .skip 1                     // whether there is AVX

// The upper halves of ymm5 and ymm15 get the lower ones' number; rcx is the upper half of the one in the argument.
.macro WIDEN
    cmpb $0, probe_wide(%rip)
    je 71f
    vinsertf128 $1, %xmm5, %ymm5, %ymm5
    vinsertf128 $1, %xmm15, %ymm15, %ymm15
71:
.endm
.macro UPPER number
    mov %rax, %rcx
    cmpb $0, probe_wide(%rip)
    je 71f
    vextractf128 $1, %ymm\number, %xmm6
    movq %xmm6, %rcx
71:
.endm

    .text
// Whether the kernel has switched AVX on.
    .globl probe_find_wide
probe_find_wide:
    push %rbx
    mov $1, %eax
    cpuid
    bt $27, %ecx                        // OSXSAVE
    jnc 1f
    xor %ecx, %ecx
    xgetbv
    and $6, %eax
    cmp $6, %eax
    sete probe_wide(%rip)
1:  pop %rbx
    ret

    .globl probe_registers
probe_registers:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    sub $40, %rsp
    mov %rdi, (%rsp)                    // way
    mov %rsi, 8(%rsp)                   // flags
    mov %rsp, 16(%rsp)
    movq $0, 24(%rsp)                   // result
    mov $0x5A5A5A5A5A5A5A5A, %rax
    movq %rax, %xmm5
    movq %rax, %xmm15
    WIDEN
    fninit
    fldpi
    lea -77(%rsp), %rbp
    mov %rbp, 32(%rsp)
    mov (%rsp), %rcx
    mov $KERNEL_CALL, %eax
    mov $0, %edi
    mov $0x5151515151515151, %rsi
    mov $0x5252525252525252, %rdx
    mov $0, %ebx                        // Kernel.Null
    mov $0x1212121212121212, %r12
    mov $0x1313131313131313, %r13
    mov $0x1414141414141414, %r14
    mov $0x1515151515151515, %r15
    mov $0x0808080808080808, %r8
    mov $0x0909090909090909, %r9
    mov $0x1010101010101010, %r10
    pushfq
    pop %r11
    or 8(%rsp), %r11
    push %r11
    popfq
    cmp $1, %rcx                        // (the comparison's flags do no harm)
    ja 2f
    je 1f
    movabs $STUB, %r11
    call *%r11
    jmp 3f
1:  syscall
    jmp 3f
2:  int $0x80
3:  pushfq
    pop %r11
    cld
    push $0x202                         // no AC, no TF for what follows
    popfq
    cmp 16(%rsp), %rsp                  // rsp must hold before anything else can be said
    jne 9f
    cmp 32(%rsp), %rbp
    je 4f
9:  orq $1, 24(%rsp)
4:  test %rax, %rax
    jz 4f
    orq $2, 24(%rsp)
4:  mov 8(%rsp), %rcx                   // the flags that were set are still set
    and $~0x4000, %rcx                  // (NT does not matter to anybody)
    mov %r11, %rax
    and %rcx, %rax
    cmp %rcx, %rax
    jne 5f
    test $0x200, %r11                   // and interrupts are on
    jnz 4f
5:  orq $8, 24(%rsp)
4:  cmpq $1, (%rsp)
    jne 4f
    or %rsi, %rdx
    jz 4f
    orq $16, 24(%rsp)
4:  cmp %rbp, 32(%rsp)
    jne 9b
    mov $0x5A5A5A5A5A5A5A5A, %rax
    movq %xmm5, %rcx
    cmp %rax, %rcx
    jne 5f
    movq %xmm15, %rcx
    cmp %rax, %rcx
    jne 5f
    UPPER 5
    cmp %rax, %rcx
    jne 5f
    UPPER 15
    cmp %rax, %rcx
    jne 5f
    fldpi
    fcompp
    fnstsw %ax
    and $0x4500, %eax
    cmp $0x4000, %eax
    je 4f
5:  orq $32, 24(%rsp)
4:  mov 24(%rsp), %rax
    add $40, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

    .globl probe_null_calls
probe_null_calls:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rdi, %rbp
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    push %rax
1:  xor %eax, %eax
    xor %edi, %edi
    xor %ebx, %ebx
    movabs $STUB, %r11
    call *%r11
    dec %rbp
    jnz 1b
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    pop %rdx
    sub %rdx, %rax
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

    .globl probe_begin
probe_begin:
    ret
    .globl probe_end
probe_end:
    ret

    .globl probe_crash
probe_crash:
    movb $0, 8
    ud2

.macro THREAD name
    .globl \name
\name:
.endm
THREAD probe_invalid
    ud2
THREAD probe_divide
    xor %ecx, %ecx
    div %ecx
THREAD probe_halt
    hlt
THREAD probe_breakpoint
    int3
THREAD probe_single_step
    pushfq
    orq $0x100, (%rsp)
    popfq
    nop
    nop
THREAD probe_port
    outb %al, $0x80
THREAD probe_cr3
    mov %rax, %cr3
THREAD probe_msr
    mov $0xC0000082, %ecx
    wrmsr
THREAD probe_swapgs
    swapgs
THREAD probe_sysret
    sysretq
THREAD probe_sysenter_hole
    xor %eax, %eax
    xor %ebx, %ebx
    mov $0x800000000000, %rcx
    sysenter
THREAD probe_sysenter_kernel
    xor %eax, %eax
    xor %ebx, %ebx
    mov $0xFFFFFFFF80100000, %rcx
    sysenter
THREAD probe_steps
    mov $99, %eax
    xor %edi, %edi
    xor %ebx, %ebx
    movabs $STUB, %r10
    pushfq
    orq $0x100, (%rsp)
    popfq
    xor %eax, %eax                      // the null call
    call *%r10
    mov %rax, %r12
    pushfq
    andq $~0x100, (%rsp)
    popfq
    .globl probe_steps_end
probe_steps_end:
    nop
    nop
    nop
    nop
    test %r12, %r12
    jnz 1f
    ud2
1:  hlt
.macro WITHOUT_STACK name, instruction:vararg
THREAD \name
    xor %eax, %eax
    xor %ebx, %ebx
    mov $0x800000000000, %rsp
    \instruction
    test %eax, %eax                     // the call is done all the same
    jnz 1f
    pop %rax
1:  ud2
.endm
WITHOUT_STACK probe_call_without_stack, syscall
WITHOUT_STACK probe_trap_without_stack, int $0x80
THREAD probe_frame                      // asks for the frame at its stack to be its registers
    mov %rsp, %r12
    sub $2048, %r12
    mov $0x52, %ebx
    mov $3, %eax
    mov $1, %edi
    movabs $STUB, %r11
    call *%r11
    ud2
THREAD probe_interrupt
    int $0x20
THREAD probe_kernel_code
    push $0x08
    lea 1f(%rip), %rax
    push %rax
1:  lretq
THREAD probe_compatibility
    push $0x1B
    lea 1f(%rip), %rax
    push %rax
1:  lretq
THREAD probe_non_canonical
    mov $0x800000000000, %rax
    jmp *%rax
THREAD probe_stack
    mov $0x800000000000, %rsp
    pop %rax
THREAD probe_alignment
    pushfq
    orq $0x40000, (%rsp)
    popfq
    movl 1(%rsp), %eax
    ud2                                 // QEMU 7.2 does not raise #AC
THREAD probe_x87
    fninit
    push $0x0340                        // all exceptions on
    fldcw (%rsp)
    fldz
    fld1
    fdivp
    fwait
THREAD probe_avx
    vxorps %ymm0, %ymm0, %ymm0
    ud2
THREAD probe_fresh                      // ends by HLT if it finds anything in its vector and x87 registers
    sub $1024, %rsp
    and $-64, %rsp
    xor %eax, %eax
    mov %rsp, %rdi
    mov $64, %ecx                       // FXSAVE leaves holes
    rep stosq
    fxsave64 (%rsp)
    mov $4, %ecx                        // the x87 registers, then the others
1:  or (%rsp,%rcx,8), %rax
    inc %ecx
    cmp $52, %ecx
    jb 1b
    test %rax, %rax
    jnz 9f
    cmpw $0x037F, (%rsp)
    jne 9f
    cmpl $0x1F80, 24(%rsp)
    jne 9f
    cmpb $0, probe_wide(%rip)
    je 8f
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vextractf128 $1, %ymm\n, (%rsp)
    or (%rsp), %rax
    or 8(%rsp), %rax
.endr
    test %rax, %rax
    jnz 9f
8:  ud2
9:  hlt
THREAD probe_read_kernel
    mov $0xFFFFFFFF80100000, %rax
    mov (%rax), %eax
THREAD probe_write_text
    lea probe_write_text(%rip), %rax
    movb $0, (%rax)
THREAD probe_execute_data
    sub $8, %rsp
    jmp *%rsp
THREAD probe_null
    xor %eax, %eax
    call *%rax
THREAD probe_top                        // the last address before the hole: `syscall` there would return into it
    mov $0x7FFFFFFFFFFE, %rax
    jmp *%rax

    .globl probe_server
probe_server:
    mov $0x0F0F0F0F0F0F0F0F, %rax
    movq %rax, %xmm5
    movq %rax, %xmm15
    WIDEN
    fninit
    fldz
    mov $2, %eax                        // receive
    xor %edi, %edi
    mov $0xFFFFFFFF, %esi
    xor %edx, %edx
1:  movabs $STUB, %r11
    call *%r11
    cmp $1, %ebx
    je 3f
    mov $0x0F0F0F0F0F0F0F0F, %rax
    movq %xmm5, %rcx
    cmp %rax, %rcx
    jne 2f
    movq %xmm15, %rcx
    cmp %rax, %rcx
    jne 2f
    UPPER 5
    cmp %rax, %rcx
    jne 2f
    UPPER 15
    cmp %rax, %rcx
    jne 2f
    fldz
    fcomp
    fnstsw %ax
    and $0x4500, %eax
    cmp $0x4000, %eax
    je 4f
2:  mov $2, %r12d
4:  mov %rbx, %rdi
    shr $32, %rdi                       // to the sender
    xor %ebx, %ebx
    mov $REPLY_RECEIVE, %eax
    mov $0xFFFFFFFF, %esi
    xor %edx, %edx
    jmp 1b
3:  xor %eax, %eax
    mov $SHUTDOWN_CALL, %ebx
    xor %edi, %edi
    movabs $STUB, %r11
    call *%r11
    ud2
// Swift's functions as threads: a stack that is aligned as at a call, and an end that is seen.
THREAD probe_waiter
    and $-16, %rsp
    call probe_waiter_body
    ud2
THREAD probe_granter
    and $-16, %rsp
    call probe_granter_body
    ud2
THREAD probe_toucher
    and $-16, %rsp
    call probe_toucher_body
    ud2
    .section .note.GNU-stack, "", @progbits
