// Small programs for sandboxed processes, each position-independent, from its label to the next. See code.S.
#ifndef APUS_SANDBOX_CODE_H
#define APUS_SANDBOX_CODE_H
#define APUS_PLACE __attribute__((swift_attr("nonisolated(unsafe)"))) extern char
#define APUS_CODE(name) \
  APUS_PLACE code_##name, code_##name##_end; \
  __attribute__((always_inline)) static inline const void *_Nonnull start_of_##name(void) { return &code_##name; } \
  __attribute__((always_inline)) static inline long length_of_##name(void) { return &code_##name##_end - &code_##name; }
APUS_CODE(trap)
APUS_CODE(load)
APUS_CODE(store)
APUS_CODE(loop)
APUS_CODE(based)
APUS_CODE(call)
APUS_CODE(count)
APUS_CODE(touch)
APUS_CODE(jump)
APUS_CODE(wide)
APUS_CODE(divide)
APUS_CODE(invalid)
APUS_CODE(breakpoint)
APUS_CODE(protection)
APUS_CODE(old_call)
APUS_CODE(old_entry)
APUS_CODE(vsyscall_call)
#undef APUS_CODE
#undef APUS_PLACE
#endif
