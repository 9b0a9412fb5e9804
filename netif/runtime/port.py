"""One driver's place in a runtime, and one stack's.

Knows the driver, its netif and its stack, and notes what the driver asks for; the crank acts on the notes at a safe
moment, so that no call of a driver ever runs into the middle of a machine. Refuses to know when that moment is.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from netif.link import Batch, Batching, TakesBatches
from netif.runtime.deadlines import Timed
from netif.runtime.poller import hung_up

if TYPE_CHECKING:
    from netif.link import Attachment, Dice, Driver, NetStack, Runtime
    from netif.runtime.crank import Crank


BATCH_BYTES = 256 * 1024  # of frames for one connection, after which it is time to acknowledge them
IDLE_POLLS = 8  # in a row, after which the descriptor is asked whether it hung up


class StackSlot(Timed):
    """What the runtime keeps for one stack."""

    __slots__ = ("crank", "failures", "stack")

    def __init__(self, crank: Crank, stack: NetStack) -> None:
        super().__init__()
        self.crank = crank
        self.stack = stack
        self.failures = 0  # flushes that raised, in a row

    def fire(self, now: float) -> None:
        self.crank.touch(self.stack)  # first: whatever happens, its next deadline is asked for
        try:
            self.stack.advance(now)
        except Exception as error:
            self.crank.caught(error, self.stack)

    def alive(self) -> bool:
        return self.stack.pending()


class Ring(Timed):
    """An `Alarm`."""

    __slots__ = ("crank", "ring")

    def __init__(self, crank: Crank, ring: Callable[[], None]) -> None:
        super().__init__()
        self.crank = crank
        self.ring = ring

    @property
    def armed(self) -> bool:
        return self.deadline is not None

    def at(self, when: float) -> None:
        self.deadline = when
        self.crank.deadlines.arm(self)
        self.crank.dirty = True  # whoever sleeps may have to sleep less

    def cancel(self) -> None:
        self.crank.deadlines.forget(self)

    def fire(self, now: float) -> None:
        try:
            self.ring()
        except Exception as error:
            self.crank.caught(error)


class Beside:
    """What a port of a second descriptor knows of a driver."""

    def __init__(self, fd: int, heard: Callable[[], None]) -> None:
        self.fd = fd
        self.heard = heard

    def fileno(self) -> int:
        return self.fd

    def wants_write(self) -> bool:
        return False

    def receive(self) -> None:
        self.heard()


class WirePort(Timed):
    """The `Port` of one driver."""

    __slots__ = (
        "also", "batching", "crank", "dead", "descriptor", "dice", "driver", "error",
        "idle", "netif", "now", "queued", "room", "roomy", "runtime", "stack",
    )  # fmt: skip

    def __init__(self, crank: Crank, stack: NetStack, netif: Attachment, dice: Dice) -> None:
        super().__init__()
        self.crank = crank
        self.runtime = cast("Runtime", crank)  # every Crank that is made is a whole runtime
        self.stack = stack
        self.netif = netif
        self.driver = netif.driver
        self.batching: tuple[Callable[..., Batch], Callable[..., None]] | None = None  # how to receive, where to put
        if isinstance(self.driver, Batching) and isinstance(netif, TakesBatches):
            self.batching = self.driver.receive_batch, netif.receive_batch
        self.now = crank.now  # the clock itself: wires in memory read it for each frame
        self.dice = dice
        self.descriptor: int | None = None  # as it is polled now
        self.queued = False  # in crank.ready
        self.roomy = False  # in crank.roomy
        self.room = BATCH_BYTES  # for the next batch: more where the last full one was for several connections
        self.idle = 0  # how often, in a row, its descriptor was readable for nothing
        self.dead = False  # failed, or removed
        self.error: OSError | None = None
        self.also: WirePort | None = None  # of a second descriptor

    def __repr__(self) -> str:
        return f"<Port {self.stack.name}/{self.netif.if_key}>"

    def readable(self) -> None:
        if not self.queued and not self.dead:
            crank = self.crank
            self.queued = crank.stirred = crank.dirty = True
            crank.ready.append(self)

    def poke(self) -> None:
        if not self.dead:
            self.crank.arrivals.append(self)
            self.crank.poke()

    def writable(self) -> None:
        if not self.roomy and not self.dead:
            crank = self.crank
            self.roomy = crank.stirred = crank.dirty = True
            crank.roomy.append(self)

    def caught(self, error: Exception) -> None:
        """A frame of this wire has raised it."""
        self.crank.caught(error, self.stack)

    def watch(self) -> None:
        self.crank.watch(self)

    def call_at(self, when: float) -> None:
        if (self.deadline is None or when < self.deadline) and not self.dead:
            self.deadline = when
            self.crank.deadlines.arm(self)
            self.crank.dirty = True  # whoever sleeps may have to sleep less

    def failed(self, error: OSError) -> None:
        if not self.dead:
            crank = self.crank
            self.dead = crank.stirred = crank.dirty = True
            self.error = error
            crank.broken.append(self)

    def beside(self, fd: int, heard: Callable[[], None]) -> None:
        """Call `heard` too whenever `fd` is readable, for as long as the driver is polled. An OSError out of it is as
        one out of `receive`."""
        self.also = WirePort(self.crank, self.stack, self.netif, self.dice)
        self.also.driver = cast("Driver", Beside(fd, heard))
        self.also.batching = None
        self.crank.watch(self.also)

    def end(self) -> None:
        """Nothing of this driver is polled any more."""
        self.dead = True
        self.crank.watch(self)
        self.crank.deadlines.forget(self)
        if self.also is not None:
            self.also.end()

    def found(self, something: bool) -> None:
        """A batch has ended. A descriptor that hung up is readable for ever, whether its driver looks or not."""
        if something or self.descriptor is None:
            self.idle = 0
            return
        self.idle += 1
        if self.idle % IDLE_POLLS == 0 and hung_up(self.descriptor):
            self.failed(OSError(errno.ENETDOWN, "the descriptor hung up"))

    def fire(self, now: float) -> None:
        if self.dead:
            return
        try:
            self.driver.advance(now)
        except OSError as error:
            self.failed(error)
        except Exception as error:
            self.crank.caught(error)
            self.failed(OSError(f"{type(error).__name__}: {error}"))
