"""What opens each wire (`kinds` has the table). Knows which driver stands for which kind; imports it when called."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from components.wires.grammar import BadWire

if TYPE_CHECKING:
    from netif.link import Driver


def pair(name: str, options: Mapping[str, str]) -> Driver:
    """Only a command that plays both parts can have one (`components.connect`)."""
    raise BadWire("pair: has nobody at its other end here; name a wire, such as tap0")


def unix(name: str, options: Mapping[str, str]) -> Driver:
    from tapio import UnixWire

    return UnixWire(name)


def qemu(name: str, options: Mapping[str, str]) -> Driver:
    from tapio import QemuDgram, QemuStream

    if "dgram" not in options:
        return QemuStream(name, listen="listen" in options)
    if "listen" in options:
        raise BadWire("qemu: with dgram= nobody listens: leave listen out")
    return QemuDgram(name, options["dgram"])


def tap(name: str, options: Mapping[str, str]) -> Driver:
    from tapio import Tap

    return Tap(name, create="create" in options, **_attached(options))


def tun(name: str, options: Mapping[str, str]) -> Driver:
    from tapio import Tun

    return Tun(name, create="create" in options, **_attached(options))


def descriptor(name: str, options: Mapping[str, str]) -> Driver:
    """Whichever of the two it is."""
    from tapio import Tap, Tun, tundev

    if not (name.isascii() and name.isdigit() and len(name) < 10):
        raise BadWire(f"fd: wants the number of a descriptor, as in fd:3, and not {name!r}")
    fd = int(name)
    return (Tap if tundev.kind_of(fd) is tundev.TAP else Tun)(fd=fd, **_attached(options))


def _attached(options: Mapping[str, str]) -> dict[str, Any]:
    return {
        "offload": "plain" not in options,
        "multi_queue": "multi_queue" in options,
        "netns": options.get("netns"),
    }


def packet(name: str, options: Mapping[str, str]) -> Driver:
    from tapio import Packet

    return Packet(
        name,
        netns=options.get("netns"),
        offload="plain" not in options,
        shared_mac="shared_mac" in options,
    )


def pcap(name: str, options: Mapping[str, str]) -> Driver:
    from tapio import Pcap

    trust = options.get("trust_checksums")
    return Pcap(
        name,
        bpf=options.get("bpf", ""),
        netns=options.get("netns"),
        trust_checksums=None if trust is None else yes_or_no("trust_checksums", trust),
        shared_mac="shared_mac" in options,
    )


def replay(name: str, options: Mapping[str, str]) -> Driver:
    from tapio import Replay

    words: dict[str, Any] = {key: options[key] for key in ("mac", "interface", "at_end") if key in options}
    return Replay(
        name,
        speed=times(options.get("speed", "1")),
        verify="verify" in options,
        strict="strict" in options,
        partial="partial" in options,
        **words,
    )


def times(speed: str) -> float:
    """How many times faster."""
    try:
        return inf if speed == "fast" else float(speed)
    except ValueError:
        raise BadWire(f"replay: speed={speed}: write how many times faster, or fast") from None


def yes_or_no(option: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise BadWire(f"{option}={value} is neither: write {option}=yes or {option}=no")
    return value == "yes"
