"""The threaded runtime: leader and followers, and a background thread for when nobody calls.

Exactly one thread polls: the leader. A blocked caller leads if nobody does, else it follows, asleep on a lock of its
own. Whoever makes the next deadline earlier than the leader's sleep, queues for a wire without descriptor, or makes
the leader's own Waiter ready, pokes it. The lead is kept for the thread that was served last (see `Tenure`). Those
whom one turn has served go on one after the other (see `Gate`), and the last of them leads. The background thread
sleeps while somebody leads, dozes while those who leave are expected back (taking over at once doubles a round trip's
CPU time: 14 us against 7), and when nobody has led for `DOZE` hands the lead to a follower, or leads. A caller that
finds it leading pokes it and follows, since two pollers would steal each other's events.
"""

from __future__ import annotations

import threading
import time
from _thread import allocate_lock
from collections.abc import Callable
from math import inf
from typing import Any

from netif.runtime.gate import Lock
from netif.runtime.poller import WRITE, Poller, make_poller
from netif.runtime.port import WirePort
from netif.runtime.realtime import RealTime
from netif.runtime.waiters import ThreadWaiter

DOZE = 0.002  # seconds without a leader, after which the background thread leads
LONG_DOZE = 4 * DOZE  # while threads lead in quick succession: their next lead is all but certain
QUICK = 0.0005  # seconds between them
MOST_PUT_OFF = 32  # threads in a row that do not lead, since others are about to go on
PROOF = 8  # threads in a row that are back in time, after which the next ones are expected back


class Tenure:
    """Whether a thread that was just served will soon want to wait again, judged by what the last ones did.

    If so the lead is kept for it: it polls for itself, and the answer to its next call is handled without a hop between
    threads (28 us). Where it stays away, and something has come meanwhile, that waited for up to two `DOZE` in vain:
    from then on the lead goes at once to somebody asleep, if only the background thread, and who leads goes on leading,
    until `proof` threads in a row were back in time. Each such mistake doubles the proof, each second without one
    halves it.
    """

    __slots__ = ("_mine", "_mistaken", "_punctual", "_served", "expects_back", "proof")

    def __init__(self) -> None:
        self.expects_back = True
        self.proof = PROOF
        self._mistaken = 0.0  # when others have waited in vain
        self._punctual = 0
        self._served: list[float] | None = None  # when the last one went on
        self._mine = threading.local()  # `served`: that list, if it was the calling thread

    def served(self, now: float) -> None:
        """The calling thread goes on."""
        self._served = self._mine.served = [now]

    def back(self, now: float) -> None:
        """The calling thread waits again."""
        served = self._served
        mine: list[float] | None = getattr(self._mine, "served", None)
        if served is None or mine is not served:
            return
        self._served = None
        self._punctual = self._punctual + 1 if now - served[0] < DOZE / 2 else 0
        if self._punctual >= self.proof:
            self.expects_back = True

    def stayed_away(self, now: float) -> None:
        """What came has waited in vain."""
        calm = min(int(now - self._mistaken), 16)  # seconds
        self._mistaken = now
        self.expects_back = False
        self._punctual = 0
        self.proof = min(2 * max(self.proof >> calm, PROOF), 1 << 16)


