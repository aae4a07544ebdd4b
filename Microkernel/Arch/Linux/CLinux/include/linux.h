// Linux as the sandbox needs it: the system call itself, and the few records that C libraries of today do not have or
// that a program without a C library needs. x86-64. linux/seccomp.h, linux/filter.h, asm/sigcontext.h.
#ifndef APUS_LINUX_H
#define APUS_LINUX_H
#include <stdint.h>

#pragma clang assume_nonnull begin

#define LINUX_INLINE __attribute__((always_inline)) static inline

// The result or a negated errno.
LINUX_INLINE int64_t linux_call(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f) {
  register int64_t r10 __asm__("r10") = d;
  register int64_t r8 __asm__("r8") = e;
  register int64_t r9 __asm__("r9") = f;
  int64_t result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

typedef enum {
  LINUX_close = 3, LINUX_mmap = 9, LINUX_munmap = 11, LINUX_rt_sigaction = 13, LINUX_rt_sigprocmask = 14, LINUX_rt_sigreturn = 15, LINUX_ioctl = 16,
  LINUX_sendto = 44, LINUX_recvfrom = 45, LINUX_sendmsg = 46, LINUX_recvmsg = 47, LINUX_clone = 56, 
  LINUX_getppid = 110, LINUX_sigaltstack = 131, LINUX_prctl = 157, LINUX_arch_prctl = 158, LINUX_exit_group = 231, LINUX_sched_setaffinity = 203,
  LINUX_sched_getaffinity = 204, LINUX_epoll_ctl = 233, LINUX_signalfd4 = 289, LINUX_epoll_create1 = 291, LINUX_prlimit64 = 302, LINUX_getcpu = 309, LINUX_seccomp = 317, LINUX_memfd_create = 319, LINUX_pidfd_open = 434,
  LINUX_close_range = 436,
  LINUX_epoll_pwait2 = 441,
} LinuxCall;

// MARK: Seccomp

typedef struct {
  uint64_t id;
  uint32_t pid, flags;
  int32_t number;
  uint32_t architecture;
  uint64_t instruction;
  uint64_t argument[6];
} linux_notification;
_Static_assert(sizeof(linux_notification) == 80, "struct seccomp_notif");

typedef struct {
  uint64_t id;
  int64_t value;
  int32_t error;
  uint32_t flags;
} linux_answer;
_Static_assert(sizeof(linux_answer) == 24, "struct seccomp_notif_resp");

typedef struct {
  uint16_t code;
  uint8_t jump_true, jump_false;
  uint32_t k;
} linux_filter_instruction;

typedef struct {
  uint16_t count;
  const linux_filter_instruction *instructions;
} linux_filter;

typedef enum {
  LINUX_SECCOMP_SET_MODE_FILTER = 1, 
  LINUX_SECCOMP_NEW_LISTENER = 1 << 3, LINUX_SECCOMP_WAIT_KILLABLE_RECV = 1 << 5,  // the latter since Linux 5.19
  LINUX_ANSWER_CONTINUE = 1,
} LinuxFlag;
#define LINUX_NOTIF_RECV 0xC0502100
#define LINUX_NOTIF_SEND 0xC0182101

// What arch_prctl sets (asm/prctl.h).
#define LINUX_SET_GS 0x1001
#define LINUX_SET_FS 0x1002

// MARK: Signals

typedef struct {
  uint64_t handler, flags, restorer, mask;
} linux_sigaction;
typedef struct {
  uint64_t start;
  int32_t flags;
  uint64_t size;
} linux_stack;

// MARK: Sockets, events, time

// A control message with one descriptor.
typedef struct {
  uint64_t length;
  int32_t level, type, descriptor, padding;
} linux_rights;
typedef struct {
  uint64_t base, length;
} linux_piece;
typedef struct {
  uint64_t name;
  uint32_t name_length;
  uint64_t pieces, piece_count, control, control_length;
  int32_t flags;
} linux_socket_message;

typedef struct __attribute__((packed)) {
  uint32_t events;
  uint64_t data;
} linux_event;
typedef struct {
  int64_t seconds, nanoseconds;
} linux_time;

#pragma clang assume_nonnull end
#endif
