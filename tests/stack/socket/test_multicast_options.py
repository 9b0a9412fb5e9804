"""Options about groups through the stdlib's surface: as the kernel's own sockets answer, and what two hosts hear."""

from __future__ import annotations

import contextlib
import random
import socket as kernel
import struct
import sys
from typing import Any

import pytest

from components.lan import Lan
from stack.socket import constants as c

IP = c.IPPROTO_IP
GROUPS = [kernel.inet_aton(group) for group in ("239.129.77.1", "239.129.77.2", "10.1.2.3")]
SOURCES = [kernel.inet_aton(source) for source in ("10.9.9.1", "10.9.9.2", "127.0.0.1")]
LO, NOWHERE = kernel.inet_aton("127.0.0.1"), kernel.inet_aton("203.0.113.9")
MCAST_JOIN_GROUP, MCAST_BLOCK, MCAST_UNBLOCK, MCAST_LEAVE_GROUP, MCAST_JOIN_SOURCE, MCAST_LEAVE_SOURCE = range(42, 48)
IP_MULTICAST_ALL = 49
NUMBERS = [c.IP_MULTICAST_TTL, c.IP_MULTICAST_LOOP, IP_MULTICAST_ALL]


def storage(address: bytes, family: int = kernel.AF_INET) -> bytes:
    """A struct sockaddr_storage."""
    return struct.pack("@HH4s", family, 0, address).ljust(128, b"\0")


def requests(dice: random.Random, index: int) -> tuple[int, bytes]:
    """Some option about groups, by some of the ways to say it; `index` is the loopback's."""
    group, source = dice.choice(GROUPS), dice.choice(SOURCES)
    here = dice.choice((LO, LO, LO, LO, NOWHERE))
    number = dice.choice((index, index, index, 4711))
    kind = dice.randrange(5)
    if kind == 0:
        return dice.choice((c.IP_ADD_MEMBERSHIP, c.IP_DROP_MEMBERSHIP)), group + here
    if kind == 1:
        mreqn = group + dice.choice((bytes(4), LO)) + struct.pack("@i", dice.choice((number, 0 if here == LO else 1)))
        if mreqn[4:] == bytes(8):
            mreqn = mreqn[:4] + LO + bytes(4)
        return dice.choice((c.IP_ADD_MEMBERSHIP, c.IP_DROP_MEMBERSHIP)), mreqn
    if kind == 2:
        return dice.randrange(37, 41), group + here + source
    if kind == 3:
        return dice.choice((MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP)), struct.pack("@I4x", number) + storage(group)
    family = dice.choice((kernel.AF_INET,) * 9 + (kernel.AF_INET6,))
    option = dice.choice((MCAST_BLOCK, MCAST_UNBLOCK, MCAST_JOIN_SOURCE, MCAST_LEAVE_SOURCE))
    return option, struct.pack("@I4x", number) + storage(group) + storage(source, family)


def outcome(made: Any, option: int, value: Any, get: bool = False) -> Any:
    try:
        made.setsockopt(IP, option, value)
        return made.getsockopt(IP, option) if get else None
    except OSError as error:
        return error.errno


@pytest.mark.skipif(sys.platform != "linux", reason="the structures are Linux's")
@pytest.mark.parametrize("seed", range(30))
def test_joining_leaving_and_filtering_fail_where_the_kernels_do(hosts, seed):
    dice = random.Random(seed)
    with udp(hosts.left) as ours, kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as theirs:
        loopback = hosts.left.loopback.index
        assert loopback == kernel.if_nametoindex("lo") == 1
        for step in range(60):
            option, value = requests(dice, loopback)
            assert outcome(ours, option, value) == outcome(theirs, option, value), (step, option, value.hex())


@pytest.mark.parametrize("option", NUMBERS)
@pytest.mark.parametrize("value", [-2, -1, 0, 1, 2, 255, 256, b"\0", b"\1", b"\xff", b"\1\0\0\0", b"", b"\2\0"])
def test_numbers_are_taken_and_answered_as_by_the_kernel(hosts, option, value):
    with udp(hosts.left) as ours, kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as theirs:
        assert outcome(ours, option, value, get=True) == outcome(theirs, option, value, get=True)


@pytest.mark.parametrize("option", [*NUMBERS, c.IP_MULTICAST_IF])
def test_defaults_are_the_kernels(hosts, option):
    with udp(hosts.left) as ours, kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as theirs:
        for size in (0, 1, 4):
            assert ours.getsockopt(IP, option, size) == theirs.getsockopt(IP, option, size)


@pytest.mark.parametrize(
    "value",
    [
        LO,
        bytes(4),
        NOWHERE,
        GROUPS[0] + LO,
        GROUPS[0] + NOWHERE,
        bytes(12),
        bytes(8) + b"\1\0\0\0",
        LO + LO + b"\1\0\0\0",
        bytes(8) + b"\x67\x12\0\0",
        b"",
        b"\x7f\0\0",
        0,
        int.from_bytes(LO, sys.byteorder),
    ],
    ids=repr,
)
def test_the_interface_to_send_by_is_chosen_as_with_the_kernel(hosts, value):
    with udp(hosts.left) as ours, kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as theirs:
        assert outcome(ours, c.IP_MULTICAST_IF, value) == outcome(theirs, c.IP_MULTICAST_IF, value)
        assert ours.getsockopt(IP, c.IP_MULTICAST_IF, 4) == theirs.getsockopt(IP, c.IP_MULTICAST_IF, 4)


