"""Frame by frame, with scapy's checksums as the measure: what changes, and that nothing else does."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from netif.link import PARTIAL, Offload
from netif.wire import ethernet, icmp, ip, tcp, udp
from netif.wire.checksum import pseudo_header
from tests.profiled import calls
from tests.stack.forwarding.crossing import FAR, FAR_MAC, FAR_SIDE, FAR_SIDE_MAC, Crossing
from tests.stack.rig import OUR_MAC, PEER, PEER_MAC, address, datagram, packet

SUPERS = {"gso_max": 65535, "tx_checksum": True, "rx_checksum": True}


@pytest.fixture
def crossing() -> Crossing:
    """The near side is inside."""
    return inside()


def inside(**options: Any) -> Crossing:
    made = Crossing(**options)
    made.stack.forwarding.enable(False)
    made.interface.set_napt(True)
    return made


def out(protocol: Any, dst: str = "10.1.0.2") -> bytes:
    return bytes(Ether(src=PEER_MAC, dst=OUR_MAC) / IP(src="10.0.0.2", dst=dst, ttl=9, flags="DF") / protocol)


def back(protocol: Any, *, src: str = "10.1.0.2") -> bytes:
    return bytes(Ether(src=FAR_MAC, dst=FAR_SIDE_MAC) / IP(src=src, dst="10.1.0.1", ttl=9, flags="DF") / protocol)


def is_sound(frame: bytes) -> bool:
    """Every checksum is what scapy makes of the rest."""
    again = Ether(frame)
    del again[IP].chksum
    for layer in (TCP, UDP, ICMP):
        if layer in again:
            del again[layer].chksum
    return bytes(again) == frame


@pytest.mark.parametrize(
    "protocol",
    [
        UDP(sport=5000, dport=7) / b"hello",
        TCP(sport=5000, dport=7, flags="S", options=[("MSS", 1460), ("SAckOK", b"")]),
        ICMP(type=8, id=5000, seq=3) / b"hello",
        ICMP(type=13, id=5000, seq=3) / bytes(12),
    ],
    ids=["udp", "tcp", "echo", "timestamp"],
)
def test_addresses_and_ports_change_and_checksums_with_them(crossing: Crossing, protocol: Any):
    sent = Ether(out(protocol))
    crossing.gets(bytes(sent))
    ((frame, _),) = crossing.crossed()
    assert is_sound(frame)
    sent[IP].src = "10.1.0.1"
    sent[IP].ttl = 8
    got = Ether(frame)
    assert (got[IP].src, got[IP].dst, got[IP].ttl) == ("10.1.0.1", "10.1.0.2", 8)
    assert bytes(got[IP].payload.payload) == bytes(sent[IP].payload.payload)


def test_sums_are_right_for_any_port_and_payload(crossing: Crossing):
    """RFC 1624; and no UDP checksum becomes 0, which is for none"""
    dice = random.Random(5)
    for n in range(100):
        sport, payload = dice.randrange(1024, 65536), dice.randbytes(n % 7)
        crossing.gets(out(UDP(sport=sport, dport=dice.getrandbits(16)) / payload))
        ((frame, _),) = crossing.crossed()
        assert is_sound(frame)
        assert Ether(frame)[UDP].chksum
        crossing.from_far(back(UDP(sport=dice.getrandbits(16), dport=Ether(frame)[UDP].sport) / payload))
        (answer,) = crossing.frames()
        assert is_sound(answer)
        assert Ether(answer)[UDP].dport == sport


def test_a_datagram_without_checksum_stays_without(crossing: Crossing):
    """RFC 3022 4.1"""
    crossing.gets(out(UDP(sport=5000, dport=7, chksum=0) / b"x"))
    ((frame, _),) = crossing.crossed()
    assert Ether(frame)[UDP].chksum == 0


def test_a_damaged_datagram_stays_damaged(crossing: Crossing):
    crossing.gets(out(UDP(sport=5000, dport=7, chksum=0x1234) / b"x"))
    ((frame, _),) = crossing.crossed()
    assert not is_sound(frame)


def test_a_super_frame_is_translated_whole():
    """Its PARTIAL checksum is the sum of the new addresses."""
    crossing = inside(far=SUPERS, **SUPERS)
    crossing.gets(out(TCP(sport=5000, dport=80, flags="S", seq=1)))
    crossing.crossed()
    length = 20 + 30_000
    header = tcp.emit(5000, 80, 2, 1, tcp.ACK, 100, checksum=pseudo_header(PEER, FAR, tcp.PROTOCOL, length))
    offload = Offload(PARTIAL, 34, 16, 1448)
    crossing.gets(packet(header + bytes(30_000), ip.TCP, dst=FAR), offload=offload)
    ((frame, left),) = crossing.crossed()
    assert left == offload
    assert len(frame) == 14 + 20 + length
    assert int.from_bytes(frame[50:52], "big") == pseudo_header(FAR_SIDE, FAR, tcp.PROTOCOL, length)


def test_an_error_comes_back_with_the_quote_as_its_sender_knows_it(crossing: Crossing):
    """RFC 5508 REQ-4: address, port, and every checksum that is in it"""
    for protocol in (UDP(sport=5000, dport=7) / (b"x" * 20), TCP(sport=5000, dport=7, flags="S"), ICMP(id=77) / b"abc"):
        sent = out(protocol)
        crossing.gets(sent)
        ((frame, _),) = crossing.crossed()
        for whole in (frame[14:], frame[14:42]):
            crossing.from_far(back(ICMP(type=3, code=1) / whole, src="10.1.0.77"))
            (report,) = crossing.frames()
            ip.parse(report, 14)
            icmp.parse(report, 34, len(report))
            got = Ether(report)
            assert (got[IP].src, got[IP].dst) == ("10.1.0.77", "10.0.0.2")
            expected = IP(sent[14:])
            expected.ttl = 8
            del expected.chksum
            assert report[42:] == bytes(IP(bytes(expected)))[: len(whole)]


def test_an_error_about_nothing_is_not_let_in(crossing: Crossing):
    crossing.gets(out(UDP(sport=5000, dport=7)))
    other = IP(src="10.1.0.1", dst="10.1.0.99") / UDP(sport=5000, dport=7)  # to whom nobody spoke
    ours = IP(src="10.1.0.1", dst="10.1.0.2") / UDP(sport=6000, dport=7)
    spoilt = bytearray(back(ICMP(type=3, code=1) / crossing.crossed()[0][0][14:]))
    spoilt[36] ^= 1
    crossing.from_far(back(ICMP(type=3, code=1) / other), back(ICMP(type=3, code=1) / ours), bytes(spoilt))
    crossing.sends()
    assert crossing.stack.stats["icmp_quote_not_ours"] == 2
    assert crossing.stack.stats["icmp_checksum"] == 1


def test_errors_keep_nothing_alive_and_end_nothing(crossing: Crossing):
    """RFC 5508 REQ-6"""
    crossing.gets(out(UDP(sport=5000, dport=7)))
    ((frame, _),) = crossing.crossed()
    crossing.after(299)
    crossing.from_far(back(ICMP(type=3, code=3) / frame[14:]))
    assert len(crossing.interface.napt_table()) == 1
    crossing.after(2)
    assert crossing.interface.napt_table() == ()


def test_what_cannot_be_translated_is_refused(crossing: Crossing):
    """RFC 5508 REQ-8"""
    crossing.gets(packet(bytes(20), 47, dst=FAR))
    (report,) = crossing.frames()
    assert (Ether(report)[ICMP].type, Ether(report)[ICMP].code) == (3, 13)
    crossing.gets(out(ICMP(type=0, id=1)), out(ICMP(type=5, code=1) / IP() / UDP()))
    crossing.drops(napt_protocol=3)
    assert crossing.crossed() == []


def test_idents_of_two_hosts_are_not_mixed_up(crossing: Crossing):
    """RFC 6864 5.3.1"""
    crossing.knows_peer(who=address("10.0.0.3"), mac=bytes.fromhex("020000000003"))
    for host in (PEER, address("10.0.0.3")):
        crossing.gets(datagram(bytes(10), 5000, 7, src=host, dst=FAR, fragment=0))
    idents = [ip.parse(frame, 14)[2] for frame, _ in crossing.crossed()]
    assert len(set(idents)) == 2


def test_a_reset_leaves_four_minutes(crossing: Crossing):
    """RFC 5382 REQ-5, RFC 7857 2.2; another connection between the same ports begins anew"""

    def state() -> str:
        return crossing.interface.napt_table()[0].state

    def says(flags: str) -> None:
        crossing.gets(out(TCP(sport=5000, dport=80, flags=flags)))

    def hears(flags: str) -> None:
        crossing.from_far(back(TCP(sport=80, dport=5000, flags=flags)))

    says("S")
    assert state() == "opening"
    hears("SA")
    assert state() == "established"
    hears("R")
    assert state() == "closing"
    crossing.after(200)
    says("A")
    crossing.after(200)
    assert state() == "closing"
    says("S")
    assert state() == "opening"
    hears("SA")
    says("FA")
    assert state() == "established"  # the other side may go on
    hears("FA")
    assert state() == "closing"
    crossing.after(241)
    assert crossing.interface.napt_table() == ()


def test_both_may_open_at_once(crossing: Crossing):
    """RFC 5382 REQ-2 b"""
    crossing.gets(out(TCP(sport=5000, dport=80, flags="S")))
    crossing.from_far(back(TCP(sport=80, dport=5000, flags="S")))
    assert crossing.interface.napt_table()[0].state == "established"
    crossing.gets(out(TCP(sport=5000, dport=80, flags="SA")))
    assert len(crossing.crossed()) == 2
    assert len(crossing.frames()) == 1


def test_a_connection_is_its_peers_alone(crossing: Crossing):
    """RFC 5382 REQ-3: address and port; others hear nothing"""
    crossing.gets(out(TCP(sport=5000, dport=80, flags="S")))
    crossing.crossed()
    crossing.from_far(back(TCP(sport=81, dport=5000, flags="S")))
    crossing.sends()
    assert crossing.crossed() == []
    crossing.drops(napt_filtered=1)


def test_a_quote_with_options_is_read_to_its_ports(crossing: Crossing):
    """RFC 5508 REQ-3 b"""
    crossing.gets(out(UDP(sport=5000, dport=7)))
    quoted = ip.emit(FAR_SIDE, FAR, ip.UDP, 8, ident=0, options=bytes(4)) + udp.HEADER.pack(5000, 7, 8, 0)
    crossing.from_far(back(ICMP(type=11) / quoted))
    (report,) = crossing.frames()
    assert ip.parse(report, 42)[6] == PEER


def test_it_goes_with_its_interface(crossing: Crossing):
    crossing.gets(out(UDP(sport=5000, dport=7)))
    crossing.interface.add_portmap(ip.TCP, 80, PEER, 80)
    assert len(crossing.far_interface.napt_table()) == 2
    crossing.interface.detach()
    assert crossing.far_interface.napt_table() == ()


def test_a_source_that_is_not_inside_is_not_translated(crossing: Crossing):
    """RFC 1812 5.3.8: or one host's forged sources would push out the sessions of all others"""
    crossing.gets(datagram(b"x", 5000, 7, src=address("10.1.0.9"), dst=FAR, mac=PEER_MAC))
    crossing.drops(forward_martian=1)
    assert crossing.crossed() == []
    assert crossing.interface.napt_table() == ()


