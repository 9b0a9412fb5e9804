"""The kernel's /dev/net/tun: attach to a TAP or TUN, and say in one line why not. Knows ioctls, no frames.

The kernel answers EINVAL alike for the other mode, for another kind of device and for a multi-queue one, and as root
silently makes a device for a name that does not exist; what the device is, is therefore looked up.
Linux, Documentation/networking/tuntap.rst; include/uapi/linux/if_tun.h.
"""

from __future__ import annotations

import errno
import os
from struct import Struct
from typing import Final, NamedTuple, NoReturn

from tapio.device import Control, Unseen, Watched, exists
from tapio.ioctls import ioctl
from tapio.netns import in_netns
from tapio.wire import WireError

NODE = "/dev/net/tun"
TUNSETIFF, TUNGETIFF, TUNGETFEATURES, TUNSETOFFLOAD = 0x400454CA, 0x800454D2, 0x800454CF, 0x400454D0
TUNGETVNETHDRSZ, TUNSETVNETHDRSZ = 0x800454D7, 0x400454D8
SIOCGSKNS = 0x894C  # a descriptor of the device's network namespace
IFF_TUN, IFF_TAP, IFF_NAPI, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x2, 0x10, 0x100, 0x1000, 0x4000

_INT = Struct("=i")
_IFREQ_FLAGS = Struct("16sH22x")


class TapError(WireError):
    """Why a TAP or TUN cannot be had, in one line with the remedy."""


class Kind(NamedTuple):
    """One of the two modes, and the command by which a person makes such a device."""

    title: str
    mode: int
    command: str
    owner: str

    def make(self, name: str) -> str:
        return self.command.format(name)

    def give(self, name: str) -> str:
        return f"{self.make(name)} {self.owner}"


TAP: Final = Kind("TAP", IFF_TAP, "make_tap_netif {}", "--user NAME")
TUN: Final = Kind("TUN", IFF_TUN, "ip tuntap add dev {} mode tun", "user NAME")


def attach(name: str, kind: Kind, *, create: bool, vnet: bool, multi_queue: bool) -> tuple[int, bool]:
    """(descriptor, whether frames bear a virtio-net header) of the device `name`, not blocking."""
    _check_name(name)
    is_there = exists(name)
    if not is_there and not create:
        raise TapError(
            errno.ENODEV, f"there is no network device {name}: make it with {kind.make(name)}, or open it with create"
        )
    fd = _open_node()
    try:
        features = get_int(fd, TUNGETFEATURES)
        flags = kind.mode | IFF_NO_PI | (features & IFF_NAPI)
        vnet = vnet and bool(features & IFF_VNET_HDR)
        if vnet:
            flags |= IFF_VNET_HDR
        _set_iff(fd, name, kind, flags, multi_queue, is_there)
    except BaseException:
        os.close(fd)
        raise
    return fd, vnet


def adopt(fd: int, name: str, kind: Kind, *, vnet: bool, multi_queue: bool) -> tuple[str, bool]:
    """(device, whether frames bear a virtio-net header) of a descriptor that somebody else attached; `name`, if it is
    given, must be that device's. From now on it does not block, and is not inherited."""
    found, flags = _attached_to(fd)
    described = f"descriptor {fd} is of {found}, "
    code, wrong = errno.EINVAL, ""
    if name not in ("", found):
        code, wrong = errno.ENODEV, f"not of {name}: leave the name out, or pass the descriptor of {name}"
    elif not flags & kind.mode:
        other = TUN if kind is TAP else TAP
        wrong = f"a {other.title} and no {kind.title}: take {other.title.title()}(fd={fd})"
    elif not flags & IFF_NO_PI or _wants_packet_information(fd, kind, flags):
        wrong = "opened with packet information: open it with IFF_NO_PI"
    elif flags & IFF_MULTI_QUEUE and not multi_queue:
        wrong = "one queue of several: open it without IFF_MULTI_QUEUE, or say multi_queue if it is the only one"
    elif vnet and not flags & IFF_VNET_HDR:
        wrong = "opened without virtio-net headers: open it with IFF_VNET_HDR, or say plain (offload=False)"
    if wrong:
        raise TapError(code, described + wrong)
    os.set_blocking(fd, False)
    os.set_inheritable(fd, False)
    return found, bool(flags & IFF_VNET_HDR)


def _wants_packet_information(fd: int, kind: Kind, flags: int) -> bool:
    """Linux (6.18) answers IFF_NO_PI whatever was set. What tells is a frame that is valid only behind four bytes of
    packet information; else it has an unknown kind of segmentation, or is of IP version 0."""
    if kind is TAP and not flags & IFF_VNET_HDR:
        return False  # any frame would do
    try:
        return os.write(fd, b"\0\x7f" + bytes(26)) > 0
    except OSError:
        return False


def _attached_to(fd: int) -> tuple[str, int]:
    """(device, flags) of a descriptor."""
    try:
        name, flags = _IFREQ_FLAGS.unpack(ioctl(fd, TUNGETIFF, bytes(_IFREQ_FLAGS.size)))
    except (OSError, ValueError, OverflowError) as error:
        code = getattr(error, "errno", None) or errno.EBADF
        if code == errno.EBADFD:
            message = f"descriptor {fd} is attached to no device: whoever opens {NODE} must set one (TUNSETIFF)"
        elif code == errno.EBADF:
            message = f"descriptor {fd} is not open: whoever starts this program must pass it on (pass_fds, or N<>FILE)"
        else:
            message = f"descriptor {fd} is no TAP's or TUN's: it must be of {NODE}"
        raise TapError(code, message) from None
    return _text(name), flags


