// The names under which Swift's runtime asks for memory; it reserves them, so the Swift code has others.
    .section .text.posix_memalign, "ax", @progbits
    .globl posix_memalign
posix_memalign: jmp apus_memalign
    .section .text.free, "ax", @progbits
    .globl free
free: jmp apus_free
    .section .note.GNU-stack, "", @progbits
