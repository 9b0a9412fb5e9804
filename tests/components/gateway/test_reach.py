"""Servers of the kernel's side as hosts of a Lan, and the way out for all of them."""

from __future__ import annotations

import asyncio
import http.server
import os
import random
import socket
import struct
import threading

import pytest

import netif
from components.lan import Lan
from netif.events import GotIp
from stack.tcp.config import TcpConfig
from stack.tcp.states import SYN_SENT
from tapio import drop
from tests.components.gateway.conftest import PATIENCE, digest, push, read_all

RESET = struct.pack("ii", 1, 0)


def reply(listening, words=b"hello"):
    """Serve one kernel client: what it says, to its end, answered by `words`."""

    def serve():
        connection, _peer = listening.accept()
        with connection:
            connection.settimeout(PATIENCE)
            asked = read_all(connection)
            connection.sendall(words)
            return asked

    return serve


def name_of(listening):
    return "{}:{}".format(*listening.getsockname())


def test_a_server_of_the_kernel_is_a_host_with_a_name(lan, listening, aside):
    serving = aside(reply(listening))
    broker = lan.reach(name_of(listening), as_="broker")
    client = lan.host("client")
    with client.create_connection(("broker", listening.getsockname()[1]), PATIENCE) as s:
        assert s.getpeername()[0] == broker.ip
        s.sendall(b"who are you")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"hello"
    assert serving() == b"who are you"


def test_it_may_have_another_port_there(lan, listening, aside):
    aside(reply(listening))
    broker = lan.reach(listening.getsockname(), as_="broker", port=1883)
    with lan.host("client").create_connection((broker.ip, 1883), PATIENCE) as s:
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"hello"


def test_a_program_that_means_a_host_finds_it_by_its_name(lan, listening, aside):
    """The gateway's own sockets stay the kernel's, whatever the name `socket` stands for meanwhile."""
    aside(reply(listening))
    with netif.use(lan.host("client")):
        lan.reach(f"127.0.0.1:{listening.getsockname()[1]}", as_="broker")
        with socket.create_connection(("broker", listening.getsockname()[1]), PATIENCE) as s:
            s.shutdown(socket.SHUT_WR)
            assert read_all(s) == b"hello"


def test_every_port_of_it_leads_there_if_none_is_named(lan, listening, aside):
    aside(reply(listening))
    machine = lan.reach("localhost", as_="machine")
    with lan.host("client").create_connection((machine.ip, listening.getsockname()[1]), PATIENCE) as s:
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"hello"


def test_no_port_but_that_one_leads_anywhere(lan, listening):
    broker = lan.reach(name_of(listening), as_="broker", port=1883)
    client = lan.host("client")
    with pytest.raises(ConnectionRefusedError):
        client.create_connection((broker.ip, 1884), PATIENCE)
    with client.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect((broker.ip, 1884))
        s.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


def test_what_the_server_refuses_is_refused_before_it_is_open(lan):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        server = lan.reach(nobody.getsockname(), as_="server")
        states = []
        client = lan.host("client").socket()
        client.observe(lambda event: states.append(event))
        with client, pytest.raises(ConnectionRefusedError):
            client.connect((server.ip, nobody.getsockname()[1]))
        assert not any("ESTABLISHED" in str(event) for event in states)


def test_a_reset_by_the_server_is_a_reset_here(lan, listening, aside):
    def serve():
        connection, _peer = listening.accept()
        connection.recv(5)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()

    aside(serve)
    server = lan.reach(name_of(listening), as_="server")
    with lan.host("client").create_connection((server.ip, listening.getsockname()[1]), PATIENCE) as s:
        s.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            s.recv(1)


