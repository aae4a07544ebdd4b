// memcpy, memmove, memset, memcmp. Eight bytes at a time: a `rep` of bytes costs one guest instruction a byte
// under QEMU's icount, and is no faster than words on small sizes elsewhere.
    .section .text.memcpy, "ax", @progbits
    .globl memcpy
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    ret

    .section .text.memmove, "ax", @progbits
    .globl memmove
memmove:
    mov %rdi, %rax
    mov %rdi, %rcx
    sub %rsi, %rcx          // to - from, as unsigned: below count means that the end of `from` is overwritten
    cmp %rdx, %rcx
    jae memcpy
    std                     // backwards: the odd bytes at the end first
    lea -1(%rdi,%rdx), %rdi
    lea -1(%rsi,%rdx), %rsi
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    sub $7, %rdi
    sub $7, %rsi
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    cld
    ret

    .section .text.memset, "ax", @progbits
    .globl memset
memset:
    mov %rdi, %r8
    movzbl %sil, %eax
    mov $0x0101010101010101, %rcx
    imul %rcx, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep stosq
    mov %edx, %ecx
    and $7, %ecx
    rep stosb
    mov %r8, %rax
    ret

    .section .text.memcmp, "ax", @progbits
    .globl memcmp
memcmp:
    mov %rdx, %rcx
    shr $3, %rcx
    jz 2f
1:  mov (%rdi), %rax
    cmp (%rsi), %rax
    jne 3f
    add $8, %rdi
    add $8, %rsi
    dec %rcx
    jnz 1b
2:  mov %edx, %ecx
    and $7, %ecx
    jz 5f
    jmp 4f
3:  mov $8, %ecx            // the differing word, byte by byte
4:  movzbl (%rdi), %eax
    movzbl (%rsi), %r8d
    sub %r8d, %eax
    jnz 6f
    inc %rdi
    inc %rsi
    dec %ecx
    jnz 4b
5:  xor %eax, %eax
6:  ret
    .section .note.GNU-stack, "", @progbits
