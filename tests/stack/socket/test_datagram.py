"""Datagram and ping sockets, as a program sees them."""

import errno
import struct
from functools import partial

import pytest

import stack.socket as socket

PATIENCE = 20
UDP_CORK = 1


def open_udp(stack):
    made = stack.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE)
    return made


def test_datagrams_keep_their_boundaries(hosts):
    with open_udp(hosts.left) as left, open_udp(hosts.right) as right:
        right.bind(("", 7000))
        left.sendto(b"one", ("10.0.0.2", 7000))
        left.sendto(b"", ("10.0.0.2", 7000))
        left.sendto(b"three", 0, ("10.0.0.2", 7000))
        data, source = right.recvfrom(100)
        assert data == b"one"
        assert source == ("10.0.0.1", left.getsockname()[1])
        assert right.recv(100) == b""
        assert right.recv(2) == b"th"  # the rest of a datagram is gone
        right.sendto(b"back", source)
        assert left.recvfrom(100) == (b"back", ("10.0.0.2", 7000))


def test_a_datagram_is_not_sent_urgently(hosts):
    there = ("10.0.0.2", 4000)
    with open_udp(hosts.left) as s:
        s.connect(there)
        for call in (partial(s.send, b"x", socket.MSG_OOB), partial(s.sendto, b"x", socket.MSG_OOB, there)):
            with pytest.raises(OSError, match="not supported"):
                call()


def test_a_connected_socket_hears_its_peer_alone(hosts):
    with open_udp(hosts.left) as left, open_udp(hosts.right) as right, open_udp(hosts.right) as other:
        right.bind(("", 7000))
        left.connect(("10.0.0.2", 7000))
        other.sendto(b"stranger", left.getsockname())
        right.sendto(b"friend", left.getsockname())
        assert left.recv(100) == b"friend"
        assert left.getpeername() == ("10.0.0.2", 7000)


def test_port_unreachable_is_told_to_a_connected_socket(hosts):
    with open_udp(hosts.left) as left:
        left.connect(("10.0.0.2", 9))
        left.send(b"anyone?")
        with pytest.raises(ConnectionRefusedError):
            left.recv(100)


def test_broadcast_needs_leave(hosts):
    with open_udp(hosts.left) as left, open_udp(hosts.right) as right:
        right.bind(("", 7000))
        with pytest.raises(PermissionError):
            left.sendto(b"all", ("10.0.0.255", 7000))
        left.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        left.sendto(b"all", ("10.0.0.255", 7000))
        assert right.recv(100) == b"all"
        left.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 0)
        with pytest.raises(PermissionError):
            left.sendto(b"all", ("10.0.0.255", 7000))


def test_sending_without_an_address(hosts):
    with open_udp(hosts.left) as left:
        with pytest.raises(OSError) as caught:
            left.send(b"where to?")
        assert caught.value.errno == errno.EDESTADDRREQ


def test_own_addresses_are_reached_through_loopback(hosts):
    with open_udp(hosts.left) as one, open_udp(hosts.left) as other:
        one.bind(("", 7000))
        for address in ("127.0.0.1", "10.0.0.1", "127.1.2.3"):
            other.sendto(address.encode(), (address, 7000))
            assert one.recv(100) == address.encode()


def test_ping(hosts):
    with hosts.left.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as ping:
        ping.settimeout(PATIENCE)
        ping.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 3) + b"payload", ("10.0.0.2", 0))
        data, source = ping.recvfrom(100)
        kind, code, _, ident, sequence = struct.unpack_from("!BBHHH", data)
        assert (kind, code, sequence, data[8:]) == (0, 0, 3, b"payload")
        assert source == ("10.0.0.2", 0)
        assert ident == ping.getsockname()[1]


def test_a_datagram_may_be_made_of_pieces(hosts):  # udp(7): UDP_CORK; send(2): MSG_MORE
    with open_udp(hosts.left) as left, open_udp(hosts.right) as right, open_udp(hosts.right) as other:
        right.bind(("", 7000))
        other.bind(("", 7001))
        there, elsewhere = ("10.0.0.2", 7000), ("10.0.0.2", 7001)
        assert left.sendto(b"one", socket.MSG_MORE, there) == 3
        assert left.sendto(b"two", socket.MSG_MORE, elsewhere) == 3  # the first said where it goes
        assert left.sendto(b"three", elsewhere) == 5
        assert right.recv(100) == b"onetwothree"
        left.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 1)
        assert left.getsockopt(socket.IPPROTO_UDP, UDP_CORK) == 1
        left.sendto(b"four", there)
        left.sendto(b"five", there)
        with pytest.raises(BlockingIOError):
            right.recv(100, socket.MSG_DONTWAIT)
        left.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 0)
        assert right.recv(100) == b"fourfive"
        left.sendto(bytes(60_000), socket.MSG_MORE, there)
        with pytest.raises(OSError, match="too long"):
            left.sendto(bytes(6_000), there)
        left.sendto(b"the rest is gone", there)
        assert right.recv(100) == b"the rest is gone"
