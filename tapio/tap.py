"""A TAP: the kernel's own stack at the other end of the wire, in frames of up to 64 KiB.

Opened with the virtio-net header where the kernel has it, so that checksums and segmentation are left undone both ways;
plain where it is refused or switched off. The MTU and the state of the device are the kernel's: this reads them, and
changes nothing but what it puts back at close (offload bits and header size stay on the device otherwise).
The device's own MAC address is the kernel's end, so ours must differ from it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
from contextlib import ExitStack
from typing import Any

from netif.link import PARTIAL, Buffer, LinkCaps, Offload, Port
from netif.wire import Malformed, ethernet
from netif.wire.segment import cut
from tapio import tundev, vnet
from tapio.netns import in_netns
from tapio.ring import Ring
from tapio.tundev import Control, TapError
from tapio.wire import grant

_CHECKSUM_ALONE = (0x1,)
_EVERYTHING = (0x6F, 0x67, 0x7, 0x1)  # checksum, TSO for both IP versions, ECN, USO; less and less of it
_BUFFER = 65568  # bytes: virtio-net header, VLAN tag and the largest IP packet
_LARGE = _BUFFER // 2  # a frame from here on is a view of its buffer; a smaller one is a copy, and does not pin it
_IOV_MAX = 1024  # buffers of one writev
_UNFIT = frozenset((errno.EINVAL, errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM))  # this one frame is lost, no more


class Tap:
    """The driver of one TAP. With `create` a missing one is made, up, and gone at close."""

    def __init__(
        self,
        name: str,
        *,
        create: bool = False,
        offload: bool = True,
        multi_queue: bool = False,
        netns: str | None = None,
    ) -> None:
        """`netns`: the network namespace that it is in, by name or path. TapError, WireError: it cannot be had."""
        self.name = name
        self.refused = 0  # frames that the kernel would not take
        self.offload_bits = 0  # TUN_F_ bits: what the kernel may leave undone in frames for us

        def attach() -> tuple[Control, int, bool]:
            with ExitStack() as undoing:
                control = undoing.enter_context(Control(name))
                attached = tundev.attach(name, create=create, vnet=offload, multi_queue=multi_queue)
                undoing.pop_all()
            return control, *attached

        self._control, self._fd, self._vnet = in_netns(netns, attach)
        self._file: io.FileIO | None = io.FileIO(self._fd, "r+b")
        try:
            self._header_size = self._claim(self._fd)
            if create and not self._control.is_up():
                self._control.bring_up()
            self._control.await_carrier()
        except BaseException as error:
            self._control.close()
            self._file.close()
            if isinstance(error, OSError):
                raise TapError(error.errno or errno.EIO, f"{name} cannot be set up: {error.strerror}") from None
            raise
        self._port: Port | None = None
        self._blocked = False
        self._front = vnet.LENGTH if self._vnet else 0
        self._offloads = vnet.Offloads()
        self._partials = vnet.PartialHeaders()
        self._supers = vnet.SuperHeaders()
        self._ring = Ring(_BUFFER)
        self._view = memoryview(self._ring.take())

    def _claim(self, fd: int) -> int | None:
        """Begin without offload, with our header size; the size found, to be put back."""
        fcntl.ioctl(fd, tundev.TUNSETOFFLOAD, 0)
        if not self._vnet:
            return None
        found = tundev.get_int(fd, tundev.TUNGETVNETHDRSZ)
        tundev.set_int(fd, tundev.TUNSETVNETHDRSZ, vnet.LENGTH)
        return found

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        name = self.name
        try:
            mtu, mac, up = self._control.mtu(), self._control.mac(), self._control.is_up()
        except OSError as error:
            raise self._failure(error) from None
        if not up:
            raise TapError(errno.ENETDOWN, f"{name} is down: ip link set {name} up, or make_tap_netif {name}")
        if want.mac == mac:
            raise ValueError(f"{ethernet.format_mac(mac)} is the kernel's own MAC address on {name}: choose another")
        self._port = port
        offers: tuple[int, ...] = ()
        if self._vnet and want.rx_checksum:
            offers = _EVERYTHING if want.gso_max > min(mtu, want.mtu) else _CHECKSUM_ALONE
        self.offload_bits = self._offer(offers)
        return grant(want, mtu=mtu, tx_checksum=self._vnet, rx_checksum=bool(self.offload_bits))

    def _offer(self, offers: tuple[int, ...]) -> int:
        """Allow the kernel the most that it takes of what may be left undone."""
        for bits in offers:
            try:
                fcntl.ioctl(self._fd, tundev.TUNSETOFFLOAD, bits)  # the value itself, not a pointer
            except OSError:
                continue
            return bits
        fcntl.ioctl(self._fd, tundev.TUNSETOFFLOAD, 0)
        return 0

    def fileno(self) -> int | None:
        return self._fd if self._file is not None else None

    def wants_write(self) -> bool:
        return self._blocked

    def advance(self, now: float) -> None:
        if self._blocked and self._port is not None:
            self._blocked = False
            self._port.watch()
            self._port.writable()

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        file = self._file
        if file is None:
            return None
        view = self._view
        try:
            length = file.readinto(view)
        except OSError as error:
            raise self._failure(error) from None
        if length is None:
            return None
        front = self._front
        frame: Buffer
        if length >= _LARGE:
            frame = view[front:length].toreadonly()
            self._view = memoryview(self._ring.take())
        else:
            frame = view[front:length].tobytes()
        return frame, self._offloads[view[:front].tobytes()] if front else None

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if not self._vnet:
            if offload is not None and (offload.checksum == PARTIAL or offload.gso_size):
                return self._transmit_cut(buffers, offload)
            return self._write(buffers)
        if offload is None or offload.checksum != PARTIAL:
            if offload is not None and offload.gso_size:
                return self._transmit_cut(buffers, offload)
            return self._write((vnet.PLAIN, *buffers))
        if offload.gso_size:
            if len(buffers[0]) < offload.start + 14:
                buffers = (b"".join(buffers),)
                if len(buffers[0]) < offload.start + 14:
                    self.refused += 1
                    return True
            return self._write((self._supers.of(buffers[0], offload), *buffers))
        return self._write((self._partials[offload], *buffers))

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
        if self._file is None:
            return True
        if error.errno == errno.EAGAIN:
            self._blocked = True
            if self._port is not None:
                self._port.watch()
            return False
        if error.errno == errno.EINVAL and len(buffers) > _IOV_MAX:
            return self._write((b"".join(buffers),))
        if error.errno in _UNFIT:
            self.refused += 1
            return True
        raise self._failure(error) from None

    def _failure(self, error: OSError) -> TapError:
        name = self.name
        if error.errno == errno.EIO:
            return TapError(errno.ENETDOWN, f"{name} is down: ip link set {name} up")
        if error.errno in (errno.EBADFD, errno.ENODEV):
            return TapError(errno.ENODEV, f"{name} is gone: make it with make_tap_netif {name}")
        return TapError(error.errno or errno.EIO, f"{name} failed: {error.strerror}")

    def close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            fcntl.ioctl(self._fd, tundev.TUNSETOFFLOAD, 0)
            if self._header_size is not None:
                tundev.set_int(self._fd, tundev.TUNSETVNETHDRSZ, self._header_size)
        except OSError:
            pass  # the device is gone, and its settings with it
        self._fd = -1
        self._control.close()
        file.close()

    def __repr__(self) -> str:
        if self._file is None:
            return f"<Tap {self.name} closed>"
        return f"<Tap {self.name} {f'offload {self.offload_bits:#x}' if self._vnet else 'plain'}>"


def tapio_create(name: str, **options: Any) -> Tap:
    """Open the TAP `name`, with a Tap's options: the handle of a DriverIfconfig."""
    return Tap(name, **options)


def tapio_output(handle: Tap, buffers: tuple[Buffer, ...], offload: Offload | None = None) -> bool:
    """Send one frame: the transmit of a DriverIfconfig."""
    return handle.transmit(buffers, offload)
