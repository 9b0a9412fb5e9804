"""What all connections together may hold."""

import pytest

from stack.limits import Limits

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
    assert crowd.stack.tcp.held < 3 * LIMIT // 4
    assert not crowd.stack.tcp.pressed
    crowd.stack.owe(crowd.ends[2])
    crowd.flush()
    assert crowd.ends[2].write(bytes(100_000)) == 100_000


def test_the_dead_hold_nothing(crowd):
    fill(crowd, 0, 55_000)
    fill(crowd, 1, 55_000)
    for end in crowd.ends:
        end.abort()
    crowd.flush()
    assert crowd.stack.tcp.held == 0


def test_what_is_out_of_order_counts(crowd):
    crowd.peer_port = 40000
    for at in range(1000, 56_000, 1000):
        crowd.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
    assert crowd.stack.tcp.held >= 50_000
