// The page that a program calls to trap, and the way of a fault to the broker. All talk is one instruction,
// `stub_notify`: the broker believes no other place, because only after this one are its orders sure to be carried
// out before the program goes on. From there to the end everything comes from the page of orders, which the program
// cannot write, and from registers: no stack, no memory of the program's, whatever it has done to both.

#include "../../CLinux/include/sandbox_layout.h"
#include "../../../X86_64/C/include/x86_layout.h"

#define SIGNAL_ILLEGAL 4
#define SIGNAL_TRAP 5
#define SIGNAL_USER 10
#define CALL_SIGRETURN 15
#define VECTOR_INVALID 6
#define C(field) stub_context+CONTEXT_##field(%rip)
#define F(field) stub_context+CONTEXT_FRAME+FRAME_##field(%rip)

#define EACH_REGISTER \
    COPY(R8) COPY(R9) COPY(R10) COPY(R11) COPY(R12) COPY(R13) COPY(R14) COPY(R15) \
    COPY(RDI) COPY(RSI) COPY(RBP) COPY(RBX) COPY(RDX) COPY(RAX) COPY(RCX) COPY(RSP) COPY(RIP)

    .section .text.stub_trap, "ax", @progbits
    .globl stub_notified, stub_ordered, stub_signal, stub_restorer

// MARK: In

// AddressSpace.stub. Stores and a push on the context page, so nothing in here can fault.
stub_trap:
    mov %rbx, C(RBX)
    mov %r12, C(R12)
    mov %r13, C(R13)
    mov %r14, C(R14)
    mov %r15, C(R15)
    mov %r8, C(R8)
    mov %r9, C(R9)
    mov %r10, C(R10)
    mov %rax, C(RAX)
    mov %rdi, C(RDI)
    mov %rsi, C(RSI)
    mov %rdx, C(RDX)
    mov %rcx, C(RCX)
    mov %r11, C(R11)
    mov %rbp, C(RBP)
    mov %rsp, C(RSP)
    lea stub_context+CONTEXT_FLAGS+8(%rip), %rsp
    pushfq
    lea stub_return(%rip), %rcx
    mov %rcx, C(RIP)
    movq $ENTRY_SYSCALL, C(ENTRY)
    cmpq $0, stub_orders+ORDERS_WIDE(%rip)
    je 1f
    mov $EXTENDED_FEATURES, %eax
    mov $0, %edx
    xsave64 stub_context+CONTEXT_FPU(%rip)
    jmp 2f
1:  fxsave64 stub_context+CONTEXT_FPU(%rip)
2:  mov $STUB_TRAP, %eax
stub_notify:
    syscall
stub_notified:                          // rax: how to leave
    mov stub_orders+ORDERS_COUNT(%rip), %rcx
    jrcxz leave
    mov %rax, %rbx
    lea stub_orders+ORDERS_LIST(%rip), %r12
    shl $6, %rcx
    lea (%r12,%rcx), %r13
1:  mov (%r12), %rax
    mov 8(%r12), %rdi
    mov 16(%r12), %rsi
    mov 24(%r12), %rdx
    mov 32(%r12), %r10
    mov 40(%r12), %r9
    mov $STUB_FRAMES_FD, %r8d
    syscall
stub_ordered:
    cmp $-4096, %rax
    ja order_failed
    add $ORDER_SIZE, %r12
    cmp %r13, %r12
    jb 1b
    mov %rbx, %rax

// MARK: Out

// Nothing below writes the context page: an interruption here begins again from it.
leave:
    mov %rax, %rcx
    jrcxz leave_trap
    cmp $STUB_LEAVE_FULL, %rcx
    je leave_full
    mov $CALL_SIGRETURN, %eax           // in a handler, rsp where `ret` would have left it
    syscall
order_failed:
    mov $STUB_FAILED, %eax
    jmp stub_notify
leave_trap:
    mov C(RBX), %rbx
    mov C(R12), %r12
    mov C(R13), %r13
    mov C(R14), %r14
    mov C(R15), %r15
    mov C(R8), %r8
    mov C(R9), %r9
    mov C(R10), %r10
    mov C(RAX), %rax
    mov C(RDI), %rdi
    mov C(RBP), %rbp
    mov $0, %esi                        // `xor` would change the flags, which metal keeps
    mov $0, %edx
    mov C(RSP), %rsp
    jmp stub_return

// Every register from the context page, by the frame of a signal handler that never ran.
leave_full:
#define COPY(field) mov C(field), %rax; mov %rax, F(field);
    EACH_REGISTER
