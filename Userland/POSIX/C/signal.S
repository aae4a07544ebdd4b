// Where a signal handler returns to. The kernel called the handler with the signal frame as its stack, the first word
// of the frame being this address; `ret` has taken that word off. sendRec(PM.SignalReturn(frame)) to PM; PM does not
// answer: the thread goes on where the signal met it. Numbers: IPC/Message/Trap.swift, IPC/Protocols/PM.swift.
    .globl apus_signal_restorer
    .section .text.apus_signal_restorer, "ax", @progbits
apus_signal_restorer:
    lea -8(%rsp), %r12              // payload word 0: the frame
    lea -64(%rsp), %rsp             // the stub's call must not write into the frame
    mov $3, %eax                    // TrapOperation.sendRec
    mov $3, %edi                    // Endpoint.pm
    mov $0xFFFFFFFE, %esi           // Endpoint.none
    xor %edx, %edx
    mov $0x206, %ebx                // PM.Number.signalReturn
    movabs $0x600000000000, %r11    // AddressSpace.stub
    call *%r11
    ud2                             // PM refused the frame
    .section .note.GNU-stack, "", @progbits
