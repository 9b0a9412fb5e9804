"""RFC 791 3.2, RFC 1122 3.3.2, RFC 1858, RFC 3128, RFC 3168 5.3, RFC 5722, RFC 6864."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert, defragment, fragment
from scapy.layers.l2 import Ether

from netif.wire import ethernet, ip
from stack.echo import LARGEST, EchoEndpoint
from stack.limits import Limits
from stack.udp import UdpEndpoint
from tests.stack.rig import OUR_MAC, PEER, PEER_MAC, US, Rig, address, answers, datagram, echo

LINK = ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IP)
PATTERN = bytes(n * 31 + (n >> 8) & 0xFF for n in range(65536))


def pieces(frame: bytes, size: int, **fields: int) -> list[bytes]:
    """Scapy's fragments of this frame, each of `size` bytes of payload."""
    whole = Ether(frame)[IP]
    whole.flags = 0
    for name, value in fields.items():
        setattr(whole, name, value)
    del whole.chksum
    return [LINK + bytes(each) for each in fragment(IP(bytes(whole)), size)]


def piece(data: bytes, at: int, *, more: bool, protocol: int = ip.UDP, ident: int = 9, src: bytes = PEER, tos: int = 0):
    """One fragment of our own making; `at` counts bytes."""
    field = (ip.MF if more else 0) | at >> 3
    return LINK + ip.emit(src, US, protocol, len(data), ident=ident, tos=tos, fragment=field) + data


def listening(rig: Rig, port: int = 7) -> UdpEndpoint:
    socket = UdpEndpoint(rig.stack)
    socket.bind(bytes(4), port)
    socket.queue_limit = 1 << 20
    return socket


def reports(rig: Rig) -> list[bytes]:
    """What was sent but for ARP."""
    return [frame for frame in rig.frames() if frame[12:14] == b"\x08\0"]


def body(payload: bytes, src: bytes = PEER) -> bytes:
    """A UDP datagram without its IP header."""
    return datagram(payload, src=src)[34:]


