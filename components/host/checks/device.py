"""The device itself: is it there, of the right kind, up, plugged in, free, and does it hand over whole checksums?

ethtool's legacy get-requests (linux/ethtool.h) read a device's offloads; /proc/PID/fdinfo names the TAP that a
descriptor has open (tun.c, tun_chr_show_fdinfo).
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import struct
from array import array
from collections.abc import Iterator

from components.host.checks.facts import Facts, Link
from components.host.checks.finding import Finding, fault, hint, warning
from tapio.ioctls import ioctl

SIOCETHTOOL = 0x8946
ETHTOOL_GTXCSUM, ETHTOOL_GTSO = 0x16, 0x1E


def exists(facts: Facts) -> Iterator[Finding]:
    if not facts.device or facts.link is not None:
        return
    near = difflib.get_close_matches(facts.device, [link.name for link in facts.links], 1)
    known = f"did you mean {near[0]}?" if near else f"there are {', '.join(link.name for link in facts.links)}"
    name = facts.device
    if facts.kind in ("packet", "pcap"):
        command = f"ip link add {name} type veth peer name {name[:13]}-k"
    elif facts.kind == "tun":
        command = f"ip tuntap add dev {name} mode tun user {facts.uid}"
    else:
        command = f"make_tap_netif {name}"
    yield fault(f"there is no device {name}", known, command)


def right_kind(facts: Facts) -> Iterator[Finding]:
    """A TUN carries no Ethernet; a veth's end or a network card is no TAP."""
    link = facts.link
    if link is None or facts.kind not in ("tap", "tun") or link.kind == facts.kind:
        return
    if link.kind in ("tap", "tun"):
        again = f"make_tap_netif {link.name}" if facts.kind == "tap" else f"ip tuntap add dev {link.name} mode tun"
        command = f"ip tuntap del dev {link.name} mode {link.kind} && {again}"
        yield fault(f"{link.name} is a {link.kind.upper()}", f"{facts.kind}: cannot open that", command)
    else:
        what = f"a {link.kind}" if link.kind else "a network card"
        yield fault(f"{link.name} is {what}", f"{facts.kind}: cannot open that", f"netif ping -i packet:{link.name}")


def multi_queue(facts: Facts) -> Iterator[Finding]:
    link = facts.link
    if link is not None and link.kind == "tap" and link.multi_queue:
        command = f"ip tuntap del dev {link.name} mode tap multi_queue && make_tap_netif {link.name}"
        yield fault(f"{link.name} is a multi-queue TAP", "a command opens one queue alone", command)


def is_up(facts: Facts) -> Iterator[Finding]:
    """The device, its other end, and the bridge whose port it is."""
    link = facts.link
    if link is None:
        return
    end = facts.end or link
    for one, why in (
        (link, "it carries no frame"),
        (facts.find(link.peer), f"it is the other end of {link.name}"),
        (facts.find(end.master), f"{end.name} is its port"),
    ):
        if one is not None and not one.up:
            yield fault(f"{one.name} is down", why, f"ip link set dev {one.name} up")


def has_carrier(facts: Facts) -> Iterator[Finding]:
    """A TAP has none while nobody has it open, and a veth none while its other end is down: that end is told of."""
    link = facts.link
    if link is None or not link.up or link.carrier or link.kind == "tap" or link.kind == "tun" or link.peer:
        return
    if link.far:
        yield fault(
            f"{link.name} has no carrier",
            "its other end, in another namespace, is down",
            f"ip netns exec THERE ip link set dev IF{link.index} up",
        )
    elif link.kind == "":
        yield fault(f"{link.name} has no carrier", "is the cable in?", f"ip link show dev {link.name}")


def is_free(facts: Facts) -> Iterator[Finding]:
    """A TAP with one queue is one program's."""
    link = facts.link
    if link is None or link.kind not in ("tap", "tun") or link.multi_queue or not link.carrier:
        return
    for pid, command in holders(facts, link):
        why = f"process {pid} has it open ({command}), and it takes one program at a time"
        yield fault(f"{link.name} is busy", why, f"kill {pid}")


def holders(facts: Facts, link: Link) -> Iterator[tuple[int, str]]:
    """Whose descriptors name the device, as far as we may look."""
    named = re.compile(rf"^iff:\s*{re.escape(link.name)}$", re.MULTILINE)
    mine = netns_of(facts, "thread-self")
    for process in sorted((facts.root / "proc").glob("[0-9]*")):
        if int(process.name) == os.getpid() or not runs_here(facts, process.name, mine):
            continue
        for descriptor in process.glob("fdinfo/*"):
            if named.search(facts.read(str(descriptor.relative_to(facts.root)))):
                words = facts.read(f"proc/{process.name}/cmdline").replace("\0", " ")
                yield int(process.name), words[:60]
                break


def runs_here(facts: Facts, pid: str, mine: str) -> bool:
    return netns_of(facts, pid) == mine


def netns_of(facts: Facts, process: str) -> str:
    try:
        return os.readlink(facts.root / f"proc/{process}/ns/net")
    except OSError:
        return ""


def checksums_are_whole(facts: Facts) -> Iterator[Finding]:
    """For pcap: the kernel leaves the checksum of what it sends over a veth to a card that is not there."""
    link = facts.link
    if facts.kind != "pcap" or link is None or link.kind != "veth":
        return
    if not link.peer:
        if link.far:
            why = "a packet from there may bear half a checksum, and be longer than the MTU"
            command = "ip netns exec THERE ethtool -K IFACE tx off"
            yield hint(f"the other end of {link.name} is in another namespace", why, command)
    elif offloads(link.peer):
        why = (
            f"what {link.peer} sends bears half a checksum, or is longer than the MTU: we recognise it, others may not"
        )
        yield hint(f"{link.peer} leaves checksums to {link.name}", why, f"ethtool -K {link.peer} tx off")


def is_no_card_of_ours(facts: Facts) -> Iterator[Finding]:
    """What is sent on a card leaves by it: the kernel and our host, both on it, never meet. Wi-Fi takes one MAC."""
    link = facts.link
    if facts.kind not in ("packet", "pcap") or link is None or link.kind or link.loopback:
        return
    wire = f"{facts.kind}:{link.name}"
    if f"{link.name}:" in facts.read("proc/thread-self/net/wireless"):
        why = "an access point drops what comes from a second MAC address"
        yield warning(f"{link.name} is wireless", why, f"netif COMMAND -i {wire},shared_mac")
    if link.addresses:
        why = "this machine and our host will not hear each other; over a veth pair they do"
        command = f"netif host bridge br0 --veth veth0 veth1 --nic {link.name}"
        yield hint(f"{link.name} is this machine's own card", why, command)


def offloads(name: str) -> bool:
    """Whether the device leaves checksums or segmentation to the one that sends: asked of the namespace we are in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        return any(_ethtool(asking, name, request) for request in (ETHTOOL_GTXCSUM, ETHTOOL_GTSO))


def _ethtool(asking: socket.socket, name: str, request: int) -> int:
    value = array("B", struct.pack("=II", request, 0))  # struct ethtool_value
    try:
        ioctl(asking, SIOCETHTOOL, struct.pack("16sP16x", name.encode(), value.buffer_info()[0]))
    except OSError:
        return 0
    return int(struct.unpack("=II", value.tobytes())[1])


CHECKS = (exists, right_kind, multi_queue, is_up, has_carrier, is_free, checksums_are_whole, is_no_card_of_ours)
