"""A wire with a victim, an honest host and an attacker on it, in virtual time.

Everything follows from the seed. The victim runs on a strict runtime: whatever escapes from its core is raised here.
"""

from __future__ import annotations

import random
from collections import deque
from contextlib import suppress

import attrs

from netif.link import PARTIAL, Buffer, LinkCaps, Offload, Port
from netif.netif import Netif
from netif.runtime import VirtualRuntime
from netif.wire import ethernet, icmp, ip
from netif.wire.segment import finish
from stack.echo import EchoEndpoint
from stack.limits import Limits
from stack.stack import Stack
from stack.tcp.config import TcpConfig
from stack.udp import UdpEndpoint
from tests.stack.rig import OTHER_MAC, OUR_MAC, US, address, answers, asks, echo

HONEST, HONEST_MAC = address("10.0.0.2"), bytes.fromhex("020000000002")
HELD = 64  # frames of the victim's that the attacker remembers


class End:
    """A driver: one host's end of the wire."""

    def __init__(self, wire: Wire, mac: bytes) -> None:
        self.wire = wire
        self.mac = mac
        self.inbox: deque[tuple[bytes, Offload | None]] = deque()
        self.port: Port | None = None
        self.room: int | None = None  # frames; None: endless

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self.port = port
        return attrs.evolve(want, mtu=min(want.mtu, 1500))

    def fileno(self) -> int | None:
        return None

    def wants_write(self) -> bool:
        return False

    def receive(self) -> tuple[bytes, Offload | None] | None:
        return self.inbox.popleft() if self.inbox else None

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self.room is not None:
            if not self.room:
                return False
            self.room -= 1
        self.wire.carries(self, b"".join(buffers), offload)
        return True

    def takes(self, frame: bytes, offload: Offload | None) -> None:
        if self.port is not None:
            self.inbox.append((frame, offload))
            self.port.readable()

    def advance(self, now: float) -> None:
        """It asks for no time."""

    def close(self) -> None:
        self.port = None


class Wire:
    def __init__(self) -> None:
        self.victim = End(self, OUR_MAC)
        self.honest = End(self, HONEST_MAC)
        self.overheard: deque[tuple[bytes, Offload | None]] = deque(maxlen=HELD)  # what the victim sent

    def carries(self, sender: End, frame: bytes, offload: Offload | None) -> None:
        if sender is self.victim:
            self.overheard.append((frame, offload))
        other = self.honest if sender is self.victim else self.victim
        if frame[0] & 1 or frame[:6] == other.mac:
            other.takes(frame, offload)


TIGHT = Limits(
    arp_entries=32,
    arp_queue_frames=4,
    interface_queue_frames=4,
    icmp_errors=20,
    udp_queue_bytes=8192,
    echo_queue=8,
    syn_table=12,
    time_wait=8,
    challenge_acks=8,
    resets=10,
    orphans=8,
    out_of_order_ranges=4,
    socket_memory=60_000,
    reassembly_datagrams=8,
    reassembly_bytes=40_000,
)
STRANGERS = tuple(bytes((10, 0, 0, last)) for last in range(16, 32))
STRANGE_MACS = tuple(bytes((2, 0, 0, 0, 1, last)) for last in range(16, 32))
FAR = address("192.0.2.7")
NOWHERE = tuple(
    map(address, ("224.0.0.1", "127.0.0.1", "0.0.0.0", "255.255.255.255", "10.0.0.255", "10.0.0.1", "240.1.1.1"))
)
GROUPS = tuple(map(address, ("224.0.0.1", "255.255.255.255", "10.0.0.255", "224.1.2.3")))
GROUP_MACS = (ethernet.BROADCAST, bytes.fromhex("01005e000001"), bytes.fromhex("01005e010203"))
OPEN, UNACCEPTED, ECHO = 80, 81, 7  # ports