class TestArriving:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        order=st.randoms(use_true_random=False),
        length=st.integers(9, 4000),
        size=st.sampled_from((8, 24, 64, 256, 1480)),
        copies=st.integers(0, 3),
    )
    def test_in_any_order_and_with_copies(self, order: random.Random, length: int, size: int, copies: int):
        rig = Rig()
        rig.knows_peer()
        socket = listening(rig)
        parts = pieces(datagram(PATTERN[:length]), size)
        sent = parts + order.choices(parts[:-1], k=copies) if len(parts) > 1 else parts
        order.shuffle(sent)
        rig.gets(*sent)
        assert socket.receive() == (PATTERN[:length], (PEER, 5000))
        assert socket.receive() is None
        left = rig.stack.ip.fragments
        assert len(left) <= 1  # copies of what was complete begin anew
        rig.after(31.0)
        assert (len(left), left.held) == (0, 0)

    @pytest.mark.parametrize("size", [1473, 8000, 60000, LARGEST])
    def test_a_large_ping_is_answered_whole(self, met: Rig, size: int):
        met.gets(*pieces(echo(PATTERN[:size], ident=0xABCD), 1480))
        assert met.stack.stats["reassembled"] == 1
        frames = met.frames()
        assert all(len(frame) <= 1514 for frame in frames)
        whole = reassembled(frames)
        assert (whole[ICMP].type, whole[ICMP].id) == (0, 0xABCD)
        assert bytes(whole[ICMP].payload) == PATTERN[:size]

    def test_a_tcp_segment_may_come_in_fragments(self, met: Rig):
        segment = (
            Ether(LINK)
            / IP(src="10.0.0.2", dst="10.0.0.1", id=7)
            / TCP(sport=9, dport=9, flags="A", ack=77)
            / PATTERN[:500]
        )
        met.gets(*pieces(bytes(segment), 200))
        met.sends("10.0.0.1.9 > 10.0.0.2.9: R 77:77(0) win 0")

    def test_options_of_the_first_fragment_are_the_datagrams(self, met: Rig):
        socket = listening(met)
        whole = Ether(datagram(PATTERN[:100]))
        whole[IP].options = [IPOption_Router_Alert()]
        whole[IP].flags = 0
        del whole[IP].ihl, whole[IP].len, whole[IP].chksum
        met.gets(*(LINK + bytes(each) for each in fragment(IP(bytes(whole[IP])), 64)))
        assert socket.receive() == (PATTERN[:100], (PEER, 5000))

    def test_what_differs_in_source_protocol_or_identification_is_another_datagram(self, met: Rig):
        socket = listening(met)
        one, other = body(b"1" * 40), body(b"2" * 40)
        third = address("10.0.0.3")
        met.gets(piece(one[:24], 0, more=True), piece(other[24:], 24, more=False, ident=10))
        met.gets(piece(one[24:], 24, more=False, src=third), piece(one[24:], 24, more=False, protocol=ip.ICMP))
        assert socket.receive() is None
        met.gets(piece(one[24:], 24, more=False))
        assert socket.receive() == (b"1" * 40, (PEER, 5000))

    def test_fragments_by_different_links_are_not_put_together(self, met: Rig):
        _, other = met.link("eth1", OUR_MAC)
        socket = listening(met)
        whole = body(bytes(40))
        met.gets(piece(whole[:24], 0, more=True))
        met.gets(piece(whole[24:], 24, more=False), by=other)
        assert socket.receive() is None

    def test_padding_of_a_short_frame_is_not_data(self, met: Rig):
        socket = listening(met)
        whole = body(bytes(16))
        met.gets(piece(whole[:16], 0, more=True) + b"\xff" * 10, piece(whole[16:], 16, more=False) + b"\xff" * 18)
        assert socket.receive() == (bytes(16), (PEER, 5000))

    def test_the_checksum_of_the_whole_is_verified_though_the_wire_vouched_for_its_parts(self, met: Rig):
        whole = bytearray(body(bytes(40)))
        whole[30] ^= 1
        met.gets(piece(bytes(whole[:24]), 0, more=True), piece(bytes(whole[24:]), 24, more=False))
        met.drops(udp_checksum=1)

    def test_a_fragment_may_bear_df(self, met: Rig):
        """RFC 6864 4.1: a source may have cut it, and forbid others to."""
        socket = listening(met)
        whole = body(bytes(40))
        for data, at, more in ((whole[:24], 0, True), (whole[24:], 24, False)):
            field = ip.DF | (ip.MF if more else 0) | at >> 3
            met.gets(LINK + ip.emit(PEER, US, ip.UDP, len(data), ident=3, fragment=field) + data)
        assert socket.receive() == (bytes(40), (PEER, 5000))

    def test_a_datagram_for_nobody_is_reported_once_with_the_header_of_the_whole(self, met: Rig):
        met.gets(*pieces(datagram(bytes(3000), dport=4242), 1480))
        (report,) = met.frames()
        assert (Ether(report)[ICMP].type, Ether(report)[ICMP].code) == (3, 3)

    @pytest.mark.parametrize(
        ("codepoints", "result"),
        [
            ((2, 2), 2),
            ((1, 2), 1),
            ((2, 3), 3),
            ((3, 1), 3),
            ((0, 0), 0),
            ((0, 3), None),
            ((3, 0), None),
            ((2, 0), None),
        ],
    )
    def test_congestion_experienced_by_one_is_by_all(self, met: Rig, codepoints: tuple[int, int], result: int | None):
        """RFC 3168 5.3"""
        seen: list[int] = []
        taken = met.stack.ip.handlers[ip.UDP]

        def look(interface, src, dst, frame, start, end, offload) -> None:
            seen.append(ip.parse(frame, 14)[8])
            taken(interface, src, dst, frame, start, end, offload)

        met.stack.ip.handlers[ip.UDP] = look
        whole = body(bytes(40))
        first, second = codepoints
        met.gets(piece(whole[:24], 0, more=True, tos=first), piece(whole[24:], 24, more=False, tos=second))
        assert seen == ([] if result is None else [result])
        assert met.stack.stats["ip_fragment_ecn"] == (result is None)


