// A thread that fills every register with numbers of its own, round after round, and looks whether they are still there: after a
// while in which anything may interrupt it, after a page fault, after a message and its answer (V32, V100, M-E2). And the
// handler of the signals that it gets meanwhile, which leaves nothing in any register as it was.

#define STUB 0x600000000000
#define SEND_REC 3
#define VM 1
#define PING 0x51
#define SIGNAL_RETURN 0x52
#define DONE 0x53
#define YIELD_CALL 32
#define THREAD_BASES 33
#define THREAD_WATCH 34
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
    .globl own_fs, own_gs
own_fs: .skip 16
own_gs: .skip 16
others_fs: .skip 16
others_gs: .skip 16
    .globl probe_based
probe_based: .skip 8                    // whether the rounds are to have bases
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

// The words at the bases are their own addresses. Uses rax and rcx.
.macro CHECK_BASES code
    cmpb $0, probe_based(%rip)
    je 78f
    mov %fs:0, %rax
    lea own_fs(%rip), %rcx
    cmp %rax, %rcx
    jne 79f
    mov %gs:8, %rax
    lea own_gs + 8(%rip), %rcx
    cmp %rax, %rcx
    je 78f
79: FAIL \code
78:
.endm

// Kernel.ThreadBases for ourselves. All words of a message are lost.
.macro SET_BASES first, second
    mov $THREAD_BASES, %ebx
    xor %r12d, %r12d
    lea \first(%rip), %r13
    lea \second(%rip), %r14
    mov %r13, (%r13)
    lea 8(%r14), %rax
    mov %rax, (%rax)
    xor %eax, %eax
    xor %edi, %edi
    movabs $STUB, %r11
    call *%r11
    or %rbx, %rax
.endm

.macro YIELD
    mov $YIELD_CALL, %ebx
    xor %eax, %eax
    xor %edi, %edi
    movabs $STUB, %r11
    call *%r11
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
    cmpb $0, probe_based(%rip)
    je round
    SET_BASES own_fs, own_gs
    test %rax, %rax
    jz round
    FAIL 301
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
    CHECK_BASES 302

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
    CHECK_BASES 303
    cmpb $0, probe_based(%rip)
    je round
    YIELD                               // to the other one
    CHECK_BASES 304
    jmp round

// The other one: has bases too, and looks at nothing else.
    .globl probe_based_other
probe_based_other:
    SET_BASES others_fs, others_gs
    test %rax, %rax
    jnz 2f
1:  incq probe_based_turns(%rip)
    YIELD
    mov %fs:0, %rax
    lea others_fs(%rip), %rcx
    cmp %rax, %rcx
    jne 2f
    mov %gs:8, %rax
    lea others_gs + 8(%rip), %rcx
    cmp %rax, %rcx
    je 1b
2:  hlt

// Says hello to VM, who sets the bases or makes a copy meanwhile; ends by UD2 if they are as they should be.
    .globl probe_based_waiter
probe_based_waiter:
    lea own_fs(%rip), %rax
    mov %rax, (%rax)
    lea own_gs + 8(%rip), %rax
    mov %rax, (%rax)
    mov $PING, %ebx
    mov $SEND_REC, %eax
    mov $VM, %edi
    xor %esi, %esi
    xor %edx, %edx
    movabs $STUB, %r11
    call *%r11
    mov %fs:0, %rax
    lea own_fs(%rip), %rcx
    cmp %rax, %rcx
    jne 2b
    mov %gs:8, %rax
    lea own_gs + 8(%rip), %rcx
    cmp %rax, %rcx
    jne 2b
    ud2
    .globl probe_read_base
probe_read_base:
    mov %fs:0x18, %rax
    ud2
    .globl probe_write_base
probe_write_base:
    wrfsbase %rsp
    hlt

// Watches itself as `probe_watch_control` says, four times the same place, and begins again when that has stopped it.
.macro WATCH place, control
    mov $THREAD_WATCH, %ebx
    xor %r12d, %r12d
    lea \place(%rip), %r13
    xor %r14d, %r14d
    xor %r15d, %r15d
    xor %r8d, %r8d
    mov $\control, %r9d
    xor %eax, %eax
    xor %edi, %edi
    movabs $STUB, %r11
    call *%r11
    or %rbx, %rax
    jnz 2b
.endm
2:  hlt
    .globl probe_watch_write, probe_watch_write_seen
probe_watch_write:
    WATCH watched, 0xD0001              // writing four bytes
    mov watched(%rip), %eax
    movl $1, watched + 4(%rip)
    movl $1, watched(%rip)
probe_watch_write_seen:
    nop
    WATCH watched, 0
    cmp $1, %r12                        // DR6
    jne 2b
    movl $2, watched(%rip)
    ud2
    .globl probe_watch_execution, probe_watch_execution_place
probe_watch_execution:
    WATCH probe_watch_execution_place, 1
    nop
probe_watch_execution_place:
    nop
    nop
    ud2
    .globl probe_watch_copy                // a copy of the kernel's into what is watched is not noticed
probe_watch_copy:
    WATCH watched, 0xF0001
    mov $PING, %ebx
    lea watched(%rip), %r12
    mov $SEND_REC, %eax
    mov $VM, %edi
    xor %esi, %esi
    xor %edx, %edx
    movabs $STUB, %r11
    call *%r11
    ud2
    .globl probe_watch_selector            // MOV SS holds the news back until the trap is in the kernel
probe_watch_selector:
    movl $0x23, watched(%rip)
    WATCH watched, 0x70001
    xor %ebx, %ebx
    xor %eax, %eax
    xor %edi, %edi
    mov watched(%rip), %ss
    int $0x80
    ud2
    .globl probe_watch_selector_call
probe_watch_selector_call:
    movl $0x23, watched(%rip)
    WATCH watched, 0x70001
    xor %ebx, %ebx
    xor %eax, %eax
    xor %edi, %edi
    mov watched(%rip), %ss
    syscall
    ud2
    .globl probe_watch_child               // asks VM, who copies it: the copy is not watched
probe_watch_child:
    WATCH watched, 0xD0001
    mov $PING, %ebx
    mov $SEND_REC, %eax
    mov $VM, %edi
    xor %esi, %esi
    xor %edx, %edx
    movabs $STUB, %r11
    call *%r11
    movl $3, watched(%rip)
    ud2

// Selectors of its own in DS, ES, FS and GS, until somebody else has run.
    .globl probe_load_selectors
probe_load_selectors:
    mov $0x23, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    ret
    .globl probe_read_selectors
probe_read_selectors:
    mov %ds, %eax
    mov %es, %ecx
    or %ecx, %eax
    mov %fs, %ecx
    or %ecx, %eax
    mov %gs, %ecx
    or %ecx, %eax
    jnz 2f
    ud2
2:  hlt

    .section .bss.probe_watched, "aw", @nobits
    .balign 8
    .globl watched, probe_based_turns
watched: .skip 16
probe_based_turns: .skip 8
    .section .text.probe_rounds, "ax", @progbits

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
