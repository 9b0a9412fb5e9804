"""Wires: drivers that move frames, and drivers around drivers. Knows `netif.link` and no stack.

Names are imported when they are first used, so that a pair in memory costs no TAP.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapio.capture import CaptureError, PcapngWriter, Replay, RotatingPcapng, Sniff, TextTrace, frames_of
    from tapio.faults import Faults
    from tapio.hook import Hook
    from tapio.impairment import Impair, impair
    from tapio.memory import PairEnd, pair
    from tapio.packet import Packet
    from tapio.pcap import Pcap
    from tapio.script import DROP, DUPLICATE, PASS, drop, duplicate, late, script_from_data
    from tapio.stream import QemuDgram, QemuStream, UnixWire
    from tapio.switch import Mirror, NamedPort, Switch, SwitchPort
    from tapio.tap import Tap, tapio_create, tapio_output
    from tapio.tun import Tun
    from tapio.tundev import TapError
    from tapio.vlan import Vlan
    from tapio.wire import WireError
    from tapio.wrapper import Wrapper

_ROOM = {
    "capture": ("CaptureError", "PcapngWriter", "Replay", "RotatingPcapng", "Sniff", "TextTrace", "frames_of"),
    "faults": ("Faults",),
    "hook": ("Hook",),
    "impairment": ("Impair", "impair"),
    "memory": ("PairEnd", "pair"),
    "packet": ("Packet",),
    "pcap": ("Pcap",),
    "script": ("DROP", "DUPLICATE", "PASS", "drop", "duplicate", "late", "script_from_data"),
    "stream": ("QemuDgram", "QemuStream", "UnixWire"),
    "switch": ("Mirror", "NamedPort", "Switch", "SwitchPort"),
    "tap": ("Tap", "tapio_create", "tapio_output"),
    "tun": ("Tun",),
    "tundev": ("TapError",),
    "vlan": ("Vlan",),
    "wire": ("WireError",),
    "wrapper": ("Wrapper",),
}
_HOMES = {name: home for home, names in _ROOM.items() for name in names}

__all__ = [
    "CaptureError",
    "DROP",
    "DUPLICATE",
    "Faults",
    "Hook",
    "Impair",
    "Mirror",
    "NamedPort",
    "PASS",
    "Packet",
    "PairEnd",
    "Pcap",
    "PcapngWriter",
    "QemuDgram",
    "QemuStream",
    "Replay",
    "RotatingPcapng",
    "Sniff",
    "Switch",
    "SwitchPort",
    "Tap",
    "TapError",
    "TextTrace",
    "Tun",
    "UnixWire",
    "Vlan",
    "WireError",
    "Wrapper",
    "drop",
    "duplicate",
    "frames_of",
    "impair",
    "late",
    "pair",
    "script_from_data",
    "tapio_create",
    "tapio_output",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tapio' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tapio.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
