"""The turn that every runtime shares: drain the wires, let deadlines act, flush what was touched, resume who waits.

Knows stacks, ports, deadlines and Waiters, finds work by what is marked, and never asks every stack. Refuses to know
how anybody sleeps: the runtimes say that in `_resume`, `poke`, `watch` and `wait`. All is done under the gate.
An exception out of a stack stops here: counted, logged once per place, the connection in hand aborted, and the batch
goes on. An OSError out of a driver takes its link down.
"""

from __future__ import annotations

import logging
import random
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from netif.account import Account
from netif.runtime.deadlines import Deadlines
from netif.runtime.gate import Gate, Lock
from netif.runtime.port import BATCH_BYTES, Ring, StackSlot, WirePort

if TYPE_CHECKING:
    from netif.link import Attachment, Dice, NetStack, Port, Waiter

logger = logging.getLogger(__name__)

BATCH_FRAMES = 16  # frames drained from a port before others have their turn, and the clock is read again
SHARES = 8  # connections for which a batch off a descriptor holds BATCH_BYTES each
LONG_BATCH = 48  # frames of such a batch
ROUNDS = 8  # of wires in memory within one turn; the rest is left to the next
LINGER = 1.0  # seconds that a closing runtime gives the connections of all its stacks to end in order
FLUSH_FAILURES = 4  # flushes of one stack that raise in a row, after which it waits for its next event


