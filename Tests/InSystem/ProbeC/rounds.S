// A thread that fills every register with numbers of its own, round after round, and looks whether they are still there: after a
// while in which anything may interrupt it, after a page fault, after a message and its answer (V32, V100, M-E2). And the
// handler of the signals that it gets meanwhile, which leaves nothing in any register as it was.

#define STUB 0x600000000000
#define SEND_REC 3
#define VM 1
#define PING 0x51
#define SIGNAL_RETURN 0x52
#define DONE 0x53
#define AREA 0x8000000000               // 512 pages, present or not as VM likes
#define USER_FLAGS 0x240CD5             // ID, AC, OF, DF, SF, ZF, AF, PF, CF
#define CALM 0x202

// Places in `values`: 0...14 the general registers, 15 the flags, 16...47 the vector registers, 48...50 the x87 stack, 52...83 the upper
// halves of the vector registers, where there is AVX.
#define FLAGS 15
#define VECTORS 16
#define NUMBERS 48
#define UPPERS 52
#define VALUES 84

    .section .bss.probe_rounds, "aw", @nobits
    .balign 16
values: .skip 8 * VALUES
seen:   .skip 16
result: .skip 8
seed:   .skip 8
flags:  .skip 8
stack:  .skip 8
control: .skip 8                        // MXCSR, x87 control word
    .globl probe_rounds_left
probe_rounds_left: .skip 8

.macro FAIL code
    movq $\code, result(%rip)
    jmp probe_rounds_end
.endm

.macro SAME place, register, code
    cmp values + 8 * (\place)(%rip), \register
    je 77f
    FAIL \code
77:
.endm

.macro LOAD_VECTORS
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movdqa values + 8 * VECTORS + 16 * \n(%rip), %xmm\n
.endr
    cmpb $0, probe_wide(%rip)
    je 78f
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vinsertf128 $1, values + 8 * UPPERS + 16 * \n(%rip), %ymm\n, %ymm\n
.endr
78:
    fninit
    fldcw control + 4(%rip)
    ldmxcsr control(%rip)
    fildq values + 8 * NUMBERS(%rip)
    fildq values + 8 * NUMBERS + 8(%rip)
    fildq values + 8 * NUMBERS + 16(%rip)
.endm

// Uses rax. The codes are 200 + the vector register, 240 + that with a wrong upper half, 220 the x87 stack, 221 its control, 222 MXCSR.
.macro CHECK_VECTORS
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movdqa %xmm\n, seen(%rip)
    mov seen(%rip), %rax
    SAME VECTORS + 2 * \n, %rax, 200 + \n
    mov seen + 8(%rip), %rax
    SAME VECTORS + 2 * \n + 1, %rax, 200 + \n
.endr
    cmpb $0, probe_wide(%rip)
    je 79f
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vextractf128 $1, %ymm\n, seen(%rip)
    mov seen(%rip), %rax
    SAME UPPERS + 2 * \n, %rax, 240 + \n
    mov seen + 8(%rip), %rax
    SAME UPPERS + 2 * \n + 1, %rax, 240 + \n
.endr
79:
    fnstcw seen(%rip)
    movzwl seen(%rip), %eax
    cmp %ax, control + 4(%rip)
    je 78f
    FAIL 221
78: stmxcsr seen(%rip)
    mov seen(%rip), %eax
    and $0xFFC0, %eax                   // but the exceptions that conversions leave
    cmp %eax, control(%rip)
    je 78f
    FAIL 222
78: fistpq seen(%rip)
    mov seen(%rip), %rax
    SAME NUMBERS + 2, %rax, 220
    fistpq seen(%rip)
    mov seen(%rip), %rax
    SAME NUMBERS + 1, %rax, 220
    fistpq seen(%rip)
    mov seen(%rip), %rax
    SAME NUMBERS, %rax, 220
.endm

.macro LOAD_MESSAGE
    mov values + 8 * 1(%rip), %r12
    mov values + 8 * 2(%rip), %r13
    mov values + 8 * 3(%rip), %r14
    mov values + 8 * 4(%rip), %r15
    mov values + 8 * 5(%rip), %r8
    mov values + 8 * 6(%rip), %r9
    mov values + 8 * 7(%rip), %r10
    mov values + 8 * 14(%rip), %rbp
.endm

.macro CHECK_MESSAGE code
    SAME 1, %r12, \code + 1
    SAME 2, %r13, \code + 2
    SAME 3, %r14, \code + 3
    SAME 4, %r15, \code + 4
    SAME 5, %r8, \code + 5
    SAME 6, %r9, \code + 6
    SAME 7, %r10, \code + 7
    SAME 14, %rbp, \code + 14
.endm

