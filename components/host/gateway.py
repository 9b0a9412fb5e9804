"""Is the gateway there? Asked by ARP (RFC 826), which a gateway answers also where it drops pings."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

import attrs

from components.host.addresses import MAIN, AddressFields, RouteFields
from netif.wire import Malformed, arp, ethernet
from netif.wire.ip import parse_address

INTERVAL = 0.5  # seconds between two questions


@attrs.frozen
class Gateway:
    address: str
    asker: str  # this host's address on that link

    def answers(self, device: str, seconds: float) -> bool:
        """Within so many seconds, through `device` of the namespace this thread is in."""
        question, reply = parse_address(self.address), arp.REPLY
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethernet.ARP)) as link:
            link.bind((device, ethernet.ARP))
            mac: bytes = link.getsockname()[4]
            asked = arp.emit(arp.REQUEST, mac, parse_address(self.asker), bytes(6), question)
            frame = ethernet.emit(ethernet.BROADCAST, mac, ethernet.ARP) + asked
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                try:
                    link.send(frame)
                except OSError:  # not up yet
                    time.sleep(min(INTERVAL, left))
                    continue
                if heard(link, min(INTERVAL, left), lambda one: one.operation == reply and one.spa == question):
                    return True
        return False


def heard(link: socket.socket, seconds: float, wanted: Callable[[arp.Arp], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([link], [], [], left)[0]:
            return False
        try:
            if wanted(arp.parse(link.recv(2048), ethernet.HEADER_LENGTH)):
                return True
        except Malformed:
            pass
    return False


def gateway_of(routes: list[RouteFields], addresses: list[AddressFields]) -> Gateway | None:
    """The preferred IPv4 default route's."""
    defaults = [one for one in routes if one.to == "0.0.0.0/0" and one.gateway and one.table == MAIN]
    own = [one.address.partition("/")[0] for one in addresses if ":" not in one.address]
    if not defaults or not own or ":" in min(defaults, key=lambda one: one.metric).gateway:
        return None
    route = min(defaults, key=lambda one: one.metric)
    return Gateway(route.gateway, route.source or own[0])
