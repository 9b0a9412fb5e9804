"""Who could use a frame that is for many: looked at once, here, and not by every host.

Like the filter of a network card, for all ports of a switch at once. A host says what it may take (`link.Hears`); of a
broadcast ARP that is by the sender's and the target's address, of UDP by the port; of other groups, and of unicast to
nobody known, by the MAC. IP of any other kind goes to everybody, as does everything to a port whose owner said nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from netif.link import Hears
from netif.wire import arp, ethernet, udp

if TYPE_CHECKING:
    from tapio.switch.port import SwitchPort

_TYPE = Struct("!H")
_ARP = Struct("!H6s4s6x4s")  # operation, and the addresses of the sender and the target, from byte 20 of the frame on
_IP_FRAGMENT, _IP_PROTOCOL = 14 + 6, 14 + 9
_NOT_WHOLE = 0x3FFF  # more fragments, or an offset
_STATION, _ADDRESS, _NEIGHBOUR, _PORT = Hears


Key = TypeVar("Key", bound=Hashable)
Ports: TypeAlias = "dict[SwitchPort, None]"
_NOBODY: dict[bytes, Ports] = {}


class Hearing:
    """`ports` are those that are open, in order; `all` those that want everything."""

    def __init__(self, ports: dict[SwitchPort, None]) -> None:
        self.ports = ports
        self.all: dict[SwitchPort, None] = {}
        self._by: dict[Hears, dict[Hashable, Ports]] = {what: {} for what in Hears}
        self._known: dict[bytes, dict[bytes, Ports]] = {}  # NEIGHBOUR's, by address and MAC

    def hear_all(self, port: SwitchPort, everything: bool) -> None:
        if everything:
            self.all[port] = None
        else:
            self.all.pop(port, None)

    def add(self, port: SwitchPort, what: Hears, key: bytes | int) -> None:
        if what is _NEIGHBOUR:
            assert isinstance(key, bytes)
            self._known.setdefault(key[:4], {}).setdefault(key[4:], {})[port] = None
        else:
            self._by[what].setdefault(key, {})[port] = None

    def remove(self, port: SwitchPort, what: Hears, key: bytes | int) -> None:
        if what is not _NEIGHBOUR:
            _remove(self._by[what], key, port)
            return
        assert isinstance(key, bytes)
        address = key[:4]
        macs = self._known.get(address)
        if macs is not None:
            _remove(macs, key[4:], port)
            if not macs:
                del self._known[address]

    def of(self, frame: bytes) -> Iterable[SwitchPort]:
        """The ports whose hosts could use a frame without a tag, in order."""
        if frame[:6] != ethernet.BROADCAST:
            return self._among(self._by[_STATION].get(frame[:6]))
        (ethertype,) = _TYPE.unpack_from(frame, 12)
        if ethertype == ethernet.ARP and len(frame) >= 14 + arp.LENGTH:
            return self._of_arp(*_ARP.unpack_from(frame, 20))
        if ethertype != ethernet.IP:
            return self.all
        dport = _udp_port(frame)
        return self.ports if dport is None else self._among(self._by[_PORT].get(dport))

    def _of_arp(self, operation: int, sha: bytes, spa: bytes, tpa: bytes) -> Iterable[SwitchPort]:
        addresses = self._by[_ADDRESS]
        knowing = self._known.get(spa, _NOBODY)
        news = [ports for mac, ports in knowing.items() if mac != sha or operation != arp.REQUEST]
        return self._among(addresses.get(spa), addresses.get(tpa), *news)

    def _among(self, *found: dict[SwitchPort, None] | None) -> Iterable[SwitchPort]:
        ports = self.all
        for some in found:
            if some:
                ports = {**ports, **some}
        return ports if ports is self.all else sorted(ports, key=_place)


def _remove(table: dict[Key, Ports], key: Key, port: SwitchPort) -> None:
    ports = table.get(key)
    if ports is not None:
        ports.pop(port, None)
        if not ports:
            del table[key]


def _place(port: SwitchPort) -> int:
    return port.place


def _udp_port(frame: bytes) -> int | None:
    """Where a whole UDP datagram goes; None: it is something else."""
    if len(frame) < 42 or frame[_IP_PROTOCOL] != udp.PROTOCOL:
        return None
    (fragment,) = _TYPE.unpack_from(frame, _IP_FRAGMENT)
    at = 14 + ((frame[14] & 15) << 2) + 2
    if fragment & _NOT_WHOLE or len(frame) < at + 2:
        return None
    dport: int = _TYPE.unpack_from(frame, at)[0]
    return dport
