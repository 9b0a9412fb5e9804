"""How many reads it is worth when a descriptor is readable, for drivers that hand over several frames at once.

Small frames that come one by one, as in a conversation, are read one by one: whether there is another, the poll tells
at no cost, and only now and then a read that finds nothing.
"""

from __future__ import annotations

from collections import deque

from netif.link import Batch, Buffer, Offload, Port

SMALL = 2048  # bytes; a larger frame is seldom alone
ALONE = 32  # batches of one small frame in a row, after which only each `LOOK`th looks for another
LOOK = 16


class InBatches:
    """For a driver whose `receive` knows `_pieces`, frames that have been read and of which no poll tells."""

    _port: Port | None
    _pieces: deque[tuple[Buffer, Offload | None]]
    _poll_tells = True  # of every frame but those; else after each batch the runtime is told to look again
    _singles = 0  # batches of one small frame, in a row

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        raise NotImplementedError

    def receive_batch(self, most: int, room: int) -> Batch:
        batch: list[tuple[Buffer, Offload | None]] = []
        size, singles, port = 0, self._singles, self._port
        if singles > ALONE and singles % LOOK:
            most = 1
        try:
            while len(batch) < most and size < room and (item := self.receive()) is not None:
                batch.append(item)
                size += len(item[0])
        except OSError as error:
            if not batch or port is None:
                raise
            port.failed(error)  # which is said once
        if port is not None and (self._pieces or (batch and not self._poll_tells)):
            port.readable()
        if batch:
            self._singles = singles + 1 if size <= SMALL and len(batch) == 1 else 0
        return batch, size
