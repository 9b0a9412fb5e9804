"""A peer that lies about what it has, what it takes and where it is: acknowledgments and windows of all kinds.

Each costs the host no more than the peer pays for it, and bytes come over whole once the peer tells the truth.
"""

from __future__ import annotations

import random

import pytest

from netif.wire.tcp import ACK, FIN, PSH, RST, SYN
from stack.tcp.config import TcpConfig
from stack.tcp.states import ESTABLISHED
from tests.stack.attacker import MASK, PLAIN, Caller, effort_of, growth_below
from tests.stack.rig import PEER, US, Rig, asks
from tests.stack.tcp.conversation import stream

SCALE_7 = b"\2\4\5\xb4\1\3\3\7"


def takes_all(caller: Caller, size: int, *, window: int = 65535, turns: int = 2000) -> None:
    """The peer is honest from here on: what it gets are the bytes that were written."""
    for _ in range(turns):
        caller.hears()
        if len(caller.got) >= size:
            break
        caller.says(ACK, window=window)
        caller.rig.after(0.5)
        caller.hears()
        caller.rig.knows_peer()
    caller.says(ACK, window=window)
    assert caller.got == stream(1, size)


class TestAcknowledgments:
    def test_whoever_acknowledges_what_was_never_sent_earns_nothing(self, met: Rig):
        """RFC 5961 5.2: neither a wider window, nor more than a few answers."""
        caller = Caller(met)
        connection = caller.opens()
        connection.write(stream(1, 200_000))
        met.flush()
        caller.hears()
        cwnd, una, nxt = connection.congestion.cwnd, connection.sender.snd_una, connection.sender.snd_nxt
        sent = 0
        for ahead in [*range(1, 2000), 1 << 20, 1 << 30]:
            met.gets(caller.frame(ACK, ack=nxt + ahead))
            sent += len(met.frames())
        assert (connection.congestion.cwnd, connection.sender.snd_una) == (cwnd, una)
        assert connection.sender.snd_nxt == nxt
        assert sent <= 15
        takes_all(caller, 200_000)

    def test_whoever_acknowledges_early_is_sent_no_more_than_it_acknowledges(self, met: Rig):
        """Savage's optimistic ACKs cannot be told from a short path; what they can do is bounded by the window."""
        caller = Caller(met)
        config = TcpConfig(window_scale=False, timestamps=False, send_buffer=1 << 20)
        connection = caller.opens(config)
        connection.write(bytes(1 << 20))
        met.flush()
        sent = 0
        for _ in range(20):
            sent += sum(len(one.payload) for one in caller.hears())
            acknowledged = connection.sender.snd_nxt - connection.sender.snd_una
            assert acknowledged <= 65535
            met.gets(caller.frame(ACK, ack=connection.sender.snd_nxt))
        assert sent <= 21 * 65535

    def test_an_acknowledgment_that_goes_back_moves_nothing(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(stream(1, 50_000))
        met.flush()
        caller.hears()
        caller.says(ACK)
        una = connection.sender.snd_una
        caller.hears()
        for back in range(1, 3000, 7):
            met.gets(caller.frame(ACK, ack=una - back))
        assert connection.sender.snd_una == una
        takes_all(caller, 50_000)

    def test_acknowledging_each_byte_costs_a_constant_for_each(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(bytes(200_000))
        met.flush()
        caller.hears()
        una = connection.sender.snd_una
        first = effort_of(met.gets, [caller.frame(ACK, ack=una + n) for n in range(1, 101)])
        for n in range(101, 5000):
            met.gets(caller.frame(ACK, ack=una + n))
        met.frames()
        last = effort_of(met.gets, [caller.frame(ACK, ack=una + n) for n in range(5000, 5100)])
        assert last < 3 * first

    @pytest.mark.parametrize("flags", [ACK, ACK | PSH])
    def test_ten_thousand_copies_of_an_acknowledgment_cost_little(self, met: Rig, flags: int):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(stream(1, 300_000))
        met.flush()
        first = caller.hears()
        copy = caller.frame(flags, ack=first[0].seq)
        flight = connection.sender.snd_nxt - connection.sender.snd_una
        sent = 0
        with growth_below(600_000):
            for _ in range(10_000):
                met.gets(copy)
                sent += sum(map(len, map(bytes, met.frames())))
        assert sent <= 65535 + 2 * flight
        assert connection.sender.snd_nxt - connection.sender.snd_una <= 65535
        met.netif.sent.clear()
        caller.got = stream(1, 300_000)[: len(caller.got)]
        takes_all(caller, 300_000)


class TestWindows:
    @pytest.mark.parametrize("window", [0, 1, 100, 1459, 1460, 5000])
    def test_a_window_that_shrinks_below_what_is_in_flight_loses_no_byte(self, met: Rig, window: int):
        """RFC 9293 3.8.6 SHLD-15, MUST-34."""
        caller = Caller(met)
        connection = caller.opens()
        connection.write(stream(1, 60_000))
        met.flush()
        una = connection.sender.snd_una
        met.frames()  # lost: the peer has taken nothing
        for n in range(20):
            met.gets(caller.frame(ACK, window=(window, 3 * window)[n % 2], ack=una))
            met.frames()
            met.after(0.05)
            met.frames()
        assert connection.state is ESTABLISHED
        takes_all(caller, 60_000)

    def test_a_window_that_flaps_costs_a_frame_for_a_frame(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens()
        connection.write(stream(1, 60_000))
        met.flush()
        caller.hears()
        sent = 0
        edge = caller.ack
        for n in range(2000):
            met.gets(caller.frame(ACK, window=(0, 65535)[n % 2], ack=edge))
            sent += len(met.frames())
        assert sent <= 2000
        met.netif.sent.clear()
        caller.got = stream(1, 60_000)[: len(caller.got)]
        takes_all(caller, 60_000)

    @pytest.mark.parametrize("mss", [1, 48])
    def test_a_window_of_one_byte_and_the_smallest_segments_come_to_an_end(self, met: Rig, mss: int):
        caller = Caller(met)
        connection = caller.opens(PLAIN, b"\2\4" + mss.to_bytes(2, "big"))
        caller.says(ACK, window=1)
        connection.write(stream(1, 300))
        connection.shutdown_write()
        met.flush()
        segments = 0
        for _ in range(2000):
            heard = caller.hears()
            segments += len(heard)
            assert all(len(one.payload) <= 48 for one in heard)
            if any(one.flags & FIN for one in heard):
                break
            caller.says(ACK, window=1)
            met.after(2.0)
            met.gets(asks(PEER, US))
        assert caller.got == stream(1, 300)
        assert segments <= 4 * 300

    def test_data_and_fin_beyond_the_window_are_not_taken(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens(TcpConfig(window_scale=False, timestamps=False, receive_buffer=4000))
        caller.says(ACK, stream(1, 3000))
        edge = caller.nxt + 1000
        assert connection.receiver.edge & MASK == edge & MASK
        for at in (edge, edge + 1, edge + 5000):
            answer = caller.says(ACK | FIN, b"beyond", seq=at)
            assert [one.ack for one in answer] == [caller.nxt & MASK]
        caller.says(ACK | FIN, stream(3001, 1500), seq=caller.nxt)  # a part of it fits, its FIN does not
        assert connection.state is ESTABLISHED
        assert connection.read(1 << 20) == stream(1, 4000)
        met.flush()
        caller.hears()
        caller.nxt += 1000
        caller.says(ACK | FIN, stream(4001, 500))
        assert connection.read(1 << 20) == stream(4001, 500)
        assert connection.read(1) == b""

    def test_a_peer_that_ignores_our_closed_window_is_told_once_for_each(self, met: Rig):
        caller = Caller(met)
        connection = caller.opens(TcpConfig(window_scale=False, timestamps=False, receive_buffer=4000))
        caller.says(ACK, stream(1, 4000))
        answers = 0
        with growth_below(64 << 10):
            for n in range(1000):
                met.gets(caller.frame(ACK, bytes(1000), seq=caller.nxt + n))
                answers += len(met.frames())
        assert answers <= 1000
        assert connection.receiver.held() == 4000
        assert connection.read(1 << 20) == stream(1, 4000)

    def test_a_window_scale_beyond_reason_is_fourteen(self, met: Rig):
        """RFC 7323 2.3: a gigabyte is the most that a peer can offer, and it makes us buffer nothing."""
        caller = Caller(met)
        connection = caller.opens(TcpConfig(timestamps=False), b"\2\4\5\xb4\1\3\3\xff")
        with growth_below(1 << 20):
            caller.says(ACK, window=65535)
            assert connection.sender.snd_wnd == 65535 << 14
            connection.write(stream(1, 100_000))
            met.flush()
        takes_all(caller, 100_000)


class TestOverlaps:
    """Segments that say different bytes of the same place: whoever came first is believed, always."""

    @pytest.mark.parametrize("seed_of_order", range(20))
    def test_the_first_word_stands_wherever_the_pieces_lie(self, met: Rig, seed: int, seed_of_order: int):
        dice = random.Random(f"{seed} {seed_of_order}")
        caller = Caller(met)
        connection = caller.opens()
        told: dict[int, int] = {}
        at = 0
        for _ in range(60):
            start = max(0, at + dice.randrange(-100, 900))
            text = dice.randbytes(dice.randrange(1, 300))
            for n, byte in enumerate(text):
                told.setdefault(start + n, byte)
            met.gets(caller.frame(ACK, text, seq=caller.nxt + start))
            while at in told:
                at += 1
        got = connection.read(1 << 20) or b""
        assert len(got) == at
        assert got == bytes(told[n] for n in range(at))

    def test_teardrops_of_tcp(self, met: Rig):
        """Pieces that end before the one before them began, or where it did."""
        caller = Caller(met)
        connection = caller.opens()
        for start, length in ((8, 8), (10, 2), (8, 1), (15, 1), (0, 12), (0, 16), (4, 1)):
            caller.says(ACK, stream(1 + start, length), seq=caller.nxt + start)
        assert connection.read(100) == stream(1, 16)
        caller.nxt += 16
        caller.exchanges()


class TestOpening:
    def test_a_hundred_kinds_of_first_words_open_nothing(self, met: Rig, seed: int):
        """SYNs with data, with FIN, with everything; none makes a connection that its peer does not confirm."""
        dice = random.Random(seed)
        listener = met.stack.tcp.listen((None, 80), 300, TcpConfig())
        for n in range(300):
            caller = Caller(met, 80, 1000 + n, iss=dice.getrandbits(32))
            flags = SYN | dice.choice((0, 0, FIN, PSH, RST, ACK, FIN | PSH | 0xC0))
            met.gets(caller.frame(flags, dice.randbytes(dice.choice((0, 1, 100))), ack=dice.getrandbits(32)))
            met.gets(caller.frame(ACK, b"here I am", seq=caller.nxt + 1, ack=dice.getrandbits(32)))
        met.frames()
        assert not listener.queue
        met.after(200.0)
        assert not met.stack.tcp.connections

    def test_data_in_a_syn_is_not_given_to_anybody_before_the_handshake(self, met: Rig):
        """RFC 9293 3.10.7.2; Fast Open (RFC 7413) is off unless asked for."""
        caller = Caller(met)
        listener = met.stack.tcp.listen((None, 80), 5, PLAIN)
        met.gets(caller.frame(SYN, b"GET /", options=b"\2\4\5\xb4"))
        assert listener.accept() is None
        assert met.stack.memory.held == 0
