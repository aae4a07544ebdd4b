/* Two clients, a file system that asks a driver while it serves them, and fate, which ends services: every client must come to its end. */
#define N 4
#include "ipc.pml"

proctype driver(byte me) {
  byte t;
end:
  do
  :: atomic { thread[me].state == runnable && thread[me].pc == 0 -> d_step { receive(me, ANY, 0); thread[me].pc = 1; check() } }
  :: atomic { thread[me].state == runnable && thread[me].pc == 1 ->
      if
      :: thread[me].got == request -> d_step { t = thread[me].from; reply(me, t, thread[t].generation); notify(me, 1); t = 0; check() }
      :: else
      fi; thread[me].pc = 0 }
  od
}

proctype fileSystem(byte me) {
  byte t;
end:
  do
  :: atomic { thread[me].state == runnable && thread[me].pc == 0 -> d_step { receive(me, ANY, 0); thread[me].pc = 1; check() } }
  :: atomic { thread[me].state == runnable && thread[me].pc == 1 ->
      if
      :: thread[me].got == request -> thread[me].pc = 2 + thread[me].from; d_step { call(me, 0, 1); check() }
      :: else -> thread[me].pc = 0
      fi }
  :: atomic { thread[me].state == runnable && thread[me].pc >= 2 ->
      /* Must be the driver's answer, whatever else has come: a notification does not end a sendRec. */
      assert(thread[me].got == answer && thread[me].from == 0);
      d_step { t = thread[me].pc - 2; reply(me, t, thread[t].generation); sendAsync(me, 0); thread[me].pc = 0; t = 0; check() } }
  od
}

proctype client(byte me) {
  byte calls;
  do
  :: calls == CALLS -> break
  :: atomic { calls < CALLS && thread[me].state == runnable -> d_step { call(me, 1, 1); calls++; check() } };
    atomic { thread[me].state == runnable -> assert(thread[me].got == answer && thread[me].from == 1); put(me, nothing, NOBODY) }
  od
}

proctype fate(byte services) {
  byte t;
  do
  :: ends == 0 -> break
  :: atomic { ends > 0 -> t = 0; if :: t = 1 :: skip fi; d_step { reincarnate(t); ends--; check() }; t = 0 }
  od
}
