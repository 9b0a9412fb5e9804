"""A host that answers for others: listeners that put a SYN off, sockets made when they are missing, any address."""

from __future__ import annotations

import socket
from errno import EADDRINUSE, errorcode

import pytest

from components.lan import Lan
from netif.config import IpInfo
from stack.any_ip import AnyIp
from stack.limits import Limits
from stack.tcp.catch_all import CatchAll
from stack.tcp.config import TcpConfig
from stack.udp import UdpEndpoint

QUICK = TcpConfig(initial_rto=0.1)


@pytest.fixture
def lan():
    with Lan() as made:
        yield made


def put_off(lan, host):
    """A CatchAll, and the (local, remote) that it was asked about."""
    asked = []
    return under_the_gate(lan, CatchAll, host.stack.tcp, lambda *key: asked.append(key), host.stack.tcp.config), asked


def under_the_gate(lan, act, *arguments):
    lan.runtime.enter()
    try:
        return act(*arguments)
    finally:
        lan.runtime.leave()


def connecting(client, address):
    def connect():
        try:
            with client.create_connection(address) as s:
                return s.getpeername()
        except OSError as error:
            return errorcode[error.errno]

    return client.spawn(connect)


def test_a_syn_is_answered_when_it_is_admitted(lan):
    gate, client = lan.host("gate"), lan.host("client", tcp=QUICK)
    listener, asked = put_off(lan, gate)
    task = connecting(client, (gate.ip, 4711))
    lan.run_for(1.0)
    assert not task.done()
    assert len(asked) == 1
    assert gate.stack.stats["tcp_syn_held"] >= 2  # the copies
    connection = under_the_gate(lan, listener.admit, *asked[0])
    assert connection.local == asked[0][0]
    lan.run_until(task.done)
    assert task.result() == (gate.ip, 4711)
    assert not listener.held
    under_the_gate(lan, listener.close)


def test_a_syn_that_is_refused_gets_a_reset(lan):
    gate, client = lan.host("gate"), lan.host("client")
    listener, asked = put_off(lan, gate)
    task = connecting(client, (gate.ip, 4711))
    lan.run_until(lambda: bool(asked))
    under_the_gate(lan, listener.refuse, *asked[0])
    lan.run_until(task.done)
    assert task.result() == "ECONNREFUSED"


def test_a_syn_that_is_forgotten_asks_again(lan):
    gate, client = lan.host("gate"), lan.host("client", tcp=QUICK)
    listener, asked = put_off(lan, gate)
    task = connecting(client, (gate.ip, 4711))
    lan.run_until(lambda: bool(asked))
    under_the_gate(lan, listener.forget_syn, *asked[0])
    lan.run_until(lambda: len(asked) == 2)
    assert under_the_gate(lan, listener.admit, *asked[1]) is not None
    lan.run_until(task.done)


def test_it_takes_what_no_other_listener_has(lan):
    gate, client = lan.host("gate"), lan.host("client")
    _, asked = put_off(lan, gate)

    def serve():
        with gate.create_server(("", 7)) as listener:
            listener.accept()[0].close()

    gate.spawn(serve)
    task = connecting(client, (gate.ip, 7))
    lan.run_until(task.done)
    assert not asked
    with pytest.raises(OSError) as caught:
        put_off(lan, gate)
    assert caught.value.errno == EADDRINUSE


def test_the_syns_that_wait_are_bounded(lan):
    gate, client = lan.host("gate", limits=Limits(syn_table=2)), lan.host("client")
    listener, asked = put_off(lan, gate)
    tasks = [connecting(client, (gate.ip, 1000 + n)) for n in range(3)]
    lan.run_for(0.1)
    assert len(asked) == len(listener.held) == 2
    assert gate.stack.stats["syn_table_full"] == 1
    under_the_gate(lan, listener.close)
    lan.run_for(10.0)
    assert tasks[2].result() == "ECONNREFUSED"


