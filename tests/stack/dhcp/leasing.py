"""A DHCP client on a scripted wire: a test reads what it says, and answers as a server would."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from typing import Any

from netif.dhcp import DhcpcConfig, Lease
from netif.wire import arp, dhcp, ethernet, ip, udp
from netif.wire import dhcp_options as option
from netif.wire.dhcp import BOOTREPLY, CLIENT_PORT, SERVER_PORT, Message, MessageType
from tests.stack.rig import OUR_MAC, Rig, address, answers

SERVER, SERVER_MAC = address("10.0.0.254"), bytes.fromhex("0200000000fe")
ROGUE = address("10.0.0.66")
OFFERED = address("10.0.0.5")
MASK = b"\xff\xff\xff\0"
LEASE_TIME = 3600


class Holder:
    """As a netif: it sets the address that it is told of, and remembers what it was told."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.leases: list[Lease] = []
        self.lost: list[str] = []
        self.states: list[str] = []

    def leased(self, lease: Lease) -> None:
        self.leases.append(lease)
        self.rig.interface.set_addresses(*lease.ip_info.packed())

    def lease_lost(self, reason: str, *, taken: bool = False) -> None:
        self.lost.append(reason)
        assert taken is ("uses it" in reason)
        self.rig.interface.set_addresses(bytes(4), bytes(4), bytes(4))

    def dhcp_state(self, old: str, new: str) -> None:
        assert not self.states or self.states[-1] == old
        self.states.append(new)

    @property
    def ip(self) -> str | None:
        return ip.format_address(self.rig.interface.address) if self.rig.interface.address else None


def options_of(
    lease_time: int | None = LEASE_TIME, server: bytes | None = SERVER, mask: bytes | None = MASK, **numbered: bytes
) -> dict[int, bytes]:
    """`o3=...` is option 3."""
    made = {int(name[1:]): value for name, value in numbered.items()}
    if server is not None:
        made[option.SERVER_ID] = server
    if lease_time is not None:
        made[option.LEASE_TIME] = lease_time.to_bytes(4, "big")
    if mask is not None:
        made[option.SUBNET_MASK] = mask
    return made


class Leasing(Rig):
    def __init__(self, config: DhcpcConfig | None = None, **rig: Any) -> None:
        super().__init__(addressed=False, **rig)
        self.holder = Holder(self)
        self.client = self.stack.dhcp_client(self.interface, config or DhcpcConfig(conflict_check="none"), self.holder)
        self.others: list[bytes] = []  # frames that are no DHCP

    def start(self, previous: Lease | None = None) -> Leasing:
        self.client.start(previous)
        self.after(0)
        return self

    def after(self, seconds: float) -> None:
        """Whoever asks where the server is gets an answer."""
        end = self.now + seconds
        while (deadline := self.stack.next_deadline()) is not None and deadline <= end:
            super().after(max(0.0, deadline - self.now))
            for buffers, _ in list(self.netif.sent):
                frame = b"".join(buffers)
                if frame[12:14] == b"\x08\6" and arp.parse(frame, 14).tpa == SERVER:
                    self.netif.sent.remove((buffers, None))
                    self.gets(answers(SERVER, arp.parse(frame, 14).spa, SERVER_MAC))
        super().after(end - self.now)

    def said(self) -> list[tuple[bytes, Message]]:
        """The frames with DHCP messages since the last look, and the messages."""
        found = []
        for frame in self.frames():
            is_ip = frame[12:14] == b"\x08\0" and frame[23] == ip.UDP
            if is_ip and frame[34:38] == udp.HEADER.pack(CLIENT_PORT, SERVER_PORT, 0, 0)[:4]:
                found.append((frame, dhcp.parse(frame, 42, len(frame))))
            else:
                self.others.append(frame)
        return found

    def says(self, *kinds: MessageType) -> Message:
        """Exactly these messages since the last look; the last of them."""
        found = [message for _, message in self.said()]
        assert [message.kind for message in found] == list(kinds)
        return found[-1]

    def silent(self) -> None:
        assert self.said() == []

    def hears(self, message: Message, *, to: bytes | None = None, mac: bytes = OUR_MAC, src: bytes = SERVER) -> None:
        """From the server; by unicast to the address that it gives."""
        self.gets(frame_of(message, message.yiaddr if to is None else to, mac, src))

    def answer(self, kind: MessageType, asked: Message, options: dict[int, bytes] | None = None, **fields: Any) -> None:
        self.hears(answer_to(kind, asked, options, **fields))

    def bind(self, **numbered: Any) -> Rig:
        """The four messages of RFC 2131 3.1."""
        self.answer(MessageType.OFFER, self.says(MessageType.DISCOVER), options_of(**numbered))
        self.answer(MessageType.ACK, self.says(MessageType.REQUEST), options_of(**numbered))
        self.others.clear()
        assert self.client.state == "BOUND"
        return self

    @property
    def now(self) -> float:
        return self.runtime.time


def answer_to(
    kind: MessageType,
    asked: Message,
    options: dict[int, bytes] | None = None,
    *,
    yiaddr: bytes = OFFERED,
    **fields: Any,
) -> Message:
    if kind is MessageType.NAK:
        yiaddr, options = bytes(4), {option.SERVER_ID: SERVER} if options is None else options
    fields = {"op": BOOTREPLY, "xid": asked.xid, "chaddr": asked.chaddr, "yiaddr": yiaddr, **fields}
    return Message(kind=kind, options=options_of() if options is None else options, **fields)


def frame_of(message: Message, dst: bytes, mac: bytes = OUR_MAC, src: bytes = SERVER) -> bytes:
    data = dhcp.emit(message)
    data = udp.emit(src, dst, SERVER_PORT, CLIENT_PORT, data) + data
    dst_mac = ethernet.BROADCAST if dst == ip.BROADCAST else mac
    return ethernet.emit(dst_mac, SERVER_MAC, ethernet.IP) + ip.emit(src, dst, ip.UDP, len(data), ident=0) + data


class LossyServer:
    """Answers whatever a client says, as long as `answers`; either way a share of the frames is lost."""

    def __init__(self, wire: Leasing, loss: float, seed: int) -> None:
        self.wire = wire
        self.dice = random.Random(seed)
        self.loss = loss
        self.answers = True
        self.heard: list[tuple[float, MessageType]] = []

    def run(self, seconds: float) -> None:
        wire = self.wire
        end = wire.now + seconds
        while wire.now < end:
            deadline = wire.stack.next_deadline()
            wire.after(max(0.0, min(end, end if deadline is None else deadline) - wire.now))
            self.serve()

    def serve(self) -> None:
        while said := self.wire.said():
            for frame, message in said:
                self.heard.append((self.wire.now, message.kind))
                if self.dice.random() >= self.loss and self.answers:
                    self.answer(frame, message)

    def answer(self, frame: bytes, message: Message) -> None:
        kind = {MessageType.DISCOVER: MessageType.OFFER, MessageType.REQUEST: MessageType.ACK}.get(message.kind)
        if kind is not None and self.dice.random() >= self.loss:
            self.wire.answer(kind, message, options_of(lease_time=120))


def previous(wire: Leasing, last: str = "10.0.0.5", lease_time: float = LEASE_TIME) -> Lease:
    from netif.config import IpInfo

    return Lease(
        ip_info=IpInfo(f"{last}/24"),
        server=IPv4Address(SERVER),
        obtained=wire.now,
        lease_time=lease_time,
        renewal_time=lease_time / 2,
        rebinding_time=lease_time * 7 / 8,
    )
