"""Whatever the bytes are: nothing is raised, nothing grows without bound, and the host still answers a ping."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netif.link import NONE, PARTIAL, VALID, Offload
from netif.wire import ethernet, icmp, ip, tcp, udp
from stack.echo import EchoEndpoint
from stack.udp import UdpEndpoint
from tests.stack.rig import GATEWAY, OUR_MAC, PEER, PEER_MAC, US, Rig, address, answers, asks, datagram, echo, packet

ADDRESSES = [
    US,
    PEER,
    GATEWAY,
    bytes(4),
    b"\xff" * 4,
    address("10.0.0.255"),
    address("127.0.0.1"),
    address("224.0.0.1"),
]
MACS = [OUR_MAC, PEER_MAC, ethernet.BROADCAST, bytes.fromhex("01005e000001"), bytes(6)]
OFFLOADS = [None, Offload(NONE), Offload(VALID), Offload(PARTIAL, 34, 16, 0), Offload(PARTIAL, 34, 6, 100)]
OFFLOADS += [Offload(PARTIAL, 34, 16, 1460), Offload(VALID, 0, 0, 1), Offload(PARTIAL, 65535, 65535, 65535)]


def busy_host() -> Rig:
    """With a socket of every kind, connected and not."""
    rig = Rig()
    rig.knows_peer()
    for port in (7, 53):
        UdpEndpoint(rig.stack).bind(bytes(4), port)
    connected = UdpEndpoint(rig.stack)
    connected.bind(bytes(4), 8)
    connected.connect(PEER, 5000)
    EchoEndpoint(rig.stack).bind(ident=5)
    rig.stack.tcp.listen((None, 7), 5)
    return rig


def still_answers(rig: Rig) -> None:
    rig.after(1.0)
    rig.gets(asks(PEER, US))  # whoever posed as the peer meanwhile
    rig.frames()
    rig.gets(echo(b"still there"))
    rig.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (11)")


def plausible(dice: random.Random) -> bytes:
    """A frame that is right up to some layer, of what this host might hear."""
    pick = dice.choice
    body = dice.randbytes(dice.choice((0, 1, 8, 20, 40, 200)))
    kind = dice.randrange(6)
    src, dst = pick(ADDRESSES), pick((US, US, US, *ADDRESSES))
    where = {"src": src, "dst": dst, "to": pick((OUR_MAC, *MACS)), "mac": pick(MACS)}
    if kind == 0:
        return asks(src, dst, pick(MACS)) if dice.random() < 0.5 else answers(src, dst, pick(MACS))
    if kind == 1:
        message = icmp.emit(pick((0, 3, 4, 5, 8, 11, 12, 13)), dice.randrange(17), dice.getrandbits(32), body)
        return packet(message, ip.ICMP, **where)
    if kind == 2:
        quoted = packet(body + bytes(8), pick((1, 6, 17, 99)), src=dst, dst=src)[14:]
        return packet(icmp.emit(pick((3, 11, 12)), dice.randrange(16), dice.getrandbits(32), quoted), ip.ICMP, **where)
    if kind == 3:
        return datagram(body, pick((5000, 68, 0)), pick((7, 8, 53, 4242, 0)), **where)
    if kind == 4:
        options = dice.randbytes(dice.randrange(6) * 4)
        pseudo = int.from_bytes(src + dst, "big") + tcp.PROTOCOL
        numbers = (dice.getrandbits(32), dice.getrandbits(32), dice.getrandbits(8), dice.getrandbits(16))
        header = tcp.emit_complete(pick((5000, 5001)), 7, *numbers, options, (body,), pseudo=pseudo)
        return packet(header + body, ip.TCP, **where)
    fragment = pick((0, ip.DF, ip.MF, 100))
    return packet(body, dice.randrange(256), fragment=fragment, ttl=dice.randrange(256), **where)


def damaged(frame: bytes, dice: random.Random) -> bytes:
    changed = bytearray(frame)
    for _ in range(dice.randrange(4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed[: dice.choice((len(changed), len(changed), dice.randrange(len(changed) + 1)))])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(OFFLOADS), st.sampled_from([0x0800, 0x0806, None]))
def test_no_bytes_raise_anything(data: bytes, offload: Offload | None, ethertype: int | None):
    rig = busy_host()
    rig.gets(data if ethertype is None else ethernet.emit(OUR_MAC, PEER_MAC, ethertype) + data, offload=offload)
    still_answers(rig)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100), st.sampled_from([ip.ICMP, ip.TCP, ip.UDP]), st.sampled_from(OFFLOADS))
def test_no_payload_raises_anything(data: bytes, protocol: int, offload: Offload | None):
    rig = busy_host()
    rig.gets(packet(data, protocol), offload=offload)
    still_answers(rig)


def test_a_storm_of_plausible_frames_leaves_the_host_as_it_was(seed: int):
    storm(random.Random(seed), 3_000)


@pytest.mark.slow
def test_a_long_storm_of_plausible_frames_leaves_the_host_as_it_was(seed: int):
    storm(random.Random(seed), 60_000)


def storm(dice: random.Random, count: int) -> None:
    rig = busy_host()
    tracemalloc.start()
    for n in range(count):
        frame = plausible(dice)
        if n % 2:
            frame = damaged(frame, dice)
        rig.gets(frame, offload=dice.choice(OFFLOADS) if dice.random() < 0.2 else None)
        rig.netif.sent.clear()
        if dice.random() < 0.01:
            rig.after(dice.random())
    rig.after(300.0)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 16 << 20
    assert rig.stack.stats["internal_error"] == 0
    assert not any(rig.stack.ip.is_group(address) for address in rig.interface.arp.entries)
    still_answers(rig)


def test_a_scan_of_all_neighbours_stays_within_the_table(rig: Rig):
    dice = random.Random(1)
    rig.interface.set_addresses(US, b"\xff\0\0\0", GATEWAY)
    for _ in range(5_000):
        rig.gets(asks(bytes((10, *dice.randbytes(3))), US, bytes((2, *dice.randbytes(5)))))
    assert len(rig.interface.arp.entries) <= 1024
    assert rig.stack.timers.size() < 5_000


def test_our_own_scan_of_all_neighbours_is_bounded(rig: Rig):
    rig.interface.set_addresses(US, b"\xff\0\0\0", GATEWAY)
    socket = UdpEndpoint(rig.stack)
    for n in range(5_000):
        socket.send_to(b"x" * 100, ((0x0A010000 + n).to_bytes(4, "big"), 9))
    assert len(rig.interface.arp.entries) == 1024
    rig.after(10.0)
    assert len(rig.interface.arp.entries) == 0
    assert rig.stack.timers.size() == 0


def test_a_claim_of_udp_about_a_super_frame_of_single_bytes_is_bounded(met: Rig):
    socket = UdpEndpoint(met.stack)
    socket.bind(bytes(4), 7)
    met.gets(datagram(bytes(60_000)), offload=Offload(VALID, 0, 0, 1))
    assert met.stack.stats["udp_queue_full"] > 50_000
    assert udp.HEADER_LENGTH == 8
