"""Two wires joined: what comes in at one goes out at the other, both ways, as it is.

`Patch(switch.port(), Tap("tap0"))` is a switch's uplink. Each driver is opened without a MAC of its own, so that it
delivers everything; a frame for one that was granted less than the other is cut and finished on its way. A driver that
is full has a bounded queue here, one that dies is let go: frames for it are lost and counted, the other side lives on,
and `reattach` opens it, or another in its place, again. Knows no addresses, and of a frame only its length.
"""

from __future__ import annotations

import enum
import logging
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from netif.bare import BareStack
from netif.errors import InvalidState
from netif.lifecycle import Held
from netif.link import Buffer, Driver, Hears, LinkCaps, Medium, Offload, Port, Runtime
from netif.wire import Malformed
from netif.wire.segment import adapt

if TYPE_CHECKING:
    Told: TypeAlias = Callable[["End", OSError], None]

logger = logging.getLogger(__name__)

QUEUE_FRAMES, QUEUE_BYTES = 1024, 4 << 20  # that wait for a driver which is full; what comes beyond is lost
LARGEST_PACKET = 65535  # bytes; what each driver is asked for
_LINK = 18  # bytes before a packet: Ethernet, and a VLAN tag


def gate(runtime: Runtime | None) -> Held:
    """Held for a `with`, unless this thread holds it: a driver that is being opened may have a patch behind it."""
    return Held(None if getattr(runtime, "owner", 0) == get_ident() else runtime)


def wire(driver: Driver | str) -> Driver:
    """A driver, or the wire of that name (docs/wires.md) opened. OSError, ValueError."""
    if not isinstance(driver, str):
        return driver
    from components.wires import open_wire

    return open_wire(driver)


class State(enum.Enum):
    """Of one end."""

    OPEN = "open"
    FAILED = "failed"  # its driver died, or would not open again
    CLOSED = "closed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.OPEN: frozenset((State.FAILED, State.CLOSED)),
    State.FAILED: frozenset((State.OPEN, State.CLOSED)),
    State.CLOSED: frozenset(),
}


