"""Options of level IPPROTO_IP that are about groups, with Linux's numbers, structures and errors.

What is behind them is `subscriptions`'s. Here is how an application writes it: ip_mreq, ip_mreqn and ip_mreq_source
(RFC 1112, RFC 3678 4), group_req and group_source_req (RFC 3678 5).
"""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Callable
from socket import AF_INET

from netif.wire.ip import ANY
from stack.socket import options
from stack.socket.attempts import fail
from stack.socket.constants import (
    IP_ADD_MEMBERSHIP,
    IP_ADD_SOURCE_MEMBERSHIP,
    IP_BLOCK_SOURCE,
    IP_DROP_MEMBERSHIP,
    IP_DROP_SOURCE_MEMBERSHIP,
    IP_MULTICAST_IF,
    IP_MULTICAST_LOOP,
    IP_MULTICAST_TTL,
    IP_UNBLOCK_SOURCE,
)
from stack.socket.linux import IP_MULTICAST_ALL
from stack.subscriptions import Place, Subscriptions

MCAST_JOIN_GROUP, MCAST_BLOCK_SOURCE, MCAST_UNBLOCK_SOURCE, MCAST_LEAVE_GROUP = range(42, 46)
MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP = 46, 47
_MREQN = struct.Struct("@4s4si")  # group, our address, the interface's index; an ip_mreq ends before that
_MREQ = 8  # bytes of an ip_mreq
_MREQ_SOURCE = struct.Struct("@4s4s4s")  # group, our address, source
_SOCKADDR = "H2x4s120x"  # a sockaddr_storage with an IPv4 address: family, port, address
_GROUP_REQ = struct.Struct(f"@I4x{_SOCKADDR}")  # the interface's index, group
_GROUP_SOURCE_REQ = struct.Struct(f"@I4x{_SOCKADDR}{_SOCKADDR}")  # the same, source


def set_option(groups: Subscriptions, option: int, value: options.Value) -> None:
    """OSError: those of ip(7), and ENOPROTOOPT."""
    setter = _SETTERS.get(option)
    if setter is None:
        raise options.unsupported()
    if not isinstance(value, int) and not len(value):
        raise options.invalid()
    setter(groups, option, value)


def get_option(groups: Subscriptions | None, option: int) -> int | bytes:
    """`groups` is None for a socket that has had nothing to do with any."""
    if option == IP_MULTICAST_IF:
        return ANY if groups is None else groups.source
    if option == IP_MULTICAST_TTL:
        return 1 if groups is None else groups.ttl
    if option == IP_MULTICAST_LOOP:
        return int(groups is None or groups.loop)
    if option == IP_MULTICAST_ALL:
        return int(groups is None or groups.all)
    raise options.unsupported()


def _send_by(groups: Subscriptions, option: int, value: options.Value) -> None:
    data = value.to_bytes(4, sys.byteorder, signed=value < 0) if isinstance(value, int) else bytes(value)
    if len(data) < 4:
        raise options.invalid()
    groups.send_by(_place(data) if len(data) >= _MREQ else Place(data[:4]))


def _time_to_live(groups: Subscriptions, option: int, value: options.Value) -> None:
    number = options.as_number(value)
    if not -1 <= number <= 255:
        raise options.invalid()
    groups.ttl = 1 if number == -1 else number


def _loop(groups: Subscriptions, option: int, value: options.Value) -> None:
    groups.loop = bool(options.as_number(value))


def _all(groups: Subscriptions, option: int, value: options.Value) -> None:
    number = options.as_number(value)
    if number not in (0, 1):
        raise options.invalid()
    groups.all = bool(number)


def _membership(groups: Subscriptions, option: int, value: options.Value) -> None:
    if isinstance(value, int) or len(value) < _MREQ:
        raise options.invalid()
    group, place = bytes(value[:4]), _place(bytes(value))
    if option == IP_ADD_MEMBERSHIP:
        groups.join(group, place)
    else:
        groups.leave(group, place)


def _source(groups: Subscriptions, option: int, value: options.Value) -> None:
    if isinstance(value, int) or len(value) != _MREQ_SOURCE.size:
        raise options.invalid()
    group, address, source = _MREQ_SOURCE.unpack(value)
    _filter(groups, _SOURCES[option], group, source, Place(address))


def _group(groups: Subscriptions, option: int, value: options.Value) -> None:
    if isinstance(value, int) or len(value) < _GROUP_REQ.size:
        raise options.invalid()
    index, family, group = _GROUP_REQ.unpack_from(value)
    if family != AF_INET:
        raise options.invalid()
    if option == MCAST_JOIN_GROUP:
        groups.join(group, Place(index=index))
    else:
        groups.leave(group, Place(index=index))


def _group_source(groups: Subscriptions, option: int, value: options.Value) -> None:
    if isinstance(value, int) or len(value) != _GROUP_SOURCE_REQ.size:
        raise options.invalid()
    index, family, group, source_family, source = _GROUP_SOURCE_REQ.unpack(value)
    if family != AF_INET or source_family != AF_INET:
        raise fail(errno.EADDRNOTAVAIL)
    _filter(groups, _SOURCES[option], group, source, Place(index=index))


def _filter(groups: Subscriptions, what: tuple[bool, bool], group: bytes, source: bytes, place: Place) -> None:
    include, add = what
    if include and add:
        groups.join_source(group, source, place)
    else:
        groups.filter_source(group, source, place, include=include, add=add)


def _place(data: bytes) -> Place:
    """Of an ip_mreq or an ip_mreqn."""
    if len(data) < _MREQN.size:
        return Place(data[4:8])
    _, address, index = _MREQN.unpack_from(data)
    return Place(address, index)


_SOURCES = {  # (among those that are included, added)
    IP_ADD_SOURCE_MEMBERSHIP: (True, True),
    IP_DROP_SOURCE_MEMBERSHIP: (True, False),
    IP_BLOCK_SOURCE: (False, True),
    IP_UNBLOCK_SOURCE: (False, False),
    MCAST_JOIN_SOURCE_GROUP: (True, True),
    MCAST_LEAVE_SOURCE_GROUP: (True, False),
    MCAST_BLOCK_SOURCE: (False, True),
    MCAST_UNBLOCK_SOURCE: (False, False),
}
_SETTERS: dict[int, Callable[[Subscriptions, int, options.Value], None]] = {
    IP_MULTICAST_IF: _send_by,
    IP_MULTICAST_TTL: _time_to_live,
    IP_MULTICAST_LOOP: _loop,
    IP_MULTICAST_ALL: _all,
    IP_ADD_MEMBERSHIP: _membership,
    IP_DROP_MEMBERSHIP: _membership,
    MCAST_JOIN_GROUP: _group,
    MCAST_LEAVE_GROUP: _group,
    IP_ADD_SOURCE_MEMBERSHIP: _source,
    IP_DROP_SOURCE_MEMBERSHIP: _source,
    IP_BLOCK_SOURCE: _source,
    IP_UNBLOCK_SOURCE: _source,
    MCAST_JOIN_SOURCE_GROUP: _group_source,
    MCAST_LEAVE_SOURCE_GROUP: _group_source,
    MCAST_BLOCK_SOURCE: _group_source,
    MCAST_UNBLOCK_SOURCE: _group_source,
}
OPTIONS = frozenset(_SETTERS)