@pytest.mark.parametrize("option", [*range(35, 41), *range(42, 48)])
@pytest.mark.parametrize("size", [0, 4, 7, 11, 13, 135, 200, 300])
def test_structures_of_the_wrong_size_are_refused_as_by_the_kernel(hosts, option, size):
    value = NOWHERE * 75  # which is no group either
    value = value[:size] if size != 4 else int.from_bytes(value[:4], sys.byteorder, signed=True)
    with udp(hosts.left) as ours, kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as theirs:
        assert outcome(ours, option, value) == outcome(theirs, option, value)


def test_there_are_twenty_memberships_and_ten_sources(hosts):
    with udp(hosts.left) as ours, kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as theirs:
        for made in (ours, theirs):
            for last in range(c.IP_MAX_MEMBERSHIPS):
                made.setsockopt(IP, c.IP_ADD_MEMBERSHIP, bytes((239, 129, 78, last)) + LO)
            with pytest.raises(OSError, match="No buffer space") as caught:
                made.setsockopt(IP, c.IP_ADD_MEMBERSHIP, bytes((239, 129, 79, 1)) + LO)
            for last in range(10):
                made.setsockopt(IP, c.IP_BLOCK_SOURCE, bytes((239, 129, 78, 1)) + LO + bytes((10, 1, 1, last)))
            with pytest.raises(OSError, match="No buffer space") as caught:
                made.setsockopt(IP, c.IP_BLOCK_SOURCE, bytes((239, 129, 78, 1)) + LO + bytes((10, 1, 1, 99)))
            assert caught.value.errno == 105


def test_what_has_nothing_to_do_with_groups_says_so(hosts):
    with hosts.left.socket(kernel.AF_INET, kernel.SOCK_DGRAM, kernel.IPPROTO_ICMP) as ping:
        for option in (c.IP_MULTICAST_TTL, c.IP_ADD_MEMBERSHIP):
            with pytest.raises(OSError, match="not available"):
                ping.setsockopt(IP, option, 1)
    with udp(hosts.left) as ours, pytest.raises(OSError, match="not available"):
        ours.getsockopt(IP, c.IP_ADD_MEMBERSHIP)


def udp(host: Any) -> Any:
    return contextlib.closing(host.socket(kernel.AF_INET, kernel.SOCK_DGRAM))


def test_hosts_on_a_lan_hear_the_groups_that_they_joined():
    group = "239.1.2.3"

    def listen(host: Any, wanted: str, count: int) -> list[tuple[bytes, str]]:
        with udp(host) as listener:
            listener.bind(("", 5007))
            listener.setsockopt(IP, c.IP_ADD_MEMBERSHIP, kernel.inet_aton(wanted) + bytes(4))
            got = [listener.recvfrom(100) for _ in range(count)]
            listener.setsockopt(IP, c.IP_DROP_MEMBERSHIP, kernel.inet_aton(wanted) + bytes(4))
            return [(data, source[0]) for data, source in got]

    def send() -> None:
        lan.sleep(0.1)
        with udp(one) as sender:
            sender.bind(("", 5007))
            sender.setsockopt(IP, c.IP_ADD_MEMBERSHIP, kernel.inet_aton(group) + bytes(4))
            for data in (b"hello", b"again"):
                sender.sendto(data, (group, 5007))
                assert sender.recvfrom(100) == (data, (one.ip, 5007))
            sender.sendto(b"others", ("239.9.9.9", 5007))

    with Lan(seed=7, clock="virtual") as lan:
        one, two, three = (lan.host(name) for name in ("one", "two", "three"))
        heard = two.spawn(lambda: listen(two, group, 2))
        other = three.spawn(lambda: listen(three, "239.9.9.9", 1))
        done = one.spawn(send)
        lan.run_until(lambda: all(task.done() for task in (heard, other, done)))
        assert heard.result() == [(b"hello", one.ip), (b"again", one.ip)]
        assert other.result() == [(b"others", one.ip)]
        done.result()
        lan.run_for(5.0)
        assert [len(host.netif.interface.groups) for host in (one, two, three)] == [1, 1, 1]  # all hosts'


def test_an_index_tells_by_which_link_a_datagram_came(hosts):
    with udp(hosts.left) as listener, udp(hosts.right) as sender:
        listener.bind(("", 5007))
        listener.settimeout(20)
        listener.setsockopt(IP, 8, 1)  # IP_PKTINFO
        listener.setsockopt(IP, c.IP_ADD_MEMBERSHIP, GROUPS[0] + kernel.inet_aton("10.0.0.1"))
        sender.sendto(b"x", ("239.129.77.1", 5007))
        data, said, _, _ = listener.recvmsg(100, 100)
        index, here, there = struct.unpack("@i4s4s", said[0][2])
        assert (data, index) == (b"x", hosts.left.interfaces[0].index)
        assert (here, there) == (kernel.inet_aton("10.0.0.1"), GROUPS[0])
