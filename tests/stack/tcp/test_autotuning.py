"""Buffers that nobody gave a size: they follow the path and the application, up to a bound; a size that is asked for
stays. Shown by what goes over the wire between two hosts in virtual time."""

import pytest

from netif.wire import options
from stack.limits import Limits
from stack.tcp.states import ESTABLISHED

TUNED = {"receive_buffer": None, "send_buffer": None}


def transfer(wire, client, server, total, *, reads=True):
    """Seconds until `total` bytes have been read, or accepted and stuck."""
    start, sent, got = wire.clock.time, 0, 0
    block = bytes(1 << 16)
    while got < total:
        while sent < total and (accepted := client.write(block[: total - sent])):
            sent += accepted
        if reads:
            while data := server.read(1 << 20):
                got += len(data)
        wire.flush()
        assert wire.step()
        if not reads and wire.clock.time > start + 5:
            break
    return wire.clock.time - start


def tuned(pair, *, delay=0.05, **settings):
    wire = pair(delay=delay)
    client, server = wire.connected(**{**TUNED, **settings})
    return wire, client, server


@pytest.mark.parametrize("timestamps", [True, False])
def test_a_long_path_gets_the_windows_that_it_needs(pair, timestamps):
    wire, client, server = tuned(pair, timestamps=timestamps)
    transfer(wire, client, server, 3 << 20)
    assert server.receive_room > 1 << 20
    assert transfer(wire, client, server, 3 << 20) < 3.5 * 0.1  # round trips, so windows of a megabyte
    assert client.send_room > 1 << 20


def test_a_short_path_does_not_need_much(pair):
    """Half a megabyte in a round trip is never read: the buffer stays as it was."""
    wire, client, server = tuned(pair, delay=0.0005)
    for _ in range(20):
        transfer(wire, client, server, 20_000)
    assert server.receive_room == 512 << 10


def test_what_is_not_read_earns_no_room(pair):
    wire, client, server = tuned(pair)
    transfer(wire, client, server, 1 << 20, reads=False)
    assert server.receive_room == 512 << 10
    assert server.receive_room - server.receiver.queued < 128  # as exactly as the scale can say


def test_the_bounds_are_kept(pair):
    wire, client, server = tuned(pair, receive_buffer_max=700_000, send_buffer_max=600_000)
    transfer(wire, client, server, 3 << 20)
    assert server.receive_room == 700_000
    assert client.send_room == 600_000


@pytest.mark.parametrize("size", [20_000, 800_000])
def test_a_size_that_was_asked_for_stays(pair, size):
    wire, client, server = tuned(pair, receive_buffer=size, send_buffer=size)
    transfer(wire, client, server, 2 << 20)
    assert (server.receive_room, client.send_room) == (size, size)


def test_asking_in_mid_transfer_ends_the_tuning(pair):
    wire, client, server = tuned(pair)
    transfer(wire, client, server, 1 << 20)
    server.configure(receive_buffer=600_000)
    client.configure(send_buffer=100_000)
    transfer(wire, client, server, 1 << 20)
    assert (server.receive_room, client.send_room) == (600_000, 100_000)


def test_the_scale_leaves_room_to_grow(tcp_):  # RFC 7323 2.3: it is never told again
    tcp_.begin(window_scale=True, **TUNED)
    tcp_.connects()
    syn = tcp_.all_sent()[-1]
    assert syn.options.window_scale == 7  # 6 MiB, as Linux has it
    assert syn.window == 65535


def test_a_peer_without_scale_keeps_it_at_what_a_window_can_say(pair):
    wire, client, server = tuned(pair, window_scale=False)
    transfer(wire, client, server, 1 << 20)
    assert server.receiver.capacity == 65535
    assert server.state is ESTABLISHED


def test_the_send_buffer_follows_the_congestion_window(pair):
    """Linux: twice cwnd, so that an ACK finds the next window already written."""
    wire, client, server = tuned(pair, send_buffer_initial=16 << 10)
    assert client.write(bytes(1 << 20)) == 2 * 10 * 1448
    transfer(wire, client, server, 1 << 20)
    assert 2 * 10 * 1448 < client.send_room <= 2 * client.info().cwnd


def test_the_right_edge_never_moves_left(pair):  # RFC 9293 3.8.6.2.2
    wire, client, server = tuned(pair)
    edges = []
    wire.loses = lambda to, frame: edges.append(_edge(frame)) if to == 0 and frame[12:14] == b"\x08\x00" else None
    transfer(wire, client, server, 2 << 20)
    told = [edge for edge in edges if edge is not None]
    assert told == sorted(told)


def _edge(frame):
    """ACK + window of a segment that is no SYN."""
    l4 = 34
    if frame[l4 + 13] & 2:
        return None
    assert options.parse(frame, l4 + 20, l4 + 32).timestamp
    return int.from_bytes(frame[l4 + 8 : l4 + 12], "big") + (int.from_bytes(frame[l4 + 14 : l4 + 16], "big") << 7)


def test_under_pressure_nothing_grows(tcp_):
    tcp_.established(limits=Limits(socket_memory=10_000), **TUNED, send_buffer_initial=16 << 10)
    for at in range(0, 16_000, 1000):
        tcp_.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
    assert tcp_.writes(100_000) == 16 << 10


def test_the_receiver_learns_of_a_longer_round_trip_by_timestamps(pair):
    wire, client, server = tuned(pair, delay=0.005, receive_buffer_max=64 << 20, timestamps=True)
    transfer(wire, client, server, 200_000)
    wire.delay = 0.1
    transfer(wire, client, server, 1 << 20)
    assert server.info().rcv_rtt > 0.05  # it was 0.01 and a wait for ARP


def test_and_of_a_shorter_one_without_them_by_how_long_a_window_takes(pair):
    wire, client, server = tuned(pair, delay=0.1, receive_buffer_max=64 << 20, timestamps=False)
    transfer(wire, client, server, 100_000)
    assert server.info().rcv_rtt > 0.15
    wire.delay = 0.01
    transfer(wire, client, server, 3 << 20)
    assert server.info().rcv_rtt < 0.1