#undef COPY
    mov C(FLAGS), %rax
    mov %rax, F(RFLAGS)
    movabs $0x002B000000000033, %rax    // Linux' user segments
    mov %rax, F(SEGMENTS)
    lea stub_context+CONTEXT_FPU(%rip), %rax
    mov %rax, F(FPU)
    movq $0, F(MASK)
    movq $6, F(FLAGS)                   // UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
    lea stub_signal_stack(%rip), %rax
    mov %rax, F(STACK)
    movq $0, 8+F(STACK)
    movq $SIGNAL_STACK_SIZE, 16+F(STACK)
    lea stub_context+CONTEXT_FRAME+8(%rip), %rsp
    mov $CALL_SIGRETURN, %eax
    syscall
stub_return:
    ret

// MARK: Signals

// edi = signal, rsi = siginfo, rdx = ucontext; rsp = the frame. Others are blocked meanwhile.
stub_signal:
    add $8, %rsp
    mov FRAME_RIP-8(%rdx), %rax
    lea stub_trap(%rip), %rcx
    lea stub_notified(%rip), %r8
    lea stub_return(%rip), %r9
    cmp $SIGNAL_USER, %edi
    je interrupt
    cmpl $0, 8(%rsi)                    // si_code: not the kernel's, then somebody sent it, and nobody here may
    jle stub_restorer
    cmp $SIGNAL_TRAP, %edi
    jne exception
    cmp %rcx, %rax                      // single steps through this page are invisible, as those of a kernel
    jb exception
    cmp %r9, %rax
    jb stub_restorer
exception:
    mov FRAME_VECTOR-8(%rdx), %r14
    mov $VECTOR_INVALID, %r15d
    cmp $SIGNAL_ILLEGAL, %edi           // Linux also raises it without an exception; then the vector is an old one
    cmove %r15, %r14
    mov $STUB_EXCEPTION, %r15d
    mov %r14, %r12
    mov %rax, %r13
    cmp $VECTOR_PAGE_FAULT, %r14
    jne save
    mov $STUB_FAULT, %r15d
    mov FRAME_CR2-8(%rdx), %r12
    mov FRAME_ERROR-8(%rdx), %r13
save:                                   // r14 = vector, r15 = what to say, r12 and r13 = its arguments
    mov %r14, C(ENTRY)
#define COPY(field) mov FRAME_##field-8(%rdx), %rax; mov %rax, C(field);
    EACH_REGISTER
    COPY(ERROR)
#undef COPY
    mov FRAME_RFLAGS-8(%rdx), %rax
    mov %rax, C(FLAGS)
    mov FRAME_FPU-8(%rdx), %rsi
    lea stub_context+CONTEXT_FPU(%rip), %rdi
    mov $(512 / 8), %ecx
    cmpq $0, stub_orders+ORDERS_WIDE(%rip)
    je 1f
    mov $(EXTENDED_SIZE / 8), %ecx
1:  rep movsq
    mov %r12, %rdi
    mov %r13, %rsi
    mov %r15d, %eax
    jmp stub_notify

// The broker wants the processor. A request that it has withdrawn, because we spoke first, is nothing; neither is one
// that finds us on the way in. On the way out the context page is what counts, and it stays.
interrupt:
    cmpq $0, stub_orders+ORDERS_INTERRUPT(%rip)
    je stub_restorer
    mov $VECTOR_TIMER, %r14d
    mov $STUB_INTERRUPTED, %r15d
    cmp %rcx, %rax
    jb save
    cmp %r9, %rax
    jae save
    cmp %r8, %rax
    jb stub_restorer
    mov %r15d, %eax
    jmp stub_notify
stub_restorer:
    mov $CALL_SIGRETURN, %eax
    syscall

// MARK: Start

    .globl stub_own_stack
stub_own_stack:
    lea own_stack+OWN_STACK_SIZE(%rip), %rsp
    xor %ebp, %ebp
    call stub_zygote
    ud2

    .globl stub_ready
stub_ready:
    mov $STUB_READY, %eax
    jmp stub_notify

    .section .bss.stub, "aw", @nobits
    .globl stub_signal_stack, stub_hello
    .balign 64
stub_signal_stack: .skip SIGNAL_STACK_SIZE
own_stack: .skip OWN_STACK_SIZE
stub_hello: .skip 16 + 8 * FILTER_LIMIT

    .section .note.GNU-stack, "", @progbits
