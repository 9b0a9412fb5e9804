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
from contextlib import ExitStack
from typing import Any

from netif.link import Buffer, LinkCaps, Offload, Port
from netif.wire import ethernet
from tapio import tundev, vnet
from tapio.device import Control
from tapio.kernel import LARGE, KernelWire
from tapio.netns import in_netns
from tapio.tundev import TapError
from tapio.wire import grant

_CHECKSUM_ALONE = (0x1,)
_EVERYTHING = (0x6F, 0x67, 0x7, 0x1)  # checksum, TSO for both IP versions, ECN, USO; less and less of it


class Tap(KernelWire):
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
        self.offload_bits = 0  # TUN_F_ bits: what the kernel may leave undone in frames for us

        def attach() -> tuple[Control, int, bool]:
            with ExitStack() as undoing:
                control = undoing.enter_context(Control(name))
                attached = tundev.attach(name, create=create, vnet=offload, multi_queue=multi_queue)
                undoing.pop_all()
            return control, *attached

        self._control, fd, vnet_header = in_netns(netns, attach)
        super().__init__(name, fd, vnet_header=vnet_header)
        self._file: io.FileIO | None = io.FileIO(fd, "r+b")
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
        if length >= LARGE:
            frame = view[front:length].toreadonly()
            self._view = memoryview(self._ring.take())
        else:
            frame = view[front:length].tobytes()
        return frame, self._offloads[view[:front].tobytes()] if front else None

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
