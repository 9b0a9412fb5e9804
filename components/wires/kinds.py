"""The tables of wires and wrappers: how each is written, what opens it, which options it has, one line of help.

One row is all that a wire needs: commands and their help read it here. An opener is "module:function", imported when
its wire is named; a wire's is called (name, options), a wrapper's (driver, options), with options as they were written,
each among those of the row. It raises OSError or ValueError, and leaves nothing behind then.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from netif.value import Value


class Addresses(enum.Enum):
    """The address that a command has on a wire, when it was told none."""

    TAP = "192.168.5.100/24, gateway 192.168.5.1"  # tapif_io's
    OWN = "every host says its own"
    DHCP = "asked for by DHCP"


@attrs.frozen(eq=False, repr=False, kw_only=True)
class Kind(Value):
    """A wire. Without options all that follows the colon is the name, commas included."""

    name: str
    written: str  # what follows the colon
    example: str
    help: str
    opener: str
    addresses: Addresses
    options: Mapping[str, str] = attrs.field(factory=dict)  # name -> how its value is written; "": a word without one
    takes_rights: bool = True  # to open it may be root's alone; else `--user` holds from the start
    wants: str = "name"  # what follows the colon is: "wants a name"; "": may be empty


@attrs.frozen(eq=False, repr=False, kw_only=True)
class WrapperKind(Value):
    """A driver around a wire."""

    name: str
    example: str
    help: str
    opener: str
    options: Mapping[str, str]


_ATTACHED = {"create": "", "plain": "", "multi_queue": "", "netns": "NAME"}

WIRES = {
    row.name: row
    for row in (
        Kind(
            name="pair",
            written="",
            example="pair:",
            help="no device at all: a second host in this process plays the other part (the default)",
            opener="components.wires.openers:pair",
            addresses=Addresses.TAP,
            takes_rights=False,
            wants="",
        ),
        Kind(
            name="unix",
            written="PATH",
            example="unix:/tmp/lan",
            help="between two processes, no root: the first to come is the switch, then another; wants --ip",
            opener="components.wires.openers:unix",
            addresses=Addresses.OWN,
            takes_rights=False,
            wants="path",
        ),
        Kind(
            name="qemu",
            written="PATH[,listen]",
            example="qemu:/tmp/guest",
            help="QEMU (-netdev stream) or passt, at PATH or HOST:PORT; dgram=LOCAL: -netdev dgram (docs/qemu.md)",
            opener="components.wires.openers:qemu",
            addresses=Addresses.DHCP,
            options={"listen": "", "dgram": "LOCAL"},
            takes_rights=False,
            wants="path",
        ),
        Kind(
            name="tap",
            written="NAME[,create]",
            example="tap:tap0",
            help="a TAP device of this machine (make_tap_netif makes one); plain NAME does as well",
            opener="components.wires.openers:tap",
            addresses=Addresses.TAP,
            options=_ATTACHED,
        ),
        Kind(
            name="tun",
            written="NAME[,create]",
            example="tun:tun0",
            help="a TUN device: bare IP packets, without DHCP (ip tuntap add dev NAME mode tun makes one)",
            opener="components.wires.openers:tun",
            addresses=Addresses.TAP,
            options=_ATTACHED,
        ),
        Kind(
            name="fd",
            written="NUMBER",
            example="fd:3",
            help="a TAP or TUN that whoever started us has opened, by its descriptor's number",
            opener="components.wires.openers:descriptor",
            addresses=Addresses.TAP,
            options={name: written for name, written in _ATTACHED.items() if name != "create"},
            wants="number",
        ),
        Kind(
            name="switch",
            written="NAME[,vlan=N][,uplink=WIRE]",
            example="switch:lab,uplink=tap:tap0",
            help="a switch in this process, the same for all that name it; joined to a wire outside by uplink=",
            opener="components.wires.switches:switch",
            addresses=Addresses.OWN,
            options={"vlan": "10", "uplink": "tap:tap0"},
        ),
        Kind(
            name="packet",
            written="NAME[,plain]",
            example="packet:veth0",
            help="a packet socket on a veth end, a bridge's port or a network card, beside the kernel (docs/packet.md)",
            opener="components.wires.openers:packet",
            addresses=Addresses.DHCP,
            options={"plain": "", "netns": "NAME", "shared_mac": ""},
        ),
        Kind(
            name="pcap",
            written="NAME[,bpf=...]",
            example="pcap:eth0",
            help="any interface that libpcap can capture on (pip install 'netif[pcap]'; docs/pcap.md)",
            opener="components.wires.openers:pcap",
            addresses=Addresses.DHCP,
            options={
                "bpf": "'tcp port 80'",
                "trust_checksums": "yes",
                "shared_mac": "",
                "netns": "NAME",
            },
        ),
        Kind(
            name="replay",
            written="FILE[,speed=N]",
            example="replay:x.pcapng",
            help="a capture (pcap, pcapng) as a wire: what its far side sent comes again (docs/capture.md)",
            opener="components.wires.openers:replay",
            addresses=Addresses.OWN,
            options={
                "speed": "fast",
                "verify": "",
                "strict": "",
                "mac": "02:00:00:00:00:01",
                "interface": "a",
                "partial": "",
                "at_end": "fail",
            },
            takes_rights=False,
            wants="file",
        ),
    )
}

_FAULTS = {
    "loss": "1%",
    "burst": "'1% 30%'",
    "partition": "5s-8s",
    "flap": "'10s 2s'",
    "delay": "20ms",
    "jitter": "5ms",
    "distribution": "normal",
    "keep_order": "",
    "reorder": "2%",
    "gap": "5",
    "duplicate": "1%",
    "corrupt": "0.1%",
    "rate": "10Mbit",
    "queue": "64KiB",
    "ecn": "20",
    "only": "tcp",
    "match": "'tcp port 80'",
}

WRAPPERS = {
    row.name: row
    for row in (
        WrapperKind(
            name="impair",
            example="impair(tap:tap0, loss=1%, rx.delay=20ms)",
            help="faults, in both directions or one",
            opener="components.wires.wrappers:impaired",
            options={
                **_FAULTS,
                **{f"{side}.{name}": value for side in ("tx", "rx") for name, value in _FAULTS.items()},
                "script": "'drop 3rd SYN'",
                "seed": "7",
            },
        ),
        WrapperKind(
            name="sniff",
            example="sniff(tap:tap0, file=x.pcapng)",
            help="what passes, for Wireshark: into files, a pipe (file=-) or a program (docs/capture.md)",
            opener="components.wires.sniffs:sniffed",
            options={
                "file": "x.pcapng",
                "to": "wireshark",
                "name": "tap0",
                "comments": "",
                "rotate_bytes": "10MiB",
                "rotate_seconds": "60",
                "keep": "5",
            },
        ),
        WrapperKind(
            name="hook",
            example="hook(tap:tap0, call=mine.py:look)",
            help="a function of yours that sees, changes, drops and adds frames",
            opener="components.wires.wrappers:hooked",
            options={"call": "MODULE:FUNCTION", "scapy": "", "on_error": "drop"},
        ),
        WrapperKind(
            name="vlan",
            example="vlan(tap:tap0, id=10)",
            help="one VLAN of a wire, with 802.1Q tags there and none here (docs/bridge.md)",
            opener="components.wires.wrappers:tagged",
            options={"id": "10", "priority": "0"},
        ),
    )
}


def help_lines() -> str:
    """The wires and wrappers, a line each, for `netif COMMAND --help`."""
    rows = [("NAME", "a device of this machine: of which kind, the kernel says (docs/wires.md has all options)")]
    for kind in WIRES.values():
        name, more, _ = kind.written.partition("[")
        rows.append((f"{kind.name}:{name}{'[,...]' if more else ''}", kind.help))
    rows += [(f"{row.name}(WIRE, ...)", f"{row.help}: {row.example}") for row in WRAPPERS.values()]
    return "\n".join(f"  -i {written:18} {text}" for written, text in rows)
