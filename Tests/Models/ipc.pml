/* Who waits for whom: the transitions of Microkernel/Core/Rendezvous.swift, Notify.swift and Life.swift, under their names.
   Each is one step, as in the kernel, which nothing interrupts. What is asserted stands in `check` and where it says "must".
   FREE: all threads do all that they may, at any time. Without it: clients, a file system and a driver, which must come to an end.
   MISTAKE_...: one rule left out, which must be found. */

#define ANY N
#define NOBODY (N + 1)
#define PROCESS (N - 1) /* the last thread is a process: its name changes with each life */

#define free 0
#define runnable 1
#define sending 2   /* in `callers` of `peer` */
#define receiving 3 /* for a message from `source` */
#define waiting 4   /* for the answer to what `peer` has heard */

#define nothing 0 /* what a thread has got */
#define message 1
#define request 2
#define answer 3
#define notification 4
#define envelope 5
#define failure 6

#define INBOX 2

typedef Queue { byte length; byte item[N] };
typedef Inbox { byte length; byte sender[INBOX]; bit number[INBOX] };
typedef Thread {
  byte state; byte peer; byte source; bit deadline;
  bit isRequest;     /* purpose: `sendRec`, or plain `send` */
  bit delivered;     /* its present request was heard, in this life of the server or an earlier one */
  bit generation;
  byte notifications;
  byte got; byte from;
  byte pc;           /* where its program is; a new life begins at 0 */
  Queue callers;     /* in the order in which they came */
  Queue asked;       /* whose requests it has heard and not answered, in order */
  Inbox inbox
};
Thread thread[N];

/* What the outside knows, to compare. */
typedef Ledger { bit sent[N]; bit received[N]; bit rung[N] };
Ledger ledger[N];    /* by sender, then receiver: numbers of asynchronous messages, notifications under way */
byte ends;           /* deaths and new lives that may still come */

hidden byte i; hidden byte j; hidden byte k; hidden byte x; hidden byte links; hidden byte taken; hidden byte circle;
hidden Queue old; hidden Queue lone;

/* MARK: Queues */

inline append(list, newcomer) { list.item[list.length] = newcomer; list.length++ }

inline remove(queue, leaver) {
  k = 0; j = 0;
  do
  :: k == queue.length -> break
  :: else -> if :: queue.item[k] != leaver -> queue.item[j] = queue.item[k]; j++ :: else fi; k++
  od;
  k = j;
  do :: k == queue.length -> break :: else -> queue.item[k] = 0; k++ od;
  queue.length = j
}

inline discard(holder, place) { /* an envelope out of an inbox */
  k = place;
  do
  :: k + 1 >= thread[holder].inbox.length -> break
  :: else ->
    thread[holder].inbox.sender[k] = thread[holder].inbox.sender[k + 1];
    thread[holder].inbox.number[k] = thread[holder].inbox.number[k + 1]; k++
  od;
  thread[holder].inbox.length--;
  thread[holder].inbox.sender[thread[holder].inbox.length] = 0;
  thread[holder].inbox.number[thread[holder].inbox.length] = 0
}

/* MARK: Rendezvous.swift */

#define accepts(t, s) (thread[t].state == receiving && (thread[t].source == ANY || thread[t].source == s))

inline put(getter, thing, origin) { /* registers: what programs do with it is none of the matter if they do anything */
#ifndef FREE
  thread[getter].got = thing; thread[getter].from = origin
#else
  skip
#endif
}

inline wake(sleeper) {
  thread[sleeper].state = runnable; thread[sleeper].peer = NOBODY; thread[sleeper].source = ANY; thread[sleeper].deadline = 0;
  thread[sleeper].isRequest = 0; thread[sleeper].delivered = 0
}

inline refuseCycle(asker, target) { /* leaves `circle` */
  x = target; links = 0; circle = 0;
  do
  :: x == asker -> circle = 1; break
  :: x != asker && (thread[x].state == runnable || thread[x].state == free || thread[x].deadline || thread[x].peer >= N || links > N) -> break
  :: else -> x = thread[x].peer; links++
  od
#ifdef MISTAKE_CIRCLE
  ; circle = 0
#endif
}

