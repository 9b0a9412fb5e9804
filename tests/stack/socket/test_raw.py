"""SOCK_RAW and the options of level IPPROTO_IP, as Linux has them."""

from __future__ import annotations

import errno
import socket as kernel
import struct

import pytest

from netif.wire import icmp, ip
from stack.socket.ip_level import ICMP_FILTER, SOL_RAW
from stack.socket.linux import (
    IP_HDRINCL,
    IP_MTU,
    IP_MTU_DISCOVER,
    IP_OPTIONS,
    IP_PKTINFO,
    IP_RECVOPTS,
    IP_RECVTOS,
    IP_RECVTTL,
    SO_NO_CHECK,
)

IP, SOL, RAW, UDP = kernel.IPPROTO_IP, kernel.SOL_SOCKET, kernel.SOCK_RAW, kernel.SOCK_DGRAM
HERE, THERE = "10.0.0.1", "10.0.0.2"


def fails(number, call, *arguments):
    with pytest.raises(OSError) as caught:
        call(*arguments)
    assert caught.value.errno == number


def test_a_raw_socket_pings(hosts):
    a, *_ = hosts
    with a.socket(kernel.AF_INET, RAW, kernel.IPPROTO_ICMP) as raw:
        raw.settimeout(5)
        assert (raw.type, raw.proto) == (RAW, 1)
        assert raw.getsockname() == ("0.0.0.0", 1)
        raw.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("@I", ~(1 << icmp.ECHO_REPLY) & 0xFFFFFFFF))
        raw.sendto(icmp.emit(icmp.ECHO, 0, 0x00070001, b"hello"), (THERE, 0))
        data, source = raw.recvfrom(2000)
        assert source == (THERE, 0)
        assert data[20] == icmp.ECHO_REPLY
        assert data[28:] == b"hello"
        raw.setsockopt(IP, IP_RECVTTL, 1)
        raw.sendto(icmp.emit(icmp.ECHO, 0, 0x00070001, b"hello"), (THERE, 0))
        data, said, flags, _ = raw.recvmsg(21, 100)
        assert (len(data), said, flags) == (21, [(IP, kernel.IP_TTL, struct.pack("@i", 64))], kernel.MSG_TRUNC)
        raw.connect((THERE, 0))
        assert raw.getpeername() == (THERE, 0)
        raw.send(icmp.emit(icmp.ECHO, 0, 0x00070002, b"again"))
        assert raw.recv(2000)[28:] == b"again"


def test_headers_of_ones_own(hosts):
    a, b, _ = hosts
    with a.socket(kernel.AF_INET, RAW, 255) as raw, b.socket(kernel.AF_INET, RAW, 123) as listener:
        listener.settimeout(5)
        assert raw.getsockopt(IP, IP_HDRINCL) == 1
        header = ip.emit(ip.parse_address("10.1.2.3"), ip.parse_address(THERE), 123, 7, ident=9, ttl=3)
        raw.sendto(header + b"payload", (THERE, 0))
        assert listener.recvfrom(100) == (header + b"payload", ("10.1.2.3", 0))


def test_what_a_raw_socket_does_not_have(hosts):
    a, *_ = hosts
    fails(errno.EPROTONOSUPPORT, a.socket, kernel.AF_INET, RAW, 0)
    with a.socket(kernel.AF_INET, RAW, 99) as raw:
        fails(errno.ENOTCONN, raw.getpeername)
        fails(errno.ENOTCONN, raw.shutdown, kernel.SHUT_RD)
        fails(errno.EOPNOTSUPP, raw.listen)
        fails(errno.ENOPROTOOPT, raw.setsockopt, SOL_RAW, ICMP_FILTER, 0)
        fails(errno.EDESTADDRREQ, raw.send, b"x")


def test_a_shut_raw_socket_reads_the_end(hosts):
    a, *_ = hosts
    with a.socket(kernel.AF_INET, RAW, 99) as raw:
        raw.connect((THERE, 0))
        raw.shutdown(kernel.SHUT_RDWR)
        assert raw.recv(10) == b""
        fails(errno.EPIPE, raw.send, b"x")


