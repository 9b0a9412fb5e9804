"""What is to happen to which frame, said in words: `drop("3rd SYN")`, `late("2nd out data", 0.05)`.

A script is any callable (direction, frame, index) -> verdict, `index` counting the frames of that direction from 1; a
`Rule` is one written as text: [in|out] [every] [Nth] KIND. Without Nth it holds for all; Nth counts both directions
unless one is named. KINDs: frame, arp, icmp, udp, tcp; of TCP syn, syn-ack, fin, rst, data, ack (nothing but that).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs

from netif.link import Buffer
from netif.wire import Malformed, ethernet, ip, tcp


class Fate(enum.Enum):
    """What a script may decide; loss does not come into it then."""

    DROP = "drop"
    PASS = "pass"
    DUPLICATE = "duplicate"


DROP, PASS, DUPLICATE = Fate.DROP, Fate.PASS, Fate.DUPLICATE

Direction: TypeAlias = Literal["in", "out"]
Verdict: TypeAlias = Fate | float | bytes | None
"""None: nothing said, loss and delay apply; a number: that many seconds later than its time; bytes: these instead."""
Script: TypeAlias = Callable[[Direction, bytes, int], Verdict]

KINDS = ("frame", "arp", "icmp", "udp", "tcp", "syn", "syn-ack", "fin", "rst", "data", "ack")
_RULE = re.compile(r"(?:(in|out) +)?(every +)?(?:(\d+)(?:st|nd|rd|th) +)?(?:(in|out) +)?([a-z-]+)", re.IGNORECASE)


def kinds_of(frame: Buffer) -> tuple[str, ...]:
    """Which of KINDS a frame is."""
    try:
        _, _, ethertype = ethernet.parse(frame)
        if ethertype == ethernet.ARP:
            return ("frame", "arp")
        if ethertype != ethernet.IP:
            return ("frame",)
        header_len, total_len, _, fragment, _, protocol, _, _, _ = ip.parse(frame, ethernet.HEADER_LENGTH)
        if protocol in (ip.ICMP, ip.UDP):
            return ("frame", "icmp" if protocol == ip.ICMP else "udp")
        if protocol != ip.TCP or fragment & ip.OFFSET_MASK:
            return ("frame",)
        l4, end = ethernet.HEADER_LENGTH + header_len, ethernet.HEADER_LENGTH + total_len
        header = tcp.parse(frame, l4, end)
    except Malformed:
        return ("frame",)
    flags, payload = header[5], end - l4 - header[4]
    found = ["frame", "tcp"]
    if flags & tcp.SYN:
        found.append("syn-ack" if flags & tcp.ACK else "syn")
    if flags & tcp.FIN:
        found.append("fin")
    if flags & tcp.RST:
        found.append("rst")
    if payload:
        found.append("data")
    elif flags & (tcp.SYN | tcp.FIN | tcp.RST | tcp.ACK) == tcp.ACK:
        found.append("ack")
    return tuple(found)


@attrs.frozen
class Rule:
    """A verdict and the frames it is for. What has been counted belongs to the wire, not to the rule."""

    verdict: Fate | float
    kind: str
    direction: str | None = None
    every: bool = False
    nth: int = 0  # 0: all

    def begin(self) -> Script:
        """The rule as a script that has seen nothing yet."""
        seen = 0

        def script(direction: Direction, frame: bytes, index: int) -> Verdict:
            nonlocal seen
            if self.direction not in (None, direction) or self.kind not in kinds_of(frame):
                return None
            seen += 1
            if self.nth and (seen % self.nth if self.every else seen != self.nth):
                return None
            return self.verdict

        return script


def rule(verdict: Fate | float, text: str) -> Rule:
    """The rule that `text` describes."""
    match = _RULE.fullmatch(text.strip())
    kind = match[5].lower() if match else ""
    if match is None or kind not in KINDS or (match[1] and match[4]) or (match[2] and not match[3]) or match[3] == "0":
        raise ValueError(
            f"{text!r} names no frames: write [in|out] [every] [Nth] KIND, as in '3rd SYN' or 'out every 2nd data';"
            f" KIND is one of {' '.join(KINDS)}"
        )
    direction = match[1] or match[4]
    return Rule(verdict, kind, direction.lower() if direction else None, bool(match[2]), int(match[3] or 0))


def drop(text: str) -> Rule:
    """These frames are lost."""
    return rule(DROP, text)


def duplicate(text: str) -> Rule:
    """These frames come twice."""
    return rule(DUPLICATE, text)


def late(text: str, seconds: float) -> Rule:
    """These frames come later than their time, so that those behind overtake them."""
    return rule(float(seconds), text)
