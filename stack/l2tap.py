"""Raw Ethernet for an application: whole frames of one ethertype by one interface, as ESP-IDF's L2TAP has it.

What is taken is what nobody else here speaks: neither IPv4 nor ARP. One endpoint has an ethertype of an interface, and
its frames go nowhere else; `LENGTHS` stands for all frames with a length in the place of the ethertype (802.3 with an
802.2 header). It goes by the interface's name, so that it outlives a stop. IEEE 802.3 3.2.6; esp_vfs_l2tap.
"""

from __future__ import annotations

from errno import EADDRINUSE, EADDRNOTAVAIL, EBADMSG, EMSGSIZE, ENETDOWN
from typing import TYPE_CHECKING

from netif.link import Buffer, Medium, Offload
from netif.wire import ethernet
from netif.wire.segment import cut
from stack.failure import failure
from stack.mailbox import Mailbox

if TYPE_CHECKING:
    from stack.ethernet import EthernetInterface
    from stack.interface import Interface

LENGTHS = 0
LONGEST, FIRST = 1500, 0x600  # the largest length, and the least ethertype


class L2Tap(Mailbox[tuple[bytes]]):
    """Registered from its making until `close`. ValueError: no such ethertype to be had; OSError(EADDRINUSE)."""

    __slots__ = ("any_source", "ethertype", "groups_taken", "name")
    queue_full = "l2tap_queue_full"
    remote = b""

    def __init__(self, interface: Interface, ethertype: int, *, any_source: bool = False) -> None:
        stack = interface.stack
        check_ethertype(ethertype)
        if getattr(interface, "medium", None) is not Medium.ETHERNET:
            raise ValueError(f"{interface.name} is no Ethernet: it has no frames with an ethertype")
        if (interface.name, ethertype) in stack.l2taps:
            raise failure(EADDRINUSE, f"ethertype {ethertype:#06x} of {interface.name} is taken: close who has it")
        super().__init__(stack)
        self.name = interface.name
        self.ethertype = ethertype
        self.any_source = any_source  # may send under a MAC that is not ours
        self.groups_taken: dict[bytes, None] = {}
        stack.l2taps[self.name, ethertype] = self
        stack.overhear(self, True)

    def __repr__(self) -> str:
        return f"<L2Tap {self.ethertype:#06x} of {self.name}>"

    def _link(self) -> EthernetInterface:
        """OSError(ENETDOWN): it is down, or stopped."""
        for link in self.stack.interfaces:
            if link.name == self.name and link.is_up:
                return link  # type: ignore[return-value]
        raise failure(ENETDOWN, f"{self.name} is down")

    def join(self, mac: bytes) -> None:
        """Take frames to this group too. ValueError, OSError(ENETDOWN)."""
        self._check()
        if len(mac) != 6 or not mac[0] & 1:
            raise ValueError(f"{mac.hex(':')} is no group's MAC address: the last bit of its first byte is 0")
        if mac not in self.groups_taken:
            self._link().take_group(mac)
            self.groups_taken[mac] = None

    def send(self, frame: Buffer) -> int | None:
        """A whole frame: destination, source, ethertype or length, payload; None: would block. OSError: EBADMSG for
        another ethertype, EADDRNOTAVAIL for a source that is not ours, EMSGSIZE, ENETDOWN."""
        self._check()
        link = self._link()
        frame = bytes(frame)
        if len(frame) < ethernet.HEADER_LENGTH or kind_of(frame[12] << 8 | frame[13]) != self.ethertype:
            raise failure(EBADMSG, f"a frame of {self.name} begins with 14 bytes that end in {self.ethertype:#06x}")
        if len(frame) > link.mtu + ethernet.HEADER_LENGTH:
            raise failure(EMSGSIZE)
        if frame[6:12] != link.mac and not self.any_source:
            raise failure(EADDRNOTAVAIL, f"the source of a frame of {self.name} is {ethernet.format_mac(link.mac)}")
        if link.blocked:
            link.waiting[self] = None
            return None
        link.transmit((frame,), None)
        return len(frame)

    def receive(self) -> bytes | None:
        """The oldest frame, with its header; None: would block. OSError: a pending error."""
        item = self.take()
        return None if item is None else item[0]

    def arrived(self, frame: Buffer, offload: Offload | None) -> None:
        """From the interface: whole and finished, as on a cable. Malformed."""
        for piece in (frame,) if offload is None else cut((frame,), offload):
            self.keep((bytes(piece),))

    def writable(self) -> bool:
        blocked = any(link.blocked for link in self.stack.interfaces if link.name == self.name)
        return not blocked or self.error is not None or self.closed

    def _leave(self) -> None:
        del self.stack.l2taps[self.name, self.ethertype]
        self.stack.overhear(self, False)
        for link in self.stack.links.values():
            if link.name == self.name:
                for mac in self.groups_taken:
                    link.leave_group(mac)  # type: ignore[attr-defined]


def kind_of(field: int) -> int:
    """What an endpoint is registered under, of a frame with this in the place of the ethertype."""
    return LENGTHS if field <= LONGEST else field


def check_ethertype(ethertype: int) -> None:
    if (
        isinstance(ethertype, bool)
        or not isinstance(ethertype, int)
        or not (ethertype == LENGTHS or FIRST <= ethertype <= 0xFFFF)
    ):
        raise ValueError(f"{ethertype!r} is no ethertype: give one from 0x600 to 0xffff, or 0 for frames with a length")
    if ethertype in (ethernet.IP, ethernet.ARP):
        raise ValueError(f"ethertype {ethertype:#06x} is the stack's own: for packets there are raw sockets")