class TestHostile:
    @pytest.mark.parametrize(
        ("data", "at", "more"), [(b"", 8, True), (b"", 8, False), (b"1234567", 8, True), (b"123456789", 0, True)]
    )
    def test_no_data_or_no_multiple_of_eight(self, met: Rig, data: bytes, at: int, more: bool):
        met.gets(piece(data, at, more=more))
        met.drops(ip_fragment=1)
        assert not len(met.stack.ip.fragments)

    @pytest.mark.parametrize(("at", "size"), [(0, 8), (0, 16), (8, 16), (8, 1000)])
    def test_what_hides_or_replaces_a_tcp_header(self, met: Rig, at: int, size: int):
        """RFC 1858 3, RFC 3128"""
        met.gets(piece(bytes(size), at, more=True, protocol=ip.TCP))
        met.drops(ip_fragment_tiny=1)

    @pytest.mark.parametrize(
        "wrong",
        [
            [(0, 32, True), (24, 48, False)],  # over the end of one
            [(24, 48, False), (0, 32, True)],  # over the beginning of one
            [(0, 48, True), (16, 24, True)],  # within
            [(16, 24, True), (0, 48, True)],  # around
            [(0, 24, True), (0, 32, True)],  # from the same place on
            [(32, 48, False), (0, 24, True), (16, 32, True)],
        ],
    )
    def test_what_overlaps_is_lost_as_a_whole(self, met: Rig, wrong: Iterable[tuple[int, int, bool]]):
        """RFC 5722 4: and all that still comes of it."""
        socket = listening(met)
        whole = body(bytes(40))
        for start, end, more in wrong:
            met.gets(piece(whole[start:end], start, more=more))
        assert met.stack.stats["ip_fragment_overlap"] == 1
        met.gets(piece(whole[:24], 0, more=True), piece(whole[24:], 24, more=False))
        assert socket.receive() is None
        assert met.stack.stats["ip_fragment_spoiled"] == 2
        met.sends()

    def test_a_copy_with_other_bytes_is_an_overlap(self, met: Rig):
        socket = listening(met)
        whole = body(bytes(40))
        met.gets(piece(whole[:24], 0, more=True), piece(whole[:23] + b"!", 0, more=True))
        met.gets(piece(whole[24:], 24, more=False))
        assert socket.receive() is None
        assert met.stack.stats["ip_fragment_overlap"] == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            [(24, 32, False), (40, 48, False)],  # two ends
            [(24, 32, False), (24, 32, True)],  # it is the end, and is not
            [(24, 32, True), (24, 32, False)],
            [(24, 32, False), (32, 40, True)],  # past the end
            [(32, 40, True), (24, 32, False)],  # an end before what was there
        ],
    )
    def test_what_contradicts_itself_about_the_end(self, met: Rig, wrong: Iterable[tuple[int, int, bool]]):
        for start, end, more in wrong:
            met.gets(piece(bytes(end - start), start, more=more))
        met.drops(ip_fragment_overlap=1)

    def test_more_than_65535_bytes(self, met: Rig):
        """The "ping of death"."""
        met.gets(*(piece(bytes(1480), at, more=True, protocol=ip.ICMP) for at in range(0, 65120, 1480)))
        met.gets(piece(bytes(1000), 65120, more=False, protocol=ip.ICMP))
        met.drops(ip_fragment_oversize=1)
        assert met.stack.ip.fragments.held < 1000

    def test_what_lies_beyond_65535_bytes_is_not_kept(self, met: Rig):
        met.gets(piece(bytes(16), 65520, more=True))
        met.drops(ip_fragment_oversize=1)

    def test_each_has_its_own_thirty_seconds(self, met: Rig):
        met.gets(piece(bytes(24), 0, more=True, ident=1))
        met.after(10)
        met.gets(piece(bytes(24), 0, more=True, ident=2))
        met.after(21)
        met.drops(ip_reassembly_time=1)
        met.after(10)
        met.drops(ip_reassembly_time=2)

    def test_more_than_65535_bytes_with_the_options_of_the_first(self, met: Rig):
        options = bytes((148, 4, 0, 0)) * 1 + bytes(36)
        first = LINK + ip.emit(PEER, US, ip.ICMP, 65000, ident=9, fragment=ip.MF, options=options) + bytes(65000)
        met.gets(first, piece(bytes(500), 65000, more=False, protocol=ip.ICMP))
        met.drops(ip_fragment_oversize=1)
        assert met.stack.ip.fragments.held == 0

    def test_who_never_ends_is_told_after_thirty_seconds(self, met: Rig):
        """RFC 1122 3.3.2"""
        first = piece(bytes(24), 0, more=True)
        met.gets(first, piece(bytes(8), 64, more=True))
        met.after(29.9)
        met.gets(piece(bytes(8), 80, more=True))  # the time is not from the last on
        met.sends()
        met.after(0.2)
        (report,) = reports(met)
        assert (Ether(report)[ICMP].type, Ether(report)[ICMP].code) == (11, 1)
        assert report[42:] == first[14:]
        met.drops(ip_reassembly_time=1)
        assert met.stack.ip.fragments.held == 0

    def test_without_a_first_fragment_nobody_is_told(self, met: Rig):
        met.gets(piece(bytes(24), 8, more=True))
        met.after(31.0)
        met.sends()
        met.drops(ip_reassembly_time=1)

    def test_reports_about_time_keep_to_the_rate(self):
        rig = Rig(limits=Limits(icmp_errors=3))
        rig.knows_peer()
        rig.gets(*(piece(bytes(24), 0, more=True, ident=n) for n in range(9)))
        rig.after(30.5)
        assert len(reports(rig)) == 3
        assert rig.stack.stats["icmp_error_rate"] == 6

    def test_too_many_datagrams_push_out_those_of_whoever_has_most(self, met: Rig):
        socket = listening(met)
        honest = body(bytes(40))
        met.gets(piece(honest[:24], 0, more=True))
        attacker = address("10.0.0.66")
        for n in range(10_000):
            met.gets(piece(bytes(8), 0, more=True, src=attacker, ident=n & 0xFFFF))
        fragments = met.stack.ip.fragments
        assert len(fragments) == 64
        met.drops(ip_reassembly_full=10_000 - 63)
        met.gets(piece(honest[24:], 24, more=False))
        assert socket.receive() == (bytes(40), (PEER, 5000))

    def test_too_many_bytes_push_out_those_of_whoever_has_most(self):
        rig = Rig(limits=Limits(reassembly_bytes=200_000))
        rig.knows_peer()
        socket = listening(rig)
        honest = body(bytes(40000))
        rig.gets(*(piece(honest[at : at + 1480], at, more=True) for at in range(0, 37000, 1480)))
        for n in range(500):
            rig.gets(piece(bytes(60000), 0, more=True, src=address("10.0.0.66"), ident=n))
            assert rig.stack.ip.fragments.held <= 200_000
        rig.gets(piece(honest[37000:], 37000, more=False))
        assert socket.receive() == (bytes(40000), (PEER, 5000))

    def test_who_sends_but_little_is_not_pushed_out_by_many_who_send_nothing_else(self, met: Rig):
        """From a thousand sources one fragment each: whoever goes on keeps his place."""
        socket = listening(met)
        honest = body(bytes(1600))
        dice = random.Random(1)
        for at in range(0, 1608, 24):
            last = at + 24 >= 1608
            met.gets(piece(honest[at : at + 24], at, more=not last))
            met.gets(*(piece(bytes(8), 8, more=True, src=bytes((10, 9, *dice.randbytes(2)))) for _ in range(50)))
        assert socket.receive() == (bytes(1600), (PEER, 5000))
        assert len(met.stack.ip.fragments) == 64

    def test_the_smallest_pieces_of_everything_stay_within_the_bound(self, met: Rig):
        limit = met.stack.limits.reassembly_bytes
        for n in range(5):
            for at in range(8, 65000, 16):
                met.gets(piece(bytes(8), at, more=True, ident=n))
        assert 0 < met.stack.ip.fragments.held <= limit

    def test_what_an_interface_held_goes_with_it(self, met: Rig):
        met.gets(piece(bytes(24), 0, more=True))
        met.interface.detach()
        assert len(met.stack.ip.fragments) == 0
        assert met.stack.ip.fragments.held == 0
        met.after(40)


