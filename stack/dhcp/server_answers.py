"""An answer of a DHCP server: what it repeats of the message, how long it may be, and where it goes.

RFC 2131 4.1 (to whom), 4.3.1 table 3 (which fields), 4.3.2 (a refusal); RFC 1542 4.1 (broadcast or not).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netif.wire import dhcp_options as option
from netif.wire import udp
from netif.wire.dhcp import BOOTREPLY, CLIENT_PORT, LARGEST, LEAST_ACCEPTED, SERVER_PORT, Message, MessageType, emit
from netif.wire.ip import ANY, BROADCAST, UDP
from stack.routing import Neighbour, Route

if TYPE_CHECKING:
    from stack.ethernet import EthernetInterface


class Answer(NamedTuple):
    data: bytes
    address: bytes
    port: int
    mac: bytes | None  # of a client that does not answer ARP yet


def reply(message: Message, options: dict[int, bytes], own: bytes, mtu: int, yiaddr: bytes = ANY) -> Answer:
    """An offer or an acknowledgment; without `yiaddr` to a client that has an address (DHCPINFORM)."""
    kind = MessageType.OFFER if message.kind is MessageType.DISCOVER else MessageType.ACK
    made = Message(
        op=BOOTREPLY,
        kind=kind,
        xid=message.xid,
        chaddr=message.chaddr,
        broadcast=message.broadcast,
        ciaddr=message.ciaddr,
        yiaddr=yiaddr,
        siaddr=own,
        giaddr=message.giaddr,
        options=options,
    )
    data = emit(made, limit=_limit(message, mtu))
    if message.giaddr != ANY and message.kind is not MessageType.INFORM:
        return Answer(data, message.giaddr, SERVER_PORT, None)
    if message.ciaddr != ANY:
        return Answer(data, message.ciaddr, CLIENT_PORT, None)
    if message.broadcast:
        return Answer(data, BROADCAST, CLIENT_PORT, None)
    return Answer(data, yiaddr, CLIENT_PORT, message.chaddr)


def refusal(message: Message, options: dict[int, bytes], mtu: int) -> Answer:
    """To everybody on the link, for nobody knows which address the client answers to; a relay agent is told so."""
    relayed = message.giaddr != ANY
    made = Message(
        op=BOOTREPLY,
        kind=MessageType.NAK,
        xid=message.xid,
        chaddr=message.chaddr,
        broadcast=message.broadcast or relayed,
        giaddr=message.giaddr,
        options=options,
    )
    data = emit(made, limit=_limit(message, mtu))
    return Answer(data, message.giaddr, SERVER_PORT, None) if relayed else Answer(data, BROADCAST, CLIENT_PORT, None)


def send(answer: Answer, interface: EthernetInterface, own: bytes) -> None:
    """OSError: there is no way to a relay agent or a client behind one."""
    data, address, port, mac = answer
    ip = interface.stack.ip
    if mac is None:
        route = ip.route(address, own, interface)
    else:
        route = Route(address, own, interface, interface, address)
        route.neighbour = Neighbour(interface.arp.header(mac))
    data = udp.emit(own, address, SERVER_PORT, port, data) + data
    ip.send(route, UDP, data, (), len(data), df=False)


def _limit(message: Message, mtu: int) -> int:
    """Bytes of a message that the client takes (57 counts an IP datagram) and the link too."""
    asked = message.options.get(option.MAX_SIZE)
    datagram = min(option.parse_u16(asked), mtu) if asked is not None else 0
    return min(max(datagram - 28, LEAST_ACCEPTED), LARGEST)
