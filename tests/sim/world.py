"""Two hosts and an impaired wire in virtual time, without threads: what a thousand simulations can afford.

A World is the runtime of its two stacks and the ports of their drivers. Applications are objects whose `act(now)` is
called in each turn; `wake_at` is when they want to act next by themselves. Everything follows from the seed.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from netif.link import Buffer, LinkCaps, Offload
from stack.limits import Limits
from stack.stack import Stack
from stack.tcp.config import TcpConfig
from tapio import impair, pair

Witness: TypeAlias = "Callable[[float, bytes, tuple[Buffer, ...], Offload | None], None]"

START = 1000.0  # seconds on the clock when a world begins
BATCH = 16  # frames that are taken in before the stacks answer, as in a turn of the crank
SERVICE = 7
MASK = b"\xff\xff\xff\0"


class Port:
    """One driver's place in the world."""

    def __init__(self, world: World, name: str) -> None:
        self.runtime: Any = world
        self.dice = world.dice(name)
        self.now = world.now
        self.deadline: float | None = None
        self.ready = self.roomy = False
        self.driver: Any = None
        self.interface: Any = None
        self.failed = self.watch = self.poke = None

    def readable(self) -> None:
        if not self.ready:
            self.ready = True
            self.runtime.ready.append(self)

    def writable(self) -> None:
        self.roomy = True

    def call_at(self, when: float) -> None:
        if self.deadline is None or when < self.deadline:
            self.deadline = when