def test_an_admitted_connection_that_nobody_completes_ends(lan):
    """RFC 9293 3.10.7.4: its SYN-ACK is sent again, and then no more."""
    gate, client = lan.host("gate", tcp=TcpConfig(synack_retries=1)), lan.host("client")
    listener, asked = put_off(lan, gate)
    connecting(client, (gate.ip, 7))
    lan.run_until(lambda: bool(asked))
    client.netif.unplug()
    connection = under_the_gate(lan, listener.admit, *asked[0])
    lan.run_for(10.0)
    assert connection.state.value == "CLOSED"
    client.netif.replug()


def led(lan, **options):
    """A host that takes what is to anybody, and one whose way out it is."""
    gate = lan.host("gate", **options)
    client = lan.host("client")
    client.netif.set_ip_info(IpInfo(client.ip, "255.255.255.0", gate.ip))
    gate.stack.ip.any_ip = AnyIp(gate.stack.ip)
    return gate, client


def test_a_packet_to_anybody_is_ours_from_the_first_on(lan):
    gate, client = led(lan)

    def serve():
        with gate.create_server(("", 80)) as listener:
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(connection.recv(100))
                return connection.getsockname()

    def ask():
        with client.create_connection(("192.0.2.1", 80)) as s:
            s.sendall(b"hello")
            return s.recv(100)

    serving, asking = gate.spawn(serve), client.spawn(ask)
    lan.run_until(asking.done)
    assert asking.result() == b"hello"
    assert serving.result() == ("192.0.2.1", 80)
    gate.netif.add_address("10.9.0.1/24")  # all that is known of addresses is made anew
    assert b"\xc0\0\2\1" in gate.stack.ip.local


def test_neighbours_groups_and_pings_are_nobody_elses(lan):
    gate, client = led(lan)
    gate.netif.add_address("10.9.0.1/24")

    def send():
        with client.socket(type=socket.SOCK_DGRAM) as s:
            s.sendto(b"?", ("10.9.0.2", 9))  # a neighbour of the gate's, whom it must not be
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.sendto(b"?", ("255.255.255.255", 9))
        with client.socket(type=socket.SOCK_DGRAM, proto=socket.IPPROTO_ICMP) as s:
            s.sendto(b"\x08\0\0\0\0\0\0\1", ("192.0.2.1", 0))

    client.spawn(send)
    lan.run_for(1.0)
    assert gate.stack.stats["ip_not_for_us"] == 2
    assert set(gate.stack.ip.local) == {bytes((10, 0, 0, 1)), bytes((10, 9, 0, 1))}


def test_the_addresses_that_are_taken_are_bounded(lan):
    gate, client = led(lan, limits=Limits(adopted_addresses=2))

    def send():
        with client.socket(type=socket.SOCK_DGRAM) as s:
            for n in range(4):
                s.sendto(b"?", (f"192.0.2.{n}", 9))

    client.spawn(send)
    lan.run_for(1.0)
    assert list(gate.stack.ip.any_ip.adopted) == [bytes((192, 0, 2, n)) for n in (2, 3)]
    assert gate.stack.stats["adopted_addresses_full"] == 2


def test_a_socket_is_made_for_a_datagram_that_has_none(lan):
    gate, client = led(lan)
    made = []

    def unclaimed(local, source):
        if local[1] != 7:
            return None
        endpoint = UdpEndpoint(gate.stack)
        endpoint.bind(*local)
        endpoint.connect(*source)
        made.append(endpoint)
        return endpoint

    gate.stack.udp.unclaimed = unclaimed

    def ask():
        with client.socket(type=socket.SOCK_DGRAM) as s:
            s.connect(("192.0.2.1", 7))
            s.send(b"one")
            s.send(b"two")
            answer = s.recvfrom(100)
            s.connect(("192.0.2.1", 8))
            s.send(b"three")
            with pytest.raises(ConnectionRefusedError):
                s.recv(100)
            return answer

    task = client.spawn(ask)
    lan.run_for(0.1)
    (endpoint,) = made
    assert [under_the_gate(lan, endpoint.take)[0] for _ in range(2)] == [b"one", b"two"]
    under_the_gate(lan, endpoint.send_to, b"answer")
    lan.run_until(task.done)
    assert task.result() == (b"answer", ("192.0.2.1", 7))
    under_the_gate(lan, endpoint.close)
