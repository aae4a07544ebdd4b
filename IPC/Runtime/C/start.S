// Where VM and exec start a program: RSP points to argc (System V ABI, 3.4.1). SwiftPM defines `main` as the
// module's own `@c(<module>_main)`, which gets the start-up stack as its argument and does not return.
    .globl _start
    .section .text._start, "ax", @progbits
_start:
    xor %ebp, %ebp
    mov %rsp, %rdi
    and $-16, %rsp
    call main
    ud2
    .section .note.GNU-stack, "", @progbits
