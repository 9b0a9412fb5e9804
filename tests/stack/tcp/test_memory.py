"""What all connections together may hold."""

import pytest

from stack.limits import Limits
from stack.udp import UdpEndpoint
from tests.stack.tcp.conversation import PEER

LIMIT = 100_000


@pytest.fixture
def crowd(tcp_):
    """Three connections of a host that may hold 100,000 bytes in all."""
    tcp_.begin(limits=Limits(socket_memory=LIMIT), receive_buffer=60_000)
    tcp_.checked = False
    tcp_.listens()
    ends = []
    for port in range(40000, 40003):
        tcp_.peer_port = port
        tcp_.gets("S 0:0(0) <mss 1460>")
        tcp_.gets(". 1:1(0) ack 1")
        ends.append(tcp_.accepts())
    tcp_.all_sent()
    tcp_.ends = ends
    return tcp_


def fill(tcp, index, upto, start=0):
    tcp.peer_port = 40000 + index
    for at in range(start, upto, 1000):
        tcp.gets(f". {1 + at}:{1001 + at}(1000) ack 1")


def last_window(tcp):
    return [one.window for one in tcp.all_sent() if one.ports[1] == tcp.peer_port][-1]


def test_too_much_in_all_leaves_little_to_each(crowd):
    fill(crowd, 0, 55_000)
    fill(crowd, 1, 55_000)
    assert crowd.stack.stats["socket_memory_pressure"] == 1
    crowd.all_sent()
    fill(crowd, 2, 30_000)
    assert crowd.drops["socket_memory_full"] > 0
    assert crowd.ends[2].receiver.queued < 20_000
    assert crowd.ends[2].write(bytes(100_000)) == 16 << 10


def test_what_was_offered_stays_offered(crowd):
    fill(crowd, 0, 55_000)
    fill(crowd, 1, 50_000)
    crowd.all_sent()
    fill(crowd, 2, 2000)
    assert last_window(crowd) == 58_000


def test_when_others_have_read_all_is_as_before(crowd):
    fill(crowd, 0, 55_000)
    fill(crowd, 1, 55_000)
    for end in crowd.ends[:2]:
        end.read(1 << 20)
        crowd.flush()
    assert crowd.stack.memory.held < 3 * LIMIT // 4
    assert not crowd.stack.memory.pressed
    crowd.stack.owe(crowd.ends[2])
    crowd.flush()
    assert crowd.ends[2].write(bytes(100_000)) == 100_000


def test_the_dead_hold_nothing(crowd):
    fill(crowd, 0, 55_000)
    fill(crowd, 1, 55_000)
    for end in crowd.ends:
        end.abort()
    crowd.flush()
    assert crowd.stack.memory.held == 0


def test_what_is_out_of_order_counts(crowd):
    crowd.peer_port = 40000
    for at in range(1000, 56_000, 1000):
        crowd.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
    assert crowd.stack.memory.held >= 50_000


# what the stacks of one Runtime hold together


def unread(wire, port, size):
    """A connection on which `size` bytes wait at b."""
    client, server = wire.connected(port=port, send_buffer=1 << 20)
    client.write(bytes(size))
    while server.info().unread < size:
        wire.flush()
        assert wire.step()
    return client, server


def test_the_stacks_of_a_runtime_share_one_account(pair):
    wire = pair()
    unread(wire, 7, 150_000)
    wire.clock.memory.limit = 160_000
    assert not wire.b.memory.pressed
    _, server = unread(wire, 8, 14_000)
    assert wire.clock.memory.held == wire.a.memory.held + wire.b.memory.held > 160_000
    assert wire.a.memory.pressed  # though it holds next to nothing
    assert wire.a.stats["socket_memory_pressure"] == wire.b.stats["socket_memory_pressure"] == 1
    _, other = wire.connected(port=9)
    other.write(b"x")
    wire.flush()
    assert other.write(bytes(100_000)) < 16 << 10
    server.read(1 << 20)
    wire.flush()
    assert wire.a.memory.pressed  # until three quarters are left
    assert wire.clock.memory.held >= 145_000


def test_under_pressure_elsewhere_bytes_still_come_over(pair):
    """What one stack hoards may slow another down, but never stop it."""
    wire = pair(loss=0.02)
    unread(wire, 7, 60_000)
    wire.clock.memory.limit = 50_000
    client, server = wire.connected(port=8)
    sent = got = 0
    while got < 300_000:
        sent += client.write(bytes(min(300_000 - sent, 100_000)))
        got += len(server.read(1 << 20) or b"")
        wire.flush()
        assert wire.step()
    assert wire.a.memory.pressed


def test_datagrams_count_too(pair):
    wire = pair()
    wire.b.memory.limit = 30_000
    receiver, sender = UdpEndpoint(wire.b), UdpEndpoint(wire.a)
    receiver.bind(bytes(4), 53)
    for _ in range(40):
        sender.send_to(bytes(1000), (PEER, 53))
        wire.flush()
        while wire.wire:
            wire.step()
    assert wire.b.memory.held <= 30_000 + 1256
    assert wire.b.stats["socket_memory_full"] > 0
    assert receiver.receive() is not None
    receiver.close()
    assert wire.b.memory.held == wire.clock.memory.held == 0
