"""Which way a socket's packets take when there are several: bound to a device or an address, or to neither.

SO_BINDTODEVICE as socket(7) has it; RFC 1122 3.3.4.2 (what an application may choose).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from stack.socket import (
    IPPROTO_ICMP,
    IPPROTO_IP,
    SO_BINDTODEVICE,
    SO_BROADCAST,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
    if_indextoname,
    if_nameindex,
    if_nametoindex,
    inet_aton,
)
from stack.socket.linux import IP_PKTINFO
from tests.stack.uplinks import FAR, Uplinks, device, tcp_by, udp_by


@pytest.fixture
def two() -> Iterator[Uplinks]:
    """`eth` is the default."""
    world = Uplinks(eth=50, wifi=10)
    world.serve()
    yield world
    world.close()


@pytest.fixture
def three() -> Iterator[Uplinks]:
    world = Uplinks(eth=50, wifi=10, modem=5)
    world.serve()
    yield world
    world.close()


BY = pytest.mark.parametrize("ask", [tcp_by, udp_by])


@BY
def test_the_default_leads_out_and_gives_its_address(three: Uplinks, ask: Any):
    assert ask(three) == "eth-gateway 10.0.1.2"


@BY
@pytest.mark.parametrize("name", [b"wifi", b"en2", b"wifi\0", b"en2\0garbage"])
def test_a_device_leads_out_by_its_own_gateway_though_it_is_not_the_default(three: Uplinks, ask: Any, name: bytes):
    assert ask(three, device(name)) == "wifi-gateway 10.0.2.2"


@BY
def test_a_bound_address_leads_out_by_the_gateway_of_its_interface(three: Uplinks, ask: Any):
    assert ask(three, lambda s: s.bind(("10.0.3.2", 0))) == "modem-gateway 10.0.3.2"


@pytest.mark.parametrize(
    ("kind", "protocol"), [(SOCK_STREAM, 0), (SOCK_DGRAM, 0), (SOCK_DGRAM, IPPROTO_ICMP), (SOCK_RAW, 99)]
)
def test_a_device_is_set_told_and_cleared(two: Uplinks, kind: int, protocol: int):
    with two.host.socket(type=kind, proto=protocol) as s:
        assert s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16) == b""
        s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"wifi")
        assert s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16) == b"en2\0"
        with pytest.raises(OSError) as caught:
            s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"eth7")
        assert caught.value.errno == errno.ENODEV
        assert s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16) == b"en2\0"
        s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"")
        assert s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16) == b""
        with pytest.raises(OSError, match="No such device"):  # as Linux, which reads its bytes
            s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, 1)


def test_a_device_cleared_leads_by_the_default_again(two: Uplinks):
    def ask() -> list[bytes]:
        with two.host.socket(type=SOCK_DGRAM) as s:
            said = []
            for name in (b"wifi", b"", b"wifi"):
                s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, name)
                s.sendto(b"who", (FAR, 7))
                said.append(s.recv(100))
            return said

    assert [word.split()[1] for word in two.do(ask)] == [b"10.0.2.2", b"10.0.1.2", b"10.0.2.2"]


def test_a_ping_goes_out_by_its_device(two: Uplinks):
    def ping() -> bytes:
        with two.host.socket(type=SOCK_DGRAM, proto=IPPROTO_ICMP) as s:
            s.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1), (FAR, 0))
            s.recv(100)
            two["eth"].theirs.interface.link_down()  # the gate is ours between two calls
            s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"wifi")
            s.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 2), (FAR, 0))
            return bytes(s.recv(100))

    assert two.do(ping)[0] == 0


def test_a_raw_socket_sends_and_hears_by_its_device(two: Uplinks):
    def exchange() -> list[Any]:
        with (
            two.host.socket(type=SOCK_RAW, proto=99) as by_wifi,
            two["eth"].gateway.socket(type=SOCK_RAW, proto=99) as at_eth,
            two["wifi"].gateway.socket(type=SOCK_RAW, proto=99) as at_wifi,
        ):
            by_wifi.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"wifi")
            by_wifi.sendto(b"out", (FAR, 0))
            heard = [at_wifi.recv(100)[20:]]
            at_eth.sendto(b"eth", ("10.0.1.2", 0))
            at_wifi.sendto(b"wifi", ("10.0.2.2", 0))
            return [*heard, by_wifi.recv(100)[20:]]

    assert two.do(exchange) == [b"out", b"wifi"]


def reached(world: Uplinks, by: str, to: str, port: int = 80) -> bytes | int:
    """What a gateway hears from our server, or why not."""

    def ask() -> bytes | int:
        with world[by].gateway.socket() as s:
            s.settimeout(5)
            if error := s.connect_ex((to, port)):
                return error
            return bytes(s.recv(100))

    return world.do(ask)  # type: ignore[no-any-return]


def serving(world: Uplinks, word: bytes, name: bytes | None, *, listens_first: bool = False) -> Any:
    """A server of ours on port 80, on one device or on all; it tells each connection its device."""
    with ExitStack() as undo:
        listener = undo.enter_context(world.host.socket())
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        if name is not None and not listens_first:
            listener.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, name)
        listener.bind(("", 80))
        listener.listen()
        if name is not None and listens_first:
            listener.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, name)
        undo.pop_all()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(word + connection.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16))

    world.runtime.spawn(serve)
    return listener


@pytest.mark.parametrize("listens_first", [False, True])
def test_a_server_on_one_device_is_reached_there_alone_and_its_connections_are_bound_too(
    two: Uplinks, listens_first: bool
):
    with serving(two, b"hello ", b"wifi", listens_first=listens_first):
        assert reached(two, "wifi", "10.0.2.2") == b"hello en2\0"
        assert reached(two, "eth", "10.0.1.2") == errno.ECONNREFUSED


def test_one_port_has_a_server_for_each_device_and_one_for_the_rest(three: Uplinks):
    with serving(three, b"one ", b"eth"), serving(three, b"two ", b"wifi"), serving(three, b"rest ", None):
        assert reached(three, "eth", "10.0.1.2") == b"one en1\0"
        assert reached(three, "wifi", "10.0.2.2") == b"two en2\0"
        assert reached(three, "modem", "10.0.3.2") == b"rest "
        with pytest.raises(OSError) as caught:
            serving(three, b"again ", b"wifi")
        assert caught.value.errno == errno.EADDRINUSE


def test_one_udp_port_is_bound_once_for_each_device(two: Uplinks):
    def hear() -> list[bytes]:
        with (
            two.host.socket(type=SOCK_DGRAM) as one,
            two.host.socket(type=SOCK_DGRAM) as other,
            two["eth"].gateway.socket(type=SOCK_DGRAM) as at_eth,
            two["wifi"].gateway.socket(type=SOCK_DGRAM) as at_wifi,
        ):
            for s, name in ((one, b"eth"), (other, b"wifi")):
                s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, name)
                s.bind(("", 67))
            at_wifi.sendto(b"by wifi", ("10.0.2.2", 67))
            at_eth.sendto(b"by eth", ("10.0.1.2", 67))
            return [one.recv(100), other.recv(100)]

    assert two.do(hear) == [b"by eth", b"by wifi"]


def test_a_udp_socket_of_one_device_leaves_the_others_to_who_is_bound_to_none(two: Uplinks):
    def hear() -> list[bytes]:
        with (
            two.host.socket(type=SOCK_DGRAM) as bound,
            two.host.socket(type=SOCK_DGRAM) as unbound,
            two["eth"].gateway.socket(type=SOCK_DGRAM) as at_eth,
            two["wifi"].gateway.socket(type=SOCK_DGRAM) as at_wifi,
        ):
            bound.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"wifi")
            for s, at in ((unbound, ""), (bound, "10.0.2.2")):
                s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
                s.bind((at, 67))
            at_eth.sendto(b"to wifi's address by eth", ("10.0.1.2", 67))
            at_wifi.sendto(b"by wifi", ("10.0.2.2", 67))
            return [unbound.recv(100), bound.recv(100)]

    assert two.do(hear) == [b"to wifi's address by eth", b"by wifi"]


def test_a_datagram_goes_to_who_is_bound_to_its_interface_before_who_is_bound_to_none(two: Uplinks):
    def hear() -> bytes:
        with (
            two.host.socket(type=SOCK_DGRAM) as bound,
            two.host.socket(type=SOCK_DGRAM) as unbound,
            two["wifi"].gateway.socket(type=SOCK_DGRAM) as sender,
        ):
            bound.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"wifi")
            for s in (bound, unbound):
                s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
                s.bind(("", 67))
            sender.sendto(b"by wifi", ("10.0.2.2", 67))
            return bytes(bound.recv(100))

    assert two.do(hear) == b"by wifi"


def test_a_connection_follows_the_device_that_it_is_bound_to(two: Uplinks):
    def begin() -> Any:
        stream = two.host.create_connection((FAR, 7))
        stream.recv(100)
        return stream

    with two.do(begin) as stream:
        stream.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"wifi")  # where nobody knows it

        def talk() -> bytes:
            stream.send(b"still there?")
            return bytes(stream.recv(100))

        talking = two.runtime.spawn(talk)
        two.runtime.run_for(5.0)
        assert not talking.done()
        stream.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"")
        two.runtime.run_until(talking.done, 60)
        assert talking.result() == b"eth-gateway"


def test_a_device_outlives_its_netif_s_stop_and_start(two: Uplinks):
    netif = two["wifi"].netif
    with (
        serving(two, b"hello ", b"wifi"),
        two.host.socket(type=SOCK_DGRAM) as s,
    ):
        s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"en2")
        netif.stop()

        def send() -> None:
            s.sendto(b"who", (FAR, 7))

        with pytest.raises(OSError) as caught:
            two.do(send)
        assert caught.value.errno == errno.ENODEV
        netif.start()

        def ask() -> bytes:
            s.sendto(b"who", (FAR, 7))
            return bytes(s.recv(100))

        assert two.do(ask) == b"wifi-gateway 10.0.2.2"
        assert reached(two, "wifi", "10.0.2.2") == b"hello en2\0"


# names


def test_the_stdlib_s_names_for_interfaces(two: Uplinks):
    host: Any = two.host
    assert if_nameindex(stack=host) == [(1, "lo0"), (2, "en1"), (3, "en2")]
    assert [if_nametoindex(name, stack=host) for name in ("lo0", "en2", "wifi")] == [1, 3, 3]
    assert if_indextoname(2, stack=host) == "en1"
    with pytest.raises(OSError, match="no interface with this name"):
        if_nametoindex("en9", stack=host)
    with pytest.raises(OSError, match="No such device or address"):
        if_indextoname(9, stack=host)


def test_a_datagram_tells_its_interface_and_our_address_there(two: Uplinks):
    def hear() -> list[Any]:
        with (
            two.host.socket(type=SOCK_DGRAM) as s,
            two["wifi"].gateway.socket(type=SOCK_DGRAM) as sender,
        ):
            s.bind(("", 4000))
            s.setsockopt(IPPROTO_IP, IP_PKTINFO, 1)
            sender.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
            for at in ("10.0.2.2", "10.0.2.255", "10.0.2.9"):
                sender.sendto(b"x", (at, 4000))
            return [struct.unpack("@i4s4s", s.recvmsg(10, 100)[1][0][2]) for _ in range(3)]

    two["wifi"].netif.add_address("10.0.2.9/24")
    ours, alias = bytes((10, 0, 2, 2)), bytes((10, 0, 2, 9))
    assert two.do(hear) == [(3, ours, ours), (3, ours, bytes((10, 0, 2, 255))), (3, alias, alias)]


def sent_with(two: Uplinks, *said: Any, to: Any = (FAR, 7)) -> bytes:
    def ask() -> bytes:
        with two.host.socket(type=SOCK_DGRAM) as s:
            s.sendmsg([b"wh", b"o"], said, 0, to)
            return bytes(s.recv(100))

    return bytes(two.do(ask))


def pktinfo(index: int = 0, source: str = "0.0.0.0") -> tuple[int, int, bytes]:
    return IPPROTO_IP, IP_PKTINFO, struct.pack("@i4s4s", index, inet_aton(source), bytes(4))


def test_one_datagram_chooses_its_interface_or_its_source(two: Uplinks):
    assert sent_with(two, pktinfo(3)) == b"wifi-gateway 10.0.2.2"
    assert sent_with(two, pktinfo(source="10.0.2.2")) == b"wifi-gateway 10.0.2.2"
    assert sent_with(two, pktinfo()) == sent_with(two) == b"eth-gateway 10.0.1.2"


def test_an_answer_goes_out_by_the_way_that_the_question_came(two: Uplinks):
    """What a server does that is bound to no address, and has two uplinks."""

    def serve() -> None:
        with two.host.socket(type=SOCK_DGRAM) as s:
            s.bind(("", 4000))
            s.setsockopt(IPPROTO_IP, IP_PKTINFO, 1)
            data, said, _, peer = s.recvmsg(100, 100)
            s.sendmsg([data], said, 0, peer)

    def ask() -> bytes:
        with two["wifi"].gateway.socket(type=SOCK_DGRAM) as s:
            s.bind((FAR, 0))
            s.connect(("10.0.2.2", 4000))
            s.send(b"question")
            return bytes(s.recv(100))

    two.runtime.spawn(serve)
    asking = two.runtime.spawn(ask)
    two.runtime.run_until(asking.done, 60)
    assert asking.result() == b"question"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (pktinfo(9), errno.ENODEV),
        (pktinfo(source="10.9.9.9"), errno.EADDRNOTAVAIL),
        ((IPPROTO_IP, IP_PKTINFO, b"short"), errno.EINVAL),
        ((SOL_SOCKET, 1, b""), errno.EINVAL),
    ],
)
def test_what_cannot_be_said_beside_a_datagram(two: Uplinks, said: Any, error: int):
    with pytest.raises(OSError) as caught:
        sent_with(two, said)
    assert caught.value.errno == error


def test_what_is_said_beside_a_streams_data_is_of_no_effect(two: Uplinks):  # as in Linux, but for SOL_SOCKET
    with two.do(lambda: two.host.create_connection((FAR, 7))) as s:
        assert s.sendmsg([b"x"], [pktinfo(2)]) == 1
        with pytest.raises(OSError, match="Invalid argument"):
            s.sendmsg([b"x"], [(SOL_SOCKET, 99, b"")])
