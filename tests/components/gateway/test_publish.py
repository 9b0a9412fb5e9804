"""Ports of the kernel that lead to hosts of a Lan."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from components.gateway.door import COUNTERS
from components.lan import Lan
from stack.tcp.config import TcpConfig
from tests.components.gateway.conftest import PATIENCE, call, digest, push, read_all


def echo(host, port=7, clients=1):
    """Serve so many clients, one after another."""

    def serve():
        with host.create_server(("", port)) as listener:
            for _ in range(clients):
                connection, _peer = listener.accept()
                with connection:
                    while data := connection.recv(65536):
                        connection.sendall(data)

    return serve


def test_a_kernel_client_talks_to_a_simulated_host(lan):
    host = lan.host("server")
    host.spawn(echo(host))
    published = lan.publish(host, 7)
    assert published.address[0] == "127.0.0.1"
    with call(published.address) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_a_chosen_port_is_the_port(lan):
    host = lan.host("server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    with lan.publish(host, 7, port=free) as published:
        assert published.address == ("127.0.0.1", free)
        with pytest.raises(
            OSError, match=f"publish: 127.0.0.1:{free}: Address already in use; port=0 takes a free one"
        ):
            lan.publish(host, 8, port=free)
    with lan.publish(host, 7, port=free):
        pass  # it is free again


def test_all_interfaces_are_bound_only_on_request(lan):
    host = lan.host("server")
    assert lan.publish(host, 7, bind="0.0.0.0").address[0] == "0.0.0.0"


def test_an_end_in_one_direction_is_the_end_of_that_direction(lan):
    """RFC 9293 3.6: half-closed, both ways."""
    host = lan.host("server")

    def serve():
        with host.create_server(("", 7)) as listener:
            connection, _peer = listener.accept()
            with connection:
                asked = connection.makefile("rb").read()  # to the FIN
                connection.sendall(asked[::-1])
                connection.shutdown(socket.SHUT_WR)

    host.spawn(serve)
    with call(lan.publish(host, 7).address) as client:
        client.sendall(b"olleh")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"hello"


def test_what_the_host_refuses_is_refused(lan):
    host = lan.host("server")
    published = lan.publish(host, 7)
    with pytest.raises(ConnectionResetError), call(published.address) as client:
        client.recv(1)


def test_a_reset_by_the_host_is_a_reset_here(lan):
    host = lan.host("server")

    def serve():
        with host.create_server(("", 7)) as listener:
            connection, _peer = listener.accept()
            connection.recv(5)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()

    host.spawn(serve)
    with call(lan.publish(host, 7).address) as client:
        client.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_reset_by_the_client_is_a_reset_there(lan):
    host = lan.host("server")

    def serve():
        with host.create_server(("", 7)) as listener:
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(connection.recv(100)[:1])
                with pytest.raises(ConnectionResetError):
                    connection.recv(100)
            return "reset"

    serving = host.spawn(serve)
    client = call(lan.publish(host, 7).address)
    client.sendall(b"hello")
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert serving.result(PATIENCE) == "reset"


@pytest.mark.parametrize("size", [200_000, pytest.param(4 << 20, marks=pytest.mark.slow)])
def test_what_is_sent_arrives_whole_both_ways_over_a_bad_cable(lan, aside, size):
    host = lan.host("server", loss="2%", delay="1ms", reorder="2%")
    sent = random.Random(8).randbytes(size)
    host.spawn(echo(host))
    with call(lan.publish(host, 7).address) as client:
        received = aside(lambda: read_all(client))
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert digest(received()) == digest(sent)


def test_a_slow_host_stops_a_fast_client(lan):
    """What waits between them is bounded: the kernel's buffers, one piece here, and the host's window."""
    host = lan.host("server")
    go_on = threading.Event()

    def serve():
        with host.create_server(("", 7)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            connection, _peer = listener.accept()
            with connection:
                go_on.wait(PATIENCE)
                count = 0
                while data := connection.recv(1 << 20):
                    count += len(data)
                return count

    serving = host.spawn(serve)
    with call(lan.publish(host, 7).address) as client:
        sent = push(client)
        assert sent < 24 << 20
        assert lan.runtime.memory.held < 12 << 20
        go_on.set()
        client.shutdown(socket.SHUT_WR)
        assert serving.result(PATIENCE) == sent


def test_a_slow_client_stops_a_fast_host(lan):
    host = lan.host("server")
    sent = [0]
    full = threading.Event()

    def serve():
        with host.create_server(("", 7)) as listener:
            connection, _peer = listener.accept()
            with connection:
                sent[0] = push(connection)
                full.set()

    host.spawn(serve)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(PATIENCE)
        client.connect(lan.publish(host, 7).address)
        assert full.wait(PATIENCE)
        assert sent[0] < 24 << 20
        assert len(read_all(client)) == sent[0]


def test_two_hundred_at_once(lan):
    host = lan.host("server")

    def serve():
        with host.create_server(("", 7), backlog=256) as listener:
            there = [listener.accept()[0] for _ in range(200)]
            for connection in there:
                connection.sendall(connection.recv(16))
                connection.close()

    serving = host.spawn(serve)
    published = lan.publish(host, 7)
    clients = [call(published.address) for _ in range(200)]
    try:
        for n, client in enumerate(clients):
            client.sendall(b"%d" % n)
        assert [read_all(client) for client in clients] == [b"%d" % n for n in range(200)]
    finally:
        for client in clients:
            client.close()
    serving.result(PATIENCE)
    assert published.stats["opened"] == 200


def test_beyond_the_bound_a_client_waits_for_a_place(lan):
    host = lan.host("server")
    host.spawn(echo(host, clients=2))
    published = lan.publish(host, 7, connections=1)
    with call(published.address) as first:
        first.sendall(b"1")
        assert first.recv(1) == b"1"
        with call(published.address) as second:
            second.sendall(b"2")
            assert published.stats["opened"] == 1
            first.close()
            assert second.recv(1) == b"2"
    assert set(published.stats.counters) <= set(COUNTERS)


def test_datagrams_go_both_ways(lan):
    host = lan.host("server")

    def serve():
        with host.socket(type=socket.SOCK_DGRAM) as s:
            s.bind(("", 7))
            for _ in range(3):
                data, source = s.recvfrom(65536)
                s.sendto(data.upper(), source)

    host.spawn(serve)
    published = lan.publish(host, 7, kind="udp")
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        for client, words, answer in ((one, b"a", b"A"), (other, b"b", b"B"), (one, b"x" * 9000, b"X" * 9000)):
            client.settimeout(PATIENCE)
            client.sendto(words, published.address)
            assert client.recv(65536) == answer
    assert published.stats["opened"] == 2


def test_a_sender_too_many_takes_the_place_of_the_most_silent(lan):
    host = lan.host("server")

    def serve():
        with host.socket(type=socket.SOCK_DGRAM) as s:
            s.bind(("", 7))
            while data := s.recvfrom(100):
                s.sendto(data[0], data[1])

    host.spawn(serve)
    published = lan.publish(host, 7, kind="udp", connections=2)
    clients = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(3)]
    for client in clients:
        client.settimeout(PATIENCE)
        client.sendto(b"x", published.address)
        assert client.recv(100) == b"x"
        client.close()
    assert (published.stats["opened"], published.stats["forgotten"], published.stats["full"]) == (3, 1, 1)


def test_a_client_that_comes_before_the_lease_waits_for_it():
    with Lan(seed=8, clock="real", dhcp=True) as lan:
        host = lan.host("server", delay="50ms")
        host.spawn(echo(host))
        with call(lan.publish(host, 7).address) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"


def test_the_other_hosts_keep_their_addresses(lan):
    first = lan.host("first")
    lan.publish(first, 7)
    assert (first.ip, lan.host("second").ip, lan.gateway.host.ip) == ("10.0.0.1", "10.0.0.2", "10.0.0.254")


def test_the_end_of_the_lan_is_the_end_of_its_clients_and_of_its_descriptors():
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    lan = Lan(seed=8, clock="real")
    host = lan.host("server")

    def serve():
        with host.create_server(("", 7)) as listener:
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(bytes(1 << 28))

    host.spawn(serve)
    published = lan.publish(host, 7)
    lan.publish(host, 7, kind="udp")
    with call(published.address) as client:
        client.recv(1)
        lan.close(0)
        with pytest.raises(ConnectionResetError):
            read_all(client)
    with pytest.raises(ConnectionRefusedError):
        call(published.address)
    assert len(os.listdir("/proc/self/fd")) <= before
    deadline = time.monotonic() + PATIENCE
    while threading.active_count() > threads and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert threading.active_count() <= threads


def test_in_order_means_that_what_was_sent_arrives():
    with Lan(seed=8, clock="real") as lan:
        host = lan.host("server", delay="5ms")
        done = threading.Event()

        def serve():
            with host.create_server(("", 7)) as listener:
                connection, _peer = listener.accept()
                with connection:
                    connection.sendall(b"x" * 100_000)
                done.set()

        host.spawn(serve)
        client = call(lan.publish(host, 7).address)
        assert done.wait(PATIENCE)
    with client:
        assert len(read_all(client)) == 100_000


def test_it_runs_in_the_loop_of_an_asyncio_program():
    async def scene():
        async with Lan(seed=8, clock="asyncio") as lan:
            host = lan.host("server", delay="1ms")

            async def serve():
                async with host.aio.socket() as listener:
                    listener.bind(("", 7))
                    listener.listen()
                    connection, _peer = await listener.accept()
                    async with connection:
                        while data := await connection.recv(65536):
                            await connection.sendall(data)

            serving = asyncio.create_task(serve())
            reader, writer = await asyncio.open_connection(*lan.publish(host, 7).address)
            writer.write(b"x" * 300_000)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            await serving
            return len(answer)

    threads = threading.active_count()
    assert asyncio.run(scene()) == 300_000
    assert threading.active_count() == threads


def test_a_kernel_program_does_not_live_by_a_virtual_clock():
    with Lan() as lan:
        host = lan.host("server")
        with pytest.raises(ValueError, match='kernel programs live by a real clock: Lan\\(clock="real"\\)'):
            lan.publish(host, 7)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"bind": "here"}, "bind: .* is no address"),
        ({"kind": "sctp"}, "kind='sctp': write 'tcp' or 'udp'"),
        ({"connections": 0}, "connections=0: take 1 or more"),
        ({"port": 65536}, "publish: 65536 is no port; take 1 to 65535"),
        ({"port": "http"}, "publish: 'http' is no port; take 1 to 65535"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_in_one_line(lan, options, complaint):
    host = lan.host("server")
    before = len(os.listdir("/proc/self/fd"))
    lan.publish(host, 7).close()
    with pytest.raises(ValueError, match=complaint) as caught:
        lan.publish(host, 7, **options)
    assert "\n" not in str(caught.value)
    with pytest.raises(OSError, match="Cannot assign requested address") as missing:
        lan.publish(host, 7, bind="192.0.2.1")
    assert missing.value.errno == errno.EADDRNOTAVAIL
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the selector


def test_what_is_no_host_or_no_port_is_refused_in_one_line(lan):
    host = lan.host("web")
    with pytest.raises(TypeError, match=r"publish: 'web' is no host: give lan\.hosts\['web'\]") as caught:
        lan.publish("web", 80)
    assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="publish: None is no host: give what"):
        lan.publish(None, 80)
    with pytest.raises(ValueError, match="publish: 'http' is no port; take 1 to 65535"):
        lan.publish(host, "http")
    lan.publish(lan.hosts["web"], 80).close()


def pages(host):
    """An HTTP server of the stdlib's kind, in a few lines."""

    def serve():
        with host.create_server(("", 80)) as listener:
            for _ in range(2):
                connection, _peer = listener.accept()
                with connection, connection.makefile("rb") as lines:
                    while lines.readline().strip():
                        pass
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 16384\r\n\r\n" + b"x" * 16384)

    return serve