// The flags come off the stack before anything can change them, and then are what code expects again.
.macro CHECK_FLAGS code
    pushfq
    popq flags(%rip)
    push $CALM
    popfq
    cmp %rsp, stack(%rip)
    je 78f
    FAIL \code + 1
78: push %rax
    mov flags(%rip), %rax
    cmp %rax, values + 8 * FLAGS(%rip)
    pop %rax
    je 78f
    FAIL \code
78:
.endm

    .section .text.probe_rounds, "ax", @progbits
    .globl probe_rounds
probe_rounds:
    and $-16, %rsp
    mov %rsp, stack(%rip)
    mov $0x123456789ABCDEF1, %rax
    mov %rax, seed(%rip)
round:
    decq probe_rounds_left(%rip)
    js probe_rounds_end
    mov $6364136223846793005, %rcx
    mov seed(%rip), %rax
    imul %rcx, %rax
    add $1442695, %rax
    mov %rax, seed(%rip)
    lea values(%rip), %rdi
    mov $VALUES, %ecx
1:  mov %rax, (%rdi)
    rol $7, %rax
    add %rcx, %rax
    add $8, %rdi
    dec %ecx
    jnz 1b
    mov %rax, %rcx
    and $0x6000, %ecx                   // how to round
    or $0x1F80, %ecx
    mov %ecx, control(%rip)
    mov %rax, %rcx
    and $0x0C00, %ecx
    or $0x037F, %ecx
    mov %cx, control + 4(%rip)
    and $USER_FLAGS, %eax
    or $CALM, %eax
    mov %rax, values + 8 * FLAGS(%rip)
    mov $AREA, %rax
    mov probe_rounds_left(%rip), %ecx
    and $511, %ecx
    shl $12, %ecx
    add %rcx, %rax
    mov %rax, values + 8 * 10(%rip)     // rsi points to the page of this round
    LOAD_VECTORS

    push values + 8 * FLAGS(%rip)
    popfq
    LOAD_MESSAGE
    mov values(%rip), %rbx
    mov values + 8 * 8(%rip), %rax
    mov values + 8 * 9(%rip), %rdi
    mov values + 8 * 10(%rip), %rsi
    mov values + 8 * 11(%rip), %rdx
    mov values + 8 * 12(%rip), %rcx
    mov values + 8 * 13(%rip), %r11
    .rept 40
    nop
    .endr
    movb $1, (%rsi)
    .rept 40
    nop
    .endr
    CHECK_FLAGS 30
    SAME 0, %rbx, 1
    SAME 8, %rax, 9
    SAME 9, %rdi, 10
    SAME 10, %rsi, 11
    SAME 11, %rdx, 12
    SAME 12, %rcx, 13
    SAME 13, %r11, 14
    CHECK_MESSAGE 1
    CHECK_VECTORS

    LOAD_VECTORS
    push values + 8 * FLAGS(%rip)
    popfq
    LOAD_MESSAGE
    mov $PING, %ebx
    mov $SEND_REC, %eax
    mov $VM, %edi
    mov $0, %esi
    mov $0, %edx
    movabs $STUB, %r11
    call *%r11
    CHECK_FLAGS 130
    test %rax, %rax
    jz 1f
    FAIL 129
1:  CHECK_MESSAGE 100
    CHECK_VECTORS
    jmp round

    .globl probe_rounds_end
probe_rounds_end:
    push $CALM
    popfq
    mov $DONE, %ebx
    mov result(%rip), %r12
    mov probe_rounds_left(%rip), %r13
    mov $SEND_REC, %eax
    mov $VM, %edi
    movabs $STUB, %r11
    call *%r11
    ud2

// Ours too must not be what the thread finds.
    .globl probe_spoil
probe_spoil:
    cmpb $0, probe_wide(%rip)
    je 1f
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vcmptrueps %ymm\n, %ymm\n, %ymm\n
.endr
1:  pcmpeqd %xmm0, %xmm0
.irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movdqa %xmm0, %xmm\n
.endr
    fninit
    ret

    .globl probe_handler
probe_handler:
    call probe_spoil
    fldz
.irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    mov $-1, %\register
.endr
    .rept 40
    nop
    .endr
    push $0x202CD7
    popfq
    ret                                 // to the restorer, as the kernel has laid it down
    .globl probe_restorer
probe_restorer:
    push $CALM
    popfq
    mov (%rsp), %r12                    // the frame
    mov $SIGNAL_RETURN, %ebx
    mov $SEND_REC, %eax
    mov $VM, %edi
    xor %esi, %esi
    xor %edx, %edx
    movabs $STUB, %r11
    call *%r11
    ud2
    .section .note.GNU-stack, "", @progbits