inline hand(speaker, listener) { /* what `speaker`, who is in no queue, has sent goes into the registers of `listener` */
  if
  :: !thread[speaker].isRequest -> put(listener, message, speaker); wake(speaker); put(speaker, nothing, NOBODY)
  :: else ->
    put(listener, request, speaker);
    thread[speaker].delivered = 1; thread[speaker].state = waiting; thread[speaker].peer = listener;
    append(thread[listener].asked, speaker)
  fi
}

inline call(caller, callee, wantsAnswer) { /* send and sendRec */
  if
  :: thread[callee].state == free -> put(caller, failure, NOBODY)
  :: else ->
    circle = 0;
    if :: accepts(callee, caller) -> skip :: else -> refuseCycle(caller, callee) fi;
    if
    :: circle -> put(caller, failure, NOBODY)
    :: else ->
      thread[caller].isRequest = wantsAnswer; thread[caller].delivered = 0; put(caller, nothing, NOBODY);
      if
      :: accepts(callee, caller) -> hand(caller, callee); wake(callee)
      :: else -> thread[caller].state = sending; thread[caller].peer = callee; append(thread[callee].callers, caller)
      fi
    fi
  fi
}

inline takeNotification(hearer, wish) { /* leaves `taken` */
  i = 0;
  do
  :: i == N || taken -> break
  :: else ->
    if
    :: (thread[hearer].notifications & (1 << i)) && (wish == ANY || wish == i) ->
      put(hearer, notification, i); taken = 1;
      ledger[i].rung[hearer] = 0;
#ifdef MISTAKE_BELL
      thread[hearer].notifications = 0
#else
      thread[hearer].notifications = thread[hearer].notifications & ~(1 << i)
#endif
    :: else
    fi;
    i++
  od
}

inline arrived(writer, digit, reader) { /* none lost, none twice, none overtaken */
  assert(ledger[writer].received[reader] == digit);
  ledger[writer].received[reader] = 1 - digit
}

inline takeEnvelope(opener, choice) {
  i = 0;
  do
  :: i == thread[opener].inbox.length || taken -> break
  :: else ->
    if
    :: choice == ANY || thread[opener].inbox.sender[i] == choice ->
      put(opener, envelope, thread[opener].inbox.sender[i]);
      arrived(thread[opener].inbox.sender[i], thread[opener].inbox.number[i], opener);
#ifndef MISTAKE_ENVELOPE
      discard(opener, i);
#endif
      taken = 1
    :: else -> i++
    fi
  od
}

inline takeCaller(host, guest) {
  i = 0;
  do
  :: i == thread[host].callers.length || taken -> break
  :: else ->
    x = thread[host].callers.item[i];
    if
    :: guest == ANY || x == guest -> remove(thread[host].callers, x); hand(x, host); taken = 1
    :: else -> i++
    fi
  od
}

inline receive(waiter, wanted, until) { /* notifications, then asynchronous messages, then callers in order */
  taken = 0;
  if
  :: wanted == waiter -> put(waiter, failure, NOBODY)
  :: wanted != waiter && wanted != ANY && thread[wanted % N].state == free -> put(waiter, failure, NOBODY)
  :: else ->
    takeNotification(waiter, wanted);
    takeEnvelope(waiter, wanted);
    takeCaller(waiter, wanted);
    if
    :: taken
    :: else ->
      circle = 0;
      if :: !until && wanted != ANY -> refuseCycle(waiter, wanted) :: else fi;
      if
      :: circle -> put(waiter, failure, NOBODY)
      :: else ->
        thread[waiter].state = receiving; thread[waiter].source = wanted; thread[waiter].deadline = until;
        thread[waiter].peer = (wanted == ANY -> NOBODY : wanted); put(waiter, nothing, NOBODY)
      fi
    fi
  fi
}

