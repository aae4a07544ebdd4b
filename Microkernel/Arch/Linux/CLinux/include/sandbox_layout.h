// What broker, zygote and stub agree on: places, numbers and records. Assembly reads it too.
#ifndef APUS_SANDBOX_LAYOUT_H
#define APUS_SANDBOX_LAYOUT_H

// The stub's part of every address space, from AddressSpace.stub on; no program has a mapping in it.
#define STUB_START 0x600000000000
#define STUB_SIZE 0x100000
#define STUB_END 0x600000100000
#define USER_START 0x10000
#define USER_END 0x7FFFFFFFF000

// The slot's two pages of the second memfd: registers, which the program can write; and the broker's orders, which
// it can only read. The linker script (stub.ld) has the same addresses.
#define STUB_CONTEXT 0x600000080000
#define STUB_ORDERS 0x600000081000
#define SLOT_SIZE 8192

// In the context page: apus_context, then an XSAVE area of EXTENDED_SIZE bytes (aligned to 64; Linux wants a mark behind it), then room for
// the frame of rt_sigreturn.
#define CONTEXT_FPU 192
#define CONTEXT_FRAME 1088

// In the page of orders: how many there are; whether the broker wants to interrupt; whether there are AVX registers; the orders themselves, each the
// number and the arguments of one call in a record of 64 bytes: number, address, length, protection, flags, offset.
#define ORDERS_COUNT 0
#define ORDERS_INTERRUPT 8
#define ORDERS_WIDE 16
#define ORDERS_LIST 64
#define ORDER_SIZE 64
#define ORDERS_LIMIT 61         // of mappings; two bases may follow

// What a process says to the broker: system call numbers that Linux does not have. The answer is STUB_LEAVE_...
#define STUB_TRAP 0x1000
#define STUB_FAULT 0x1001        // address, error code of the page fault
#define STUB_EXCEPTION 0x1002    // vector, address
#define STUB_INTERRUPTED 0x1003
#define STUB_READY 0x1004
#define STUB_FAILED 0x1005       // an order could not be carried out
#define STUB_CALLS 6

// How to go on: with the registers that a trap returns; with all of the context page; as the handled signal found it.
#define STUB_LEAVE_TRAP 0
#define STUB_LEAVE_FULL 1
#define STUB_LEAVE_HANDLER 2

// Descriptors: the frames, which every process keeps; context pages and socket, which only the zygote has.
#define STUB_FRAMES_FD 3
#define STUB_CONTEXTS_FD 4
#define STUB_SOCKET_FD 5

// Linux' frame of a signal handler, from the word that holds the return address (arch/x86/include/uapi/asm/sigcontext.h).
#define FRAME_FLAGS 8
#define FRAME_STACK 24
#define FRAME_R8 48
#define FRAME_R9 56
#define FRAME_R10 64
#define FRAME_R11 72
#define FRAME_R12 80
#define FRAME_R13 88
#define FRAME_R14 96
#define FRAME_R15 104
#define FRAME_RDI 112
#define FRAME_RSI 120
#define FRAME_RBP 128
#define FRAME_RBX 136
#define FRAME_RDX 144
#define FRAME_RAX 152
#define FRAME_RCX 160
#define FRAME_RSP 168
#define FRAME_RIP 176
#define FRAME_RFLAGS 184
#define FRAME_SEGMENTS 192
#define FRAME_ERROR 200
#define FRAME_VECTOR 208
#define FRAME_CR2 224
#define FRAME_FPU 232
#define FRAME_MASK 304

// The signal stack: room for the largest frame of AVX-512 several times over.
#define SIGNAL_STACK_SIZE 32768
#define OWN_STACK_SIZE 8192
// The most instructions that the two filters may have together.
#define FILTER_LIMIT 448

#ifndef __ASSEMBLER__
#include <stdint.h>

// To the zygote, once; the instructions of both filters follow.
typedef struct {
  int32_t broker;         // its process id
  uint32_t first, second; // instructions of the filter of all, and of the one that the processes add
  uint32_t reserved;
} sandbox_hello;

// To the zygote: a process for a slot, and the name that `ps` shows for it, with a zero at its end.
typedef struct {
  int64_t slot;
  char name[16];
} sandbox_request;

// From the zygote: at its start with the listener; then for each slot that it was sent.
typedef struct {
  int64_t status;    // 0, the process id, or a negated errno
  uint64_t notified; // where a process that spoke to the broker goes on
  uint64_t ordered;  // where one that asked for a mapping goes on
} sandbox_report;

typedef struct {
  uint64_t number, address, length, protection, flags, offset, reserved[2];
} sandbox_order;

_Static_assert(sizeof(sandbox_order) == ORDER_SIZE && ORDERS_LIST + (ORDERS_LIMIT + 2) * ORDER_SIZE <= 4096, "orders fit in a page");
#endif
#endif