def test_what_came_beside_a_datagram(hosts):
    """RFC 1122 4.1.3.2 (options), 4.1.3.5 (the specific destination), 4.1.4 (TOS, TTL)"""
    a, b, _ = hosts
    with b.socket(kernel.AF_INET, UDP) as receiver, a.socket(kernel.AF_INET, UDP) as sender:
        receiver.settimeout(5)
        receiver.bind(("", 4000))
        for option in (IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVOPTS):
            assert receiver.getsockopt(IP, option) == 0
            receiver.setsockopt(IP, option, 1)
            assert receiver.getsockopt(IP, option) == 1
        sender.setsockopt(IP, kernel.IP_TTL, 7)
        sender.setsockopt(IP, kernel.IP_TOS, 0x12)  # ECT(0) is a datagram socket's own to set, as in Linux
        sender.setsockopt(IP, IP_OPTIONS, b"\x94\4\0\0")
        assert sender.getsockopt(IP, IP_OPTIONS, 40) == b"\x94\4\0\0"
        sender.sendto(b"hello", (THERE, 4000))
        data, said, flags, source = receiver.recvmsg(100, 500)
        assert (data, flags, source[0]) == (b"hello", 0, HERE)
        told = {kind: value for level, kind, value in said if level == IP}
        assert struct.unpack("@i", told[kernel.IP_TTL]) == (7,)
        assert told[kernel.IP_TOS] == b"\x12"
        assert told[IP_RECVOPTS] == b"\x94\4\0\0"
        assert told[IP_PKTINFO][8:12] == ip.parse_address(THERE)
        sender.sendto(b"hello", (THERE, 4000))
        data, said, flags, _ = receiver.recvmsg(2)
        assert (data, said, flags) == (b"he", [], kernel.MSG_TRUNC | kernel.MSG_CTRUNC)
        receiver.setsockopt(IP, IP_RECVTTL, 0)
        assert receiver.getsockopt(IP, IP_RECVTTL) == 0


def test_without_asking_recvmsg_tells_nothing_beside(hosts):
    a, b, _ = hosts
    with b.socket(kernel.AF_INET, UDP) as receiver, a.socket(kernel.AF_INET, UDP) as sender:
        receiver.settimeout(5)
        receiver.bind(("", 4000))
        sender.sendto(b"hello", (THERE, 4000))
        assert receiver.recvmsg(100, 500)[:3] == (b"hello", [], 0)


def test_the_paths_mtu_is_told_once_connected(hosts):
    a, *_ = hosts
    with a.socket(kernel.AF_INET, UDP) as sender:
        fails(errno.ENOTCONN, sender.getsockopt, IP, IP_MTU)
        sender.connect((THERE, 9))
        assert sender.getsockopt(IP, IP_MTU) == 1500
        assert sender.getsockopt(IP, IP_MTU_DISCOVER) == 1
        sender.setsockopt(IP, IP_MTU_DISCOVER, 2)
        fails(errno.EMSGSIZE, sender.send, bytes(1473))
        fails(errno.EINVAL, sender.setsockopt, IP, IP_MTU_DISCOVER, 9)


def test_a_streams_paths_mtu(connection, hosts):
    client, _ = connection
    assert client.getsockopt(IP, IP_MTU) == 1500
    a, *_ = hosts
    with a.socket(kernel.AF_INET, kernel.SOCK_STREAM) as fresh:
        fails(errno.ENOTCONN, fresh.getsockopt, IP, IP_MTU)


@pytest.mark.parametrize("value", [b"\7\0\0\0", bytes(44), b"\x83\7\4\1\2\3\4", 5])
def test_options_that_cannot_be_or_are_refused(hosts, value):
    a, *_ = hosts
    with a.socket(kernel.AF_INET, UDP) as sender:
        fails(errno.EINVAL, sender.setsockopt, IP, IP_OPTIONS, value)


def test_a_datagram_without_a_checksum(hosts):
    """RFC 1122 4.1.3.4"""
    a, b, _ = hosts
    with b.socket(kernel.AF_INET, RAW, 17) as listener, a.socket(kernel.AF_INET, UDP) as sender:
        listener.settimeout(5)
        assert sender.getsockopt(SOL, SO_NO_CHECK) == 0
        sender.setsockopt(SOL, SO_NO_CHECK, 1)
        sender.sendto(b"hello", (THERE, 4000))
        assert listener.recv(100)[26:] == b"\0\0hello"


def test_a_ping_socket_knows_no_options_of_headers(hosts):
    a, *_ = hosts
    with a.socket(kernel.AF_INET, UDP, kernel.IPPROTO_ICMP) as ping:
        fails(errno.ENOPROTOOPT, ping.setsockopt, IP, IP_OPTIONS, b"")
        fails(errno.ENOPROTOOPT, ping.getsockopt, IP, IP_RECVTTL)
        ping.setsockopt(IP, kernel.IP_TOS, 8)
        assert ping.getsockopt(IP, kernel.IP_TOS) == 8
