"""Nobody can make us hold state for ever: for each kind of it, who may make it, how much, and when it ends.

What a peer that lives may keep, because the RFCs say so (an open connection, a closed window that is answered: RFC 9293
MUST-37), is bounded in bytes instead, and in what it costs us per minute.
"""

from __future__ import annotations

import pytest

from netif.wire.tcp import ACK, FIN, RST, SYN
from stack.limits import Limits
from stack.tcp.config import TcpConfig
from stack.tcp.connection import Connection
from stack.tcp.states import CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, SYN_RECEIVED
from stack.udp import UdpEndpoint
from tests.stack.attacker import PLAIN, Caller, growth_below, segment
from tests.stack.rig import PEER, US, Rig, asks

HOUR = 3600.0
WHO_ARE_YOU = asks(PEER, US)  # so that its MAC is known all the time


def nothing_is_left(rig: Rig) -> None:
    tcp = rig.stack.tcp
    assert not tcp.connections
    assert (tcp.half_open, tcp.orphans, tcp.memory.held) == (0, 0, 0)
    rig.after(1000.0)  # neighbours are forgotten
    assert rig.stack.next_deadline() is None
    assert rig.stack.timers.size() == 0


def while_the_peer_says(rig: Rig, seconds: float, *frames: bytes) -> int:
    """The same again every second: how many frames it got for it."""
    answers = 0
    for _ in range(int(seconds)):
        rig.gets(*frames)
        rig.after(1.0)
        answers += len(rig.frames())
    return answers


class TestHalfOpen:
    def test_a_syn_is_given_up_after_its_retries(self, met: Rig):
        met.stack.tcp.listen((None, 80), 5, PLAIN)
        met.gets(segment(5000, 80, 1, 0, SYN))
        assert met.stack.tcp.half_open == 1
        met.after(130.0)
        assert len(met.frames()) <= 6 + 6  # SYN-ACKs, and questions for the neighbour
        nothing_is_left(met)

    @pytest.mark.parametrize("config", [PLAIN, TcpConfig()], ids=["plain", "stamped"])
    def test_a_syn_that_comes_again_and_again_prolongs_nothing(self, met: Rig, config: TcpConfig):
        met.stack.tcp.listen((None, 80), 5, config)
        syn = segment(5000, 80, 1, 0, SYN, options=b"\2\4\5\xb4\1\1\x08\x0a\0\0\0\1\0\0\0\0")
        met.gets(syn)
        (first,) = met.stack.tcp.connections.values()
        answers = while_the_peer_says(met, 100, syn, WHO_ARE_YOU)
        assert first.state is CLOSED
        assert answers < 2 * 100 + 20

    @pytest.mark.parametrize("flags", [ACK, ACK | FIN, SYN | ACK, FIN])
    def test_wrong_thirds_of_a_handshake_prolong_nothing(self, met: Rig, flags: int):
        met.stack.tcp.listen((None, 80), 5, PLAIN)
        met.gets(segment(5000, 80, 1, 0, SYN))
        (first,) = met.stack.tcp.connections.values()
        while_the_peer_says(met, 100, segment(5000, 80, 2, 12345, flags))
        assert first.state is CLOSED
        assert met.stack.tcp.half_open == 0

    def test_whoever_we_call_and_who_answers_nonsense_is_given_up(self, met: Rig):
        connection = met.stack.tcp.connect(None, (PEER, 9), PLAIN)
        met.flush()
        _, port = connection.local
        nonsense = [segment(9, port, 1, 12345, flags) for flags in (ACK, RST | ACK, RST, FIN, SYN | ACK)]
        while_the_peer_says(met, 250, *nonsense, WHO_ARE_YOU)
        assert connection.state is CLOSED
        assert isinstance(connection.error, TimeoutError)

    def test_whoever_we_call_and_who_calls_us_for_ever_is_given_up(self, met: Rig):
        """A simultaneous open that never comes to its end."""
        connection = met.stack.tcp.connect(None, (PEER, 9), PLAIN)
        met.flush()
        syn = segment(9, connection.local[1], 77, 0, SYN)
        met.gets(syn)
        assert connection.state is SYN_RECEIVED
        while_the_peer_says(met, 200, syn, WHO_ARE_YOU)
        assert connection.state is CLOSED
        nothing_is_left(met)