class End:
    """One side of a Patch: a driver, and its place in the runtime (`link.Attachment`)."""

    route_prio = 0
    mac = b""

    def __init__(self, patch: Patch, driver: Driver, if_key: str) -> None:
        self.patch = patch
        self.driver = driver
        self.if_key = if_key
        self.mtu = LARGEST_PACKET
        self.peer: End
        self.state = State.FAILED  # until it is opened
        self.error: OSError | None = None  # why it failed
        self.caps: LinkCaps | None = None
        self.frames = self.bytes = 0  # that were sent here
        self.dropped = 0  # for want of room, or while the driver is dead
        self.too_long = 0  # for its mtu
        self.malformed = 0  # that could not be cut
        self._port: Port | None = None
        self._weak = False  # a frame with an offload may have to be cut or finished for this driver
        self._blocked = False
        self._queue: deque[tuple[tuple[Buffer, ...], Offload | None]] = deque()
        self._queued_bytes = 0

    def become(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], (self.state, state)
        self.state = state

    def open(self) -> None:
        """Gate held. OSError, ValueError."""
        runtime = self.patch.runtime
        self._port = port = runtime.add(self.patch, self)
        want = LinkCaps(mac=b"", mtu=LARGEST_PACKET, gso_max=LARGEST_PACKET, tx_checksum=True, rx_checksum=True)
        try:
            self.caps = caps = self.driver.open(want, port)
            if caps.medium is not Medium.ETHERNET:
                raise ValueError(f"{self.driver!r} carries {caps.medium.value} packets: a patch joins Ethernet wires")
        except BaseException:
            runtime.remove(self)
            raise
        self.mtu = caps.mtu
        self._weak = not caps.tx_checksum or caps.gso_max < LARGEST_PACKET
        self.error = None
        self.become(State.OPEN)

    def reattach(self, driver: Driver | None = None) -> None:
        """Open the driver that failed once more, or `driver` in its place. OSError, ValueError: it stays failed."""
        with Held(self.patch.runtime):
            if self.state is State.CLOSED:
                raise InvalidState(f"{self.patch!r} is closed: make another")
            if self.state is State.OPEN and driver is None:
                return
            if self.state is State.OPEN:
                self._let_go(State.FAILED)
            if driver is not None and driver is not self.driver:
                self.driver.close()
                self.driver = driver
            self.open()

    # frames: the gate is held

    def receive(self, frame: Buffer, offload: Offload | None) -> None:
        """From this driver."""
        self.peer.send((frame,), offload)

    def send(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        """To this driver, as whole as it may have it."""
        caps = self.caps
        if caps is None:
            self.dropped += 1
        elif offload is None or not (offload.gso_size or self._weak):
            if sum(map(len, buffers)) > self.mtu + _LINK:
                self.too_long += 1
            else:
                self._pass_on(buffers, offload)
        elif offload.gso_size > self.mtu:
            self.too_long += 1
        else:
            self._adapt(buffers, offload, caps)

    def _adapt(self, buffers: tuple[Buffer, ...], offload: Offload, caps: LinkCaps) -> None:
        try:
            pieces = adapt(buffers, offload, caps)
        except Malformed:
            self.malformed += 1
            return
        for piece, left in pieces:
            self._pass_on(piece, left)

    def _pass_on(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        if self._blocked or not self._transmit(buffers, offload):
            self._blocked = True
            self._keep(buffers, offload)

    def _transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        try:
            if not self.driver.transmit(buffers, offload):
                return False
        except OSError as error:
            self.dropped += 1
            if self._port is not None:
                self._port.failed(error)
            return True
        self.frames += 1
        self.bytes += sum(map(len, buffers))
        return True

    def _keep(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        if len(self._queue) >= QUEUE_FRAMES or self._queued_bytes >= QUEUE_BYTES:
            self.dropped += 1
            return
        self._queue.append((buffers, offload))
        self._queued_bytes += sum(map(len, buffers))

    def writable(self) -> None:
        """Its driver has room again."""
        while self._queue:
            buffers, offload = self._queue[0]
            if not self._transmit(buffers, offload):
                return
            self._queue.popleft()
            self._queued_bytes -= sum(map(len, buffers))
        self._blocked = False

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        """There is no stack above; whoever sends by an Attachment sends here."""
        self.send(buffers, offload)
        return True

    def mac_filter(self, mac: bytes, add: bool) -> None:
        """Everything is wanted."""

    def hears_all(self, everything: bool) -> None:
        """It is all heard."""

    def hears(self, what: Hears, key: bytes | int, add: bool) -> None:
        """Nothing is left out."""

    def yielded(self) -> None:
        """It has no address."""

    # its end: the gate is held

    def failed(self, error: OSError) -> None:
        """From the runtime: the driver is dead."""
        if self.state is State.OPEN:
            self.error = error
            self._let_go(State.FAILED)
            logger.warning("%s: the driver failed: %s", self.if_key, error)
            self.patch.tell(self, error)

    def _let_go(self, state: State) -> None:
        """Nothing more goes to the driver, or comes from it."""
        self.patch.runtime.remove(self)
        self.become(state)
        self.caps = self._port = None
        self._blocked = False
        self.dropped += len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0

    def leave(self) -> None:
        """For good; the driver is closed afterwards."""
        if self.state is not State.CLOSED:
            self._let_go(State.CLOSED)

    def __repr__(self) -> str:
        return f"<End {self.if_key} {self.state.value}, {self.frames} frames, {self.dropped} dropped: {self.driver!r}>"


class Patch(BareStack):
    """A cable between two drivers, which are its own from here on. On a threaded runtime it works by itself."""

    def __init__(
        self,
        one: Driver,
        other: Driver,
        *,
        runtime: Runtime | None = None,
        name: str = "patch",
        failed: Told | None = None,
    ) -> None:
        """`failed(end, error)` is called, with the gate free, when a driver dies. OSError and ValueError are those of
        the drivers' `open`; both are closed then."""
        self.one, self.other = End(self, one, f"{name}/one"), End(self, other, f"{name}/other")
        self.one.peer, self.other.peer = self.other, self.one
        self._told = failed
        self._closed = False
        try:
            super().__init__(name, runtime)
            with gate(self.runtime):
                self.one.open()
                self.other.open()
        except BaseException:
            self.close()
            raise

    def tell(self, end: End, error: OSError) -> None:
        if self._told is not None:
            self.runtime.post(partial(self._told, end, error))

    def close(self, linger: float = 0.0) -> None:
        """Take both ends out of the runtime, then close their drivers. Idempotent; what waits for room is lost."""
        if self._closed:
            return
        self._closed = True
        with gate(getattr(self, "runtime", None)), ExitStack() as steps:
            steps.callback(self.other.driver.close)
            steps.callback(self.one.driver.close)
            steps.callback(self._leave)

    def _leave(self) -> None:
        for end in (self.one, self.other):
            end.leave()
        self.runtime.remove_stack(self)

    def __enter__(self) -> Patch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        ends = f"{self.one.state.value} {self.one.driver!r} and {self.other.state.value} {self.other.driver!r}"
        return f"<Patch {self.name}: {ends}>"
