"""A DHCP server at 10.0.0.1/24 on a scripted wire, and what its clients say and hear."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Any, NamedTuple

import attrs

from netif.dhcp import DhcpsConfig, GivenLease
from netif.wire import dhcp_options as option
from netif.wire import ethernet, ip, udp
from netif.wire.dhcp import BOOTREPLY, BOOTREQUEST, Message, MessageType, emit, parse
from stack.limits import Limits
from tests.stack.rig import OUR_MAC, US, Rig, address

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = MessageType
EVERYBODY = b"\xff\xff\xff\xff"
NOBODY = bytes(4)


def mac_of(n: int) -> bytes:
    return b"\x02\0\0\1" + n.to_bytes(2, "big")


class Heard(NamedTuple):
    """One answer: the frame's and the packet's destination, its port, and the message."""

    to_mac: bytes
    to: bytes
    port: int
    message: Message

    @property
    def kind(self) -> MessageType:
        return self.message.kind

    @property
    def address(self) -> str:
        return ip.format_address(self.message.yiaddr)

    def __getitem__(self, code: Any) -> Any:
        return self.message.options[code]

    def said(self, code: int) -> bytes | None:
        return self.message.options.get(code)


class Store:
    """Keeps leases in memory; `broken` fails as a full disk does."""

    def __init__(self) -> None:
        self.leases: list[GivenLease] = []
        self.saves = 0
        self.broken = False
        self.watch: Callable[[], None] | None = None  # called at each save

    def load(self, now: float) -> list[GivenLease]:
        if self.broken:
            raise OSError(5, "Input/output error")
        return [attrs.evolve(lease, expires=lease.expires + now) for lease in self.leases]

    def save(self, leases: Iterable[GivenLease], now: float) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        self.saves += 1
        if self.watch is not None:
            self.watch()
        self.leases = [attrs.evolve(lease, expires=lease.expires - now) for lease in leases]


class Serving(Rig):
    """`configured` is a DhcpsConfig's; no conflict probe unless it says so."""

    def __init__(self, *, limits: Limits | None = None, begin: bool = True, **configured: Any) -> None:
        super().__init__(limits=limits)
        self.given: list[tuple[bytes, str, str]] = []
        self.longest = 0  # bytes of a packet among those heard last
        self.configure(**configured)
        if begin:
            self.server.start()

    def configure(self, **configured: Any) -> None:
        config = DhcpsConfig(**{"conflict_probe": 0, **configured})
        self.server = self.stack.dhcp_server(self.interface, config, self)

    def restart(self, **configured: Any) -> None:
        self.server.stop()
        self.configure(**configured)
        self.server.start()

    def assigned(self, mac: bytes, ip: IPv4Address, hostname: str) -> None:
        self.given.append((mac, str(ip), hostname))

    def says(
        self,
        kind: MessageType,
        n: int = 1,
        *,
        src: bytes = NOBODY,
        dst: bytes = EVERYBODY,
        sport: int = 68,
        mac: bytes | None = None,
        options: dict[int, bytes] | None = None,
        **fields: Any,
    ) -> list[Heard]:
        """Client number `n` sends this; the answers."""
        chaddr = mac or mac_of(n)
        message = Message(op=BOOTREQUEST, kind=kind, xid=0x1000 + n, chaddr=chaddr, options=options or {}, **fields)
        self.gets(carried(emit(message), chaddr, src, dst, sport))
        return self.hears()

    def asks(self, n: int = 1, *, options: dict[int, bytes] | None = None) -> None:
        """DISCOVER, and nobody looks yet at what comes of it."""
        message = Message(op=BOOTREQUEST, kind=DISCOVER, xid=0x1000 + n, chaddr=mac_of(n), options=options or {})
        self.gets(carried(emit(message), mac_of(n), NOBODY, EVERYBODY))

    def hears(self) -> list[Heard]:
        frames = self.frames()
        self.longest = max((len(frame) - 14 for frame in frames), default=0)
        return [heard for frame in frames if (heard := read(frame)) is not None]

    # what a client does

    def discovers(self, n: int = 1, **options: Any) -> Heard:
        (heard,) = self.says(DISCOVER, n, **options)
        return heard

    def selecting(self, n: int, wanted: str) -> bytes:
        """The frame."""
        asked = {option.SERVER_ID: US, option.REQUESTED_IP: address(wanted)}
        message = Message(op=BOOTREQUEST, kind=REQUEST, xid=0x1000 + n, chaddr=mac_of(n), options=asked)
        return carried(emit(message), mac_of(n), NOBODY, EVERYBODY)

    def selects(self, n: int, wanted: str, *, options: dict[int, bytes] | None = None, **fields: Any) -> list[Heard]:
        asked = {option.SERVER_ID: US, option.REQUESTED_IP: address(wanted), **(options or {})}
        return self.says(REQUEST, n, options=asked, **fields)

    def reboots(self, n: int, wanted: str, **fields: Any) -> list[Heard]:
        return self.says(REQUEST, n, options={option.REQUESTED_IP: address(wanted)}, **fields)

    def renews(self, n: int, held: str, **fields: Any) -> list[Heard]:
        return self.says(REQUEST, n, src=address(held), dst=US, ciaddr=address(held), **fields)

    def rebinds(self, n: int, held: str, **fields: Any) -> list[Heard]:
        return self.says(REQUEST, n, src=address(held), ciaddr=address(held), **fields)

    def leases(self, n: int = 1, **options: Any) -> str:
        """DISCOVER to ACK; the address."""
        wanted = self.discovers(n, **options).address
        (heard,) = self.selects(n, wanted, **options)
        assert heard.kind is ACK
        assert heard.address == wanted
        return wanted


def carried(message: bytes, mac: bytes, src: bytes, dst: bytes, sport: int = 68) -> bytes:
    """In UDP, IP and Ethernet: to everybody, or to the server."""
    to = ethernet.BROADCAST if dst == EVERYBODY else OUR_MAC
    body = udp.emit(src, dst, sport, 67, message) + message
    return ethernet.emit(to, mac, ethernet.IP) + ip.emit(src, dst, ip.UDP, len(body), ident=1) + body


def read(frame: bytes) -> Heard | None:
    """None: no DHCP."""
    to_mac, _, ethertype = ethernet.parse(frame)
    if ethertype != ethernet.IP:
        return None
    header_len, total_len, _, _, _, protocol, _, dst, _ = ip.parse(frame, 14)
    assert protocol == ip.UDP
    start = 14 + header_len
    sport, dport, length, _ = udp.parse(frame, start, 14 + total_len)
    message = parse(frame, start + 8, start + length)
    assert (sport, message.op) == (67, BOOTREPLY)
    return Heard(to_mac, dst, dport, message)
