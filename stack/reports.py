"""ICMP errors that arrive: what they are about, what they mean to whoever sent that, and whether they are believed.

Nothing is believed that does not quote what we have sent (RFC 5927 4): the layer that sent it is asked. Errnos are the
kernel's. RFC 1122 3.2.2 (source quench is ignored: RFC 6633), 3.2.2.2 (redirects), RFC 1191 (too big).
"""

from __future__ import annotations

import errno
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from netif.link import Buffer
from netif.wire import icmp
from netif.wire import ip as wire_ip
from stack.failure import failure

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack

_PORTS_AND_SEQ = Struct("!HHI")  # the first 8 bytes of TCP; of UDP the two ports; of an echo the last two words
_FATAL, _SOFT = True, False
_UNREACHABLE = {  # by code: the errno, and whether it is sure to last (RFC 1122 4.2.3.9, 3.2.2.1)
    0: (errno.ENETUNREACH, _SOFT),
    1: (errno.EHOSTUNREACH, _SOFT),
    2: (errno.ENOPROTOOPT, _FATAL),
    3: (errno.ECONNREFUSED, _FATAL),
    4: (errno.EMSGSIZE, _SOFT),
    5: (errno.EOPNOTSUPP, _SOFT),
    6: (errno.ENETUNREACH, _SOFT),
    7: (getattr(errno, "EHOSTDOWN", errno.EHOSTUNREACH), _SOFT),
    8: (getattr(errno, "ENONET", errno.EHOSTUNREACH), _SOFT),  # some systems lack it
    9: (errno.ENETUNREACH, _SOFT),
    10: (errno.EHOSTUNREACH, _SOFT),
    11: (errno.ENETUNREACH, _SOFT),
    12: (errno.EHOSTUNREACH, _SOFT),
    13: (errno.EHOSTUNREACH, _SOFT),
    14: (errno.EHOSTUNREACH, _SOFT),
    15: (errno.EHOSTUNREACH, _SOFT),
}


def errno_of(kind: int, code: int) -> int:
    """The errno that stands for an ICMP error."""
    if kind == icmp.UNREACHABLE:
        return _UNREACHABLE.get(code, (errno.EHOSTUNREACH, _SOFT))[0]
    return errno.EPROTO if kind == icmp.PARAMETER_PROBLEM else errno.EHOSTUNREACH


class Report(NamedTuple):
    """One error, and the packet of ours that it quotes."""

    interface: Interface
    kind: int
    code: int
    rest: int  # the second word: the next hop's MTU, a gateway, a pointer
    reporter: bytes
    src: bytes
    dst: bytes
    protocol: int
    length: int  # total length
    first: int  # of what follows the header: two ports of TCP and UDP
    second: int
    third: int  # TCP's sequence number; an echo's ident and sequence

    @property
    def error(self) -> OSError:
        return failure(errno_of(self.kind, self.code))

    @property
    def is_fatal(self) -> bool:
        return self.kind == icmp.UNREACHABLE and _UNREACHABLE.get(self.code, (0, _SOFT))[1]

    @property
    def is_too_big(self) -> bool:
        return self.kind == icmp.UNREACHABLE and self.code == icmp.FRAGMENTATION_NEEDED

    @property
    def is_redirect(self) -> bool:
        return self.kind == icmp.REDIRECT


def read(
    interface: Interface, kind: int, code: int, rest: int, reporter: bytes, frame: Buffer, start: int, end: int
) -> Report:
    """The quoted datagram stands at frame[start:end]. Raises Malformed."""
    src, dst, protocol, offset = icmp.parse_quote(frame, start, end)
    length = int.from_bytes(frame[start + 2 : start + 4], "big")
    first, second, third = _PORTS_AND_SEQ.unpack_from(frame, offset)
    return Report(interface, kind, code, rest, reporter, src, dst, protocol, length, first, second, third)


def act_upon(stack: Stack, report: Report) -> None:
    """Tell whoever sent what it quotes; what concerns all senders is learned only if there is one."""
    ours = stack.ip.is_local(report.src)
    told = [ours and _sender_told(stack, report), ours and stack.raw.icmp_error(report)]
    if not any(told):
        report.interface.drop("icmp_quote_not_ours")
    elif report.is_redirect:
        stack.ip.redirects.heard(report)


def _sender_told(stack: Stack, report: Report) -> bool:
    if report.protocol == wire_ip.TCP:
        return stack.tcp.icmp_error(report)
    if report.protocol == wire_ip.UDP:
        return stack.udp.icmp_error(report)
    return report.protocol == wire_ip.ICMP and stack.icmp.quoted(report)


def path_narrowed(stack: Stack, report: Report) -> bool:
    """The sender vouches for the quote. True: the path is narrower than was known."""
    return stack.ip.paths.too_big(report.dst, report.rest & 0xFFFF, report.length, report.interface.mtu)
