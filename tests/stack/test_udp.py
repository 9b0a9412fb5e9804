"""RFC 768, RFC 1122 4.1; the sockets as Linux has them."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netif.link import PARTIAL, Offload
from netif.wire import ethernet, ip, udp
from stack.udp import UdpEndpoint
from tests.stack.rig import MASK, OTHER_MAC, PEER, PEER_MAC, US, Rig, ScriptedWaiter, address, answers, datagram, packet

ANY = bytes(4)
BROADCAST = address("10.0.0.255")
EVERYBODY = b"\xff\xff\xff\xff"


def bound(rig: Rig, port: int = 7, where: bytes = ANY, *, reuse: bool = False) -> UdpEndpoint:
    endpoint = UdpEndpoint(rig.stack)
    endpoint.reuse = reuse
    endpoint.bind(where, port)
    return endpoint


def fails(number: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == number


def test_a_datagram_goes_to_the_socket_at_its_port(met: Rig):
    socket, other = bound(met, 7), bound(met, 8)
    met.gets(datagram(b"hello"))
    assert socket.receive() == (b"hello", (PEER, 5000))
    assert socket.receive() is None
    assert other.receive() is None
    met.drops()


def test_a_reader_is_woken_once_its_datagram_is_there(met: Rig):
    socket = bound(met)
    waiters = [ScriptedWaiter() for _ in range(2)]
    for waiter in waiters:
        socket.wait_readable(waiter)
    gone = ScriptedWaiter()
    socket.wait_readable(gone)
    socket.forget(gone)
    met.gets(datagram(b"", dport=8))
    assert not waiters[0].woken
    met.gets(datagram(b""))
    assert [waiter.woken for waiter in waiters] == [True, True]
    assert not gone.woken
    assert socket.readable()


def test_an_empty_datagram_is_a_datagram(met: Rig):
    socket = bound(met)
    met.gets(datagram(b""))
    assert socket.receive() == (b"", (PEER, 5000))
    assert socket.send_to(b"", (PEER, 9)) == 0
    met.sends("10.0.0.1.7 > 10.0.0.2.9: udp (0)")


def test_a_socket_bound_to_an_address_hears_that_address_alone(met: Rig):
    _, other = met.link("eth1", OTHER_MAC)
    other.set_addresses(address("192.168.7.1"), MASK, ANY)
    narrow, wide = bound(met, 7, US, reuse=True), bound(met, 7, reuse=True)
    met.gets(datagram(b"to one"), datagram(b"to other", dst=address("192.168.7.1")))
    assert narrow.receive() == (b"to one", (PEER, 5000))
    assert wide.receive() == (b"to other", (PEER, 5000))
    assert narrow.receive() is wide.receive() is None


def test_a_socket_bound_to_an_address_sends_from_it(met: Rig):
    met.link("eth1", OTHER_MAC)[1].set_addresses(address("192.168.7.1"), MASK, ANY)
    socket = bound(met, 7, address("192.168.7.1"))
    socket.send_to(b"x", (PEER, 9))
    met.sends("192.168.7.1.7 > 10.0.0.2.9: udp (1)")


def test_a_socket_bound_to_an_interface_hears_that_interface_alone(met: Rig):
    _, other = met.link("eth1", OTHER_MAC)
    socket = bound(met)
    socket.interface = other
    met.gets(datagram(b"x"))
    assert socket.receive() is None
    met.gets(datagram(b"y", to=OTHER_MAC), by=other)
    assert socket.receive() == (b"y", (PEER, 5000))


def test_a_connected_socket_hears_its_peer_alone_and_comes_first(met: Rig):
    listening, connected = bound(met, 7, reuse=True), bound(met, 7, reuse=True)
    connected.connect(PEER, 5000)
    assert connected.local == (US, 7)
    met.gets(datagram(b"mine"), datagram(b"other", sport=5001), datagram(b"third", src=address("10.0.0.3")))
    assert connected.receive() == (b"mine", (PEER, 5000))
    assert connected.receive() is None
    assert listening.receive() == (b"other", (PEER, 5001))
    assert listening.receive() == (b"third", (address("10.0.0.3"), 5000))


def test_a_connected_socket_sends_to_its_peer_unless_told_otherwise(met: Rig):
    socket = bound(met)
    socket.connect(PEER, 9)
    met.knows_peer(who=address("10.0.0.3"))
    assert socket.send_to(b"ab") == 2
    socket.send_to(b"c", (address("10.0.0.3"), 10))
    socket.send_to(b"d")
    met.sends(
        "10.0.0.1.7 > 10.0.0.2.9: udp (2)", "10.0.0.1.7 > 10.0.0.3.10: udp (1)", "10.0.0.1.7 > 10.0.0.2.9: udp (1)"
    )


def test_a_socket_may_be_connected_anew_and_disconnected(met: Rig):
    socket = bound(met)
    socket.connect(PEER, 5000)
    socket.connect(address("10.0.0.3"), 5000)
    met.gets(datagram(b"x"))
    assert socket.receive() is None
    socket.disconnect()
    assert socket.local == (ANY, 7)
    met.gets(datagram(b"y"))
    assert socket.receive() == (b"y", (PEER, 5000))
    fails(errno.EDESTADDRREQ, lambda: socket.send_to(b"z"))


def test_two_sockets_do_not_share_a_port_unless_both_want_to(rig: Rig):
    bound(rig, 7, US)
    fails(errno.EADDRINUSE, lambda: bound(rig, 7))
    fails(errno.EADDRINUSE, lambda: bound(rig, 7, US))
    fails(errno.EADDRINUSE, lambda: bound(rig, 7, reuse=True))
    bound(rig, 7, address("127.0.0.1"))
    bound(rig, 8, reuse=True)
    bound(rig, 8, reuse=True)


def test_a_pair_of_addresses_belongs_to_one_socket(rig: Rig):
    one, other = bound(rig, 7, reuse=True), bound(rig, 7, reuse=True)
    one.connect(PEER, 9)
    fails(errno.EADDRINUSE, lambda: other.connect(PEER, 9))
    assert (other.local, other.remote) == ((ANY, 7), None)
    one.connect(PEER, 9)


def test_a_port_is_free_again_after_close(met: Rig):
    socket = bound(met)
    waiter = ScriptedWaiter()
    socket.wait_readable(waiter)
    socket.close()
    socket.close()
    met.flush()
    assert waiter.woken
    fails(errno.EBADF, lambda: socket.receive())
    bound(met).connect(PEER, 9)
    met.gets(datagram(b"x"))
    met.drops(udp_no_socket=1)
    assert not UdpEndpoint(met.stack).readable()


def test_ephemeral_ports_differ_and_lie_in_their_range(rig: Rig):
    sockets = [bound(rig, 0) for _ in range(100)]
    ports = [socket.local[1] for socket in sockets]
    assert len(set(ports)) == 100
    assert all(49152 <= port <= 65535 for port in ports)


def test_a_socket_that_sends_without_a_port_is_given_one(met: Rig):
    socket = UdpEndpoint(met.stack)
    socket.send_to(b"x", (PEER, 9))
    assert socket.local[0] == ANY
    assert socket.local[1]
    fails(errno.EINVAL, lambda: socket.bind(ANY, 7))


def test_what_cannot_be_is_said(met: Rig):
    socket = bound(met)
    fails(errno.EADDRNOTAVAIL, lambda: bound(met, 8, PEER))
    fails(errno.EDESTADDRREQ, lambda: socket.send_to(b"x"))
    fails(errno.EINVAL, lambda: socket.send_to(b"x", (PEER, 0)))
    fails(errno.EMSGSIZE, lambda: socket.send_to(bytes(65508), (PEER, 9)))
    fails(errno.EMSGSIZE, lambda: socket.send_to(bytes(70000), (PEER, 9)))
    met.interface.set_addresses(US, MASK, ANY)
    fails(errno.ENETUNREACH, lambda: socket.send_to(b"x", (address("8.8.8.8"), 9)))
    met.sends()


@pytest.mark.parametrize("dst", [BROADCAST, EVERYBODY])
def test_a_broadcast_takes_permission(met: Rig, dst: bytes):
    socket = bound(met)
    fails(errno.EACCES, lambda: socket.send_to(b"x", (dst, 9)))
    fails(errno.EACCES, lambda: socket.connect(dst, 9))
    socket.broadcast = True
    socket.send_to(b"x", (dst, 9))
    (frame,) = met.frames()
    assert frame[:6] == ethernet.BROADCAST
    assert ip.parse(frame, 14)[7] == dst


def test_a_multicast_needs_no_permission(met: Rig):
    bound(met).send_to(b"x", (address("239.1.2.3"), 9))
    (frame,) = met.frames()
    assert frame[:6] == bytes.fromhex("01005e010203")


@pytest.mark.parametrize("dst", [BROADCAST, EVERYBODY])
def test_a_broadcast_goes_to_every_socket_that_fits(met: Rig, dst: bytes):
    one, other = bound(met, reuse=True), bound(met, reuse=True)
    narrow, connected = bound(met, 7, US, reuse=True), bound(met, reuse=True)
    connected.connect(address("10.0.0.3"), 5000)
    met.gets(datagram(b"x", dst=dst, to=ethernet.BROADCAST))
    assert one.receive() == other.receive() == (b"x", (PEER, 5000))
    assert narrow.receive() is connected.receive() is None
    met.gets(datagram(b"x", dst=dst, dport=8, to=ethernet.BROADCAST))
    met.sends()
    met.drops(udp_no_socket=1)


def test_a_socket_bound_to_a_group_hears_the_group_and_sends_from_an_address(met: Rig):
    group = address("239.1.2.3")
    met.interface.join(group)
    socket = bound(met, 7, group)
    met.gets(datagram(b"x", dst=group, to=bytes.fromhex("01005e010203")), datagram(b"y"))
    assert socket.receive() == (b"x", (PEER, 5000))
    assert socket.receive() is None
    met.frames()
    socket.send_to(b"z", (PEER, 9))
    met.sends("10.0.0.1.7 > 10.0.0.2.9: udp (1)")


def test_a_dhcp_server_hears_a_client_that_has_no_address(met: Rig):
    socket = bound(met, 67)
    met.gets(datagram(b"discover", 68, 67, src=ANY, dst=EVERYBODY, to=ethernet.BROADCAST))
    assert socket.receive() == (b"discover", (ANY, 68))


def test_a_queue_is_bounded_in_bytes_and_small_datagrams_count_more_than_their_payload(met: Rig):
    socket = bound(met)
    socket.queue_limit = 10_000
    met.gets(*[datagram(b"")] * 50)
    met.drops(udp_queue_full=50 - 10_000 // 256)
    while socket.receive() is not None:
        pass
    met.gets(datagram(bytes(1400)))
    assert socket.receive() == (bytes(1400), (PEER, 5000))


def test_peeking_leaves_the_datagram(met: Rig):
    socket = bound(met)
    assert socket.first() is None
    met.gets(datagram(b"x"))
    assert socket.first() == socket.first() == socket.take()


def test_a_checksum_of_zero_is_none(met: Rig):
    socket = bound(met)
    frame = bytearray(datagram(b"hello"))
    frame[40:42] = b"\0\0"
    met.gets(bytes(frame))
    assert socket.receive() == (b"hello", (PEER, 5000))


@pytest.mark.parametrize(("length", "reason"), [(7, "udp_length"), (100, "udp_length")])
def test_a_wrong_length_is_counted(met: Rig, length: int, reason: str):
    frame = bytearray(datagram(b"hello"))
    frame[38:40] = length.to_bytes(2, "big")
    met.gets(bytes(frame), packet(b"1234567", ip.UDP))
    met.drops(**{reason: 1, "udp_header_short": 1})


def test_a_payload_shorter_than_the_packet_is_taken_by_its_own_length(met: Rig):
    socket = bound(met)
    body = udp.emit(PEER, US, 5000, 7, b"hello") + b"hello" + b"padding"
    met.gets(packet(body, ip.UDP))
    assert socket.receive() == (b"hello", (PEER, 5000))


def test_a_super_frame_is_as_many_datagrams(met: Rig):
    socket = bound(met)
    met.gets(datagram(b"aaaabbbbcc"), offload=Offload(PARTIAL, 34, 6, 4))
    assert [socket.receive() for _ in range(4)] == [(part, (PEER, 5000)) for part in (b"aaaa", b"bbbb", b"cc")] + [None]


def test_what_is_received_does_not_pin_the_frame_it_came_in(met: Rig):
    socket = bound(met)
    buffer = bytearray(datagram(b"hello"))
    met.gets(memoryview(buffer))
    received = socket.receive()
    buffer[:] = bytes(len(buffer))
    assert received == (b"hello", (PEER, 5000))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [10, 5000])
def test_what_may_change_after_the_call_is_copied(kind: Callable[[bytes], object], size: int):
    rig = Rig(mtu=9000)
    data = bytearray(b"x" * size)
    bound(rig).send_to(bytes(data) if kind is bytes else memoryview(data) if kind is memoryview else data, (PEER, 9))
    data[:] = b"y" * size  # while it waits for ARP
    rig.gets(answers(PEER, US))
    assert rig.frames()[-1][42:] == b"x" * size


def test_a_buffer_of_wide_items_is_sent_as_its_bytes(met: Rig):
    bound(met).send_to(memoryview(b"abcdefgh").cast("I"), (PEER, 9))
    met.sends("10.0.0.1.7 > 10.0.0.2.9: udp (8)")


def test_a_full_driver_blocks_the_socket_until_there_is_room(met: Rig):
    socket = bound(met)
    met.netif.room = 1
    assert socket.send_to(b"a", (PEER, 9)) == 1
    assert socket.send_to(b"bb", (PEER, 9)) == 2  # kept by the interface
    assert socket.send_to(b"ccc", (PEER, 9)) is None
    assert not socket.writable()
    waiter = ScriptedWaiter()
    socket.wait_writable(waiter)
    met.flush()
    assert not waiter.woken
    met.netif.room = None
    met.interface.writable()
    met.flush()
    assert waiter.woken
    assert socket.send_to(b"ccc", (PEER, 9)) == 3
    met.sends(*(f"10.0.0.1.7 > 10.0.0.2.9: udp ({size})" for size in (1, 2, 3)))


def test_who_waits_for_room_that_others_took_is_woken_when_there_is(met: Rig):
    """Nothing of its own was refused: it has only looked, or found no room when there was some for others."""
    one, other = UdpEndpoint(met.stack), UdpEndpoint(met.stack)
    for endpoint in (one, other):
        assert endpoint.send_to(b"first", (PEER, 7)) == 5
    met.netif.room = 0
    other.send_to(b"fills the driver", (PEER, 7))
    assert met.interface.blocked
    assert not one.writable()
    waiter = met.runtime.waiter("select", one)
    one.wait_writable(waiter)
    met.netif.room = 1  # for what waits already
    met.interface.writable()
    other.send_to(b"fills it again", (PEER, 7))
    met.flush()
    assert met.interface.blocked
    assert not waiter.woken
    met.netif.room = None
    met.interface.writable()
    met.flush()
    assert waiter.woken


def test_the_time_to_live_and_the_type_of_service_are_the_sockets(met: Rig):
    socket = bound(met)
    socket.ttl, socket.tos = 3, 0x10
    socket.send_to(b"x", (PEER, 9))
    header = ip.parse(met.frames()[0], 14)
    assert (header[4], header[8]) == (3, 0x10)


def test_an_exchange_of_two_hosts_is_heard_by_both():
    one, other = Rig(), Rig(addressed=False)
    other.interface.set_mac(PEER_MAC)
    other.interface.set_addresses(PEER, MASK, ANY)
    other.netif.sent.clear()
    asking, answering = bound(one, 9), bound(other, 7)
    asking.send_to(b"question", (PEER, 7))
    for _ in range(3):
        other.gets(*one.frames())
        if (received := answering.receive()) is not None:
            answering.send_to(b"answer", received[1])
        one.gets(*other.frames())
    assert asking.receive() == (b"answer", (PEER, 7))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.booleans())
def test_whatever_is_sent_arrives_whole_and_in_order(payloads: list[bytes], offload: bool):
    one, other = Rig(tx_checksum=offload), Rig(addressed=False)
    other.interface.set_mac(PEER_MAC)
    other.interface.set_addresses(PEER, MASK, ANY)
    one.knows_peer()
    sender, receiver = bound(one, 9), bound(other, 7)
    for payload in payloads:
        assert sender.send_to(payload, (PEER, 7)) == len(payload)
    for buffers, how in one.netif.sent:
        other.gets(b"".join(buffers), offload=how)
    assert [receiver.receive() for _ in payloads] == [(payload, (US, 9)) for payload in payloads]
    assert receiver.receive() is None
    other.drops()
