"""Port 68 of one interface: how a DHCP client hears, with and without an address, and how it sends.

What is to everybody or to our address comes as to any UDP socket, what is to an address that is not ours yet by
`Interface.bootstrap`. Sending before there is an address takes the interface alone. RFC 2131 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import VALID, Buffer, Offload
from netif.wire import ethernet, udp
from netif.wire import ip as wire
from netif.wire.dhcp import CLIENT_PORT, SERVER_PORT, Message, emit, parse
from netif.wire.ip import ANY, BROADCAST, UDP
from stack.udp import Address, UdpEndpoint
from stack.udp_layer import open_datagram

if TYPE_CHECKING:
    from stack.dhcp.client import Client
    from stack.interface import Interface

_COMPLETE = Offload(VALID)


class Door(UdpEndpoint):
    """What arrives is dealt with at once."""

    __slots__ = ("client",)

    def __init__(self, client: Client) -> None:
        """OSError: EADDRINUSE."""
        super().__init__(client.stack)
        self.client = client
        self.interface = client.interface
        self.bind(ANY, CLIENT_PORT)
        client.interface.bootstrap = self.astray

    def astray(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        """To an address that is not ours: it may be the one that we are about to get."""
        sport, dport, end = open_datagram(src, dst, frame, start, end, offload)
        if dport == CLIENT_PORT:
            self.arrived(interface, frame, start, end, (src, sport), offload)
        else:
            interface.drop("ip_not_for_us")

    def arrived(
        self, interface: Interface, frame: Buffer, start: int, end: int, source: Address, offload: Offload | None
    ) -> None:
        start += udp.HEADER_LENGTH
        if end - start > self.stack.limits.dhcp_message:
            interface.drop("dhcpc_too_long")
            return
        self.client.heard(parse(frame, start, end), bytes(frame[6:12]))

    def send(self, message: Message, src: bytes = ANY, dst: bytes = BROADCAST, mac: bytes = ethernet.BROADCAST) -> None:
        """By the link alone: to everybody, or to whom we know the MAC of."""
        interface = self.client.interface
        data = emit(message)
        data = udp.emit(src, dst, CLIENT_PORT, SERVER_PORT, data) + data
        header = ethernet.emit(mac, interface.mac, ethernet.IP) + wire.emit(src, dst, UDP, len(data), ident=0)
        interface.transmit((header + data,), _COMPLETE)

    def send_routed(self, message: Message, dst: bytes) -> None:
        """As any other datagram; nowhere, if there is no way."""
        try:
            self.send_to(emit(message), (dst, SERVER_PORT))
        except OSError:
            self.stack.stats.count("dhcpc_no_route")

    def _leave(self) -> None:
        self.client.interface.bootstrap = None
        super()._leave()

    def abort(self, error: OSError) -> None:
        """The stack ends."""
        self.client.stop(release=False)