class ThreadedRuntime(RealTime):
    """A real clock, and threads. `poller`, `new_lock` and `clock` are what it sleeps on and reads."""

    def __init__(
        self,
        *,
        strict: bool = False,
        seed: int | str | None = None,
        clock: Callable[[], float] = time.monotonic,
        poller: Callable[[], Poller] = make_poller,
        new_lock: Callable[[], Lock] = allocate_lock,
    ) -> None:
        super().__init__(strict=strict, seed=seed, clock=clock, new_lock=new_lock)
        self._new_poller = poller
        self._poller: Poller | None = None
        self._by_fd: dict[int, WirePort] = {}
        self._leader: ThreadWaiter | None = None
        self._leads = 0  # how often a caller has taken the lead, or has put it off
        self._put_off = 0  # how often in a row
        self._tenure = Tenure()
        self._vacant = False  # a follower was handed the lead, since nobody has come back yet
        self._served = False  # the leader's turn has let a follower go
        self._poked = False  # during this poll
        self._sleeps_until = inf  # the deadline for which the poll will end by itself
        self._background = ThreadWaiter(self, "background", self)
        self._thread: threading.Thread | None = None
        self._asleep = False  # the background thread sleeps until the next leader leaves
        self._bed = new_lock()
        self._bed.acquire()

    def __repr__(self) -> str:
        return f"<ThreadedRuntime of {len(self.stacks)} stacks{', closed' if self.closed else ''}>"

    # poking

    def poke(self) -> None:
        if self.polling and not self._poked:
            self._poked = True
            poller = self._poller
            if poller is not None:
                poller.wake()

    def _wake_main(self) -> None:
        poller = self._poller
        if poller is not None:
            poller.wake()  # whatever the flags say: the signal may have come in between them
        super()._wake_main()

    def _tell_poller(self) -> None:
        heap = self._heap
        if self.dirty or (heap and heap[0][0] < self._sleeps_until):
            self.poke()

    def _resume(self, waiters: list[ThreadWaiter]) -> None:
        for waiter in waiters:
            if waiter in self._followers:  # not a bystander, who does not lead when it comes back
                self._served = True
            elif waiter is self._leader:
                self.poke()  # releasing its lock does not reach a thread in poll
        super()._resume(waiters)

    def watch(self, port: WirePort) -> None:
        poller = self._poller
        if poller is None:
            return
        fd = None if port.dead else port.driver.fileno()
        if port.descriptor is not None and port.descriptor != fd:
            if self._by_fd.get(port.descriptor) is port:
                poller.forget(port.descriptor)
                del self._by_fd[port.descriptor]
            port.descriptor = None
        if fd is not None:
            poller.watch(fd, port.driver.wants_write())
            port.descriptor = fd
            self._by_fd[fd] = port

    # leading and following

    def wait(self, waiter: Any, deadline: float | None) -> bool:
        """As on any real clock; but straight to the lead where nobody has it, and back with what a turn has brought."""
        if self.dirty:
            self.turn()
        idle = self._leader is None and self.roused is None and self._running
        if not self._tenure.expects_back:
            self._tenure.back(self.now())
        if idle and not (waiter.woken or self.chain or self._pending or self.closed):
            try:
                self._lead(waiter, deadline)
            except BaseException:
                self._awake(waiter)
                raise
            if waiter.woken:
                waiter.woken = False
                self._awake(waiter)
                return True
        return self._wait(waiter, deadline, self._sleep)

    def _sleep(self, waiter: ThreadWaiter, deadline: float | None) -> None:
        leader = self._leader
        if not self._running:
            self._awake(waiter)
            self._rest(waiter, deadline)
        elif leader is None:
            if (self.roused is not None or self.chain) and self._leads_later():
                self._follow(waiter, deadline, self._followers)
            else:
                self._lead(waiter, deadline)
        elif leader is waiter or (leader is self._background and not self.polling):
            self._lead(waiter, deadline)
        else:
            self._vacant = False
            if leader is self._background:
                self.poke()
            self._follow(waiter, deadline, self._followers)

    def _leads_later(self) -> bool:
        """Others were served too and are about to go on: the last of them shall lead, and poll when all is done. But
        not for ever: threads that serve one another in memory would keep all from the descriptors."""
        if self._put_off == MOST_PUT_OFF or not self._tenure.expects_back:
            return False
        self._put_off += 1
        self._leads += 1
        return True

    def _lead(self, waiter: ThreadWaiter, deadline: float | None) -> None:
        self._leader = waiter
        self._leads += 1
        self._put_off = 0
        while True:
            events = self._poll(deadline)
            if self._vacant and events:  # they waited, and nobody had come back
                self._vacant = False
                self._tenure.stayed_away(self.now())
            self._served = False
            self._turn_for(events, waiter)
            if waiter.woken or (deadline is not None and self.now() >= deadline):
                return
            if not self._running or self.closed or (self._pending and self.interrupts.waiting()):
                return
            if self._served and self._tenure.expects_back and not (self.dirty or self.again):
                self._vacate()
                self._follow(waiter, deadline, self._followers)
                return

    def _poll(self, deadline: float | None) -> list[tuple[int, int]]:
        """Sleep until something happens. The gate is held on entry and return, and free meanwhile."""
        heap = self._heap
        if heap:
            earliest = heap[0][0]  # may be put off by now; but who looks leaves room for an earlier one, and is poked
            if deadline is None or earliest < deadline:
                deadline = earliest
        timeout = None
        if self.dirty or self.again:
            timeout = 0.0
        elif deadline is not None:
            timeout = max(0.0, deadline - self.now())
        self._sleeps_until = inf if deadline is None else deadline
        poller = self._poller
        assert poller is not None
        self._poked = False
        self.polling = True
        self.release()
        try:
            if self.arrivals or self.posted or self._pending:
                timeout = self._unless_in_passing(timeout)
            return poller.poll(timeout)
        finally:  # a signal handler that was installed after ours may raise here
            self.polling = False
            if self.posted and self._events.wanted():
                self._start_events()
            self.enter()

    def _unless_in_passing(self, timeout: float | None) -> float | None:
        """Some things come while nobody is there to be poked: then the poll does not sleep."""
        if self.arrivals or self._events.wanted() or (self._pending and self.interrupts.waiting()):
            return 0.0
        return timeout

    def _turn_for(self, events: list[tuple[int, int]], waiter: ThreadWaiter | None) -> None:
        """A turn for what the poll has brought."""
        if self.again:
            again, self.again = self.again, []
            for full in again:
                full.readable()
        for fd, mask in events:
            port = self._by_fd.get(fd)
            if port is None:  # the poller's own
                continue
            if mask & WRITE:
                port.fire(self.now())
                self.touch(port.stack)
            if mask != WRITE and not port.queued and not port.dead:
                self._drain(port)
        heap = self._heap
        if self.dirty or self.arrivals or (heap and heap[0][0] <= self.now()):
            self.turn(waiter)

    def _awake(self, waiter: ThreadWaiter) -> None:
        if not self._tenure.expects_back:
            self._tenure.served(self.now())
        if self._leader is waiter:
            if self._followers and not (self._tenure.expects_back and self._running):
                self._pass_lead()
            else:
                self._vacate()

    def _pass_lead(self) -> None:
        """To the follower that has slept longest."""
        for follower in self._followers:
            self._leader = follower
            del self._followers[follower]
            self.chain.append(follower)
            return
        self._vacate()

    def _vacate(self) -> None:
        """Nobody leads; the background thread is woken once, to look after that."""
        self._leader = None
        self._vacant = False
        if self._asleep:
            self._asleep = False
            self._get_up()
        if not self._running:
            self._close_poller()

    # the background thread

    def _run(self) -> None:
        me = threading.current_thread()
        self.enter()
        try:
            while self._thread is me:
                if self._leader is None:
                    self._lead_from_behind(me)
                else:
                    self._asleep = True
                    self._lie_down()
                    self._asleep = False
                if self._tenure.expects_back:
                    self._doze(me)
        finally:
            self.release()

    def _lead_from_behind(self, me: threading.Thread) -> None:
        """Lead until a caller wants to: it is handed the lead, and what the poll has brought."""
        self._leader = self._background
        if self._followers:
            self._vacant = True
            self._pass_lead()
            return
        deadline = self.now() if self._tenure.expects_back else None  # after a doze: what has come meanwhile?
        while self._thread is me:
            events = self._poll(deadline)
            if deadline is not None:
                deadline = None
                if any(fd in self._by_fd for fd, _ in events):
                    self._tenure.stayed_away(self.now())
            if self._leader is not self._background:
                return
            if self._followers:
                break
            self._turn_for(events, None)
            if self.later:
                self.release()
                self._afterwards()
                self.enter()
                if self._leader is not self._background:  # a caller came while the gate was free
                    return
        self._pass_lead()

    def _doze(self, me: threading.Thread) -> None:
        """Until nobody has taken the lead for `DOZE`. Without the gate: callers shall not wait for somebody asleep."""
        self.release()
        doze, was_late = DOZE, False
        while self._thread is me:
            leads, begun = self._leads, self.now()
            self._bed.acquire(True, doze)
            leads = self._leads - leads
            if leads:
                doze = min(2 * doze, LONG_DOZE) if leads * QUICK >= doze else DOZE
            elif was_late or self.now() - begun < 2 * doze:
                break
            else:
                was_late = True  # the machine is busy: whoever was served may have been held up too
        self.enter()

    def _lie_down(self) -> None:
        self.release()
        self._bed.acquire()
        self.enter()

    def _get_up(self) -> None:
        try:
            self._bed.release()
        except RuntimeError:  # it is not lying down and looks again before it does, or somebody was quicker
            pass

    # lifetime

    def _open(self) -> None:
        if self._poller is None:
            self._poller = self._new_poller()
        self._thread = threading.Thread(target=self._run, name="netif background", daemon=True)
        self._thread.start()

    def _shut(self) -> list[threading.Thread]:
        thread, self._thread = self._thread, None
        if self._poller is not None:
            self._poller.wake()
        self._asleep = False  # whoever passes the lead on meanwhile shall not wake it a second time
        self._get_up()
        return [] if thread is None else [thread]

    def _shut_down(self) -> None:
        if self._leader is None:  # else the leader does, as it leaves
            self._close_poller()

    def _close_poller(self) -> None:
        poller, self._poller = self._poller, None
        self._by_fd.clear()
        if poller is not None:
            poller.close()

    def forked(self) -> None:
        super().forked()
        if self._poller is not None:
            self._poller.close()
