// Small programs for sandboxed processes; the tests copy them into frames. All end in traps for ever, with the
// registers as they are then.

.macro program name
    .globl code_\name
code_\name:
.endm
.macro end name
    .globl code_\name\()_end
code_\name\()_end:
.endm

    .text

// Traps again and again through the stub page, as KernelTrap does.
program trap
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end trap

// rcx <- (rsi), then traps.
program load
    mov (%rsi), %rcx
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end load

// (rsi) <- rcx, then traps.
program store
    mov %rcx, (%rsi)
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end store

// What lies at the bases of FS and GS, then traps.
program based
1:  mov %fs:0, %rbx
    mov %gs:8, %r12
    movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end based

program loop
1:  jmp 1b
end loop

// A system call of its own, without the stub: number in rax, arguments as Linux wants them; then traps with its result in rax.
program call
    syscall
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end call

// Counts in rbx and traps at each thousandth.
program count
1:  inc %rbx
    mov %rbx, %rax
    xor %edx, %edx
    mov $1000, %ecx
    div %rcx
    test %rdx, %rdx
    jnz 1b
    movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end count

// Touches page after page from rsi on.
program touch
1:  incb (%rsi)
    add $4096, %rsi
    jmp 1b
end touch

// Goes wherever rbp says, with all other registers as they are.
program jump
    jmp *%rbp
end jump

// ymm0 <- (rdi), then a load from (rsi), then (rdi + 32) <- ymm0, then traps.
program wide
    vmovdqu (%rdi), %ymm0
    mov (%rsi), %rcx
    vmovdqu %ymm0, 32(%rdi)
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end wide

program divide
    xor %ecx, %ecx
    div %rcx
end divide

program invalid
    ud2
end invalid

program breakpoint
    int3
end breakpoint

program protection
    hlt
end protection

// Linux' other ways in: 32-bit calls, and the page that old programs have for the time.
program old_call
    int $0x80
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end old_call

program old_entry
    sysenter
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end old_entry

program vsyscall_call
    mov $0xffffffffff600000, %rax
    call *%rax
1:  movabs $0x600000000000, %r11
    call *%r11
    jmp 1b
end vsyscall_call

    .section .note.GNU-stack, "", @progbits
