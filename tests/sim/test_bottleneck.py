"""Congestion controls at a bottleneck, in virtual time: do they fill it, keep out of its queue, and share it?"""

from functools import partial

import pytest

from netif import Lan
from stack.tcp.config import TcpConfig

BUFFERS = {"receive_buffer": 8 << 20, "send_buffer": 8 << 20}
BLOCK = bytes(1 << 18)


class Bottleneck:
    """Some clients who send as much as they can to one server, whose cable has a rate and a queue."""

    def __init__(self, lan, *, rate, queue, delay, clients=1, **settings):
        self.lan = lan
        self.clock = lan.runtime
        tcp = TcpConfig(**{**BUFFERS, **settings})
        self.server = lan.host("server", tcp=tcp, rx={"rate": rate, **queue})
        self.clients = [lan.host(f"client{n}", tcp=tcp, delay=delay) for n in range(clients)]
        self.received = [0] * clients
        self.connections = [None] * clients
        for n, client in enumerate(self.clients):
            self.server.spawn(partial(self._serve, n))
            client.spawn(partial(self._pour, n, client))

    def _serve(self, n):
        with self.server.create_server(("", 1000 + n)) as listener:
            connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 20):
                self.received[n] += len(data)

    def _pour(self, n, client):
        with client.create_connection((self.server.ip, 1000 + n)) as s:
            entry = next(iter(client.stack.tcp.connections.values()))
            self.connections[n] = entry
            while True:
                s.sendall(BLOCK)

    def run(self, seconds):
        """Bits a second that arrived meanwhile, of each."""
        before = list(self.received)
        self.lan.run_for(seconds)
        return [(after - start) * 8 / seconds for after, start in zip(self.received, before, strict=True)]

    @property
    def lost(self):
        return self.server.netif.driver.into.counters["tail_dropped"]


@pytest.mark.parametrize(("congestion", "overflows"), [("cubic", False), ("newreno", True)])
def test_hystart_leaves_slow_start_before_the_queue_overflows(congestion, overflows):  # RFC 9406: its purpose
    """20 Mbit/s x 40 ms are 100 kB. At 250 kB the delay shows, and five rounds by a quarter make at most 760 kB of it;
    plain slow start doubles until 1 MB are full, and then once more."""
    with Lan(seed=1, clock="virtual") as lan:
        wire = Bottleneck(lan, rate="20Mbit", queue={"queue": "900kB"}, delay="20ms", congestion=congestion)
        lan.run_for(1.3)
        assert (wire.lost > 100) is overflows
        if not overflows:
            assert 250_000 < wire.connections[0].info().ssthresh < 900_000


def test_cubic_fills_a_small_bottleneck():
    """10 Mbit/s x 40 ms are 50 kB; with a queue of as much, seven tenths of the whole still fill it (RFC 9438 4.6)."""
    with Lan(seed=1, clock="virtual") as lan:
        wire = Bottleneck(lan, rate="10Mbit", queue={"queue": "50kB"}, delay="20ms")
        lan.run_for(1.0)
        assert wire.run(6.0)[0] > 0.85 * 10e6
        assert wire.lost < 100


def test_marks_in_place_of_losses():  # RFC 3168
    with Lan(seed=1, clock="virtual") as lan:
        wire = Bottleneck(lan, rate="10Mbit", queue={"queue": "100kB", "ecn": "30kB"}, delay="20ms", ecn="on")
        lan.run_for(1.0)
        assert wire.run(5.0)[0] > 0.85 * 10e6
        assert wire.lost == 0
        assert wire.server.netif.driver.into.counters["marked"] > 0
        info = wire.connections[0].info()
        assert info.retransmissions == 0
        assert info.ssthresh < 1 << 20


def jain(rates):
    return sum(rates) ** 2 / len(rates) / sum(rate * rate for rate in rates)


@pytest.mark.slow
@pytest.mark.parametrize("congestion", ["cubic", "newreno"])
def test_two_flows_share_a_bottleneck(congestion):  # RFC 9438 5.9
    with Lan(seed=2, clock="virtual") as lan:
        wire = Bottleneck(lan, rate="10Mbit", queue={"queue": "50kB"}, delay="20ms", clients=2, congestion=congestion)
        lan.run_for(10.0)
        rates = wire.run(30.0)
        assert jain(rates) > 0.9
        assert sum(rates) > 0.88 * 10e6


@pytest.mark.slow
def test_cubic_fills_a_long_fat_pipe():
    """100 Mbit/s x 100 ms are 1.25 MB; with half of that as a queue a reduction from 1.875 MB leaves 1.31 MB: full."""
    with Lan(seed=1, clock="virtual") as lan:
        wire = Bottleneck(lan, rate="100Mbit", queue={"queue": "625kB"}, delay="50ms")
        lan.run_for(3.0)
        assert wire.run(5.0)[0] > 0.9 * 100e6
