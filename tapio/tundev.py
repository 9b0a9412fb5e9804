"""The kernel's /dev/net/tun: attach to a TAP, and say in one line why not. Knows ioctls, no frames.

The kernel answers EINVAL alike for a TUN, for another kind of device and for a multi-queue TAP, and as root silently
makes a device for a name that does not exist; what the device is, is therefore looked up.
Linux, Documentation/networking/tuntap.rst; include/uapi/linux/if_tun.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from struct import Struct
from typing import NoReturn

from tapio.device import Control
from tapio.wire import WireError

NODE = "/dev/net/tun"
TUNSETIFF, TUNGETFEATURES, TUNSETOFFLOAD = 0x400454CA, 0x800454CF, 0x400454D0
TUNGETVNETHDRSZ, TUNSETVNETHDRSZ = 0x800454D7, 0x400454D8
IFF_TUN, IFF_TAP, IFF_NAPI, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x2, 0x10, 0x100, 0x1000, 0x4000

_INT = Struct("=i")
_IFREQ_FLAGS = Struct("16sH22x")


class TapError(WireError):
    """Why a TAP cannot be had, in one line with the remedy."""


def attach(name: str, *, create: bool, vnet: bool, multi_queue: bool) -> tuple[int, bool]:
    """(descriptor, whether frames bear a virtio-net header) of the TAP `name`, not blocking."""
    _check_name(name)
    exists = _exists(name)
    if not exists and not create:
        raise TapError(
            errno.ENODEV,
            f"there is no network device {name}: make it with make_tap_netif {name}, or open it with create",
        )
    fd = _open_node()
    try:
        features = get_int(fd, TUNGETFEATURES)
        flags = IFF_TAP | IFF_NO_PI | (features & IFF_NAPI)
        vnet = vnet and bool(features & IFF_VNET_HDR)
        if vnet:
            flags |= IFF_VNET_HDR
        _set_iff(fd, name, flags, multi_queue, exists)
    except BaseException:
        os.close(fd)
        raise
    return fd, vnet


def _check_name(name: str) -> None:
    if not name or len(os.fsencode(name)) > 15 or "/" in name or "%" in name or name.split() != [name]:
        raise TapError(
            errno.EINVAL,
            f"{name!r} is no device name: it takes 1 to 15 characters without space, slash or percent sign",
        )


def _exists(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def _open_node() -> int:
    try:
        return os.open(NODE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        message = f"no permission to open {NODE}: chmod 666 {NODE} as root, as most systems have it"
        raise TapError(errno.EACCES, message) from None
    except OSError as error:
        message = f"cannot open {NODE} ({error.strerror}): modprobe tun; in a container, start it with --device={NODE}"
        raise TapError(error.errno or errno.ENODEV, message) from None


def get_int(fd: int, request: int) -> int:
    return int(_INT.unpack(fcntl.ioctl(fd, request, bytes(4)))[0])


def set_int(fd: int, request: int, value: int) -> None:
    fcntl.ioctl(fd, request, _INT.pack(value))


def _set_iff(fd: int, name: str, flags: int, multi_queue: bool, exists: bool) -> None:
    wanted = flags | (IFF_MULTI_QUEUE if multi_queue else 0)
    try:
        try:
            _try_iff(fd, name, wanted)
        except OSError as error:
            if error.errno != errno.EINVAL or not multi_queue:
                raise
            _try_iff(fd, name, flags)  # asked for a queue of a device that has one alone: that one will do
    except OSError as error:
        _refused(fd, name, flags, error.errno or errno.EIO, exists)


def _try_iff(fd: int, name: str, flags: int) -> None:
    fcntl.ioctl(fd, TUNSETIFF, _IFREQ_FLAGS.pack(os.fsencode(name), flags))


def _refused(fd: int, name: str, flags: int, code: int, exists: bool) -> NoReturn:
    if code == errno.EBUSY:
        message = f"{name} is in use by another program: end that one, or make another TAP (make_tap_netif tap1)"
    elif code in (errno.EPERM, errno.EACCES) and exists:
        message = f"{name} may not be opened by uid {os.getuid()}: make_tap_netif {name} --user NAME gives it to a user"
    elif code in (errno.EPERM, errno.EACCES):
        message = f"making {name} takes root: sudo make_tap_netif {name} makes it for you to open"
    elif code == errno.EINVAL:
        message = _wrong_mode(fd, name, flags)
    else:
        message = f"{name} cannot be opened: {os.strerror(code)}"
    raise TapError(code, message) from None


def _wrong_mode(fd: int, name: str, flags: int) -> str:
    with Control(name) as control:
        driver, bus = control.driver()
    if driver != "tun":
        return f"{name} is no TAP but a device of kind {driver or 'unknown'}: make a TAP with make_tap_netif"
    if bus == "tun":
        return f"{name} is a TUN, which carries no Ethernet: ip tuntap del {name} mode tun; make_tap_netif {name}"
    try:
        _try_iff(fd, name, flags | IFF_MULTI_QUEUE)
    except OSError:
        return f"{name} cannot be opened as a TAP: the kernel finds a flag invalid"
    return (
        f"{name} is a multi-queue TAP: make it anew without multi_queue "
        f"(ip tuntap del {name} mode tap multi_queue; make_tap_netif {name}), or open it with multi_queue"
    )
