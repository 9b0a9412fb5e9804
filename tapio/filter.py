"""Which frames are meant, said in words: "tcp port 80", "udp and not port 53 or arp", "data host 10.0.0.2".

A filter is terms: a KIND, `host A`, `port N`, the last two with `src` or `dst` before them if need be. Terms side by
side (or with `and`) hold together, `or` parts such groups, `not` turns the term behind it. Knows the headers that these
speak of, behind VLAN tags too (IEEE 802.1Q 9.3); a fragment that is not the first has no ports, as on any wire.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import attrs

from netif.link import Buffer
from netif.wire import Malformed, arp, ethernet, ip, tcp, udp

KINDS = ("frame", "arp", "ip", "icmp", "udp", "tcp", "syn", "syn-ack", "fin", "rst", "data", "ack")
_TAGS = (0x8100, 0x88A8)  # of a VLAN, and of the provider's around it
_OF_IP = {ip.ICMP: "icmp", ip.UDP: "udp", ip.TCP: "tcp"}  # kinds
_SIDES = {"src": (0,), "dst": (1,), "": (0, 1)}
_ETHERTYPE = struct.Struct("!H")


class Facts(NamedTuple):
    """What a filter may ask of a frame: which of KINDS it is; both addresses and ports, source first."""

    kinds: tuple[str, ...]
    hosts: tuple[bytes, ...] = ()
    ports: tuple[int, ...] = ()


def look(frame: Buffer, link: int = ethernet.HEADER_LENGTH) -> Facts:
    """The facts of a frame with `link` bytes in front of its IP header: 14, or 0 where there are bare packets."""
    try:
        ethertype, at = _network(frame) if link else (ethernet.IP, 0)
        if ethertype == ethernet.ARP:
            return _of_arp(frame, at)
        if ethertype != ethernet.IP:
            return Facts(("frame",))
        header_len, total_len, _, fragment, _, protocol, src, dst, _ = ip.parse(frame, at)
    except Malformed:
        return Facts(("frame",))
    kind, hosts = _OF_IP.get(protocol), (src, dst)
    bare = Facts(("frame", "ip", kind) if kind in ("udp", "icmp") else ("frame", "ip"), hosts)
    if kind is None or kind == "icmp" or fragment & ip.OFFSET_MASK:
        return bare
    try:
        return _of_transport(frame, kind, at + header_len, at + total_len, hosts)
    except Malformed:
        return bare


def _network(frame: Buffer) -> tuple[int, int]:
    """The ethertype behind any tags, and where its header begins."""
    _, _, ethertype = ethernet.parse(frame)
    at = ethernet.HEADER_LENGTH
    while ethertype in _TAGS and at < 22 and len(frame) >= at + 4:
        (ethertype,) = _ETHERTYPE.unpack_from(frame, at + 2)
        at += 4
    return ethertype, at


def _of_arp(frame: Buffer, at: int) -> Facts:
    try:
        message = arp.parse(frame, at)
    except Malformed:
        return Facts(("frame", "arp"))
    return Facts(("frame", "arp"), (message.spa, message.tpa))


def _of_transport(frame: Buffer, kind: str, start: int, end: int, hosts: tuple[bytes, ...]) -> Facts:
    if kind == "udp":
        sport, dport, _, _ = udp.parse(frame, start, end)
        return Facts(("frame", "ip", kind), hosts, (sport, dport))
    sport, dport, _, _, header_len, flags, _, _ = tcp.parse(frame, start, end)
    found = ["frame", "ip", kind]
    if flags & tcp.SYN:
        found.append("syn-ack" if flags & tcp.ACK else "syn")
    if flags & tcp.FIN:
        found.append("fin")
    if flags & tcp.RST:
        found.append("rst")
    if end - start > header_len:
        found.append("data")
    elif flags & (tcp.SYN | tcp.FIN | tcp.RST | tcp.ACK) == tcp.ACK:
        found.append("ack")
    return Facts(tuple(found), hosts, (sport, dport))


@attrs.frozen
class Term:
    """One claim about a frame: about its kind, or about a host or port at these sides."""

    what: str
    value: object
    sides: tuple[int, ...] = ()
    denied: bool = False

    def holds(self, facts: Facts) -> bool:
        if self.what == "kind":
            return (self.value in facts.kinds) is not self.denied
        known: tuple[object, ...] = facts.hosts if self.what == "host" else facts.ports
        return any(known and known[side] == self.value for side in self.sides) is not self.denied


@attrs.frozen
class Filter:
    """`groups`: all terms of one of them must hold."""

    text: str
    groups: tuple[tuple[Term, ...], ...]

    def holds(self, facts: Facts) -> bool:
        return any(all(term.holds(facts) for term in group) for group in self.groups)


def filter_of(text: str) -> Filter:
    """The filter that `text` describes; ValueError, in words that follow the text, where it describes none."""
    groups: list[tuple[Term, ...]] = []
    for part in " ".join(text.lower().split()).split(" or "):
        words = part.split()
        words.reverse()  # the next one last
        terms = []
        while words:
            terms.append(_term(words))
            if words and words[-1] == "and":
                words.pop()
                if not words:
                    raise ValueError("nothing follows the `and`")
        if not terms:
            raise ValueError("a term is missing")
        groups.append(tuple(terms))
    return Filter(text, tuple(groups))


def _term(words: list[str]) -> Term:
    denied = False
    while words and words[-1] == "not":
        words.pop()
        denied = not denied
    word = words.pop() if words else ""
    if word in KINDS:
        return Term("kind", word, denied=denied)
    side = ""
    if word in ("src", "dst"):
        side, word = word, words.pop() if words else ""
    value = words.pop() if words else ""
    if word == "host":
        try:
            return Term("host", ip.parse_address(value), _SIDES[side], denied)
        except ValueError:
            raise ValueError(f"host wants an IPv4 address, such as host 10.0.0.1, not {value!r}") from None
    if word == "port":
        if not (value.isascii() and value.isdigit() and int(value) < 65536):
            raise ValueError(f"port wants a number, such as port 80, not {value!r}")
        return Term("port", int(value), _SIDES[side], denied)
    raise ValueError(f"{word!r} is no term: write one of {' '.join(KINDS)}, host A or port N")
