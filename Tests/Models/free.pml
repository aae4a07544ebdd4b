/* All threads do all that they may. */
#define FREE
#include "ipc.pml"

inline someone(t) { t = 0; do :: t < N - 1 -> t++ :: break od }

proctype anything(byte me) {
  byte t; bit b;
end:
  do
  :: atomic { thread[me].state == runnable -> someone(t); b = 0; if :: b = 1 :: skip fi;
      if
      :: d_step { receive(me, ANY, b); check() }
      :: d_step { receive(me, t, b); check() }
      :: d_step { call(me, t, 1); check() }
      :: me != PROCESS && t != PROCESS -> d_step { call(me, t, 0); check() }
      :: d_step { reply(me, t, b); check() }
#ifdef BELLS
      :: (BELLS & (1 << me)) && t != PROCESS -> d_step { notify(me, t); check() }
#endif
#ifdef LETTERS
      :: (LETTERS & (1 << me)) && t != PROCESS -> d_step { sendAsync(me, t); check() }
#endif
      fi; t = 0; b = 0 }
  od
}

/* Deadlines pass, threads end and live again. */
proctype fate(byte first) {
  byte t;
end:
  do
  :: atomic { someone(t);
      if
      :: thread[t].state == receiving && thread[t].deadline -> d_step { endReceive(t); check() }
      :: ends > 0 && t > 0 && thread[t].state != free -> d_step { destroy(t); ends--; check() }
      :: ends > 0 && t > 0 && t != PROCESS && thread[t].state != free -> d_step { reincarnate(t); ends--; check() }
      :: t > 0 && thread[t].state == free -> d_step { live(t); check() }
      :: else
      fi; t = 0 }
  od
}
