"""Two hosts of ours and a wire between them, in virtual time; each end speaks to a real Stack."""

from __future__ import annotations

import heapq
import random

from netif.wire.segment import cut
from stack.tcp.config import TcpConfig
from tests.stack.tcp.conversation import FIXED, HOST, HOST_MAC, PEER, PEER_MAC, Clock, host


class Pair:
    """Two hosts and a wire between them: each frame is lost, delayed or repeated by the seed's dice."""

    def __init__(self, seed=0, *, loss=0.0, reorder=0.0, repeat=0.0, delay=0.005, mtu=1500, gso_max=None):
        self.clock = Clock(seed)
        self.dice = random.Random(seed)
        self.loss, self.reorder, self.repeat, self.delay = loss, reorder, repeat, delay
        self.loses = None  # (to, frame) -> whether to lose this one, beside what the dice say
        self.log = []  # (time, to, frame) of all that was sent
        self.wire = []
        self.count = 0
        self.packets = 0  # IP packets, ARP does not count
        self.ends = []
        for name, address, mac in (("a", HOST, HOST_MAC), ("b", PEER, PEER_MAC)):
            self.ends.append(
                host(self.clock, name, address, mac, self._sender(len(self.ends)), mtu=mtu, gso_max=gso_max)
            )
        self.a, self.b = self.ends[0][0], self.ends[1][0]

    def _sender(self, index):
        def out(buffers, offload):
            self.packets += buffers[0][12:14] == b"\x08\x00"
            lossy = self.loss or self.reorder or self.repeat
            if lossy and offload is not None and offload.gso_size:
                for segment in cut(buffers, offload):
                    self._put(1 - index, segment, None)
                return
            self._put(1 - index, b"".join(buffers), offload)

        return out

    def _put(self, to, frame, offload):
        self.log.append((self.clock.time, to, frame))
        if self.loses is not None and self.loses(to, frame):
            return
        for _ in range(2 if self.dice.random() < self.repeat else 1):
            if self.dice.random() < self.loss and frame[12:14] == b"\x08\x00":
                continue  # ARP gives up after three tries, rightly: what is tried here is TCP
            late = self.dice.random() * 4 * self.delay if self.dice.random() < self.reorder else 0
            self.count += 1
            heapq.heappush(self.wire, (self.clock.time + self.delay + late, self.count, to, frame, offload))

    def flush(self):
        for made, _, _ in self.ends:
            made.flush(self.clock.time)

    def step(self):
        """Go to the next thing that happens; False when nothing ever will."""
        due = [when for made, _, _ in self.ends if (when := made.next_deadline()) is not None]
        if self.wire:
            due.append(self.wire[0][0])
        if not due:
            return False
        self.clock.time = now = max(self.clock.time, min(due))
        for made, _, _ in self.ends:
            made.advance(now)
        while self.wire and self.wire[0][0] <= now:
            _, _, to, frame, offload = heapq.heappop(self.wire)
            self.ends[to][1].input(frame, offload)
        self.flush()
        return True

    def connected(self, port=7, **settings):
        """(client on a, server on b)."""
        patient = {"syn_retries": 20, "synack_retries": 20}  # one that gave up could not tell the other
        config = TcpConfig(**{**FIXED, **patient, **settings})
        listener = self.b.tcp.listen((None, port), 128, config)
        client = self.a.tcp.connect(None, (PEER, port), config)
        self.flush()
        while not (client.connected() and listener.queue):
            assert client.error is None, client.error
            assert self.step(), "the handshake has stalled"
        return client, listener.accept()