def test_a_port_is_found_at_the_same_cost_beside_a_block_of_taken_ones():
    """Which an inside host can take, since each keeps its own"""
    crossing = inside()
    napt = crossing.stack.forwarding.napt
    assert napt is not None
    for port in range(1024, 17000):
        napt.table.open(crossing.interface, (ip.UDP, PEER, port), FAR_SIDE, FAR)
    costs = [
        calls(lambda n=n: napt.table.open(crossing.interface, (ip.UDP, address(f"10.0.0.{n}"), 1024), FAR_SIDE, FAR))
        for n in range(3, 43)
    ]
    assert max(costs) < 500


_QUOTES = st.builds(
    lambda src, dst, protocol, tail: ip.emit(src, dst, protocol, len(tail), ident=1) + tail,
    st.sampled_from([PEER, FAR_SIDE, FAR]),
    st.sampled_from([PEER, FAR_SIDE, FAR]),
    st.sampled_from([1, 6, 17, 47]),
    st.binary(max_size=40),
)
_BODIES = st.one_of(
    st.binary(max_size=60),
    st.builds(udp.HEADER.pack, *[st.sampled_from([5000, 7])] * 2, *[st.integers(0, 65535)] * 2),
    st.builds(lambda flags: tcp.emit(5000, 80, 1, 1, flags, 100, checksum=0), st.integers(0, 255)),
    st.builds(lambda kind, quote: icmp.emit(kind, 0, 0, quote), st.sampled_from([0, 3, 8, 11, 12, 13, 14, 5]), _QUOTES),
    st.builds(lambda kind, quote: icmp.emit(kind, 0, 0, quote), st.sampled_from([3, 11]), st.binary(max_size=40)),
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([PEER, FAR, FAR_SIDE, address("10.0.0.1")]),
            st.sampled_from([1, 6, 17, 47]),
            _BODIES,
            st.sampled_from([ip.DF, 0, ip.MF, 1, ip.MF | 2]),
            st.sampled_from([b"", b"\7\7\4\0\0\0\0\0", b"\7\0\0\0", b"\x83\7\4\1\2\3\4\0"]),
            st.integers(0, 8),
        ),
        max_size=12,
    )
)
def test_nothing_that_comes_is_an_exception(frames: list[tuple[bool, bytes, int, bytes, int, bytes, int]]):
    crossing = inside()
    crossing.interface.add_portmap(ip.UDP, 5000, PEER, 7)
    for from_inside, dst, protocol, body, fragment, options, cut in frames:
        src = PEER if from_inside else FAR
        header = ip.emit(src, dst, protocol, len(body), ident=1, fragment=fragment, options=options)
        link = ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IP)
        if not from_inside:
            link = ethernet.emit(FAR_SIDE_MAC, FAR_MAC, ethernet.IP)
        frame = link + header + body
        by = crossing.interface if from_inside else crossing.far_interface
        crossing.gets(frame[: len(frame) - cut] if cut < 4 else frame, by=by)
    crossing.after(700)
    assert [row.state for row in crossing.interface.napt_table() if row.state not in ("established", "closing")] == [
        "portmap"
    ]
