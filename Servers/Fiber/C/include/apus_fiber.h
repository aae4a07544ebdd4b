// See fiber.S.
#ifndef APUS_FIBER_H
#define APUS_FIBER_H
#include <stdint.h>
void apus_fiber_switch(uint64_t *saved, uint64_t next);
uint64_t apus_fiber_prepare(void *top, void *pool, uint64_t index);
#endif