class TestOpen:
    def test_many_closed_windows_are_bounded_in_bytes_and_cost_ever_less(self):
        """Sockstress: every connection gets an answer that it never takes."""
        rig = Rig(limits=Limits(socket_memory=400_000))
        rig.knows_peer()
        honest = Caller(rig)
        honest.opens()
        callers = [Caller(rig, 80, 1000 + n) for n in range(50)]
        with growth_below(2 << 20):
            for caller in callers:
                connection = caller.opens()
                caller.says(ACK, b"GET / HTTP/1.0\r\n\r\n", window=0)
                assert connection.read(100)
                while connection.write(bytes(8192)):
                    rig.flush()
                rig.netif.sent.clear()
        assert rig.stack.memory.held <= 400_000 + 50 * (16 << 10)
        assert rig.stack.stats["socket_memory_pressure"] == 1
        honest.exchanges()
        refusals = [caller.frame(ACK, window=0) for caller in callers]
        costs = []
        for _ in range(10):
            sent = 0
            for _ in range(6):
                rig.knows_peer()
                rig.after(10.0)
                sent += len(rig.frames())
                rig.gets(*refusals)
                rig.frames()
            costs.append(sent)
        assert costs[-1] <= 50 * 2  # a probe in half a minute, and more rarely
        honest.exchanges()
        for caller in callers:
            rig.gets(caller.frame(RST))
        honest.exchanges()
        assert len(rig.stack.tcp.connections) == 1
        assert rig.stack.memory.held == 0

    def test_data_that_nobody_reads_is_bounded_however_many_send_it(self):
        rig = Rig(limits=Limits(socket_memory=400_000))
        rig.knows_peer()
        honest = Caller(rig)
        honest.opens()
        with growth_below(3 << 20):
            for n in range(50):
                caller = Caller(rig, 80, 1000 + n)
                caller.opens()
                for _ in range(16):
                    caller.says(ACK, bytes(4000))
        assert rig.stack.memory.held <= 400_000 + 50 * (20 << 10)
        assert rig.stack.memory.pressed
        honest.exchanges()

    def test_a_slow_reader_is_served_no_faster_than_it_reads(self, met: Rig):
        """Slow read: forty bytes of window a second keep a connection, and cost a segment a second."""
        caller = Caller(met)
        connection = caller.opens()
        caller.says(ACK, window=40)
        connection.write(bytes(100_000))
        met.flush()
        segments = 0
        for _ in range(600):
            met.knows_peer()
            met.after(1.0)
            segments += len(caller.hears())
            segments += len(caller.says(ACK, window=40))
        assert connection.state is ESTABLISHED
        assert segments <= 2 * 600
        assert connection.sender.buffered <= 100_000

    def test_a_peer_that_is_gone_is_noticed_by_what_is_sent_to_it(self, met: Rig):
        connection = Caller(met).opens()
        connection.write(b"are you there?")
        met.flush()
        met.after(HOUR)
        assert connection.state is CLOSED
        assert met.stack.memory.held == 0

    def test_a_peer_that_is_gone_is_noticed_by_keepalive_where_nothing_is_sent(self, met: Rig):
        keen = TcpConfig(keepalive=True, keepalive_idle=60.0, keepalive_interval=10.0, keepalive_count=3)
        connection = Caller(met).opens(keen)
        met.after(120.0)
        assert connection.state is CLOSED
        nothing_is_left(met)


