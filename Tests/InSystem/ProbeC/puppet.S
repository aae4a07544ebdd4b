// A thread that does one trap at a time: it stops by a breakpoint, and when it is started again finds its registers in the page
// of its stack; there it leaves what came back (`Stage.swift` has the places).

#define STUB 0x600000000000
#define RESULT 96
#define DONE 176
#define STACK 184
#define WAY 192

    .section .text.probe_puppet, "ax", @progbits
    .globl probe_puppet
probe_puppet:
    mov %rsp, %rbp
    and $-4096, %rbp
1:  int3
    mov (%rbp), %rax
    mov 8(%rbp), %rdi
    mov 16(%rbp), %rsi
    mov 24(%rbp), %rdx
    mov 32(%rbp), %rbx
    mov 40(%rbp), %r12
    mov 48(%rbp), %r13
    mov 56(%rbp), %r14
    mov 64(%rbp), %r15
    mov 72(%rbp), %r8
    mov 80(%rbp), %r9
    mov 88(%rbp), %r10
    cmpq $1, WAY(%rbp)
    je 2f
    ja 3f
    movabs $STUB, %r11
    call *%r11
    jmp 4f
2:  mov STACK(%rbp), %rsp               // anything at all
    int $0x80
    jmp 4f
3:  mov STACK(%rbp), %rsp
    syscall
4:  mov %rax, RESULT(%rbp)
    mov %rdi, RESULT + 8(%rbp)
    mov %rbx, RESULT + 16(%rbp)
    mov %r12, RESULT + 24(%rbp)
    mov %r13, RESULT + 32(%rbp)
    mov %r14, RESULT + 40(%rbp)
    mov %r15, RESULT + 48(%rbp)
    mov %r8, RESULT + 56(%rbp)
    mov %r9, RESULT + 64(%rbp)
    mov %r10, RESULT + 72(%rbp)
    lea 4080(%rbp), %rsp
    movq $1, DONE(%rbp)
    jmp 1b
    .section .note.GNU-stack, "", @progbits
