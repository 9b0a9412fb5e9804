"""Options of level IPPROTO_IP that datagram, ping and raw sockets share, with Linux's numbers and meanings.

What an endpoint does not have (a ping socket's `wants_header`) raises ENOPROTOOPT there. `ancillary` makes recvmsg's
messages of a datagram's IP header.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable
from socket import IPPROTO_IP
from typing import TYPE_CHECKING, Any

from netif.link import Buffer
from netif.wire.ip_options import MAX_LENGTH, SOURCE_ROUTES, BadOptionError, padded, walk
from stack.path_mtu import PROBE
from stack.socket import group_options, options
from stack.socket.attempts import fail
from stack.socket.constants import IP_TOS, IP_TTL
from stack.socket.linux import IP_MTU, IP_MTU_DISCOVER, IP_OPTIONS, IP_PKTINFO, IP_RECVOPTS, IP_RECVTOS, IP_RECVTTL

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack

ICMP_FILTER, SOL_RAW = 1, 255
RECEIVED = {IP_PKTINFO: 1, IP_RECVTTL: 2, IP_RECVTOS: 4, IP_RECVOPTS: 8}  # bits of an endpoint's `wants`
_INTEGER = struct.Struct("@i")
_PKTINFO = struct.Struct("@i4s4s")  # the interface's index, our address, the destination of the header

Ancillary = list[tuple[int, int, bytes]]


def set_option(endpoint: Any, option: int, value: options.Value) -> None:
    """OSError: ENOPROTOOPT, EINVAL."""
    if option == IP_OPTIONS:
        _has(endpoint, "options")
        endpoint.options = _parse_options(value)
        return
    if option in group_options.OPTIONS:
        _has(endpoint, "groups")
        group_options.set_option(endpoint.multicast(), option, value)
        return
    number = options.as_number(value)
    if option == IP_TTL:
        endpoint.ttl = options.time_to_live(number)
    elif option == IP_TOS:
        _has(endpoint, "tos")
        endpoint.tos = number & 0xFF  # its ECN bits too: only TCP's are not the application's
    elif option == IP_MTU_DISCOVER:
        _has(endpoint, "discover")
        if not 0 <= number <= PROBE:
            raise options.invalid()
        endpoint.discover = number
    elif option in RECEIVED:
        _has(endpoint, "wants")
        bit = RECEIVED[option]
        endpoint.wants = endpoint.wants | bit if number else endpoint.wants & ~bit
    else:
        raise options.unsupported()


def get_option(endpoint: Any, option: int) -> int | bytes:
    if option == IP_OPTIONS:
        _has(endpoint, "options")
        return bytes(endpoint.options)
    if option in group_options.OPTIONS:
        _has(endpoint, "groups")
        return group_options.get_option(endpoint.groups, option)
    if option == IP_MTU:
        mtu: int | None = endpoint.path_mtu()
        if mtu is None:
            raise fail(errno.ENOTCONN)
        return mtu
    name = {IP_TTL: "ttl", IP_TOS: "tos", IP_MTU_DISCOVER: "discover"}.get(option, "wants")
    if name == "wants" and option not in RECEIVED:
        raise options.unsupported()
    _has(endpoint, name)
    number: int = getattr(endpoint, name)
    return number if name != "wants" else int(bool(number & RECEIVED[option]))


def _has(endpoint: Any, name: str) -> None:
    if not hasattr(endpoint, name):
        raise options.unsupported()


def _parse_options(value: options.Value) -> bytes:
    if isinstance(value, int):
        raise options.invalid()
    data = padded(bytes(value))
    try:
        kinds = {each.kind for each in walk(data)}
    except BadOptionError:
        raise options.invalid() from None
    if len(data) > MAX_LENGTH or kinds & SOURCE_ROUTES:  # as we refuse those of others
        raise options.invalid()
    return data


def directions(said: Iterable[tuple[int, int, Buffer]], stack: Stack) -> tuple[bytes | None, Interface | None]:
    """From which address of ours and by which interface sendmsg asks one datagram to go (IP_PKTINFO, as in ip(7): zero
    leaves it open). OSError: EINVAL, ENODEV."""
    src = interface = None
    for level, kind, value in said:
        if (level, kind) != (IPPROTO_IP, IP_PKTINFO) or len(value) < _PKTINFO.size:
            raise options.invalid()
        index, here, _ = _PKTINFO.unpack_from(value)
        src = here if any(here) else None
        interface = stack.interface(index) if index else None
    return src, interface


def ancillary(wants: int, header: bytes, index: int, here: bytes) -> Ancillary:
    """What recvmsg tells beside the data. index: of the interface; here: our address there."""
    said: Ancillary = []
    if wants & RECEIVED[IP_PKTINFO]:
        said.append((IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(index, here, header[16:20])))
    if wants & RECEIVED[IP_RECVTTL]:
        said.append((IPPROTO_IP, IP_TTL, _INTEGER.pack(header[8])))
    if wants & RECEIVED[IP_RECVTOS]:
        said.append((IPPROTO_IP, IP_TOS, header[1:2]))
    if wants & RECEIVED[IP_RECVOPTS] and len(header) > 20:
        said.append((IPPROTO_IP, IP_RECVOPTS, header[20:]))
    return said