def test_a_reset_by_a_host_is_a_reset_at_the_server(lan, listening, aside):
    def serve():
        connection, _peer = listening.accept()
        with connection:
            connection.settimeout(PATIENCE)
            connection.sendall(connection.recv(5)[:1])
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
            return "reset"

    serving = aside(serve)
    server = lan.reach(name_of(listening), as_="server")
    s = lan.host("client").create_connection((server.ip, listening.getsockname()[1]), PATIENCE)
    s.sendall(b"hello")
    s.recv(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    s.close()
    assert serving() == "reset"


@pytest.mark.parametrize("size", [200_000, pytest.param(4 << 20, marks=pytest.mark.slow)])
def test_what_is_sent_arrives_whole_over_a_bad_cable(lan, listening, aside, size):
    sent = random.Random(8).randbytes(size)
    serving = aside(reply(listening, sent))
    server = lan.reach(name_of(listening), as_="server", loss="2%", delay="1ms", reorder="2%")
    with lan.host("client").create_connection((server.ip, listening.getsockname()[1]), PATIENCE) as s:
        s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
        assert digest(read_all(s)) == digest(sent)
    assert digest(serving()) == digest(sent)


def test_a_server_that_does_not_read_stops_a_host(lan, listening):
    server = lan.reach(name_of(listening), as_="server")
    with lan.host("client").create_connection((server.ip, listening.getsockname()[1]), PATIENCE) as s:
        connection, _peer = listening.accept()
        with connection:
            count = push(s)
            assert count < 24 << 20
            s.shutdown(socket.SHUT_WR)
            connection.settimeout(PATIENCE)
            assert len(read_all(connection)) == count


def test_beyond_the_bound_a_host_waits_for_a_place(lan, listening):
    server = lan.reach(name_of(listening), as_="server", connections=1)
    client = lan.host("client", tcp=TcpConfig(initial_rto=0.1))
    address = (server.ip, listening.getsockname()[1])
    with client.create_connection(address, PATIENCE) as first:
        there, _peer = listening.accept()
        with client.socket() as second:
            second.setblocking(False)
            with pytest.raises(BlockingIOError):
                second.connect(address)
            lan.run_until(lambda: lan.gateway.opened[0].tcp.stats["full"] == 1, PATIENCE)
            assert [one.state for one in client.stack.tcp.connections.values()][1] is SYN_SENT
            first.close()
            there.close()
            second.settimeout(PATIENCE)  # the next copy of the SYN is answered
            listening.accept()[0].close()
            assert second.recv(1) == b""


def test_datagrams_go_to_a_server_of_the_kernel_and_back(lan):
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.settimeout(PATIENCE)
        server.bind(("127.0.0.1", 0))
        host = lan.reach(server.getsockname(), as_="server")
        one, other = lan.host("one"), lan.host("other")
        sockets = [one.socket(type=socket.SOCK_DGRAM), other.socket(type=socket.SOCK_DGRAM)]
        for s, words in ((sockets[0], b"a"), (sockets[1], b"b"), (sockets[0], b"x" * 9000)):
            s.settimeout(PATIENCE)
            s.sendto(words, (host.ip, server.getsockname()[1]))
            data, source = server.recvfrom(65536)
            server.sendto(data.upper(), source)
            assert s.recvfrom(65536) == (words.upper(), (host.ip, server.getsockname()[1]))
        for s in sockets:
            s.close()


def test_a_port_without_a_server_is_unreachable_for_datagrams(lan):
    """RFC 1122 4.1.3.3, from one side to the other."""
    with socket.socket(type=socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = gone.getsockname()
    server = lan.reach(address, as_="server")
    with lan.host("client").socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect((server.ip, address[1]))
        s.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


def test_a_host_that_vanishes_in_the_handshake_is_a_reset_at_the_server(lan, listening):
    quick = TcpConfig(initial_rto=0.05, synack_retries=1)
    server = lan.reach(name_of(listening), as_="server", tcp=quick, script=drop("SYN-ACK"))
    with lan.host("client").socket() as s:
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.connect((server.ip, listening.getsockname()[1]))
        connection, _peer = listening.accept()
        with connection:
            connection.settimeout(PATIENCE)
            with pytest.raises(ConnectionResetError):
                connection.recv(1)


@pytest.mark.parametrize("options", [{"connections": 0}, {"port": 70000}, {"port": 0}, {"allow": "here"}])
def test_a_wish_that_cannot_be_leaves_no_host_behind(lan, options):
    with pytest.raises(ValueError, match=r"take 1|write 'anywhere'"):
        lan.reach("127.0.0.1:80", as_="server", **options)
    assert not lan.hosts


@pytest.mark.parametrize("address", ["192.0.2.1:80", "[2001:db8::1]:80"])
def test_what_is_beyond_loopback_is_refused_unless_it_is_allowed(lan, address):
    with pytest.raises(ValueError, match=r"is beyond this machine's loopback; allow=.* allows it"):
        lan.reach(address, as_="server")
    assert "server" not in lan.hosts
    lan.reach(address, as_="server", allow="anywhere")
    lan.reach(address, as_="other", allow=["192.0.2.0/24", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("address", "complaint"),
    [("broker", "is no address"), ("127.0.0.1:x", "is no address"), ("127.0.0.1:70000", "70000 is no port")],
)
def test_an_address_that_is_none_is_refused_in_one_line(lan, address, complaint):
    with pytest.raises(ValueError, match=f"reach: .*{complaint}"):
        lan.reach(address, as_="server")
    assert not lan.hosts


def test_a_kernel_server_does_not_live_by_a_virtual_clock():
    with Lan() as lan, pytest.raises(ValueError, match="kernel programs live by a real clock"):
        lan.reach("127.0.0.1:80", as_="server")


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_address
        server.shutdown()
        thread.join(PATIENCE)


def get(host, address):
    with host.create_connection(address, PATIENCE) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return read_all(s).rpartition(b"\r\n")[2]


def test_the_gateways_address_is_the_machines_loopback(lan, web):
    before = lan.host("before")
    out = lan.internet()
    after = lan.host("after")
    for host in (before, after):
        assert host.netif.ip_info.gw == out.netif.ip_info.ip
        assert get(host, (out.ip, web[1])) == b"a page"
    with pytest.raises(ValueError, match="has its way out already"):
        lan.internet()


def test_elsewhere_is_refused_unless_it_is_asked_for(lan):
    lan.internet()
    client = lan.host("client")
    with pytest.raises(ConnectionRefusedError):
        client.create_connection(("192.0.2.1", 80), PATIENCE)
    with client.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect(("192.0.2.1", 80))
        s.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)
    assert lan.gateway.host.ip != "192.0.2.1"


def test_addresses_on_the_lan_stay_who_they_are(lan):
    lan.internet(to="anywhere")
    client, server = lan.host("client"), lan.host("server")
    with server.create_server(("", 7)) as listener, client.create_connection((server.ip, 7), PATIENCE):
        connection, peer = listener.accept()
        connection.close()
        assert peer[0] == client.ip


def test_who_has_a_lease_learns_the_way_out(web):
    with Lan(seed=8, clock="real", dhcp=True) as lan:
        early = lan.host("early")
        early.netif.wait_for(GotIp, PATIENCE)
        out = lan.internet()
        late = lan.host("late")
        for host in (early, late):
            lan.run_until(lambda host=host: host.netif.has_address and int(host.netif.ip_info.gw) != 0, PATIENCE)
            assert str(host.netif.ip_info.gw) == out.ip
            assert get(host, (out.ip, web[1])) == b"a page"


def test_names_are_asked_of_the_server_that_was_named(lan, aside):
    """Whatever the hosts ask of port 53 of the gateway goes there, as it is."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.settimeout(PATIENCE)
        server.bind(("127.0.0.1", 0))

        def answer():
            question, source = server.recvfrom(512)
            end = question.index(b"\0", 12) + 5
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes((192, 0, 2, 7))
            server.sendto(question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:end] + record, source)

        aside(answer)
        lan.internet(dns="{}:{}".format(*server.getsockname()))
        assert lan.host("client").stack.gethostbyname("example.org") == "192.0.2.7"


def test_the_machines_own_name_server_is_found(lan):
    from components.gateway.internet import name_server

    host, port = name_server(True)
    assert port == 53
    assert socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    assert name_server(False) is None


def test_it_runs_in_the_loop_of_an_asyncio_program():
    async def scene():
        async def serve(reader, writer):
            writer.write((await reader.read())[::-1])
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, Lan(seed=8, clock="asyncio") as lan:
            there = lan.reach(server.sockets[0].getsockname(), as_="server")
            client = lan.host("client")
            s = client.aio.socket()
            async with s:
                await s.connect((there.ip, server.sockets[0].getsockname()[1]))
                await s.sendall(b"olleh")
                s.shutdown(socket.SHUT_WR)
                return await s.recv(100)

    assert asyncio.run(scene()) == b"hello"


def test_the_end_of_the_lan_ends_what_is_on_its_way(listening):
    before = len(os.listdir("/proc/self/fd"))
    lan = Lan(seed=8, clock="real")
    server = lan.reach(name_of(listening), as_="server")
    lan.internet(to="anywhere")
    client = lan.host("client")
    s = client.create_connection((server.ip, listening.getsockname()[1]), PATIENCE)
    there, _peer = listening.accept()
    with client.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"?", (lan.gateway.host.ip, 9))
    lan.close(0)
    s.close()
    with there:
        there.settimeout(PATIENCE)
        with pytest.raises(ConnectionResetError):
            there.recv(1)
    assert len(os.listdir("/proc/self/fd")) <= before
