"""The peer of a connection is the enemy: tiny segments, lies about bytes, closed windows, options of all kinds."""

from __future__ import annotations

import random

import pytest

from netif.wire.tcp import ACK, FIN, URG
from stack.tcp.config import TcpConfig
from stack.tcp.states import CLOSED, ESTABLISHED
from tests.stack.attacker import PLAIN, Caller, growth_below
from tests.stack.rig import Rig

SCALED = TcpConfig(receive_buffer=1 << 20)
SCALE_7 = b"\2\4\5\xb4\1\3\3\7"


class TestInsiders:
    """The peer itself is the enemy."""

    def test_tiny_segments_cost_no_more_than_their_bytes(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens(TcpConfig(window_scale=False, timestamps=False, receive_buffer=6000))
        with growth_below(60_000):
            for _ in range(7_000):
                met.gets(caller.frame(ACK, b"x"))
                caller.nxt += 1
                met.netif.sent.clear()
        assert connection.read(1 << 20) == b"x" * 6000
        assert connection.read(1) is None

    def test_tiny_segments_ahead_of_a_hole_are_bounded(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens(SCALED, SCALE_7)
        with growth_below(300_000):
            for n in range(4_000):
                met.gets(caller.frame(ACK, b"x", seq=caller.nxt + 2 + 2 * n))
                met.netif.sent.clear()
            assert connection.receiver.reassembly is not None
            assert len(connection.receiver.reassembly.pieces) <= 256
        assert met.stack.stats["tcp_out_of_order_full"] == 4_000 - 256
        caller.says(ACK, b"ab" * 256)
        assert connection.read(1 << 20) == b"ab" + b"xb" * 255 + b"x"

    def test_touching_tiny_segments_ahead_of_a_hole_are_bounded(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens(SCALED, SCALE_7)
        with growth_below(1 << 20):
            for n in range(4_000):
                met.gets(caller.frame(ACK, b"x", seq=caller.nxt + 1 + n))
                met.netif.sent.clear()
        met.frames()
        while connection.receiver.rcv_nxt < caller.nxt + 4_001:
            before = connection.receiver.rcv_nxt
            met.gets(caller.frame(ACK, b"y" * 1000, seq=before))
            assert connection.receiver.rcv_nxt > before
        assert set(connection.read(1 << 20)) == set(b"xy")

    def test_what_is_kept_ahead_of_a_hole_fits_in_twice_the_buffer(self, met: Rig):
        """Segments that overlap by all but a few bytes must not pin their frames."""
        caller = Caller(met)
        caller.opens(SCALED, SCALE_7)
        start = caller.nxt + 100_000
        with growth_below(2 << 20):
            for n in range(2_000):
                met.gets(caller.frame(ACK, bytes(1460), seq=start + 16 * n))
                met.netif.sent.clear()

    def test_what_is_queued_in_order_fits_in_twice_the_buffer(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens(SCALED, SCALE_7)
        with growth_below(5 << 19):
            while connection.receiver.queued < (1 << 20) - 60_000:
                rcv_nxt = connection.receiver.rcv_nxt
                met.gets(caller.frame(ACK, bytes(1460), seq=rcv_nxt - 1460 + 520))
                met.netif.sent.clear()

    def test_overlapping_segments_that_differ_give_one_stream_of_bytes_that_were_said(self, met: Rig, seed: int):
        dice = random.Random(seed)
        caller = Caller(met)
        connection = caller.opens()
        said: list[set[int]] = [set() for _ in range(4000)]
        got = b""
        while len(got) < 3000:
            at = max(0, len(got) + dice.randrange(-200, 600))
            text = dice.randbytes(min(dice.randrange(1, 300), 4000 - at))
            for n, byte in enumerate(text):
                said[at + n].add(byte)
            met.gets(caller.frame(ACK, text, seq=caller.nxt + at))
            if dice.random() < 0.3:
                got += connection.read(dice.randrange(1, 500)) or b""
        assert all(byte in said[at] for at, byte in enumerate(got))

    def test_the_first_to_say_something_is_believed(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        caller.says(ACK, b"BBBB", seq=caller.nxt + 4)
        caller.says(ACK, b"bbbbbbbb", seq=caller.nxt + 2)
        caller.says(ACK, b"AAAA")
        assert connection.read(100) == b"AAbbBBBBbb"

    def test_a_fin_before_bytes_that_are_there_does_not_cut_them_off(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        caller.says(ACK, b"CCCC", seq=caller.nxt + 8)
        caller.says(FIN | ACK, b"BB", seq=caller.nxt + 4)
        caller.says(ACK, b"AAAABBBB")
        assert connection.read(100) == b"AAAABBBBCCCC"
        assert connection.state is ESTABLISHED

    def test_two_fins_at_different_places_end_the_stream_once(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        caller.says(FIN | ACK, b"", seq=caller.nxt + 10)
        caller.says(FIN | ACK, b"", seq=caller.nxt + 5)
        caller.says(FIN | ACK, b"", seq=caller.nxt + 20)
        caller.says(ACK, b"0123456789abcdefghij")
        assert connection.read(100) == b"0123456789"
        assert connection.read(100) == b""

    def test_a_window_that_stays_closed_is_probed_ever_more_rarely(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        caller.says(ACK, window=0)
        connection.write(bytes(100_000))
        met.flush()
        edge = caller.ack  # it takes nothing
        probes = 0
        for _ in range(3600):
            met.knows_peer()  # the neighbour lives
            met.after(1.0)
            for one in caller.hears():
                probes += 1
                assert len(one.payload) <= 1
            caller.says(ACK, window=0, ack=edge)
        assert connection.state is ESTABLISHED  # RFC 9293 MUST-37
        assert 20 < probes < 100
        assert caller.says(ACK, window=65535, ack=edge)

    def test_a_closed_window_cannot_keep_a_connection_that_nobody_owns(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        caller.says(ACK, window=0)
        connection.write(bytes(100_000))
        connection.close()
        edge = caller.ack
        for _ in range(3600):
            met.knows_peer()
            met.after(1.0)
            caller.says(ACK, window=0, ack=edge)
        assert connection.state is CLOSED
        assert not met.stack.tcp.connections

    def test_a_peer_that_takes_but_the_probes_costs_one_at_a_time(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        caller.says(ACK, window=0)
        connection.write(bytes(100_000))
        met.flush()
        for _ in range(300):
            met.knows_peer()
            met.after(1.0)
            assert len(caller.hears()) <= 3
            caller.says(ACK, window=0)
        assert connection.state is ESTABLISHED
        assert len(caller.got) < 1000

    def test_a_peer_that_reads_a_byte_now_and_then_gets_no_torrent_of_slivers(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(bytes(200_000))
        met.flush()
        segments = 0
        for _ in range(300):
            caller.hears()
            segments += len(caller.says(ACK, window=1))
            met.after(0.01)
        assert segments < 50

    def test_a_silent_peer_costs_a_bounded_number_of_retransmissions(self, met: Rig):
        connection = Caller(met).opens()
        connection.write(bytes(10_000))
        met.flush()
        sent = 0
        for _ in range(200):
            sent += len(met.frames())
            met.knows_peer()
            met.after(10.0)
        assert connection.state is CLOSED
        assert sent < 40
        with pytest.raises(OSError, match="No route to host"):  # it has not answered ARP either, when asked
            connection.read(1)

    @pytest.mark.parametrize("mss", [0, 1, 7, 47, 48])
    def test_a_tiny_mss_does_not_make_us_send_headers_alone(self, met: Rig, mss: int):
        caller = Caller(met)
        connection = caller.opens(PLAIN, b"\2\4" + mss.to_bytes(2, "big"))
        connection.write(bytes(4800))
        met.flush()
        while len(caller.got) < 4800:
            assert all(len(one.payload) >= 48 for one in caller.hears())
            caller.says(ACK)

    BOMBS = (
        b"\1" * 40,
        b"\0" * 40,
        b"\2\4\5\xb4" * 10,
        b"\3\3\xff\1" * 10,
        b"\x08\x0a" + b"\xff" * 8 + b"\x08\x0a" + b"\0" * 8 + b"\1" * 20,
        b"\5\x22" + b"\xff" * 32 + b"\1" * 6,
        b"\5\x0a" + bytes(8) + b"\5\2" + b"\5\3\0" + b"\1" * 25,
        b"\xfe\x28" + bytes(38),
        b"\4\2" * 20,
        b"\x22\x12" + bytes(16) + b"\1\1",
    )

    @pytest.mark.parametrize("bomb", BOMBS)
    def test_options_of_all_kinds_are_borne(self, honest: Caller, bomb: bytes):
        rig = honest.rig
        Caller(rig, 80, 40001).opens(PLAIN, bomb)
        caller = Caller(rig, 81, 40002)
        caller.opens(TcpConfig(), bomb)
        for _ in range(20):
            honest.says(ACK, b"x", options=bomb)
        assert honest.connection is not None
        assert honest.connection.read(100) == b"x" * 20
        honest.exchanges()

    @pytest.mark.parametrize("bomb", [b"\x08\0\0\0", b"\2\1\1\1", b"\x08\x0b" + bytes(6), b"\1\1\1\2"])
    def test_a_list_of_options_that_cannot_be_walked_is_dropped(self, honest: Caller, bomb: bytes):
        assert honest.says(ACK, b"lies", options=bomb, seq=honest.nxt) == []
        honest.rig.drops(tcp_option_length=1)
        honest.exchanges()

    def test_acknowledging_byte_by_byte_does_not_open_the_floodgates(self, met: Rig):
        """Savage's ACK division: as many ACKs as bytes must not grow the window faster than the bytes do."""
        caller = Caller(met)
        connection = caller.opens()
        connection.write(bytes(1 << 20))
        met.flush()
        caller.hears()
        edge = caller.ack
        cwnd = connection.congestion.cwnd
        start = connection.sender.snd_una
        for ack in range(start + 1, start + 1461):
            met.gets(caller.frame(ACK, ack=ack))
        assert connection.congestion.cwnd <= cwnd + 2 * 1460
        assert connection.sender.snd_nxt - edge % (1 << 32) <= 3 * 1460

    def test_acknowledging_what_was_not_sent_is_no_progress(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(bytes(100_000))
        met.flush()
        caller.hears()
        nxt = connection.sender.snd_nxt
        una = connection.sender.snd_una
        for step in range(1, 100):
            met.gets(caller.frame(ACK, ack=nxt + 1460 * step))
        assert connection.sender.snd_una == una

    def test_urgent_pointers_move_nothing(self, honest: Caller):
        assert honest.connection is not None
        honest.connection.configure(oob_inline=True)
        for urgent in (0, 1, 65535):
            honest.says(ACK | URG, b"x", urgent=urgent)
        assert honest.connection.read(10) == b"xxx"
        honest.exchanges()

    def test_data_after_the_fin_is_not_taken(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        caller.says(FIN | ACK, b"all")
        for n in range(10):
            caller.says(ACK, b"more", seq=caller.nxt + n - 1)
        assert connection.read(100) == b"all"
        assert connection.read(100) == b""
