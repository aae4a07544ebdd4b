// libseccomp without the macros and variadic functions that Swift does not import.
#ifndef APUS_SECCOMP_SHIM_H
#define APUS_SECCOMP_SHIM_H
#include <seccomp.h>

static inline uint32_t seccomp_action_kill_process(void) { return SCMP_ACT_KILL_PROCESS; }
static inline uint32_t seccomp_action_allow(void) { return SCMP_ACT_ALLOW; }
static inline uint32_t seccomp_action_notify(void) { return SCMP_ACT_NOTIFY; }

// For calls of this number, whatever their arguments.
static inline int seccomp_add(scmp_filter_ctx filter, uint32_t action, int call) { return seccomp_rule_add_exact_array(filter, action, call, 0, 0); }

// For calls of this number whose argument has, or has not, this value.
static inline int seccomp_add_if(scmp_filter_ctx filter, uint32_t action, int call, unsigned argument, int equal, uint64_t value) {
  struct scmp_arg_cmp condition = {argument, equal ? SCMP_CMP_EQ : SCMP_CMP_NE, value, 0};
  return seccomp_rule_add_exact_array(filter, action, call, 1, &condition);
}
#endif