inline reply(server, served, life) { /* `life`: of which life of `served` the server thinks */
  if
#ifdef MISTAKE_REPLY
  :: thread[served].state == waiting && thread[served].generation == life ->
#elif defined(MISTAKE_NAME)
  :: thread[served].state == waiting && thread[served].peer == server ->
#else
  :: thread[served].state == waiting && thread[served].peer == server && thread[served].generation == life ->
#endif
    /* Must be somebody whose request this life has heard, and still the same somebody. */
    assert(thread[served].peer == server && thread[served].isRequest && thread[served].generation == life);
    remove(thread[server].asked, served);
    put(served, answer, server); wake(served)
  :: else
  fi
}

inline endReceive(late) { put(late, failure, NOBODY); wake(late) }

/* MARK: Notify.swift */

inline notify(ringer, called) {
  if
  :: thread[called].state == free -> skip
  :: else ->
    thread[called].notifications = thread[called].notifications | (1 << ringer);
    ledger[ringer].rung[called] = 1;
    if
    :: accepts(called, ringer) -> taken = 0; takeNotification(called, thread[called].source); assert(taken); wake(called)
    :: else
    fi
  fi;
  put(ringer, nothing, NOBODY)
}

inline sendAsync(poster, addressee) {
  if
  :: thread[addressee].state == free -> skip
  :: accepts(addressee, poster) ->
    put(addressee, envelope, poster);
    arrived(poster, ledger[poster].sent[addressee], addressee);
    ledger[poster].sent[addressee] = 1 - ledger[poster].sent[addressee]; wake(addressee)
  :: thread[addressee].state != free && !accepts(addressee, poster) && thread[addressee].inbox.length < INBOX ->
    thread[addressee].inbox.sender[thread[addressee].inbox.length] = poster;
    thread[addressee].inbox.number[thread[addressee].inbox.length] = ledger[poster].sent[addressee];
    thread[addressee].inbox.length++;
    ledger[poster].sent[addressee] = 1 - ledger[poster].sent[addressee]
  :: else
  fi;
  put(poster, nothing, NOBODY)
}

/* MARK: Life.swift */

inline unlink(loose) {
  if
  :: thread[loose].state == sending -> remove(thread[thread[loose].peer].callers, loose)
  :: thread[loose].state == waiting -> remove(thread[thread[loose].peer].asked, loose)
  :: else
  fi;
  wake(loose); put(loose, nothing, NOBODY); thread[loose].pc = 0
}

inline release(leaving) { /* what ends with every life */
  unlink(leaving);
  x = 0;
  do
  :: x == N -> break
  :: else ->
    i = 0;
    do
    :: i == thread[x].inbox.length -> break
    :: thread[x].inbox.sender[i] == leaving && i < thread[x].inbox.length -> discard(x, i)
    :: else -> i++
    od;
    ledger[leaving].received[x] = ledger[leaving].sent[x];
    x++
  od
}

inline bereave(mourners) { /* all in it learn that whom they waited for is gone */
  do
  :: mourners.length == 0 -> break
  :: else -> x = mourners.item[0]; remove(mourners, x); endReceive(x)
  od
}

inline destroy(dying) {
  release(dying);
  do :: thread[dying].inbox.length == 0 -> break :: else -> discard(dying, 0) od;
  thread[dying].state = free; thread[dying].notifications = 0;
  bereave(thread[dying].callers);
#ifndef MISTAKE_DEATH
  bereave(thread[dying].asked);
#endif
  i = 0;
  do
  :: i == N -> break
  :: else ->
    if :: thread[i].state == receiving && thread[i].source == dying -> endReceive(i) :: else fi;
    thread[i].notifications = thread[i].notifications & ~(1 << dying);
    ledger[dying].rung[i] = 0; ledger[i].rung[dying] = 0;
    ledger[i].received[dying] = ledger[i].sent[dying];
    i++
  od;
  if :: dying == PROCESS -> thread[dying].generation = 1 - thread[dying].generation :: else fi
}

inline live(newborn) { wake(newborn); put(newborn, nothing, NOBODY); thread[newborn].pc = 0 }