class Attachment:
    """As much of a Netif as an interface asks for."""

    if_key = "ETH"
    route_prio = 0

    def __init__(self, world: World, mac: bytes, mtu: int, driver: Any) -> None:
        self.world, self.mac, self.mtu, self.driver = world, mac, mtu, driver
        self.transmit = driver.transmit if world.witness is None else self._witnessed

    def _witnessed(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        assert self.world.witness is not None
        self.world.witness(self.world.time, self.mac, buffers, offload)
        return bool(self.driver.transmit(buffers, offload))

    def mac_filter(self, mac: bytes, add: bool) -> None:
        pass

    def hears_all(self, everything: bool) -> None:
        pass

    def hears(self, what: object, key: object, add: bool) -> None:
        pass


class Host:
    """A stack with one interface on the wire."""

    def __init__(
        self, world: World, number: int, driver: Any, mtu: int, tcp: TcpConfig | None, limits: Limits | None
    ) -> None:
        self.address = bytes((10, 0, 0, number))
        mac = b"\x02\0\0\0\0" + bytes((number,))
        self.stack = Stack(f"host{number}", runtime=world, limits=limits, tcp=tcp)
        self.port = Port(world, f"port{number}")
        self.port.driver = driver
        caps = driver.open(LinkCaps(mac=mac, mtu=mtu, gso_max=65535, tx_checksum=True, rx_checksum=True), self.port)
        self.port.interface = interface = self.stack.attach(Attachment(world, mac, mtu, driver))
        interface.link_up(caps)
        interface.set_addresses(self.address, MASK, bytes(4))


class World:
    """`left` is at the impaired end of the wire: its `tx` rules are for what goes to `right`, `rx` for what comes."""

    strict = True
    shared = False

    def __init__(
        self,
        seed: object = 0,
        *,
        tcp: TcpConfig | tuple[TcpConfig, TcpConfig] | None = None,
        limits: Limits | None = None,
        mtu: int = 1500,
        offload: bool = True,
        witness: Witness | None = None,
        **rules: Any,
    ) -> None:
        """`rules` are those of `impair`; `offload`: super-frames where the wire has no faults, and behind them;
        `witness` is told of every frame that a stack sends: when, from which MAC address, and what."""
        self.seed = seed
        self.witness = witness
        self.time = START
        self.ready: deque[Port] = deque()
        self.touched: dict[Stack, None] = {}
        self.apps: list[Any] = []
        bounds: dict[str, Any] = {} if offload else {"gso_max": 0, "tx_checksum": False, "rx_checksum": False}
        near, far = pair(queue=100_000, queue_bytes=64 << 20, **bounds)
        self.wire: Any = impair(near, **rules)
        configs = tcp if isinstance(tcp, tuple) else (tcp, tcp)
        self.left = Host(self, 1, self.wire, mtu, configs[0], limits)
        self.right = Host(self, 2, far, mtu, configs[1], limits)
        self.hosts = (self.left, self.right)

    # what a stack and a driver ask of a runtime

    def now(self) -> float:
        return self.time

    def dice(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    def add_stack(self, stack: Stack) -> None:
        pass

    remove_stack = add_stack

    def touch(self, stack: Stack) -> None:
        self.touched[stack] = None

    # time

    def next_event(self) -> float | None:
        """When something happens next; None: never."""
        due: list[float] = []
        for host in self.hosts:
            when = host.stack.next_deadline()
            if when is not None:
                due.append(when)
            if host.port.deadline is not None:
                due.append(host.port.deadline)
        due += [app.wake_at for app in self.apps if app.wake_at is not None]
        return min(due) if due else None

    def step(self) -> bool:
        """Go to the next thing that happens, and let it happen. False: nothing ever will."""
        when = self.next_event()
        if when is None:
            return False
        if when > self.time:
            self.time = when
        now = self.time
        for host in self.hosts:
            port = host.port
            if port.deadline is not None and port.deadline <= now:
                port.deadline = None
                port.driver.advance(now)
            host.stack.advance(now)
        self.settle()
        return True

    def settle(self) -> None:
        """All that happens now: frames in, applications, answers out, until nothing more follows."""
        now, ready = self.time, self.ready
        while True:
            if ready:
                self._drain()
            for app in self.apps:
                app.act(now)
            while self.touched:
                stack = next(iter(self.touched))
                del self.touched[stack]
                stack.flush(now)
            for host in self.hosts:
                port = host.port
                if port.roomy:
                    port.roomy = False
                    port.interface.writable()
            if not ready and not self.touched:
                return

    def _drain(self) -> None:
        ready = self.ready
        budget = BATCH
        while ready:
            port = ready[0]
            receive, take = port.driver.receive, port.interface.input
            while (item := receive()) is not None:
                take(*item)
                budget -= 1
                if not budget:
                    return
            ready.popleft()
            port.ready = False

    # connections

    def connected(self, timeout: float = 1000.0) -> tuple[Any, Any]:
        """(left's connection, right's), opened by left. Raises what ended it."""
        listener = self.right.stack.tcp.listen((None, SERVICE), 16, self.right.stack.tcp.config)
        client = self.left.stack.tcp.connect(None, (self.right.address, SERVICE), self.left.stack.tcp.config)
        self.settle()
        until = self.time + timeout
        while not (client.connected() and listener.queue):
            client.raise_error()
            assert self.time < until, "the handshake took too long"
            assert self.step(), "the handshake has stalled"
        server = listener.accept()
        listener.close()
        self.settle()
        return client, server

    def rest(self, timeout: float = 1e6) -> None:
        """Until no connection is left, not even in TIME-WAIT."""
        until = self.time + timeout
        while any(host.stack.tcp.connections for host in self.hosts):
            assert self.step(), "a connection is left, and no timer to end it"
            assert self.time < until, [host.stack.tcp.connections for host in self.hosts]


class Writer:
    """Sends all of `data`, then FIN."""

    wake_at: float | None = None

    def __init__(self, connection: Any, data: bytes) -> None:
        self.connection = connection
        self.data = memoryview(data)
        self.at = 0
        self.done = False

    def act(self, now: float) -> None:
        if self.done:
            return
        connection = self.connection
        while self.at < len(self.data):
            accepted = connection.write(self.data[self.at : self.at + (1 << 18)])
            if not accepted:
                return
            self.at += accepted
        connection.shutdown_write()
        self.done = True


class Reader:
    """Reads all that comes, and compares it with what is expected."""

    wake_at: float | None = None

    def __init__(self, connection: Any, expected: bytes) -> None:
        self.connection = connection
        self.expected = expected
        self.at = 0
        self.ended_at: float | None = None

    def act(self, now: float) -> None:
        connection = self.connection
        while self.ended_at is None and (data := connection.read(1 << 18)) is not None:
            if not data:
                assert self.at == len(self.expected), f"ended at {self.at} of {len(self.expected)}"
                self.ended_at = now
                return
            assert data == self.expected[self.at : self.at + len(data)], f"wrong bytes behind {self.at}"
            self.at += len(data)
