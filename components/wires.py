"""From the name of a wire to a driver: `tap:tap0`, `unix:/tmp/lan`, or a bare name that the kernel is asked about.

Knows the spellings and ETHTOOL_GDRVINFO; each driver is imported when its wire is named. A name that does not exist is
an error: as root the kernel would silently make a device that vanishes with us.
"""

from __future__ import annotations

import difflib
import fcntl
import socket
import struct
from array import array
from typing import TYPE_CHECKING

from components.command import Complaint, explain

if TYPE_CHECKING:
    from netif.link import Driver

SIOCETHTOOL, ETHTOOL_GDRVINFO = 0x8946, 3
KINDS = ("pair", "unix", "tap")


def split(wire: str) -> tuple[str, str]:
    """("tap", "tap0,create") of "tap:tap0,create"; a bare name is resolved by what the kernel says it is."""
    kind, colon, rest = wire.partition(":")
    if colon:
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, 1)
            raise Complaint(
                f"-i {wire}: there is no wire {kind}:{f', did you mean {near[0]}:?' if near else ''}"
                " (pair:, unix:PATH, tap:NAME)"
            )
        return kind, rest
    if wire in KINDS and wire != "tap":
        raise Complaint(f"-i {wire}: the name of a wire ends in a colon: {wire}:{'PATH' if wire == 'unix' else ''}")
    if "/" in wire:
        raise Complaint(f"-i {wire}: is that a socket's path? Then write unix:{wire}")
    return "tap", of_device(wire)


def of_device(name: str) -> str:
    """`name`, if it is a TAP; else a Complaint that says what it is, and what to do."""
    device = name.partition(",")[0]
    described = describe_device(device)
    if described == "TAP":
        return name
    if described is None:
        make = "make_tap_netif" + ("" if device == "tap0" else f" {device}")
        raise Complaint(f"-i {name}: there is no device {device}; make one with `{make}`, or say tap:{device},create")
    if described == "bridge":
        remedy = f"make_tap_netif tap0; ip link set tap0 master {device}; then use tap0"
    else:
        remedy = "use a TAP (make_tap_netif), and bridge it if you must"
    raise Complaint(f"-i {name}: {device} is a {described}: not yet; {remedy}")


def describe_device(name: str) -> str | None:
    """ "TAP", "TUN", "veth pair's end", "bridge", "network card (DRIVER)"; None: there is no such device."""
    if not 0 < len(name.encode()) < 16:
        return None
    try:
        socket.if_nametoindex(name)
    except OSError:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        info = array("B", struct.pack("=I192x", ETHTOOL_GDRVINFO))
        try:
            fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack("16sP16x", name.encode(), info.buffer_info()[0]))
        except OSError:
            return "device without a driver" if name != "lo" else "loopback device"
    fields = info.tobytes()  # struct ethtool_drvinfo: cmd, driver[32], version[32], fw_version[32], bus_info[32] ...
    driver, bus = (fields[at : at + 32].partition(b"\0")[0].decode() for at in (4, 100))
    if driver == "tun":
        return bus.upper()
    return {"veth": "veth pair's end", "bridge": "bridge"}.get(driver, f"network card ({driver})")


def open_tap(rest: str) -> Driver:
    """The driver of "NAME[,create][,plain]"."""
    from tapio import Tap

    name, *words = rest.split(",")
    unknown = set(words) - {"create", "plain"}
    if not name or unknown:
        raise Complaint(f"-i tap:{rest}: write tap:NAME, tap:NAME,create, or tap:NAME,plain (without offload)")
    try:
        return Tap(name, create="create" in words, offload="plain" not in words)
    except (OSError, ValueError) as error:
        raise Complaint(tell(f"tap:{rest}", error)) from error


def open_unix(path: str) -> Driver:
    from tapio import UnixWire

    if not path:
        raise Complaint("-i unix: wants a path, such as unix:/tmp/lan")
    try:
        return UnixWire(path)
    except (OSError, ValueError) as error:
        raise Complaint(tell(f"unix:{path}", error)) from error


def tell(wire: str, error: Exception) -> str:
    """What a driver says, with the wire's name before it where it does not name it itself."""
    text = explain(error)
    name = wire.rpartition(":")[2].partition(",")[0]
    return text if name and name in text else f"-i {wire}: {text}"