inline reincarnate(reborn) { /* a new life under the old name: its askers are heard again, before those that were not heard yet */
  release(reborn);
  old.length = 0; lone.length = 0; i = 0;
  do
  :: i == thread[reborn].callers.length -> break
  :: else ->
    x = thread[reborn].callers.item[i];
    if :: thread[x].delivered -> append(old, x) :: else -> append(lone, x) fi;
    i++
  od;
  i = 0;
  do
  :: i == thread[reborn].asked.length -> break
  :: else ->
    x = thread[reborn].asked.item[i];
#ifndef MISTAKE_RESTART
    thread[x].state = sending;
#ifdef MISTAKE_ORDER
    append(lone, x);
#else
    append(old, x);
#endif
#endif
    i++
  od;
  i = 0;
  do
  :: i == N -> break
  :: else ->
    thread[reborn].asked.item[i] = 0;
    thread[reborn].callers.item[i] = (i < old.length -> old.item[i] : (i < old.length + lone.length -> lone.item[i - old.length] : 0)); i++
  od;
  thread[reborn].callers.length = old.length + lone.length;
  thread[reborn].asked.length = 0
}

/* MARK: What is true between any two steps */

inline count(row, member) { /* leaves it in `j` */
  j = 0; k = 0;
  do :: k == row.length -> break :: else -> if :: row.item[k] == member -> j++ :: else fi; k++ od
}

inline check() {
  i = 0;
  do
  :: i == N -> break
  :: else ->
    if
    :: thread[i].state == sending ->
      assert(thread[thread[i].peer].state != free);
      count(thread[thread[i].peer].callers, i); assert(j == 1)
    :: thread[i].state == waiting ->
      assert(thread[i].isRequest && thread[thread[i].peer].state != free);
      count(thread[thread[i].peer].asked, i); assert(j == 1)
    :: thread[i].state == receiving && thread[i].source == ANY ->
      assert(thread[i].notifications == 0 && thread[i].inbox.length == 0 && thread[i].callers.length == 0)
    :: thread[i].state == receiving && thread[i].source != ANY ->
      assert(thread[thread[i].source].state != free && !(thread[i].notifications & (1 << thread[i].source)));
      count(thread[i].callers, thread[i].source); assert(j == 0)
    :: thread[i].state == free ->
      assert(thread[i].callers.length == 0 && thread[i].asked.length == 0 && thread[i].inbox.length == 0 && thread[i].notifications == 0)
    :: else
    fi;
    /* Those of an earlier life come before those that were not heard yet. */
    x = 0; k = 0;
    do
    :: k == thread[i].callers.length -> break
    :: else -> if :: thread[thread[i].callers.item[k]].delivered -> assert(!x) :: else -> x = 1 fi; k++
    od;
    /* Nobody waits for himself, over however many links. */
    if
    :: thread[i].peer < N && !thread[i].deadline && thread[i].state != runnable ->
      x = thread[i].peer; links = 0;
      do
      :: x == i || links > N || thread[x].state == runnable || thread[x].state == free || thread[x].deadline || thread[x].peer >= N -> break
      :: else -> x = thread[x].peer; links++
      od;
      assert(x != i && links <= N)
    :: else
    fi;
    /* A notification that was given is pending or was got: none is lost, none comes twice. */
    x = 0;
    do
    :: x == N -> break
    :: else -> assert(ledger[x].rung[i] == ((thread[i].notifications & (1 << x)) != 0)); x++
    od;
    i++
  od;
  i = 0; j = 0; k = 0; x = 0; links = 0
}

init {
  d_step {
    i = 0;
    do
    :: i == N -> break
    :: else -> thread[i].state = runnable; thread[i].peer = NOBODY; thread[i].source = ANY; thread[i].from = NOBODY; i++
    od;
    ends = ENDS
  };
  atomic {
#ifdef FREE
    byte t = 0;
    do :: t == N -> break :: else -> run anything(t); t++ od;
    run fate(0)
#else
    run driver(0); run fileSystem(1); run client(2); run client(3); run fate(2)
#endif
  }
}
