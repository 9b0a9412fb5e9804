"""A device of /dev/net/tun, TAP or TUN: the kernel's own stack at the other end, in packets of up to 64 KiB.

Opened with the virtio-net header where the kernel has it, so that checksums and segmentation are left undone both ways;
plain where it is refused or switched off. The MTU and the state of the device are the kernel's: this reads them, and
changes nothing but what it puts back at close (offload bits and header size stay on the device otherwise).
"""

from __future__ import annotations

import errno
import io
import os
from contextlib import ExitStack
from typing import ClassVar

import attrs

from netif.link import Batch, Buffer, LinkCaps, Medium, Offload, Port
from tapio import tundev, vnet
from tapio.batches import ALONE, LOOK, SMALL
from tapio.device import Unseen, Watched, linux_alone
from tapio.ioctls import ioctl
from tapio.kernel import LARGE, KernelWire
from tapio.netns import in_netns
from tapio.tundev import Kind, TapError
from tapio.wire import grant

_CHECKSUM_ALONE = (0x1,)
_EVERYTHING = (0x6F, 0x67, 0x7, 0x1)  # checksum, TSO for both IP versions, ECN, USO; less and less of it


class Attached(KernelWire):
    """The driver of one device; which kind, a subclass says. With `create` a missing one is made, and gone at close.

    With `fd` the device is what this descriptor was attached to by somebody with rights; it is the driver's from here
    on, unless this raises. TapError, WireError: the device cannot be had.
    """

    kind: ClassVar[Kind]
    medium: ClassVar[Medium]

    def __init__(
        self,
        name: str = "",
        *,
        create: bool = False,
        offload: bool = True,
        multi_queue: bool = False,
        netns: str | None = None,
        fd: int | None = None,
    ) -> None:
        """`netns`: the network namespace that it is in, by name or path; without, of a descriptor its own, or this."""
        linux_alone(f"{self.kind.title} devices", name)
        kind, wanted = self.kind, {"vnet": offload, "multi_queue": multi_queue}
        self.offload_bits = 0  # TUN_F_ bits: what the kernel may leave undone in frames for us
        with ExitStack() as undoing:
            if fd is None:
                self._control: Watched | Unseen = in_netns(netns, lambda: Watched(name))
                undoing.callback(self._control.close)
                fd, header = in_netns(netns, lambda: tundev.attach(name, kind, create=create, **wanted))
                undoing.callback(os.close, fd)
            elif create:
                raise TapError(errno.EINVAL, f"descriptor {fd} is of a device that is there: leave out create")
            else:
                name, header = tundev.adopt(fd, name, kind, **wanted)
                self._control = tundev.control_of(fd, name, kind, netns)
                undoing.callback(self._control.close)
            super().__init__(name, fd, vnet_header=header)
            self._offload = offload and header
            self._singles = 0  # batches of one small frame, in a row
            self._header_size = self._set_up(create)
            self._file: io.FileIO | None = io.FileIO(fd, "r+b")
            undoing.pop_all()
        self._supers = vnet.SUPER_HEADERS[self.medium]()

    def _set_up(self, create: bool) -> int | None:
        """Begin without offload, with our header size; the size found, to be put back."""
        found = None
        try:
            ioctl(self._fd, tundev.TUNSETOFFLOAD, 0)
            if self._vnet:
                found = tundev.get_int(self._fd, tundev.TUNGETVNETHDRSZ)
                tundev.set_int(self._fd, tundev.TUNSETVNETHDRSZ, vnet.LENGTH)
            if create and not self._control.is_up():
                self._control.bring_up()
            self._control.await_carrier()
        except OSError as error:
            message = f"{self.name} cannot be set up: {error.strerror}"
            raise TapError(error.errno or errno.EIO, message) from None
        return found

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        try:
            mtu, mac, up = self._control.mtu(), self._control.mac(), self._control.is_up()
        except OSError as error:
            raise self._failure(error) from None
        if not up:
            raise self._failure(OSError(errno.ENETDOWN, ""))
        self._check(want, mac)
        self._port = port
        offers: tuple[int, ...] = ()
        if self._offload and want.rx_checksum:
            offers = _EVERYTHING if want.gso_max > min(mtu, want.mtu) else _CHECKSUM_ALONE
        self.offload_bits = self._offer(offers)
        beside = getattr(port, "beside", None)  # a port between the runtime's and this need not have it
        news = self._control.fileno()
        if beside is not None and news is not None:
            beside(news, self._changed)
        granted = grant(want, mtu=mtu, tx_checksum=self._offload, rx_checksum=bool(self.offload_bits))
        return granted if self.medium is want.medium else attrs.evolve(granted, mac=b"", medium=self.medium)

    def _check(self, want: LinkCaps, mac: bytes) -> None:
        """ValueError: what is wanted cannot be on a device with this MAC address."""

    def _changed(self) -> None:
        """Some device of its namespace has: is this one, whatever it is called now, still there, and up?"""
        self._control.drain()
        try:
            self.name = self._control.name = tundev.name_of(self._fd)
            up = self._control.is_up()
        except OSError as error:
            raise self._failure(error) from None
        if not up:
            raise self._failure(OSError(errno.ENETDOWN, ""))

    def _offer(self, offers: tuple[int, ...]) -> int:
        """Allow the kernel the most that it takes of what may be left undone."""
        for bits in offers:
            try:
                ioctl(self._fd, tundev.TUNSETOFFLOAD, bits)  # the value itself, not a pointer
            except OSError:
                continue
            return bits
        ioctl(self._fd, tundev.TUNSETOFFLOAD, 0)
        return 0

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        batch, _ = self.receive_batch(1, 1)
        return batch[0] if batch else None

    def receive_batch(self, most: int, room: int) -> Batch:
        """As `batches.InBatches`, in one loop."""
        file, singles = self._file, self._singles
        if file is None:
            return (), 0
        if singles > ALONE and singles % LOOK:
            most = 1
        batch: list[tuple[Buffer, Offload | None]] = []
        size, view, front = 0, self._view, self._front
        while len(batch) < most and size < room:
            try:
                length = file.readinto(view)
            except OSError as error:
                if batch:  # the next read will say it too
                    break
                raise self._failure(error) from None
            if length is None:
                break
            size += length - front
            offload = self._offloads[view[:front].tobytes()] if front else None
            if length < LARGE:
                batch.append((view[front:length].tobytes(), offload))
            else:
                batch.append((view[front:length].toreadonly(), offload))
                view = self._view = memoryview(self._ring.take())
        if batch:
            self._singles = singles + 1 if size <= SMALL and len(batch) == 1 else 0
        return batch, size

    def _failure(self, error: OSError) -> TapError:
        name = self.name
        if error.errno in (errno.EIO, errno.ENETDOWN):
            return TapError(errno.ENETDOWN, f"{name} is down: ip link set {name} up")
        if error.errno in (errno.EBADFD, errno.ENODEV):
            return TapError(errno.ENODEV, f"{name} is gone: make it with {self.kind.make(name)}")
        return TapError(error.errno or errno.EIO, f"{name} failed: {error.strerror}")

    def close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            ioctl(self._fd, tundev.TUNSETOFFLOAD, 0)
            if self._header_size is not None:
                tundev.set_int(self._fd, tundev.TUNSETVNETHDRSZ, self._header_size)
        except OSError:
            pass  # the device is gone, and its settings with it
        self._fd = -1
        self._control.close()
        file.close()

    def __repr__(self) -> str:
        if self._file is None:
            return f"<{type(self).__name__} {self.name} closed>"
        return f"<{type(self).__name__} {self.name} {f'offload {self.offload_bits:#x}' if self._vnet else 'plain'}>"
