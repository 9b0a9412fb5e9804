"""Floods of every kind: what one frame of them costs in memory, in CPU and in frames sent, and that others go on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import attrs
import pytest

from netif.wire import ethernet, icmp, ip
from netif.wire.tcp import ACK, FIN, PSH, RST, SYN, URG
from stack.limits import Limits
from stack.udp import UdpEndpoint
from tests.stack.attacker import Caller, effort_of, growth_below, segment
from tests.stack.rig import OUR_MAC, PEER, PEER_MAC, US, Rig, address, answers, asks, datagram, echo, icmp_error, packet

COUNT = 1200
TIGHT = Limits(
    icmp_errors=20,
    resets=20,
    challenge_acks=20,
    syn_table=64,
    arp_entries=64,
    time_wait=16,
    orphans=16,
    reassembly_bytes=200_000,
)
DEAREST = 6  # times what an honest segment costs
GROUP_MAC = bytes.fromhex("01005e000001")
BROADCAST = address("10.0.0.255")

Frames = Callable[[Caller, random.Random], Iterator[bytes]]


def neighbour(dice: random.Random) -> bytes:
    return bytes((10, 0, 0, dice.randrange(3, 250)))


def anybody(dice: random.Random) -> bytes:
    return bytes((dice.randrange(11, 100), *dice.randbytes(3)))


def tcp_flood(flags: int, dport: int = 80, who: Callable[[random.Random], bytes] = anybody) -> Frames:
    def frames(honest: Caller, dice: random.Random) -> Iterator[bytes]:
        while True:
            numbers = (dice.getrandbits(32), dice.getrandbits(32), flags)
            yield segment(dice.randrange(1024, 65536), dport, *numbers, src=who(dice))

    return frames


def spoofed(flags: int, payload: bytes = b"") -> Frames:
    """In the name of the honest peer, with numbers drawn blindly."""

    def frames(honest: Caller, dice: random.Random) -> Iterator[bytes]:
        while True:
            yield honest.frame(flags, payload, seq=dice.getrandbits(32), ack=dice.getrandbits(32))

    return frames


def in_window(flags: int, payload: bytes = b"") -> Frames:
    """In the name of the honest peer, by one who sees its numbers and takes care to be nearly right."""

    def frames(honest: Caller, dice: random.Random) -> Iterator[bytes]:
        while True:
            yield honest.frame(flags, payload, seq=honest.nxt + dice.randrange(1, 30_000))

    return frames


def datagrams(dport: int, size: int = 32, **where: object) -> Frames:
    def frames(honest: Caller, dice: random.Random) -> Iterator[bytes]:
        while True:
            yield datagram(bytes(size), dice.randrange(1024, 65536), dport, src=neighbour(dice), **where)

    return frames


def pings(size: int = 56, **where: object) -> Frames:
    def frames(honest: Caller, dice: random.Random) -> Iterator[bytes]:
        while True:
            yield echo(bytes(size), ident=dice.getrandbits(16), src=neighbour(dice), **where)

    return frames


def reports(kind: int, code: int, rest: int = 0) -> Frames:
    """ICMP errors that quote the honest connection, half of them with its right numbers."""

    def frames(honest: Caller, dice: random.Random) -> Iterator[bytes]:
        while True:
            seq = honest.ack if dice.random() < 0.5 else dice.getrandbits(32)
            about = segment(80, honest.sport, seq, honest.nxt, ACK, src=US, dst=PEER)
            yield icmp_error(kind, code, about, rest=rest, src=anybody(dice))

    return frames


def messages(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    """ICMP of every type and code, requests for timestamps and masks and answers to none."""
    while True:
        message = icmp.emit(dice.randrange(256), dice.randrange(256), dice.getrandbits(32), dice.randbytes(40))
        yield packet(message, ip.ICMP, src=neighbour(dice))


def protocols(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    while True:
        yield packet(dice.randbytes(40), dice.choice((2, 41, 47, 50, 132, 255)), src=neighbour(dice))


def land(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    while True:
        yield segment(80, 80, dice.getrandbits(32), 0, SYN, src=US, mac=dice.choice((OUR_MAC, honest.mac)))


def askers(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    while True:
        yield asks(neighbour(dice), US, bytes((2, *dice.randbytes(5))))


def answerers(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    while True:
        yield answers(neighbour(dice), US, bytes((2, *dice.randbytes(5))))


def usurpers(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    """Everybody has our address."""
    while True:
        yield asks(US, US, bytes((2, *dice.randbytes(5))))


def piece(data: bytes, at: int, *, more: bool, protocol: int = ip.UDP, ident: int = 7, src: bytes = PEER) -> bytes:
    """A fragment; `at` counts bytes."""
    header = ip.emit(src, US, protocol, len(data), ident=ident, fragment=(ip.MF if more else 0) | at >> 3)
    return ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IP) + header + data


def stray(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    """Not for us, by MAC, by address or by what it is."""
    while True:
        to = dice.choice((OUR_MAC, bytes(6), bytes.fromhex("01005e7f0001"), ethernet.BROADCAST))
        yield ethernet.emit(to, honest.mac, dice.choice((ip.ICMP, 0x86DD, 0x8100, 0x88CC))) + dice.randbytes(60)


def fragments(*shapes: tuple[int, int, bool], protocol: int = ip.UDP, fixed: bool = False) -> Frames:
    """Pieces (where, how many bytes, whether more follow) of datagrams, each from somebody else or all of one."""

    def frames(honest: Caller, dice: random.Random) -> Iterator[bytes]:
        while True:
            src, ident = (PEER, 7) if fixed else (anybody(dice), dice.getrandbits(16))
            for at, size, more in shapes:
                yield piece(dice.randbytes(size), at, more=more, protocol=protocol, ident=ident, src=src)

    return frames


def pieces_of_eight(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    """As many pieces as a datagram can have, and never the last one."""
    while True:
        ident = dice.getrandbits(16)
        for at in range(8, 65_000, 16):
            yield piece(bytes(8), at, more=True, ident=ident)


def broken(honest: Caller, dice: random.Random) -> Iterator[bytes]:
    while True:
        frame = bytearray(honest.frame(ACK, b"lies" * 10))
        frame[dice.randrange(14, len(frame))] ^= dice.randrange(1, 256)
        yield bytes(frame)


@attrs.frozen
class Flood:
    frames: Frames
    answers: int  # frames that the host sends at most while all of it comes in, in no time
    counter: str | None  # what tells of it, most of the time
    memory: int = 128 << 10


FLOODS = {
    "SYN, spoofed sources": Flood(tcp_flood(SYN), COUNT, "syn_cookies_sent", 640 << 10),
    "SYN, spoofed neighbours": Flood(tcp_flood(SYN, who=neighbour), 2 * COUNT, "syn_cookies_sent", 1 << 20),
    "SYN to a closed port": Flood(tcp_flood(SYN, 81), 20, "reset_rate"),
    "ACK": Flood(tcp_flood(ACK), 20, "reset_rate"),
    "ACK to a closed port": Flood(tcp_flood(ACK, 81), 20, "reset_rate"),
    "RST": Flood(tcp_flood(RST), 0, "tcp_no_connection"),
    "FIN": Flood(tcp_flood(FIN), 0, "tcp_no_connection"),
    "FIN to a closed port": Flood(tcp_flood(FIN, 81), 20, "reset_rate"),
    "SYN-ACK, reflected": Flood(tcp_flood(SYN | ACK), 20, "reset_rate"),
    "christmas trees": Flood(tcp_flood(FIN | PSH | URG), 0, "tcp_no_connection"),
    "all flags": Flood(tcp_flood(255), 0, "tcp_no_connection"),
    "no flags": Flood(tcp_flood(0), 0, "tcp_no_connection"),
    "RST, blind": Flood(spoofed(RST), 30, "tcp_unacceptable"),
    "SYN, blind": Flood(spoofed(SYN), 30, "challenge_ack_rate"),
    "ACK, blind": Flood(spoofed(ACK), 30, "challenge_ack_rate"),
    "RST, in the window": Flood(in_window(RST), 30, "tcp_reset_in_window"),
    "SYN, in the window": Flood(in_window(SYN), 30, "tcp_syn_in_window"),
    "land": Flood(land, 0, "ip_source"),
    "UDP to a closed port": Flood(datagrams(4242), 64 + 20, "icmp_error_rate"),
    "UDP that nobody reads": Flood(datagrams(53, 400), 0, "udp_queue_full", 640 << 10),
    "UDP to a broadcast": Flood(datagrams(4242, dst=BROADCAST, to=ethernet.BROADCAST), 0, "udp_no_socket"),
    "fraggle": Flood(datagrams(7, dst=BROADCAST, to=ethernet.BROADCAST), 0, "udp_no_socket"),
    "ping": Flood(pings(), 2 * COUNT, "echo_replied", 512 << 10),
    "smurf": Flood(pings(dst=BROADCAST, to=ethernet.BROADCAST), 0, "icmp_broadcast_echo"),
    "smurf to a group": Flood(pings(dst=address("224.0.0.1"), to=GROUP_MAC), 0, "icmp_broadcast_echo"),
    "echo replies": Flood(pings(kind=icmp.ECHO_REPLY), 0, "icmp_echo_unknown"),
    "network unreachable": Flood(reports(3, 0), 0, "icmp_quote_not_ours"),
    "port unreachable": Flood(reports(3, 3), 0, "icmp_quote_not_ours"),
    "fragmentation needed, no width": Flood(reports(3, 4, 0), 0, "icmp_quote_not_ours"),
    "fragmentation needed, 68": Flood(reports(3, 4, 68), 0, "icmp_quote_not_ours"),
    "source quench": Flood(reports(4, 0), 0, "icmp_type"),
    "redirects": Flood(reports(5, 1, 0x0A000009), 0, "icmp_quote_not_ours"),
    "time exceeded": Flood(reports(11, 0), 0, "icmp_quote_not_ours"),
    "ICMP of all types": Flood(messages, COUNT // 8, "icmp_type"),
    "protocols that nobody speaks": Flood(protocols, 64 + 20, "icmp_error_rate"),
    "ARP requests": Flood(askers, COUNT, "arp_table_full"),
    "ARP replies": Flood(answerers, 0, "arp_not_for_us"),
    "ARP in our name": Flood(usurpers, 1, "arp_conflict"),
    "frames for others": Flood(stray, 0, "ethernet_other_host"),
    "fragments, the first": Flood(fragments((0, 1480, True)), 0, "ip_reassembly_full", 400 << 10),
    "fragments, the last": Flood(fragments((65_000, 400, False)), 0, "ip_reassembly_full", 400 << 10),
    "fragments of eight bytes": Flood(pieces_of_eight, 0, None, 600 << 10),
    "teardrop": Flood(fragments((0, 40, True), (24, 8, False)), 0, "ip_fragment_overlap"),
    "rose": Flood(fragments((0, 1480, True), (64_800, 400, False)), 0, "ip_reassembly_full", 400 << 10),
    "jolt": Flood(fragments((0, 1480, True), (65_120, 1480, True), protocol=ip.ICMP), 0, "ip_fragment_oversize"),
    "one datagram that differs each time": Flood(fragments((0, 40, True), fixed=True), 0, "ip_fragment_spoiled"),
    "fragments of TCP headers": Flood(fragments((0, 8, True), (8, 8, True), protocol=ip.TCP), 0, "ip_fragment_tiny"),
    "fragments of nothing": Flood(fragments((8, 0, True), (8, 7, True)), 0, "ip_fragment"),
    "datagrams in two fragments": Flood(fragments((0, 24, True), (24, 24, False)), 84, "reassembled"),
    "broken segments": Flood(broken, 20, "tcp_checksum"),
}


def served(limits: Limits = TIGHT) -> tuple[Rig, Caller]:
    """A host with a listener, a UDP socket that nobody reads, and an honest connection."""
    rig = Rig(limits=limits)
    rig.knows_peer()
    unread = UdpEndpoint(rig.stack)
    unread.bind(bytes(4), 53)
    honest = Caller(rig)
    honest.opens()
    honest.exchanges()
    return rig, honest


def an_honest_segment_costs(rig: Rig, honest: Caller) -> float:
    frames = [honest.frame(ACK, b"how are you", seq=honest.nxt + 11 * n) for n in range(50)]
    cost = effort_of(rig.gets, frames)
    honest.nxt += 11 * 50
    assert honest.connection is not None
    assert honest.connection.read(1000) == b"how are you" * 50
    rig.flush()
    honest.hears()
    return cost


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_costs_little_and_others_go_on(name: str, seed: int):
    flood, dice = FLOODS[name], random.Random(seed)
    rig, honest = served()
    unit = an_honest_segment_costs(rig, honest)
    frames = flood.frames(honest, dice)
    sent = 0
    rig.frames()
    with growth_below(flood.memory):
        for _ in range(COUNT - 100):
            rig.gets(next(frames))
            sent += len(rig.netif.sent)
            rig.netif.sent.clear()
    rest = [next(frames) for _ in range(100)]
    assert effort_of(rig.gets, rest) < DEAREST * unit
    sent += len(rig.frames())
    assert sent <= flood.answers
    if flood.counter is not None:
        assert rig.stack.stats[flood.counter] > COUNT // 4
    assert len(rig.stack.tcp.connections) <= TIGHT.syn_table + 1
    assert len(rig.interface.arp.entries) <= TIGHT.arp_entries
    assert rig.stack.timers.size() < 400
    rig.knows_peer()  # whoever spoke in its name
    honest.exchanges()
    rig.after(400.0)
    assert len(rig.stack.tcp.connections) == 1
    assert (len(rig.stack.ip.fragments), rig.stack.ip.fragments.held) == (0, 0)
    rig.knows_peer()
    honest.exchanges()
    assert rig.stack.stats["internal_error"] == 0
