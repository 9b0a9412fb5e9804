"""Frames of multicast: queries and reports as they come from a link, datagrams to a group, and a rig that counts."""

from __future__ import annotations

from typing import Any

from netif.wire import ethernet, igmp, ip
from netif.wire.igmp import Query, Record
from stack.ethernet import group_mac
from tests.stack.rig import GATEWAY, PEER, PEER_MAC, Rig, address, datagram

GROUP, OTHER_GROUP = address("239.1.2.3"), address("239.4.5.6")
ALICE, BOB, CAROL = address("10.0.0.11"), address("10.0.0.12"), address("10.0.0.13")
V3 = "10.0.0.1 > 224.0.0.22: igmp report v3 "


def message(body: bytes, dst: bytes, *, src: bytes = GATEWAY, alert: bool = True, ttl: int = 1) -> bytes:
    """An IGMP message in a frame."""
    options = igmp.ROUTER_ALERT if alert else b""
    header = ip.emit(src, dst, ip.IGMP, len(body), ident=1, ttl=ttl, options=options)
    to = group_mac(dst) if dst[0] >> 4 == 14 else bytes.fromhex("020000000001")
    return ethernet.emit(to, PEER_MAC, ethernet.IP) + header + body


def query(
    group: bytes = igmp.ANY,
    sources: tuple[bytes, ...] = (),
    *,
    version: int = 3,
    max_resp: float = 10.0,
    robustness: int = 2,
    interval: float = 125.0,
    dst: bytes = b"",
    **where: Any,
) -> bytes:
    asked = Query(version, group, max_resp if version > 1 else 0.0, sources, robustness, interval)
    return message(igmp.emit_query(asked), dst or (group if any(group) else igmp.ALL_HOSTS), **where)


def report(group: bytes, *, version: int = 2, src: bytes = PEER, dst: bytes = b"") -> bytes:
    """Another host's."""
    kind = igmp.V1_REPORT if version == 1 else igmp.V2_REPORT
    return message(igmp.emit(kind, group), dst or group, src=src)


def to_group(payload: bytes = b"x", group: bytes = GROUP, *, src: bytes = PEER, dport: int = 7) -> bytes:
    return datagram(payload, dport=dport, src=src, dst=group, to=group_mac(group), ttl=1)


def records(frame: bytes) -> list[Record]:
    """Of a report of version 3 that we sent."""
    header_len, total_len, *_ = ip.parse(frame, 14)
    return list(igmp.parse_records(frame, 14 + header_len, 14 + total_len))


def joined(rig: Rig, *groups: bytes) -> Rig:
    """A rig that is in these groups, and has told so often enough."""
    for group in groups or (GROUP,):
        rig.interface.join(group)
    rig.flush()
    rig.after(20.0)
    rig.frames()
    return rig


def within(rig: Rig, seconds: float) -> float:
    """How long it takes until something is sent; it must be no longer than that."""
    start = rig.runtime.time
    while not rig.netif.sent:
        deadline = rig.stack.next_deadline()
        assert deadline is not None, "nothing is going to be sent"
        rig.after(deadline - rig.runtime.time)
        assert rig.runtime.time - start <= seconds, "too late"
    return rig.runtime.time - start
