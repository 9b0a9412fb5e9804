"""RFC 4821: paths that drop what is too large for them and say nothing."""

from __future__ import annotations

import pytest

from stack.tcp.congestion import Window
from tests.stack.tcp.conversation import stream
from tests.stack.tcp.two_hosts import Pair

SIZE = 600_000


def transfer(pair, client, server, size=SIZE, patience=400.0):
    """The client sends, the server reads. How long it took; None: it is not done in time."""
    data = stream(1, size)
    began, sent, got = pair.clock.time, 0, bytearray()
    while len(got) < size:
        if pair.clock.time > began + patience or client.error is not None:
            return None
        if sent < size:
            sent += client.write(memoryview(data)[sent : sent + 65536])
        while block := server.read(1 << 20):
            got += block
        pair.flush()
        if not pair.step():
            return None
    assert bytes(got) == data
    return pair.clock.time - began


def hole(pair, mtu):
    """From now on nothing larger than this arrives at b, and nobody tells."""
    pair.loses = lambda to, frame: to == 1 and len(frame) - 14 > mtu


@pytest.mark.parametrize("mtu", [1499, 1400, 1200, 1064])
def test_a_black_hole_is_found_and_what_passes_is_used(mtu):
    pair = Pair()
    client, server = pair.connected(timestamps=False)
    hole(pair, mtu)
    assert transfer(pair, client, server) is not None
    assert mtu - 8 <= client.info().snd_mss + 40 <= mtu


def test_a_narrower_one_too():
    pair = Pair()
    client, server = pair.connected(timestamps=False)
    hole(pair, 600)
    assert transfer(pair, client, server) is not None
    assert 592 <= client.info().snd_mss + 40 <= 600


def test_without_probing_it_is_the_end():
    pair = Pair()
    client, server = pair.connected(mtu_probing="off")
    hole(pair, 1400)
    assert transfer(pair, client, server) is None


def test_a_search_that_begins_with_the_connection_meets_no_time_out():
    pair = Pair()
    client, server = pair.connected(mtu_probing="always")
    assert client.info().snd_mss == 1024
    hole(pair, 1400)
    took = transfer(pair, client, server)
    assert took is not None
    assert took < 5
    assert client.timeouts == 0
    assert 1392 <= client.info().snd_mss + 52 <= 1400


def test_the_largest_is_tried_first():
    pair = Pair()
    client, server = pair.connected(mtu_probing="always")
    assert transfer(pair, client, server) is not None
    assert client.info().snd_mss == 1448
    assert client.retransmissions == 0


def test_a_lost_probe_is_no_sign_of_congestion():
    """RFC 4821 7.6.2"""
    pair = Pair()
    client, server = pair.connected(mtu_probing="always", congestion="reno")
    hole(pair, 1400)
    assert transfer(pair, client, server) is not None
    assert client.fast_retransmits > 3
    assert client.timeouts == 0
    assert client.congestion.ssthresh > 1 << 30


def test_what_did_not_pass_is_tried_again_after_ten_minutes():
    pair = Pair()
    client, server = pair.connected(mtu_probing="always")
    hole(pair, 1400)
    transfer(pair, client, server)
    pair.loses = None
    transfer(pair, client, server)
    assert client.info().snd_mss < 1400
    pair.clock.time += 601
    transfer(pair, client, server)
    assert client.info().snd_mss == 1448


def after_an_outage(**options):
    """Enough time-outs that a black hole is suspected, where there is none."""
    pair = Pair()
    client, server = pair.connected(**options)
    client.write(stream(1, 100_000))
    pair.loses = lambda to, frame: True
    pair.flush()
    end = pair.clock.time + 3
    while pair.clock.time < end and pair.step():
        pass
    assert client.info().snd_mss == 1024
    pair.loses = None
    return pair, client, server


def drain(pair, server, size=100_000):
    while server.receiver.queued < size and pair.step():
        pass
    assert len(server.read(size)) == size


def test_an_outage_does_not_leave_small_segments():
    pair, client, server = after_an_outage()
    drain(pair, server)
    assert transfer(pair, client, server) is not None
    assert client.info().snd_mss == 1448


@pytest.mark.parametrize("losses", [1, 2])
def test_a_probe_that_is_lost_by_chance_does_not_leave_small_segments_either(losses):
    """RFC 8899 5.1.2: a size does not pass when MAX_PROBES of it are lost, three."""
    pair, client, server = after_an_outage()
    lost = []

    def loses(to, frame):
        if to == 1 and len(frame) == 1514 and len(lost) < losses:
            lost.append(frame)
            return True
        return False

    pair.loses = loses
    drain(pair, server)
    assert transfer(pair, client, server) is not None
    assert len(lost) == losses
    assert client.info().snd_mss == 1448


def test_a_window_of_two_segments_does_not_leave_small_ones():
    """RFC 4821 7.4 wants more data behind a probe than a window has that is cut by loss again and again."""
    pair, client, server = after_an_outage(congestion=TwoSegments)
    drain(pair, server)
    assert transfer(pair, client, server, 100_000) is not None
    assert client.info().snd_mss == 1448


class TwoSegments(Window):
    """A window that never grows."""

    def acknowledged(self, acked, flight, rtt, now):
        self.cwnd = 2 * self.mss


def test_what_is_not_of_full_size_tells_nothing_of_sizes(tcp):
    tcp.established()
    tcp.writes(1000)
    tcp.after(10)
    assert tcp.connection.timeouts >= 4
    assert tcp.connection.info().snd_mss == 1460


def test_super_frames_and_probes_together():
    pair = Pair(gso_max=65535)
    client, server = pair.connected(mtu_probing="always")
    pair.loses = lambda to, frame: False
    assert transfer(pair, client, server) is not None
    assert client.info().snd_mss == 1448
