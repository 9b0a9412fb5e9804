"""What the kernel says of a network device, and the little that may be changed of it. Knows ioctls, no frames.

Each question is one ioctl on a socket of the network namespace in which it was made: /sys would show the devices of
another namespace. netdevice(7), rtnetlink(7); Linux, include/uapi/linux/ethtool.h.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from array import array
from contextlib import ExitStack
from struct import Struct

from tapio.ioctls import ioctl
from tapio.wire import WireError

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFADDR, SIOCGIFMTU, SIOCGIFHWADDR = 0x8913, 0x8914, 0x8915, 0x8921, 0x8927
SIOCGIFINDEX, SIOCETHTOOL, SIOCGIWNAME = 0x8933, 0x8946, 0x8B01
ETHTOOL_GDRVINFO = 3
NETLINK_ROUTE, RTMGRP_LINK = 0, 1
IFF_UP, IFF_RUNNING = 0x1, 0x40
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772
CARRIER_WAIT = 0.1  # seconds; the kernel takes a few milliseconds at worst

_LONGEST_NEWS = 65536  # bytes of a message
_IFREQ_FLAGS = Struct("16sH22x")
_IFREQ_INT = Struct("16si20x")
_IFREQ_HWADDR = Struct("16sH6s16x")
_IFREQ_ADDRESS = Struct("16s4x4s16x")  # of a struct sockaddr_in
_IFREQ_POINTER = Struct("16sP16x")
_DRVINFO = Struct("I32s32s32s32s")  # command, driver, version, firmware, bus
_DRVINFO_SIZE = 196


def linux_alone(what: str, name: str) -> None:
    """WireError(ENOSYS) on another system."""
    if not hasattr(socket, "AF_NETLINK"):
        raise WireError(errno.ENOSYS, f"{what} are Linux's: on this system take pcap:{name}, unix:PATH or a Lan")


def exists(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


class Control:
    """What the kernel says of a device by name, in the network namespace in which this was made. OSError: ENODEV when
    it is gone, or in another one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def mtu(self) -> int:
        return int(_IFREQ_INT.unpack(self._ask(SIOCGIFMTU, _IFREQ_INT.pack(self._bytes(), 0)))[1])

    def index(self) -> int:
        return int(_IFREQ_INT.unpack(self._ask(SIOCGIFINDEX, _IFREQ_INT.pack(self._bytes(), 0)))[1])

    def mac(self) -> bytes:
        return self.hardware()[1]

    def hardware(self) -> tuple[int, bytes]:
        """(what it carries: ARPHRD_ETHER or another, its address)."""
        reply = self._ask(SIOCGIFHWADDR, _IFREQ_HWADDR.pack(self._bytes(), 0, bytes(6)))
        _, kind, mac = _IFREQ_HWADDR.unpack(reply)
        return kind, mac

    def address(self) -> bytes | None:
        """The IPv4 address that this host has on it, the first of several."""
        try:
            reply = self._ask(SIOCGIFADDR, _IFREQ_ADDRESS.pack(self._bytes(), bytes(4)))
        except OSError:
            return None
        return bytes(_IFREQ_ADDRESS.unpack(reply)[1])

    def is_wireless(self) -> bool:
        try:
            self._ask(SIOCGIWNAME, _IFREQ_INT.pack(self._bytes(), 0))
        except OSError:
            return False
        return True

    def remarks(self, *, shared_mac: bool) -> list[str]:
        """What would be searched for long: who cannot be reached beside the kernel, by the nature of the device."""
        name, address, found = self.name, self.address(), []
        if address is not None:
            found.append(
                f"{name} has this host's address {socket.inet_ntoa(address)}: others on its wire reach us, this host"
                " itself does not; for that take a TAP, or one end of a veth pair"
            )
        if not shared_mac and self.is_wireless():
            found.append(f"{name} is wireless, where a station may have one MAC address alone: share it (shared_mac)")
        return found

    def is_up(self) -> bool:
        return bool(self._flags() & IFF_UP)

    def bring_up(self) -> None:
        self._ask(SIOCSIFFLAGS, _IFREQ_FLAGS.pack(self._bytes(), self._flags() | IFF_UP))

    def await_carrier(self) -> None:
        """Opening plugs the cable in, but the kernel drops what it sends until it has noticed, a moment later."""
        deadline = time.monotonic() + CARRIER_WAIT
        while self._flags() & (IFF_UP | IFF_RUNNING) == IFF_UP and time.monotonic() < deadline:
            time.sleep(0.0005)

    def driver(self) -> tuple[str, str]:
        """(driver, bus) as ethtool names them; a TAP is ("tun", "tap"), a TUN ("tun", "tun")."""
        info = array("B", bytes(_DRVINFO_SIZE))
        _DRVINFO.pack_into(info, 0, ETHTOOL_GDRVINFO, b"", b"", b"", b"")
        try:
            self._ask(SIOCETHTOOL, _IFREQ_POINTER.pack(self._bytes(), info.buffer_info()[0]))
        except OSError:
            return "", ""
        _, driver, _, _, bus = _DRVINFO.unpack_from(info)
        return driver.partition(b"\0")[0].decode(errors="replace"), bus.partition(b"\0")[0].decode(errors="replace")

    def _bytes(self) -> bytes:
        return os.fsencode(self.name)

    def _flags(self) -> int:
        return int(_IFREQ_FLAGS.unpack(self._ask(SIOCGIFFLAGS, _IFREQ_FLAGS.pack(self._bytes(), 0)))[1])

    def _ask(self, request: int, ifreq: bytes) -> bytes:
        answer: bytes = ioctl(self._socket.fileno(), request, ifreq)
        return answer

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Watched(Control):
    """With a descriptor that is readable when some device of the namespace has changed: is ours as it was?"""

    def __init__(self, name: str) -> None:
        with ExitStack() as undoing:
            super().__init__(name)
            undoing.callback(self._socket.close)
            self._news = undoing.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE))
            self._news.setblocking(False)
            self._news.bind((0, RTMGRP_LINK))
            undoing.pop_all()

    def fileno(self) -> int:
        return self._news.fileno()

    def drain(self) -> None:
        """Take what has come: it is known."""
        try:
            while self._news.recv(_LONGEST_NEWS):
                pass
        except OSError:
            pass  # no more; or so much that some of it is lost

    def close(self) -> None:
        super().close()
        self._news.close()


class Unseen:
    """In the place of a Watched: a device of a namespace that we have no rights to look into is taken to be fit."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fileno(self) -> int | None:
        return None

    def drain(self) -> None:
        """Nobody tells of it."""

    def mtu(self) -> int:
        return 65535

    def mac(self) -> bytes:
        return b""

    def is_up(self) -> bool:
        return True

    def bring_up(self) -> None:
        """It is up."""

    def await_carrier(self) -> None:
        """It has one."""

    def close(self) -> None:
        """It holds nothing."""