def test_curl_and_urllib_get_a_page_behind_thirty_per_cent_of_loss(lan):
    host = lan.host("web", loss=("30%", 0), only="tcp", tcp=TcpConfig(initial_rto=0.05, min_rto=0.02, max_rto=0.2))
    host.spawn(pages(host))
    host_, port = lan.publish(host, 80).address
    with urllib.request.urlopen(f"http://{host_}:{port}/", timeout=PATIENCE) as page:
        assert len(page.read()) == 16384
    got = subprocess.run(
        ["curl", "--silent", "--max-time", "20", f"http://{host_}:{port}/"], capture_output=True, check=True
    )
    assert len(got.stdout) == 16384


def test_whoever_makes_the_gateway_first_chooses_its_cable(lan):
    gateway = lan.host("gateway", delay="1ms")
    host = lan.host("server")
    host.spawn(echo(host))
    with call(lan.publish(host, 7).address) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
    assert lan.gateway.host is gateway


def test_a_port_that_is_closed_is_forgotten(lan):
    host = lan.host("server")
    for _ in range(5):
        lan.publish(host, 7).close()
    assert len(lan.gateway.opened) <= 2


def test_without_a_descriptor_a_client_waits_for_one(lan):
    host = lan.host("server")
    host.spawn(echo(host))
    published = lan.publish(host, 7)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client, socket.socket() as last:
        client.settimeout(PATIENCE)
        last_fd = last.fileno()
        last.close()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (last_fd, hard))  # none is free below it
            client.connect(published.address)
            lan.run_until(lambda: published.stats["no_descriptor"] > 0, PATIENCE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


def test_senders_find_a_host_whose_address_has_changed(lan):
    host = lan.host("server")

    def serve():
        with host.socket(type=socket.SOCK_DGRAM) as s:
            s.bind(("", 7))
            while data := s.recvfrom(100):
                s.sendto(*data)

    host.spawn(serve)
    published = lan.publish(host, 7, kind="udp")
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        for ip in ("10.0.0.1", "10.0.0.99"):
            host.netif.set_ip_info(f"{ip}/24")
            client.sendto(b"x", published.address)
            assert client.recvfrom(100) == (b"x", published.address)
    assert published.stats["opened"] == 2


WITHOUT_EPOLL = """
import select
del select.epoll
import socket
from components.lan import Lan

with Lan(clock="real") as lan:
    host = lan.host("server")
    def serve():
        with host.create_server(("", 7)) as listener:
            connection, peer = listener.accept()
            with connection:
                connection.sendall(connection.recv(100))
    host.spawn(serve)
    with socket.create_connection(lan.publish(host, 7).address, 20) as client:
        client.sendall(b"hello")
        print(client.recv(100).decode())
"""


def test_a_selector_without_a_descriptor_does():
    done = subprocess.run([sys.executable, "-c", WITHOUT_EPOLL], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "hello\n"