class TestClosing:
    """The application is done; what the peer does about it may take a while, not for ever."""

    def left(self, met: Rig, state: object, *, data: int = 0, config: TcpConfig = PLAIN) -> tuple[Caller, Connection]:
        """A connection that nobody owns any more, brought to `state` by its peer."""
        caller = Caller(met)
        connection = caller.opens(config)
        if data:
            caller.says(ACK, window=0)
            connection.write(bytes(data))
        if state is LAST_ACK:
            caller.says(FIN | ACK)
        connection.close()
        met.flush()
        caller.hears()
        if state is FIN_WAIT_2:
            caller.says(ACK)
        assert connection.state is state
        return caller, connection

    @pytest.mark.parametrize("state", [FIN_WAIT_1, FIN_WAIT_2, LAST_ACK])
    def test_a_silent_peer_is_given_up(self, met: Rig, state: object):
        _, connection = self.left(met, state)
        met.after(HOUR)
        assert connection.state is CLOSED
        nothing_is_left(met)

    @pytest.mark.parametrize("state", [FIN_WAIT_1, LAST_ACK])
    def test_a_peer_that_acknowledges_all_but_the_fin_is_given_up(self, met: Rig, state: object):
        caller, connection = self.left(met, state)
        before = caller.frame(ACK, ack=caller.ack - 1)
        while_the_peer_says(met, HOUR / 2, before, before, before, WHO_ARE_YOU)
        assert connection.state is CLOSED
        assert met.stack.tcp.orphans == 0

    def test_a_peer_that_never_ends_its_half_is_given_up(self, met: Rig):
        caller, connection = self.left(met, FIN_WAIT_2)
        while_the_peer_says(met, 70, caller.frame(ACK), caller.frame(ACK, seq=caller.nxt - 1))
        assert connection.state is CLOSED
        assert met.stack.tcp.orphans == 0

    def test_a_peer_that_goes_on_talking_is_reset(self, met: Rig):
        """RFC 9293 3.6.1, RFC 1122 4.2.2.13: nobody will read it."""
        caller, connection = self.left(met, FIN_WAIT_2)
        assert [one.flags & RST for one in caller.says(ACK, b"and another thing")] == [RST]
        assert connection.state is CLOSED

    def test_a_closed_window_keeps_nothing_that_nobody_owns(self, met: Rig):
        caller, connection = self.left(met, FIN_WAIT_1, data=50_000)
        edge = caller.frame(ACK, ack=caller.ack, window=0)
        while_the_peer_says(met, HOUR, edge, WHO_ARE_YOU)
        assert connection.state is CLOSED
        assert met.stack.memory.held == 0

    def test_many_that_never_end_their_half_are_bounded(self):
        rig = Rig(limits=Limits(orphans=20))
        rig.knows_peer()
        with growth_below(1 << 20):
            for n in range(200):
                caller = Caller(rig, 80, 1000 + n)
                connection = caller.opens()
                connection.close()
                rig.flush()
                caller.hears()
                caller.says(ACK)
        assert rig.stack.tcp.orphans == 20
        assert rig.stack.stats["orphans_full"] == 180
        rig.after(70.0)
        nothing_is_left(rig)

    def test_many_answers_that_nobody_takes_or_owns_are_bounded_in_bytes(self):
        rig = Rig(limits=Limits(orphans=50, socket_memory=400_000))
        rig.knows_peer()
        with growth_below(3 << 20):
            for n in range(200):
                caller = Caller(rig, 80, 1000 + n)
                connection = caller.opens()
                caller.says(ACK, window=0)
                for _ in range(50):
                    connection.write(bytes(4000))
                connection.close()
                rig.flush()
                rig.netif.sent.clear()
        assert rig.stack.tcp.orphans == 50
        assert rig.stack.memory.held <= 400_000 + 200_000 + 50 * (16 << 10)
        rig.after(2 * HOUR)
        nothing_is_left(rig)

    def test_a_fin_repeated_for_ever_keeps_one_time_wait_and_no_more(self):
        """Each starts the 2 MSL anew (RFC 9293 3.10.7.4); the table is what bounds them, the oldest gives way."""
        rig = Rig(limits=Limits(time_wait=5))
        rig.knows_peer()
        fins = []
        for n in range(5):
            caller = Caller(rig, 80, 1000 + n)
            connection = caller.opens()
            connection.close()
            rig.flush()
            caller.hears()
            fins.append(caller.frame(FIN | ACK))
            caller.says(FIN | ACK)
        answers = while_the_peer_says(rig, 300, *fins, WHO_ARE_YOU)
        assert len(rig.stack.tcp.connections) == 5
        assert answers <= 6 * 300
        honest = Caller(rig, 80, 5000)
        honest.opens()
        honest.exchanges()
        rig.after(61.0)
        assert len(rig.stack.tcp.connections) == 1


class TestElsewhere:
    def test_neighbours_that_never_answer_are_given_up(self, met: Rig):
        socket = UdpEndpoint(met.stack)
        for last in range(3, 200):
            socket.send_to(bytes(1000), (bytes((10, 0, 0, last)), 9))
        assert len(met.interface.arp.entries) == 198
        met.after(5.0)
        assert len(met.interface.arp.entries) == 1
        assert met.stack.stats["arp_unresolved"] == 197

    def test_a_neighbour_that_never_answers_keeps_little(self, met: Rig):
        socket = UdpEndpoint(met.stack)
        with growth_below(128 << 10):
            for _ in range(500):
                socket.send_to(bytes(1000), (bytes((10, 0, 0, 3)), 9))
                met.netif.sent.clear()
        assert met.stack.stats["arp_queue_full"] == 500 - 16

    def test_connections_that_wait_to_be_accepted_are_bounded(self, met: Rig):
        listener = met.stack.tcp.listen((None, 80), 3, PLAIN)
        opened = 0
        for n in range(50):
            caller = Caller(met, 80, 1000 + n)
            if caller.knocks():
                caller.says(ACK)
                opened += 1
        assert len(listener.queue) == 4
        assert opened <= 8
        assert met.stack.stats["tcp_backlog_full"] > 0