def name_of(fd: int) -> str:
    """The present name of the device; OSError(EBADFD) once it is gone."""
    name, _ = _IFREQ_FLAGS.unpack(ioctl(fd, TUNGETIFF, bytes(_IFREQ_FLAGS.size)))
    return _text(name)


def _text(name: bytes) -> str:
    return os.fsdecode(name.partition(b"\0")[0])


def kind_of(fd: int) -> Kind:
    """TAP or TUN; TapError: neither."""
    return TAP if _attached_to(fd)[1] & IFF_TAP else TUN


def control_of(fd: int, name: str, kind: Kind, netns: str | None) -> Watched | Unseen:
    """What tells of the device that an adopted descriptor is of: in the namespace that is named, else in its own, if
    we may enter that."""
    if netns is not None:
        return in_netns(netns, lambda: Watched(name))
    try:
        theirs = ioctl(fd, SIOCGSKNS)
    except OSError:
        return _seen_here(name, kind)
    try:
        if os.path.samestat(os.fstat(theirs), os.stat("/proc/self/ns/net")):
            return Watched(name)
        return in_netns(f"/proc/self/fd/{theirs}", lambda: Watched(name))
    except WireError:
        return Unseen(name)
    finally:
        os.close(theirs)


def _seen_here(name: str, kind: Kind) -> Watched | Unseen:
    """Without the right to ask where it is: most likely here, if there is one of that name and kind."""
    here = Watched(name)
    if here.driver() == ("tun", kind.title.lower()):
        return here
    here.close()
    return Unseen(name)


def _check_name(name: str) -> None:
    """As the kernel's dev_valid_name; a percent sign would stand for a number."""
    wrong = name in (".", "..") or any(each in name for each in "/:%\0") or name.split() != [name]
    if wrong or not 0 < len(os.fsencode(name)) < 16:
        raise TapError(
            errno.EINVAL,
            f"{name!r} is no device name: it takes 1 to 15 characters without space, slash, colon or percent sign",
        )


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
    return int(_INT.unpack(ioctl(fd, request, bytes(4)))[0])


def set_int(fd: int, request: int, value: int) -> None:
    ioctl(fd, request, _INT.pack(value))


def _set_iff(fd: int, name: str, kind: Kind, flags: int, multi_queue: bool, is_there: bool) -> None:
    wanted = flags | (IFF_MULTI_QUEUE if multi_queue else 0)
    try:
        try:
            _try_iff(fd, name, wanted)
        except OSError as error:
            if error.errno != errno.EINVAL or not multi_queue:
                raise
            _try_iff(fd, name, flags)  # asked for a queue of a device that has one alone: that one will do
    except OSError as error:
        _refused(fd, name, kind, flags, error.errno or errno.EIO, is_there)


def _try_iff(fd: int, name: str, flags: int) -> None:
    ioctl(fd, TUNSETIFF, _IFREQ_FLAGS.pack(os.fsencode(name), flags))


def _refused(fd: int, name: str, kind: Kind, flags: int, code: int, is_there: bool) -> NoReturn:
    if code == errno.EBUSY:
        another = kind.make(f"{kind.title.lower()}1")
        message = f"{name} is in use by another program: end that one, or make another {kind.title} ({another})"
    elif code in (errno.EPERM, errno.EACCES) and is_there:
        message = f"{name} may not be opened by uid {os.getuid()}: {kind.give(name)} gives it to a user"
    elif code in (errno.EPERM, errno.EACCES):
        message = f"making {name} takes root: sudo {kind.make(name)} makes it for you to open"
    elif code == errno.EINVAL:
        message = _wrong_mode(fd, name, kind, flags)
    else:
        message = f"{name} cannot be opened: {os.strerror(code)}"
    raise TapError(code, message) from None


def _wrong_mode(fd: int, name: str, kind: Kind, flags: int) -> str:
    title = kind.title
    with Control(name) as control:
        driver, bus = control.driver()
    if driver != "tun":
        another = kind.make(f"{kind.title.lower()}0")
        return (
            f"{name} is no {title} but a device of kind {driver or 'unknown'}: "
            f"packet:{name} takes it as it is, or make a {title} ({another})"
        )
    if bus != title.lower():
        what = "a TUN, which carries no Ethernet" if kind is TAP else "a TAP, which carries Ethernet"
        return f"{name} is {what}: ip tuntap del {name} mode {bus}; {kind.make(name)}"
    try:
        _try_iff(fd, name, flags | IFF_MULTI_QUEUE)
    except OSError:
        return f"{name} cannot be opened as a {title}: the kernel finds a flag invalid"
    return (
        f"{name} is a multi-queue {title}: make it anew without multi_queue "
        f"(ip tuntap del {name} mode {bus} multi_queue; {kind.make(name)}), or open it with multi_queue"
    )