class Crank(Gate):
    """What is to be done, and the turn that does it. A runtime is a Crank that knows how to sleep."""

    shared = True

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        strict: bool,
        seed: int | str | None,
        new_lock: Callable[[], Lock] = allocate_lock,
    ) -> None:
        super().__init__(new_lock)
        self.now = clock
        self.strict = strict
        self.seed = seed
        self.memory = Account()
        self.internal_errors = 0
        self.closed = False
        self.polling = False  # from before a poller gives the gate away until its poll has returned
        self.stirred = False  # some port has said something since the last round
        self.stacks: dict[NetStack, StackSlot] = {}
        self.ports: dict[Attachment, WirePort] = {}
        self.touched: dict[NetStack, None] = {}
        self.ready: deque[WirePort] = deque()  # announced themselves: drained in this turn
        self.again: list[WirePort] = []  # polled, and may hold more than their batch: the next poll does not sleep
        self.arrivals: deque[WirePort] = deque()  # poked by foreign threads, without the gate
        self.roomy: list[WirePort] = []
        self.broken: list[WirePort] = []
        self.woken: list[Any] = []  # Waiters to resume when this turn ends
        self.watchers: dict[Waiter, None] = {}  # woken, once, by any turn
        self.posted: deque[Callable[[], None]] = deque()
        self._posting = allocate_lock()
        self.deadlines = Deadlines()
        self._heap = self.deadlines.heap
        self._first_error: BaseException | None = None
        self._logged: set[tuple[str, int]] = set()

    # what a runtime adds

    def poke(self) -> None:
        """Wake whoever sleeps in the poll. From any thread, without the gate."""
        raise NotImplementedError

    def watch(self, port: WirePort) -> None:
        """Poll the port's descriptor as it wants now."""
        raise NotImplementedError

    def _resume(self, waiters: list[Any]) -> None:
        """These were woken; let them go on when the gate is free."""
        raise NotImplementedError

    def _tell_poller(self) -> None:
        """A turn has ended while somebody sleeps in the poll: does it have to wake?"""

    def _start(self) -> None:
        """The first stack has come."""

    def _stop(self) -> None:
        """The last stack has gone. The gate is held."""

    # stacks and ports

    def add_stack(self, stack: NetStack) -> None:
        """With the gate held or free: a stack joins in its constructor."""
        if self.owner != get_ident():
            self.enter()
            try:
                self.add_stack(stack)
            finally:
                self.leave()
        elif self.closed:
            raise RuntimeError("this runtime is closed")
        elif stack not in self.stacks:
            if not self.stacks:
                self._start()
            self.stacks[stack] = StackSlot(self, stack)

    def remove_stack(self, stack: NetStack) -> None:
        slot = self.stacks.pop(stack, None)
        if slot is None:
            return
        for netif in [netif for netif, port in self.ports.items() if port.stack is stack]:
            self.remove(netif)
        self.deadlines.forget(slot)
        self.touched.pop(stack, None)
        if not self.stacks:
            self._stop()

    def add(self, stack: NetStack, netif: Attachment) -> Port:
        if netif in self.ports:
            raise ValueError(f"{netif.if_key} has a port in this runtime already")
        self.add_stack(stack)
        port = WirePort(self, stack, netif, self.dice(f"{stack.name}/{netif.if_key}"))
        self.ports[netif] = port
        try:
            self.watch(port)
        except BaseException:
            del self.ports[netif]
            raise
        return port

    def remove(self, netif: Attachment) -> None:
        port = self.ports.pop(netif, None)
        if port is None:
            return
        port.end()
        if port.queued:
            self.ready.remove(port)
            port.queued = False
        if port in self.again:
            self.again.remove(port)

    def touch(self, stack: NetStack) -> None:
        self.touched[stack] = None
        self.dirty = True

    def alarm(self, ring: Callable[[], None]) -> Ring:
        return Ring(self, ring)

    # the turn

    def turn(self, until: Waiter | None = None) -> None:
        """Do what is to be done, in at most `ROUNDS`; then resume who was woken. Ends early once `until` is."""
        now = self.now()
        heap = self._heap
        left = False
        if self.stirred or self.arrivals or (heap and heap[0][0] <= now):
            left = self._rounds(until)
        else:
            if self.touched:
                self._flush(now)  # all that most calls leave behind
            if self.stirred or self.touched:
                left = self._rounds(until)
        if self.watchers:
            for waiter in self.watchers:
                waiter.wake()
            self.watchers.clear()
        if self.woken:
            woken, self.woken = self.woken, []
            self._resume(woken)
        self.dirty = left
        if self.polling:
            self._tell_poller()

    def _rounds(self, until: Waiter | None) -> bool:
        """Drain, expire, flush, and again while ports are ready; True if something is left."""
        heap = self._heap
        for _ in range(ROUNDS):
            self.stirred = False
            while self.arrivals:
                self.arrivals.popleft().readable()
            if self.ready:
                self._drain_ready()
            now = self.now()
            if heap and heap[0][0] <= now:
                self._expire(now)
            if self.roomy or self.broken:
                self._tell_netifs()
            if self.touched:
                self._flush(now)
            self.stirred = bool(self.ready or self.roomy or self.broken)
            if not (self.stirred or self.touched):
                return False
            if until is not None and until.woken:
                break
        return True

    def _drain_ready(self) -> None:
        ready = self.ready
        for _ in range(len(ready)):  # those who announce themselves meanwhile have the next round
            if not ready:  # one of them was removed meanwhile
                break
            port = ready.popleft()
            port.queued = False
            self._drain(port)

    def _drain(self, port: WirePort) -> None:
        """One batch of frames out of one port."""
        stack = port.stack
        self.touched[stack] = None
        self.dirty = True
        if port.batching is None:
            self._drain_singly(port, stack)
            return
        receive, deliver = port.batching
        size = -1
        try:
            stack.advance(self.now())
            size = 0
            room = port.room
            batch, size = receive(BATCH_FRAMES if room == BATCH_BYTES else LONG_BATCH, room)
        except Exception as error:
            if size:
                self.caught(error, stack)
                self._more(port)
            else:
                self._driver_failed(port, error)
            return
        if batch:
            port.idle = 0
            deliver(batch, size, port.caught)
            if size >= BATCH_BYTES and port.descriptor is not None:
                several = len(getattr(stack, "dirty", ()))  # whom the flush will ask; not every stack tells
                port.room = BATCH_BYTES * max(1, min(several, SHARES))
        else:
            port.found(False)

    def _drain_singly(self, port: WirePort, stack: NetStack) -> None:
        """The same, of a driver that hands over one frame at a time."""
        receive, deliver = port.driver.receive, port.netif.receive
        room, frames = BATCH_BYTES, BATCH_FRAMES
        frame: Any = b""
        try:
            stack.advance(self.now())
            while frames and room > 0 and not port.dead:
                frame = None
                got = receive()
                if got is None:
                    port.found(frames != BATCH_FRAMES)
                    return
                frame, offload = got
                frames -= 1
                room -= len(frame)
                deliver(frame, offload)
        except Exception as error:
            if frame is None:
                self._driver_failed(port, error)
                return
            self.caught(error, stack)
        self._more(port)

    def _more(self, port: WirePort) -> None:
        """The batch ended before the port was empty."""
        if port.descriptor is None:
            port.readable()
        elif not port.dead:
            self.again.append(port)

    def _driver_failed(self, port: WirePort, error: Exception) -> None:
        if not isinstance(error, OSError):
            self.caught(error)
            error = OSError(f"{type(error).__name__}: {error}")
        port.failed(error)

    def _expire(self, now: float) -> None:
        for _ in range(len(self._heap)):  # who asks for `now` again and again has the next round
            item = self.deadlines.due(now)
            if item is None:
                break
            item.fire(now)

    def _tell_netifs(self) -> None:
        """Hand on what drivers said in passing: room again, or dead."""
        roomy, self.roomy = self.roomy, []
        broken, self.broken = self.broken, []
        for port in roomy:
            port.roomy = False
            if not port.dead:
                self.touch(port.stack)
                self._guarded(port.netif.writable, port.stack)
        for port in broken:
            port.end()
            error = port.error
            if error is not None:
                self.touch(port.stack)
                self._guarded(partial(port.netif.failed, error), port.stack)

    def _guarded(self, call: Callable[[], None], stack: NetStack) -> None:
        try:
            call()
        except Exception as error:
            self.caught(error, stack)

    def _flush(self, now: float) -> None:
        """Of what is touched, at least one."""
        touched, self.touched = self.touched, {}
        stacks = self.stacks
        for stack in touched:
            slot = stacks.get(stack)
            if slot is None:
                continue
            try:
                stack.flush(now)
                deadline = stack.next_deadline()
            except Exception as error:
                self._flush_failed(slot, error)
                continue
            if deadline != slot.deadline:
                slot.deadline = deadline
                if deadline is not None and (not slot.entries or deadline < slot.entries[-1]):
                    self.deadlines.arm(slot)
            if slot.failures:
                slot.failures = 0

    def _flush_failed(self, slot: StackSlot, error: Exception) -> None:
        """Once more, for the rest of what it owes; but a stack that fails every time waits for its next event."""
        self.caught(error, slot.stack)
        slot.failures += 1
        if slot.failures < FLUSH_FAILURES:
            self.touch(slot.stack)
        else:
            slot.failures = 0

    def _close_stacks(self) -> None:
        """Those that are left, all of them within `LINGER`. The gate is free."""
        deadline = self.now() + LINGER
        for stack in list(self.stacks):
            try:
                stack.close(max(0.0, deadline - self.now()))
            except Exception:
                logger.exception("%s did not close", stack.name)

    # exceptions

    def caught(self, error: BaseException, stack: NetStack | None = None) -> None:
        """An exception escaped from the core, or from a driver where only OSError may."""
        self.internal_errors += 1
        if self.strict and self._first_error is None:
            self._first_error = error
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ("", 0)
        if place not in self._logged:
            self._logged.add(place)
            logger.error("internal error in %s", "a driver" if stack is None else stack.name, exc_info=error)
        if stack is not None:
            try:
                stack.abort_current(error)
            except Exception as second:
                self.caught(second)

    def check(self) -> None:
        """Raise the first exception that the crank caught, if `strict`."""
        error, self._first_error = self._first_error, None
        if error is not None and self.strict:
            raise error

    def run_posted(self) -> None:
        """Run the posted handlers in order, one at a time, with the gate free."""
        while self.posted and self._posting.acquire(False):
            try:
                handler = self.posted.popleft()
                handler()
            except Exception:
                logger.exception("an event handler raised")
            finally:
                self._posting.release()
            if not self.posted:
                self._delivered()

    def _delivered(self) -> None:
        """All that was posted has been handled; the gate is free."""

    # randomness

    def dice(self, name: str) -> Dice:
        """Without a seed nobody can guess them; with one they follow from seed and name alone."""
        if self.seed is None:
            return random.SystemRandom()
        return random.Random(f"{self.seed}/{name}")