class Scene:
    """The three of them. To a `Caller` it is what a `Rig` is."""

    def __init__(self, seed: int, limits: Limits = TIGHT, wire: Wire | None = None) -> None:
        self.runtime = VirtualRuntime(seed=seed, strict=True)
        self.wire = Wire() if wire is None else wire
        cookies = TcpConfig(syn_cookies="always")
        self.stack = Stack("victim", runtime=self.runtime, limits=limits, tcp=cookies)
        self.honest = Stack("honest", runtime=self.runtime)
        self.netifs = [
            Netif(self.wire.victim, stack=self.stack, ip="10.0.0.1/24", gateway="10.0.0.254", mac=OUR_MAC),
            Netif(self.wire.honest, stack=self.honest, ip="10.0.0.2/24", mac=HONEST_MAC),
        ]
        interface = self.netifs[0].interface
        assert interface is not None
        interface.join(GROUPS[-1], STRANGERS[:8])  # the others are not wanted
        self.exchanges = 0
        self.resting = self.closing = False
        self.runtime.spawn(self._serve)
        self.client = self.runtime.spawn(self._ask)
        self._occupy()
        self.runtime.run_for(1.0)

    # the honest two

    def _serve(self) -> None:
        with self.stack.create_server(("", ECHO)) as listener:
            connection, _ = listener.accept()
            with connection, suppress(BrokenPipeError):  # at the end the other half goes first
                while data := connection.recv(65536):
                    connection.sendall(data)

    def _ask(self) -> None:
        dice = random.Random("honest")
        with self.honest.create_connection(("10.0.0.1", ECHO)) as connection:
            while True:
                said = dice.randbytes(dice.randrange(1, 5000))
                connection.sendall(said)
                heard = b""
                while len(heard) < len(said):
                    part = connection.recv(65536)
                    if not part and self.closing:
                        return
                    assert part, "the honest connection was ended"
                    heard += part
                assert heard == said
                self.exchanges += 1
                while self.resting:
                    self.runtime.sleep(10.0)
                self.runtime.sleep(0.3)

    def still_serves(self, exchanges: int = 3) -> None:
        self.resting = False
        wanted = self.exchanges + exchanges
        self.runtime.run_until(lambda: self.exchanges >= wanted, timeout=300.0)

    def still_answers(self) -> None:
        """A ping by somebody it has not met, and may have to ask for."""
        newcomer = address("10.0.0.99")
        self.gets(asks(newcomer, US, OTHER_MAC))
        self.frames()
        self.gets(echo(b"still there?", src=newcomer, mac=OTHER_MAC), answers(newcomer, US, OTHER_MAC))
        replies = [frame for frame in self.frames() if frame[:6] == OTHER_MAC and frame[23] == ip.ICMP]
        assert [frame[34] for frame in replies] == [icmp.ECHO_REPLY]
        assert replies[0].endswith(b"still there?")

    # the victim's other sockets

    def _occupy(self) -> None:
        self.runtime.enter()
        stack = self.stack
        self.unread = UdpEndpoint(stack)
        self.unread.bind(bytes(4), 53)
        bound = UdpEndpoint(stack)
        bound.bind(US, 54)
        self.connected = UdpEndpoint(stack)
        self.connected.bind(bytes(4), 55)
        self.connected.connect(STRANGERS[0], 5000)
        self.pinger = EchoEndpoint(stack)
        self.pinger.bind(ident=5)
        small = TcpConfig(receive_buffer=48 << 10, send_buffer=64 << 10, syn_cookies="never")
        self.listener = stack.tcp.listen((None, OPEN), 16, small)
        self.deaf = stack.tcp.listen((None, UNACCEPTED), 1, TcpConfig(timestamps=False, syn_cookies="never"))
        self.sockets = [self.unread, bound, self.connected]
        self.runtime.leave()

    # what a Caller needs

    def gets(self, *frames: bytes, offload: Offload | None = None) -> None:
        self.runtime.enter()
        for frame in frames:
            self.wire.victim.takes(frame, offload)
        self.runtime.leave()

    def flush(self) -> None:
        self.runtime.enter()
        self.runtime.touch(self.stack)
        self.runtime.leave()

    def frames(self) -> list[bytes]:
        overheard = [*self.wire.overheard]
        self.wire.overheard.clear()
        return [
            finish((frame,), offload) if offload is not None and offload.checksum == PARTIAL else frame
            for frame, offload in overheard
        ]

    def close(self) -> None:
        self.closing = True
        for netif in self.netifs:
            netif.close()
        self.runtime.close()
