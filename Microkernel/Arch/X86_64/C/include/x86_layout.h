// Numbers that assembly, C and Swift share. `x86.h` asserts that they are the offsets of its structs.
#ifndef APUS_X86_LAYOUT_H
#define APUS_X86_LAYOUT_H

// Selectors. The order is what SYSRET and SYSEXIT compute from one base (SDM vol. 2): 0x18 stays empty, so that
// there is no compatibility mode to enter.
#define X86_KERNEL_CODE 0x08
#define X86_KERNEL_DATA 0x10
#define X86_USER_DATA 0x23
#define X86_USER_CODE 0x2B
#define X86_TSS 0x38

// apus_context: the message first and in message order, then the other arguments, then what only a full return
// restores, then the frame that the CPU itself pushes and `iretq` pops.
#define CONTEXT_RBX 0
#define CONTEXT_R12 8
#define CONTEXT_R13 16
#define CONTEXT_R14 24
#define CONTEXT_R15 32
#define CONTEXT_R8 40
#define CONTEXT_R9 48
#define CONTEXT_R10 56
#define CONTEXT_RAX 64
#define CONTEXT_RDI 72
#define CONTEXT_RSI 80
#define CONTEXT_RDX 88
#define CONTEXT_RCX 96
#define CONTEXT_R11 104
#define CONTEXT_RBP 112
#define CONTEXT_ENTRY 120
#define CONTEXT_ERROR 128
#define CONTEXT_RIP 136
#define CONTEXT_CS 144
#define CONTEXT_FLAGS 152
#define CONTEXT_RSP 160
#define CONTEXT_SS 168
#define CONTEXT_SIZE 176

// The thread's record behind its context, as Swift lays `Thread<X86Context>` out: `Tests/X86StateTests` compares.
#define THREAD_ROOT 176
#define THREAD_STAMP 184        // four zero bytes and the endpoint: the source in a message's header
#define THREAD_ENDPOINT 188
#define THREAD_STATE 192        // four bytes: state, holds, a signal that waits, shortcut
#define THREAD_PURPOSE 196      // four bytes: purpose, deliveries, suspicion, a trap to be done again
#define THREAD_SERIAL 200
#define THREAD_URGENT 204
#define THREAD_PEER 208
#define THREAD_TIME 216
#define THREAD_MESSAGES 224
#define THREAD_NOTIFICATIONS 232
#define THREAD_SOURCE 240
#define THREAD_EXTENDED 248
#define THREAD_HEARD_AT 256
#define THREAD_STACK_LOW 264
#define THREAD_STACK_SIZE 272
#define THREAD_CALLERS 304
#define THREAD_INBOX 344
#define THREAD_KERNEL_CALLS 376
#define THREAD_SEND_TO 384
#define THREAD_SIZE 592

#define DELIVERY_REQUEST 1      // Delivery.Flags.request
#define STATE_RUNNABLE 0x00000001
#define STATE_OPEN 0x01000003   // receives from anybody, for ever
#define STATE_ASKED 0x02000004  // waits for the answer to its request
#define PURPOSE_REQUEST 0x00000101  // heard once

// How a thread came into the kernel, in `apus_context.entry`: a vector below 256, or one of these.
#define ENTRY_SYSCALL 0x100
// A context made or changed as a whole: leaves by `iretq`.
#define ENTRY_FULL 0x101
// By SYSENTER from the stub page, with a stack pointer that SYSEXIT takes and none of the flags that the kernel must not
// inherit. A kernel that offers SYSENTER marks what comes by SYSCALL as ENTRY_FULL, so the fast path meets one kind only.
#define ENTRY_SYSENTER 0x102
// While a thread runs its record has the one of the two that the fast path serves.

// What XSAVE keeps: x87, SSE, the upper halves of AVX (SDM vol. 1, 13.1), and the bytes of a thread slot for it.
#define EXTENDED_FEATURES 7
#define EXTENDED_SIZE 832
// Behind it in the slot: apus_special.
#define EXTENDED_STRIDE 896
// Where SYSENTER, which keeps no return address, goes back to: behind `mov %rsp, %rcx; sysenter` in the stub page.
#define SYSENTER_RETURN 0x600000000005
// RFLAGS that SYSENTER leaves as the user has set them: TF, DF, NT, AC; and what it clears.
#define FLAGS_TRAP 0x100
#define FLAGS_INTERRUPT 0x200
#define FLAGS_ODD 0x44500

// apus_cpu, reached through GS.
#define CPU_CURRENT 0
#define CPU_STACK 8
#define CPU_SCRATCH 16
#define CPU_SELF 72
#define CPU_THREADS 88
#define CPU_SLOTS 96
#define CPU_FAST 104
#define CPU_TSS 256             // on the page of the CPU, so that RSP0 is near
#define TSS_RSP0 4
#define CPU_CORE 4096           // on the next page: the kernel core, which begins with the mask of priorities that are ready

#define VECTOR_DEBUG 1
#define VECTOR_NMI 2
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_PAGE_FAULT 14
#define VECTOR_MACHINE_CHECK 18
#define VECTOR_LINES 0x20
#define VECTOR_TIMER 0x30
#define VECTOR_CALL 0x80
#define VECTOR_CALL_SLOW 0x81  // where the gate of VECTOR_CALL leads when messages are recorded, or the fast path is off
#define VECTOR_SPURIOUS 0xFF

#define KERNEL_IMAGE 0xFFFFFFFF80000000

#endif
