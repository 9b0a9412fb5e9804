"""One host on a scripted wire: a test gives it frames and time, and reads what it sends in the one notation."""

from __future__ import annotations

import random
from typing import Any

from netif.account import Account
from netif.link import Buffer, LinkCaps, Offload, Waiter
from netif.wire import arp, ethernet, icmp, ip, udp
from netif.wire.notation import format_frame
from stack.ethernet import EthernetInterface
from stack.ip_config import IpConfig
from stack.limits import Limits
from stack.stack import Stack

OUR_MAC = bytes.fromhex("020000000001")
PEER_MAC = bytes.fromhex("020000000002")
OTHER_MAC = bytes.fromhex("020000000009")
MASK = b"\xff\xff\xff\0"


def address(text: str) -> bytes:
    return ip.parse_address(text)


US, PEER, GATEWAY = address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.254")


class ScriptedWaiter:
    def __init__(self) -> None:
        self.woken = False

    def wake(self) -> None:
        self.woken = True


class ScriptedRuntime:
    """Time moves when the test says so, and nothing happens by itself."""

    strict = True
    shared = False

    def __init__(self) -> None:
        self.time = 1000.0
        self.memory = Account()
        self.touched: dict[Any, None] = {}
        self.stacks: list[Any] = []
        self.depth = 0

    def now(self) -> float:
        return self.time

    def add_stack(self, stack: Any) -> None:
        self.stacks.append(stack)

    def remove_stack(self, stack: Any) -> None:
        self.stacks.remove(stack)

    def touch(self, stack: Any) -> None:
        self.touched[stack] = None

    def dice(self, name: str) -> random.Random:
        return random.Random(name)

    def enter(self) -> None:
        self.depth += 1

    def leave(self) -> None:
        self.depth -= 1

    def waiter(self, operation: str, endpoint: object) -> Waiter:
        return ScriptedWaiter()

    def wait_closing(self, waiter: Waiter, deadline: float) -> bool:
        return waiter.woken


class ScriptedNetif:
    """A netif whose driver keeps what it is given, as long as it has `room`."""

    def __init__(self, if_key: str = "eth0", mac: bytes = OUR_MAC) -> None:
        self.if_key = if_key
        self.mac = mac
        self.mtu = 1500
        self.route_prio = 0
        self.driver: Any = None
        self.room: int | None = None  # frames; None: endless
        self.sent: list[tuple[tuple[Buffer, ...], Offload | None]] = []
        self.gave_way = False
        self.filtered: list[tuple[bytes, bool]] = []

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self.room is not None:
            if not self.room:
                return False
            self.room -= 1
        self.sent.append((buffers, offload))
        return True

    def receive(self, frame: Buffer, offload: Offload | None) -> None:
        raise NotImplementedError

    def writable(self) -> None:
        raise NotImplementedError

    def failed(self, error: OSError) -> None:
        raise error

    def mac_filter(self, mac: bytes, add: bool) -> None:
        self.filtered.append((mac, add))

    def hears_all(self, everything: bool) -> None:
        pass

    def hears(self, what: object, key: object, add: bool) -> None:
        pass

    def yielded(self) -> None:
        self.gave_way = True


class Rig:
    """10.0.0.1/24 with 10.0.0.254 as its gateway; `peer` is 10.0.0.2 unless a test says otherwise."""

    def __init__(
        self, *, limits: Limits | None = None, addressed: bool = True, ip: IpConfig | None = None, **caps: Any
    ) -> None:
        self.runtime = ScriptedRuntime()
        self.stack = Stack("us", runtime=self.runtime, limits=limits, ip=ip)  # type: ignore[arg-type]
        self.netif, self.interface = self.link("eth0", OUR_MAC, **caps)
        if addressed:
            self.interface.set_addresses(US, MASK, GATEWAY)
            self.stack.set_default(self.interface, ())
        self.netif.sent.clear()

    def link(self, if_key: str, mac: bytes, **caps: Any) -> tuple[ScriptedNetif, EthernetInterface]:
        netif = ScriptedNetif(if_key, mac)
        interface: Any = self.stack.attach(netif, caps.get("medium"))
        interface.link_up(LinkCaps(mac=mac, **caps))
        return netif, interface

    def gets(self, *frames: Buffer, offload: Offload | None = None, by: EthernetInterface | None = None) -> None:
        """These frames arrive in one batch; then the stack is flushed."""
        self.stack.advance(self.runtime.time)
        for frame in frames:
            self.stack.receive(by or self.interface, frame, offload)
        self.flush()

    def flush(self) -> None:
        self.runtime.touched.clear()
        self.stack.flush(self.runtime.time)

    def after(self, seconds: float) -> None:
        """Time passes, deadline by deadline."""
        end = self.runtime.time + seconds
        while (deadline := self.stack.next_deadline()) is not None and deadline <= end:
            self.runtime.time = max(self.runtime.time, deadline)
            self.stack.advance(self.runtime.time)
            self.flush()
        self.runtime.time = end
        self.stack.advance(end)
        self.flush()

    def frames(self) -> list[bytes]:
        """What was sent since the last look, in one piece each."""
        sent, self.netif.sent = self.netif.sent, []
        return [b"".join(buffers) for buffers, _ in sent]

    def sends(self, *lines: str) -> None:
        """Exactly this was sent since the last look."""
        assert [format_frame(frame) for frame in self.frames()] == list(lines)

    def drops(self, **reasons: int) -> None:
        """Exactly this was dropped, ever."""
        assert self.stack.stats.drops() == reasons

    def knows_peer(self, mac: bytes = PEER_MAC, who: bytes = PEER) -> None:
        """The peer asks for us: from now on we know each other."""
        self.gets(asks(who, US, mac))
        self.netif.sent.clear()


def asks(sender: bytes, target: bytes, mac: bytes = PEER_MAC) -> bytes:
    """An ARP request."""
    message = arp.emit(arp.REQUEST, mac, sender, bytes(6), target)
    return ethernet.emit(ethernet.BROADCAST, mac, ethernet.ARP) + message


def answers(sender: bytes, target: bytes, mac: bytes = PEER_MAC, to: bytes = OUR_MAC) -> bytes:
    """An ARP reply."""
    return ethernet.emit(to, mac, ethernet.ARP) + arp.emit(arp.REPLY, mac, sender, to, target)


def packet(
    payload: bytes,
    protocol: int,
    *,
    src: bytes = PEER,
    dst: bytes = US,
    to: bytes = OUR_MAC,
    mac: bytes = PEER_MAC,
    fragment: int = ip.DF,
    ttl: int = 64,
) -> bytes:
    """An IP packet in an Ethernet frame."""
    header = ip.emit(src, dst, protocol, len(payload), ident=1, fragment=fragment, ttl=ttl)
    return ethernet.emit(to, mac, ethernet.IP) + header + payload


def datagram(
    payload: bytes, sport: int = 5000, dport: int = 7, *, src: bytes = PEER, dst: bytes = US, **where: Any
) -> bytes:
    return packet(udp.emit(src, dst, sport, dport, payload) + payload, ip.UDP, src=src, dst=dst, **where)


def echo(payload: bytes = b"ping", *, ident: int = 5, sequence: int = 1, kind: int = icmp.ECHO, **where: Any) -> bytes:
    return packet(icmp.emit(kind, 0, ident << 16 | sequence, payload), ip.ICMP, **where)


def icmp_error(kind: int, code: int, about: bytes, *, rest: int = 0, **where: Any) -> bytes:
    """An ICMP error about a frame that we sent."""
    return packet(icmp.emit(kind, code, rest, about[14 : 14 + 28]), ip.ICMP, **where)