def reassembled(frames: list[bytes]) -> IP:
    """What scapy makes of our fragments: exactly one datagram."""
    (whole,) = defragment([Ether(frame)[IP] for frame in frames])
    return IP(bytes(whole))


class TestSent:
    @pytest.mark.parametrize("size", [1472, 1473, 2953, 9000, 65507])
    def test_a_datagram_goes_in_fragments_that_fit(self, met: Rig, size: int):
        socket = listening(met, 49999)
        assert socket.send_to(PATTERN[:size], (PEER, 9)) == size
        frames = met.frames()
        headers = [ip.parse(frame, 14) for frame in frames]
        assert all(len(frame) <= 1514 for frame in frames)
        assert {header[2] for header in headers} == {headers[0][2]}
        assert len(headers) == -(-(size + 8) // 1480)
        whole = reassembled(frames)
        assert bytes(whole[UDP].payload) == PATTERN[:size]
        checksum = whole[UDP].chksum
        del whole[UDP].chksum
        assert IP(bytes(whole))[UDP].chksum == checksum
        assert met.stack.stats["fragmented"] == (size > 1472)

    def test_what_fits_may_not_be_fragmented_and_what_is_may(self, met: Rig):
        socket = listening(met, 49999)
        socket.send_to(bytes(1472), (PEER, 9))
        socket.send_to(bytes(1473), (PEER, 9))
        fields = [ip.parse(frame, 14)[3] for frame in met.frames()]
        assert fields == [ip.DF, ip.MF, 185]

    def test_the_largest_is_65507_bytes(self, met: Rig):
        socket = listening(met, 49999)
        with pytest.raises(OSError, match="too long"):
            socket.send_to(bytes(65508), (PEER, 9))
        ping = EchoEndpoint(met.stack)
        with pytest.raises(OSError, match="too long"):
            ping.send_echo(1, bytes(65508), PEER)
        met.sends()

    def test_the_checksum_is_complete_even_where_the_port_would_finish_it(self):
        rig = Rig(tx_checksum=True, gso_max=65535)
        rig.knows_peer()
        listening(rig, 49999).send_to(PATTERN[:5000], (PEER, 9))
        assert bytes(reassembled(rig.frames())[UDP].payload) == PATTERN[:5000]

    def test_all_of_them_wait_for_a_neighbour(self, rig: Rig):
        """One datagram counts as one, however many fragments it has."""
        socket = listening(rig, 49999)
        socket.send_to(PATTERN[:65507], (PEER, 9))
        rig.sends("who-has 10.0.0.2 tell 10.0.0.1")
        rig.gets(answers(PEER, US))
        assert bytes(reassembled(rig.frames())[UDP].payload) == PATTERN[:65507]

    def test_a_large_ping_of_ours(self, met: Rig):
        ping = EchoEndpoint(met.stack)
        ping.bind(ident=77)
        ping.send_echo(1, PATTERN[:60000], PEER)
        whole = reassembled(met.frames())
        assert (whole[ICMP].type, whole[ICMP].id, bytes(whole[ICMP].payload)) == (8, 77, PATTERN[:60000])

    def test_two_hosts_understand_each_other(self, met: Rig):
        other = Rig(addressed=False)
        other.interface.set_mac(PEER_MAC)
        other.interface.set_addresses(PEER, b"\xff\xff\xff\0", bytes(4))
        socket = listening(other, 9)
        listening(met, 5000).send_to(PATTERN[:65507], (PEER, 9))
        other.gets(*met.frames())
        assert socket.receive() == (PATTERN[:65507], (US, 5000))

    def test_an_mtu_too_small_for_ip_takes_no_fragments(self, met: Rig):
        socket = listening(met, 49999)
        met.interface.set_mtu(24)
        socket.send_to(bytes(100), (PEER, 9))
        met.sends()
        met.drops(ip_recut=1)


class TestIdentification:
    def idents(self, rig: Rig, dst: bytes, count: int) -> list[int]:
        route = rig.stack.ip.route(dst)
        for _ in range(count):
            rig.stack.ip.send(route, 99, b"12345678", (), 8, df=False)
        return [ip.parse(frame, 14)[2] for frame in rig.frames()]

    def test_none_repeats_soon(self, met: Rig):
        """RFC 6864 4.3"""
        assert len(set(self.idents(met, PEER, 20000))) == 20000

    def test_what_one_destination_sees_tells_nothing_of_another(self, met: Rig):
        met.knows_peer(who=address("10.0.0.3"))
        before = self.idents(met, PEER, 5)
        others = self.idents(met, address("10.0.0.3"), 5)
        after = self.idents(met, PEER, 1)
        steps = {b - a & 0xFFFF for a, b in zip(before, before[1:] + after, strict=False)}
        assert len(steps) == 1  # however many went elsewhere meanwhile
        assert others[0] not in range(before[0], before[0] + 20)

    def test_an_atomic_datagram_needs_none(self, met: Rig):
        """RFC 6864 4.1"""
        listening(met, 49999).send_to(b"x", (PEER, 9))
        (frame,) = met.frames()
        assert ip.parse(frame, 14)[2] == 0
