"""RFC 768: the header of small datagrams is made once for each destination; nobody can tell by what is sent."""

from __future__ import annotations

from errno import ECONNREFUSED
from socket import IP_TOS, IP_TTL, IPPROTO_IP, SOL_SOCKET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netif.wire import icmp, ip, udp
from stack.path_mtu import DONT, WANT
from stack.socket import linux
from stack.socket.datagram import Datagram
from stack.udp import UdpEndpoint
from tests.stack.rig import MASK, OTHER_MAC, PEER, PEER_MAC, US, Rig, address, answers, icmp_error

ANY = bytes(4)


def sender(rig: Rig, port: int = 7) -> UdpEndpoint:
    """A socket that has sent before: the next may go by a header that is there."""
    endpoint = UdpEndpoint(rig.stack)
    endpoint.bind(ANY, port)
    endpoint.send_to(b"first", (PEER, 9))
    rig.netif.sent.clear()
    return endpoint


def sent(rig: Rig) -> list[tuple[bytes, Any]]:
    frames, rig.netif.sent = rig.netif.sent, []
    return [(b"".join(buffers), offload) for buffers, offload in frames]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=8),
    st.integers(1, 65535),
    st.integers(1, 255),
    st.integers(0, 255),
)
def test_every_datagram_looks_as_the_first_to_its_destination(datas: list[bytes], port: int, ttl: int, tos: int):
    rig = Rig(tx_checksum=True)
    rig.knows_peer()
    endpoint = UdpEndpoint(rig.stack)
    endpoint.ttl, endpoint.tos = ttl, tos
    endpoint.bind(ANY, 7)
    for data in datas:
        endpoint.send_to(data, (PEER, port))
        ours = sent(rig)
        endpoint.send_by(data, (PEER, port), US, None)  # finds its own way, and makes its own header
        assert sent(rig) == ours


def test_a_checksum_that_comes_out_as_zero_is_sent_as_ones(met: Rig):  # RFC 768
    endpoint = sender(met)
    endpoint.send_to(b"\0\0", (PEER, 9))
    (frame,) = met.frames()
    endpoint.send_to(frame[40:42], (PEER, 9))  # what the sum lacks to 0xffff
    (frame,) = met.frames()
    assert udp.parse(frame, 34, 44)[3] == 0xFFFF


def test_options_count_from_the_next_datagram_on(met: Rig):
    socket = Datagram(met.stack)
    socket.bind(("", 7))

    def header(**_: object) -> tuple[Any, ...]:
        socket.send_to(b"x", ("10.0.0.2", 9))
        (frame,) = met.frames()
        return ip.HEADER.unpack_from(frame, 14)

    assert header() == header()
    socket.set_option(IPPROTO_IP, IP_TTL, 3)
    socket.set_option(IPPROTO_IP, IP_TOS, 0x10)
    assert (header()[5], header()[1]) == (3, 0x10)
    socket.set_option(IPPROTO_IP, linux.IP_MTU_DISCOVER, DONT)
    assert [header()[4] & ip.DF, header()[4] & ip.DF] == [0, 0]
    socket.set_option(IPPROTO_IP, linux.IP_OPTIONS, b"\x94\4\0\0")
    assert [header()[0], header()[0]] == [0x46, 0x46]
    socket.set_option(IPPROTO_IP, linux.IP_OPTIONS, b"")
    socket.set_option(IPPROTO_IP, linux.IP_MTU_DISCOVER, WANT)
    assert header() == header()
    socket.set_option(SOL_SOCKET, linux.SO_NO_CHECK, 1)
    for _ in range(2):
        socket.send_to(b"x", ("10.0.0.2", 9))
        assert udp.parse(met.frames()[0], 34, 43)[3] == 0
    socket.close()


def test_a_neighbour_that_moved_is_found(met: Rig):
    endpoint = sender(met)
    endpoint.send_to(b"here", (PEER, 9))
    met.after(30.0)
    met.gets(answers(PEER, US, OTHER_MAC))
    met.netif.sent.clear()
    endpoint.send_to(b"there", (PEER, 9))
    assert met.frames()[0][:6] == OTHER_MAC


def test_a_neighbour_that_fell_silent_is_asked_again(met: Rig):
    endpoint = sender(met)
    lines = set()
    for _ in range(100):
        met.after(10.0)
        endpoint.send_to(b"x", (PEER, 9))
        lines.update(frame[:6] for frame in met.frames())
    assert lines > {PEER_MAC}, "nobody asked whether it is still there"


def test_another_address_of_ours_is_the_next_ones_source(met: Rig):
    endpoint = sender(met)
    met.interface.set_addresses(address("10.0.0.77"), MASK, ANY)
    met.knows_peer()
    met.netif.sent.clear()
    endpoint.send_to(b"x", (PEER, 9))
    met.sends("10.0.0.77.7 > 10.0.0.2.9: udp (1)")


def test_each_destination_has_its_own_header(met: Rig):
    met.knows_peer(OTHER_MAC, address("10.0.0.3"))
    endpoint = sender(met)
    lines = []
    for number in (*range(70), *range(70)):
        host, port = 2 + number % 2, 100 + number
        endpoint.send_to(b"x", (address(f"10.0.0.{host}"), port))
        lines.append(f"10.0.0.1.7 > 10.0.0.{host}.{port}: udp (1)")
    met.sends(*lines)


def test_who_is_connected_or_no_longer_sends_from_where_it_is_then(met: Rig):
    met.interface.add_address(address("10.0.0.9"), MASK)
    met.netif.sent.clear()
    endpoint = UdpEndpoint(met.stack)
    endpoint.bind(ANY, 7)
    for destination in (None, None, (PEER, 9), (PEER, 9)):
        if destination is None:
            endpoint.connect(PEER, 9)
        elif endpoint.remote is not None:
            endpoint.disconnect()
        assert endpoint.send_to(b"x", destination) == 1
    met.sends(*["10.0.0.1.7 > 10.0.0.2.9: udp (1)"] * 4)


def test_a_full_driver_makes_it_wait_and_an_error_is_told_first(met: Rig):
    endpoint = sender(met)
    met.netif.room = 1
    assert endpoint.send_to(b"a", (PEER, 9)) == 1
    assert endpoint.send_to(b"b", (PEER, 9)) == 1  # the interface keeps it: only now is it known
    assert endpoint.send_to(b"c", (PEER, 9)) is None
    met.netif.room = None
    met.interface.writable()
    met.flush()
    endpoint.connect(PEER, 9)
    endpoint.send_to(b"d")
    (frame, _), *_ = sent(met)[-1:]
    met.gets(icmp_error(icmp.UNREACHABLE, icmp.PORT_UNREACHABLE, frame))
    with pytest.raises(OSError) as caught:
        endpoint.send_to(b"e")
    assert caught.value.errno == ECONNREFUSED
    assert endpoint.send_to(b"f") == 1


def test_a_closed_socket_sends_nothing(met: Rig):
    endpoint = sender(met)
    endpoint.close()
    with pytest.raises(OSError):
        endpoint.send_to(b"x", (PEER, 9))
    assert met.frames() == []
