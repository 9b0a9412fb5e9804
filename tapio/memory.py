"""Wires within a process: what their ports have in common, and a pair of ends (`switch` has more than two).

A frame is joined once into immutable `bytes` and queued at the port it is for; that port's runtime drains it in the
same turn. Nothing is called across, so no host runs inside another's transmit. Ports join stacks of one runtime only.
Inboxes are bounded: a full pair answers False and says `writable` when there is room. What a port was granted is its
own: a frame for one that was granted less is cut and finished.
"""

from __future__ import annotations

from collections import deque
from typing import TypedDict, Unpack

from netif.link import Batch, Buffer, LinkCaps, Offload, Port
from netif.wire import Malformed
from netif.wire.segment import adapt
from tapio.wire import MTU_MAX, grant

Frame = tuple[bytes, Offload | None]


class Bounds(TypedDict, total=False):
    """What a port in memory may be bounded by: what `open` grants at most, and what may wait in its inbox."""

    mtu: int
    gso_max: int
    tx_checksum: bool
    rx_checksum: bool
    queue: int  # frames
    queue_bytes: int


class MemoryPort:
    """What an end of a pair and a port of a switch have in common: an inbox, and what was granted."""

    def __init__(
        self,
        *,
        mtu: int = MTU_MAX,
        gso_max: int = MTU_MAX,
        tx_checksum: bool = True,
        rx_checksum: bool = True,
        queue: int = 1024,
        queue_bytes: int = 4 << 20,
    ) -> None:
        self.dropped = 0  # frames that found it full, or its port not open
        self.malformed = 0  # frames that could not be cut for this port, or are too short for a switch
        self.caps: LinkCaps | None = None
        self._bounds = (mtu, gso_max, tx_checksum, rx_checksum)
        self._queue = queue
        self._queue_bytes = queue_bytes
        self._port: Port | None = None
        self._inbox: deque[Frame] = deque()
        self._held = 0  # bytes in the inbox
        self._left = self._left_bytes = 0  # frames, and their bytes, that have left the inbox
        self._announced = False  # nobody has looked since the runtime was told
        self._weak = False  # some frame may have to be cut or finished for this port

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        mtu, gso_max, tx_checksum, rx_checksum = self._bounds
        caps = grant(want, mtu=mtu, gso_max=gso_max, tx_checksum=tx_checksum, rx_checksum=rx_checksum)
        self.caps, self._port = caps, port
        self._announced = False
        self._weak = not caps.rx_checksum or caps.gso_max < MTU_MAX
        return caps

    def fileno(self) -> int | None:
        return None

    def wants_write(self) -> bool:
        return False

    def advance(self, now: float) -> None:
        pass

    @property
    def frames(self) -> int:
        """That were put into this inbox."""
        return self._left + len(self._inbox)

    @property
    def bytes(self) -> int:
        """Of these frames."""
        return self._left_bytes + self._held

    def receive(self) -> Frame | None:
        self._announced = False
        if not self._inbox:
            return None
        item = self._inbox.popleft()
        length = len(item[0])
        self._held -= length
        self._left += 1
        self._left_bytes += length
        return item

    def receive_batch(self, most: int, room: int) -> Batch:
        inbox = self._inbox
        if len(inbox) > most or (self._held > room and self._held - len(inbox[-1][0]) >= room):
            return self._some(most, room)
        self._announced = False
        batch, size = tuple(inbox), self._held
        inbox.clear()
        self._held = 0
        self._left += len(batch)
        self._left_bytes += size
        return batch, size

    def _some(self, most: int, room: int) -> Batch:
        """Of more than one batch."""
        batch: list[Frame] = []
        popleft, size = self._inbox.popleft, 0
        while len(batch) < most and size < room:
            item = popleft()
            size += len(item[0])
            batch.append(item)
        self._held -= size
        self._left += len(batch)
        self._left_bytes += size
        self._announce()
        return batch, size

    def close(self) -> None:
        self._port = self.caps = None
        self._empty()

    def _empty(self) -> None:
        """What waits is lost."""
        self._left, self._left_bytes = self.frames, self.bytes
        self._inbox.clear()
        self._held = 0

    def _announce(self) -> None:
        self._announced = True
        if self._port is not None:
            self._port.readable()

    def deliver(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        """Queue a frame for this port, as whole as it may have it."""
        if self._weak and offload is not None and self.caps is not None:
            try:
                pieces = adapt(buffers, offload, self.caps, delivering=True)
            except Malformed:
                self.malformed += 1
                return
            for piece, left in pieces:
                self.enqueue(piece, left)
        else:
            self.enqueue(buffers, offload)

    def enqueue(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        """Queue a frame that this port may have as it is."""
        if self._port is None or len(self._inbox) >= self._queue or self._held >= self._queue_bytes:
            self.dropped += 1
            return
        frame = b"".join(buffers)  # one exact `bytes` passes as it is
        self._held += len(frame)
        self._inbox.append((frame, offload))
        if not self._announced:
            self._announce()


class PairEnd(MemoryPort):
    """One end of a `pair`. While the other end is not open, frames are lost, as on a cable."""

    _peer: PairEnd
    _refused = False  # the peer was answered False and waits for room here

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        other = self._peer._port
        if other is not None and other.runtime is not port.runtime:
            raise ValueError("both ends of a pair must be on one runtime: give their stacks the same one")
        return super().open(want, port)

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        peer = self._peer
        if len(peer._inbox) >= peer._queue or peer._held >= peer._queue_bytes:
            peer._refused = True
            return False
        if peer._port is None or (peer._weak and offload is not None):
            peer.deliver(buffers, offload)
            return True
        frame = b"".join(buffers)
        peer._held += len(frame)
        peer._inbox.append((frame, offload))
        if not peer._announced:
            peer._announce()
        return True

    def receive(self) -> Frame | None:
        item = super().receive()
        if self._refused:
            self._look_for_room()
        return item

    def receive_batch(self, most: int, room: int) -> Batch:
        got = super().receive_batch(most, room)
        if self._refused:
            self._look_for_room()
        return got

    def _look_for_room(self) -> None:
        if len(self._inbox) * 2 <= self._queue and self._held * 2 <= self._queue_bytes:
            self._let_go_on()

    def close(self) -> None:
        super().close()
        self._let_go_on()  # what the peer sends from now on is lost, but never stuck

    def _let_go_on(self) -> None:
        if self._refused:
            self._refused = False
            if self._peer._port is not None:
                self._peer._port.writable()

    def __repr__(self) -> str:
        return f"<PairEnd {'open' if self._port else 'closed'}, {len(self._inbox)} waiting, {self.dropped} dropped>"


def pair(**bounds: Unpack[Bounds]) -> tuple[PairEnd, PairEnd]:
    """The two ends of a cable, bounded alike."""
    one, other = PairEnd(**bounds), PairEnd(**bounds)
    one._peer, other._peer = other, one
    return one, other
