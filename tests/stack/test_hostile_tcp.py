"""Attacks on TCP by outsiders: floods, guesses, false places, false reports; an honest connection goes on beside."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from netif.wire import ethernet, icmp, ip
from netif.wire.tcp import ACK, FIN, PSH, RST, SYN, URG
from stack.limits import Limits
from stack.tcp.states import CLOSED, ESTABLISHED
from tests.stack.attacker import MASK, PLAIN, Caller, growth_below, hear, segment
from tests.stack.rig import OTHER_MAC, OUR_MAC, PEER, US, Rig, address, icmp_error

MANY = tuple(bytes((10, 0, 0, last)) for last in range(3, 250))


def crowd(rig: Rig, count: int) -> Iterator[tuple[bytes, int]]:
    """(address, port) of so many strangers, whom the host can reach."""
    for number in range(count):
        yield MANY[number % len(MANY)], 1024 + number


class TestFloods:
    def test_a_flood_of_syns_fills_the_table_and_no_more_while_others_go_on(self):
        rig = Rig(limits=Limits(syn_table=64))
        rig.knows_peer()
        honest = Caller(rig)
        honest.opens()
        with growth_below(2 << 20):  # most of it waits for the strangers' hardware addresses
            for src, sport in crowd(rig, 3000):
                rig.gets(segment(sport, 80, 1, 0, SYN, src=src))
                rig.netif.sent.clear()
            assert rig.stack.tcp.half_open == 64
            assert len(rig.stack.tcp.connections) == 65
        assert rig.stack.stats["syn_cookies_sent"] == 3000 - 64
        honest.exchanges()
        rig.after(300.0)
        assert rig.stack.tcp.half_open == 0
        rig.knows_peer()
        Caller(rig, 80, 40001).opens()
        honest.exchanges()

    def test_resets_of_half_open_connections_make_room_again(self):
        rig = Rig(limits=Limits(syn_table=4))
        rig.knows_peer()
        rig.stack.tcp.listen((None, 80), 5, PLAIN)
        for round in range(20):
            for sport in range(6):
                rig.gets(segment(5000 + sport, 80, 7 * round, 0, SYN))
            assert rig.stack.tcp.half_open == 4
            for sport in range(6):
                rig.gets(segment(5000 + sport, 80, 7 * round + 1, 0, RST))
            assert rig.stack.tcp.half_open == 0
        assert not rig.stack.tcp.connections

    def test_a_flood_of_whole_handshakes_fills_the_backlog_and_no_more(self, met: Rig):
        listener = met.stack.tcp.listen((None, 80), 8, PLAIN)
        for sport in range(200):
            Caller(met, 80, 1000 + sport).knocks()
        iss = [hear(frame) for frame in met.frames()]
        assert not iss
        for connection in list(met.stack.tcp.connections.values()):
            _, sport = connection.remote
            met.gets(segment(sport, 80, 5_000_001, connection.sender.snd_nxt, ACK))
        assert len(listener.queue) == 9
        assert met.stack.stats["tcp_backlog_full"] > 0
        met.after(300.0)
        assert len(met.stack.tcp.connections) == 9

    def test_a_flood_of_strangers_segments_is_answered_at_a_rate(self, met: Rig):
        for sport in range(5000):
            met.gets(segment(1 + sport, 4242, 1, 1, ACK))
        assert len(met.frames()) <= 1001
        assert met.stack.stats["reset_rate"] >= 3999

    def test_syn_acks_that_nobody_asked_for_make_no_connection(self, met: Rig):
        met.stack.tcp.listen((None, 80), 8)
        for sport in range(100):
            met.gets(segment(1 + sport, 80, 1, 1, SYN | ACK))
        assert not met.stack.tcp.connections
        assert all(hear(frame).flags & RST for frame in met.frames())

    def test_connections_in_time_wait_are_bounded(self):
        rig = Rig(limits=Limits(time_wait=10))
        rig.knows_peer()
        for sport in range(50):
            caller = Caller(rig, 80, 1000 + sport)
            connection = caller.opens()
            connection.close()
            rig.flush()
            caller.hears()
            caller.says(FIN | ACK)
        assert len(rig.stack.tcp.connections) == 10
        assert rig.stack.stats["time_wait_full"] == 40
        rig.after(100.0)
        assert not rig.stack.tcp.connections

    def test_a_hole_is_filled_even_where_the_sockets_hold_too_much(self):
        """What is held ahead of a hole would be held for ever, if the hole could not be filled."""
        rig = Rig(limits=Limits(socket_memory=150_000))
        rig.knows_peer()
        honest = Caller(rig)
        connection = honest.opens()
        text = bytes(range(256)) * 80
        for at in range(1024, len(text), 1024):
            honest.says(ACK, text[at : at + 1024], seq=honest.nxt + at)
        for sport in range(3):
            hoarder = Caller(rig, 80, 1000 + sport)
            hoarder.opens()
            for _ in range(60):
                hoarder.says(ACK, bytes(1000))
        assert rig.stack.stats["socket_memory_pressure"] == 1
        honest.says(ACK)
        for at in (0, 512):
            honest.says(ACK, text[at : at + 512])
        assert connection.read(1 << 20) == text

    def test_orphans_whose_peers_are_silent_are_bounded_and_end(self):
        rig = Rig(limits=Limits(orphans=10))
        rig.knows_peer()
        for sport in range(50):
            connection = Caller(rig, 80, 1000 + sport).opens()
            connection.write(bytes(3000))
            connection.close()
            rig.flush()
        assert len(rig.stack.tcp.connections) == 10
        assert rig.stack.tcp.orphans == 10
        rig.after(3000.0)
        assert not rig.stack.tcp.connections
        assert rig.stack.tcp.orphans == 0

    def test_orphans_whose_peers_acknowledge_but_never_end_are_ended(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        connection.close()
        met.flush()
        caller.hears()
        caller.says(ACK)
        met.after(100.0)
        assert connection.state is CLOSED
        assert not met.stack.tcp.connections


class TestOutsiders:
    """They know the addresses and ports of a connection, and guess at its numbers."""

    OFFSETS = (-(1 << 31), -70_000, -2, -1, 65_536 + 1460, 200_000, (1 << 31) - 1)

    @pytest.mark.parametrize("offset", OFFSETS)
    def test_a_reset_outside_the_window_does_nothing(self, honest: Caller, offset: int):
        assert honest.says(RST, seq=honest.nxt + offset) == []
        honest.exchanges()

    @pytest.mark.parametrize("offset", [1, 2, 1000, 60_000])
    def test_a_reset_within_the_window_is_challenged(self, honest: Caller, offset: int):
        answer = honest.says(RST, seq=honest.nxt + offset)
        assert [(one.flags, one.ack) for one in answer] == [(ACK, honest.nxt & MASK)]
        honest.exchanges()

    @pytest.mark.parametrize("offset", [*OFFSETS, 0, 1, 1000])
    @pytest.mark.parametrize("flags", [SYN, SYN | ACK, SYN | FIN | ACK, SYN | RST | FIN | ACK | PSH | URG])
    def test_a_syn_does_not_end_a_connection(self, honest: Caller, offset: int, flags: int):
        if flags & RST and offset == 0:
            flags &= ~RST
        assert honest.connection is not None
        honest.says(flags, seq=honest.nxt + offset)
        assert honest.connection.state is ESTABLISHED
        honest.exchanges()

    @pytest.mark.parametrize("offset", OFFSETS)
    @pytest.mark.parametrize("flags", [ACK, ACK | FIN, ACK | PSH | URG])
    def test_data_outside_the_window_is_not_taken(self, honest: Caller, offset: int, flags: int):
        honest.says(flags, b"lies", seq=honest.nxt + offset if offset < -4 or offset > 0 else honest.nxt - 6)
        assert honest.connection is not None
        assert honest.connection.read(100) is None
        assert honest.connection.state is ESTABLISHED
        honest.exchanges()

    @pytest.mark.parametrize("offset", [1, 1460, 1 << 20, 1 << 30, -(1 << 30), -70_000])
    def test_data_with_an_acknowledgment_out_of_range_is_not_taken(self, honest: Caller, offset: int):
        honest.says(ACK, b"lies", seq=honest.nxt, ack=honest.ack + offset)
        assert honest.connection is not None
        assert honest.connection.read(100) is None
        honest.exchanges()

    def test_segments_without_ack_are_not_taken(self, honest: Caller):
        for flags in (0, PSH, URG, FIN, FIN | PSH | URG):
            assert honest.says(flags, b"lies", seq=honest.nxt) == []
        honest.exchanges()

    def test_challenges_are_bounded_for_a_second(self, honest: Caller):
        answers = sum(len(honest.says(RST, seq=honest.nxt + 1 + n % 1000)) for n in range(5000))
        assert answers <= 1501
        assert honest.rig.stack.stats["challenge_ack_rate"] >= 3499
        honest.rig.after(2.0)
        honest.exchanges()

    def test_every_wrong_checksum_is_dropped(self, honest: Caller):
        frame = honest.frame(ACK, b"lies")
        for wrong in random.Random(1).sample(range(1, 65535), 500):
            honest.rig.gets(frame[:50] + (int.from_bytes(frame[50:52], "big") ^ wrong).to_bytes(2, "big") + frame[52:])
        assert honest.connection is not None
        assert honest.connection.read(100) is None
        assert honest.rig.stack.stats["tcp_checksum"] == 500
        honest.exchanges()


class TestPlaces:
    """Segments from and to where no TCP may come from or go to."""

    SOURCES = ("224.0.0.1", "239.1.2.3", "127.0.0.1", "127.9.9.9", "0.0.0.0", "255.255.255.255", "10.0.0.255")

    @pytest.mark.parametrize("source", [*SOURCES, "240.0.0.1", "10.0.0.1"])
    @pytest.mark.parametrize("flags", [SYN, ACK, RST, SYN | ACK])
    def test_nothing_is_answered_that_comes_from_nobody(self, met: Rig, source: str, flags: int):
        met.stack.tcp.listen((None, 80), 5)
        for dport in (80, 81):
            met.gets(segment(5000, dport, 1, 1, flags, src=address(source)))
        assert met.frames() == []
        assert not met.stack.tcp.connections
        met.drops(ip_source=2)

    def test_land(self, met: Rig):
        """Source and destination alike: the host must not talk to itself."""
        met.stack.tcp.listen((None, 80), 5)
        for mac in (PEER, OUR_MAC):
            met.gets(segment(80, 80, 1, 1, SYN, src=US, mac=mac[:6].ljust(6, b"\2")))
        assert met.frames() == []
        assert not met.stack.tcp.connections
        assert not met.stack.loopback.packets

    @pytest.mark.parametrize("where", ["10.0.0.255", "255.255.255.255", "224.0.0.1"])
    @pytest.mark.parametrize("to", [OUR_MAC, ethernet.BROADCAST, bytes.fromhex("01005e000001")])
    @pytest.mark.parametrize("flags", [SYN, ACK, RST | ACK])
    def test_a_segment_to_a_group_is_not_for_tcp(self, met: Rig, where: str, to: bytes, flags: int):
        met.stack.tcp.listen((None, 80), 5)
        for dport in (80, 81):
            met.gets(segment(5000, dport, 1, 1, flags, dst=address(where), to=to))
        assert met.frames() == []
        assert not met.stack.tcp.connections

    @pytest.mark.parametrize("to", [ethernet.BROADCAST, bytes.fromhex("01005e000001")])
    def test_a_segment_to_us_in_a_frame_to_all_is_not_taken(self, honest: Caller, to: bytes):
        honest.rig.gets(honest.frame(ACK, b"lies", to=to), segment(5000, 80, 1, 0, SYN, to=to))
        assert honest.rig.frames() == []
        honest.exchanges()

    def test_frames_for_others_are_not_answered(self, honest: Caller):
        rig = honest.rig
        for flags in (SYN, ACK, RST, FIN | ACK):
            rig.gets(
                honest.frame(flags, to=OTHER_MAC),
                honest.frame(flags, dst=address("10.0.0.77")),
                honest.frame(flags, dst=address("127.0.0.1")),
                segment(5000, 80, 1, 0, flags, to=OTHER_MAC),
            )
        assert rig.frames() == []
        honest.exchanges()

    def test_fragments_that_overlap_reach_no_connection(self, honest: Caller):
        rig = honest.rig
        whole = honest.frame(ACK, b"0123456789" * 10)
        for at in range(0, 100, 8):
            rig.gets(honest.frame(ACK, b"x" * 40, fragment=ip.MF | at), honest.frame(ACK, b"tail", fragment=at + 1))
        assert rig.stack.stats["ip_fragment_overlap"] == 1
        assert rig.frames() == []
        rig.gets(whole)
        assert honest.connection is not None
        assert honest.connection.read(1000) == b"0123456789" * 10

    def test_an_open_towards_a_group_or_nobody_is_refused(self, met: Rig):
        for where in ("224.0.0.1", "255.255.255.255", "10.0.0.255"):
            with pytest.raises(OSError, match="unreachable"):
                met.stack.tcp.connect(None, (address(where), 80))
        assert not met.stack.tcp.connections


class TestReports:
    """ICMP errors, which anybody can send."""

    def test_errors_about_what_is_not_in_flight_are_nothing_to_a_connection(self, honest: Caller):
        rig, connection = honest.rig, honest.connection
        assert connection is not None
        for sport, dport, seq in ((80, 40000, 1), (80, 40001, 0), (81, 40000, 0), (1, 1, 1)):
            about = segment(sport, dport, seq, 0, ACK, src=US, dst=PEER)
            for kind, code in ((3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 13), (11, 0), (12, 0), (4, 0), (5, 1)):
                rig.gets(icmp_error(kind, code, about))
        assert rig.frames() == []
        honest.exchanges()

    def test_hard_errors_do_not_end_an_open_connection(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(b"hello")
        met.flush()
        about = met.frames()[0]
        for code in range(16):
            met.gets(icmp_error(icmp.UNREACHABLE, code, about))
        assert connection.state is ESTABLISHED
        met.after(0.5)
        caller.hears()
        assert caller.got == b"hello"

    @pytest.mark.parametrize("mtu", [0, 1, 20, 40, 67, 68, 576])
    def test_a_path_of_no_width_does_not_stop_a_connection(self, met: Rig, mtu: int):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(bytes(5000))
        met.flush()
        about = met.frames()[0]
        for _ in range(5):
            met.gets(icmp_error(icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, about, rest=mtu))
        assert len(met.frames()) < 500
        for _ in range(400):
            met.after(1.0)
            caller.hears()
            caller.says(ACK)
        assert len(caller.got) == 5000

    def test_no_error_answers_an_error(self, met: Rig):
        about = segment(80, 40000, 1, 0, ACK, src=US, dst=PEER)
        for kind in (3, 4, 5, 11, 12):
            met.gets(icmp_error(kind, 0, about), icmp_error(kind, 0, icmp_error(3, 3, about)))
        assert met.frames() == []
