"""What all wires to the kernel share: a descriptor to which each write is a frame, behind a virtio-net header or bare.

Knows how a frame is written, and what becomes of one that the kernel will not take. Refuses to know what kind of
descriptor it is: whoever derives from this opens and reads it, and says in words why it failed.
"""

from __future__ import annotations

import errno
import os

from netif.link import PARTIAL, Buffer, Offload, Port
from netif.wire import Malformed
from netif.wire.segment import cut
from tapio import vnet
from tapio.ring import Ring

BUFFER = 65568  # bytes: virtio-net header, VLAN tag and the largest IP packet
LARGE = BUFFER // 2  # a frame from here on is a view of its buffer; a smaller one is a copy, and does not pin it
IOV_MAX = 1024  # buffers of one writev
UNFIT = frozenset((errno.EINVAL, errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM))  # this one frame is lost, no more


class KernelWire:
    """`descriptor` is -1 once it is closed."""

    def __init__(self, name: str, descriptor: int, *, vnet_header: bool) -> None:
        self.name = name
        self.refused = 0  # frames that the kernel would not take
        self._fd = descriptor
        self._vnet = vnet_header
        self._port: Port | None = None
        self._blocked = False
        self._front = vnet.LENGTH if vnet_header else 0
        self._offloads = vnet.Offloads()
        self._partials = vnet.PartialHeaders()
        self._supers = vnet.SuperHeaders()
        self._ring = Ring(BUFFER)
        self._view = memoryview(self._ring.take())  # the next frame comes here

    def fileno(self) -> int | None:
        return self._fd if self._fd >= 0 else None

    def wants_write(self) -> bool:
        return self._blocked

    def advance(self, now: float) -> None:
        if self._blocked and self._port is not None:
            self._blocked = False
            self._port.watch()
            self._port.writable()

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if not self._vnet:
            if offload is not None and (offload.checksum == PARTIAL or offload.gso_size):
                return self._transmit_cut(buffers, offload)
            frame = buffers
        elif offload is None:
            frame = (vnet.PLAIN, *buffers)
        elif offload.checksum != PARTIAL:
            if offload.gso_size:
                return self._transmit_cut(buffers, offload)
            frame = (vnet.PLAIN, *buffers)
        elif not offload.gso_size:
            frame = (self._partials[offload], *buffers)
        else:
            if len(buffers[0]) < offload.start + 14:
                buffers = (b"".join(buffers),)
                if len(buffers[0]) < offload.start + 14:
                    self.refused += 1
                    return True
            frame = (self._supers.of(buffers[0], offload), *buffers)
        try:
            os.writev(self._fd, frame)
        except OSError as error:
            return self._not_written(frame, error)
        return True

    def _transmit_cut(self, buffers: tuple[Buffer, ...], offload: Offload) -> bool:
        """A frame beyond what this wire was granted, or one that claims what the kernel's header cannot say."""
        try:
            pieces = cut(buffers, offload)
        except Malformed:
            self.refused += 1
            return True
        header = (vnet.PLAIN,) if self._vnet else ()
        sent = [self._write((*header, piece)) for piece in pieces]
        return sent[0]  # what the kernel had no room for after the first is lost, as on any wire

    def _write(self, buffers: tuple[Buffer, ...]) -> bool:
        try:
            os.writev(self._fd, buffers)
        except OSError as error:
            return self._not_written(buffers, error)
        return True

    def _not_written(self, buffers: tuple[Buffer, ...], error: OSError) -> bool:
        """What the caller of `transmit` is told; raises what ends this wire."""
        if self._fd < 0:
            return True
        if error.errno == errno.EAGAIN:
            self._blocked = True
            if self._port is not None:
                self._port.watch()
            return False
        if error.errno == errno.EINVAL and len(buffers) > IOV_MAX:
            return self._write((b"".join(buffers),))
        if error.errno in UNFIT:
            self.refused += 1
            return True
        raise self._failure(error) from None

    def _failure(self, error: OSError) -> OSError:
        """What is told of an error that ends this wire."""
        raise NotImplementedError
