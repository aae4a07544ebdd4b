// Where a signal handler returns to. The kernel left the frame's address on top of the stack; below it is what the handler
// used as its stack. sendRec(PM.SignalReturn(frame)) to PM, which does not answer: the thread goes on where the signal met
// it. Numbers: IPC/Message/Trap.swift, IPC/Protocols/PM.swift.
    .globl apus_signal_restorer
    .section .text.apus_signal_restorer, "ax", @progbits
apus_signal_restorer:
    mov (%rsp), %r12                // payload word 0: the frame
    sub $64, %rsp                   // the frame may begin right there
    mov $3, %eax                    // TrapOperation.sendRec
    mov $3, %edi                    // Endpoint.pm
    mov $0xFFFFFFFE, %esi           // Endpoint.none
    xor %edx, %edx
    mov $0x206, %ebx                // PM.Number.signalReturn
    movabs $0x600000000000, %r11    // AddressSpace.stub
    call *%r11
    ud2                             // PM refused the frame
    .section .note.GNU-stack, "", @progbits
