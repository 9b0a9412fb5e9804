"""tcp_client, tcp_server, small_services and ping, on hosts of a Lan under virtual time."""

from __future__ import annotations

import logging
from functools import partial
from socket import AF_INET, SOCK_DGRAM

import pytest

from components.command import GaveUp
from components.lan import Lan
from components.ping import ping
from components.serving import printable
from components.small_services import CHARGEN, DISCARD, ECHO, PATTERN, SmallServices
from components.tcp_client import tcp_client
from components.tcp_server import tcp_server


@pytest.fixture
def lan():
    with Lan(seed=1) as lan:
        yield lan


@pytest.fixture
def said(caplog):
    """The samples' log lines so far."""
    caplog.set_level(logging.INFO, logger="components")
    return lambda: [record.getMessage() for record in caplog.records]


def finish(lan, *tasks, timeout=600.0):
    lan.run_until(lambda: all(task.done() for task in tasks), timeout)
    return [task.result() for task in tasks]


def test_a_client_and_a_server_exchange_a_message(lan, said):
    server, client = lan.host("server"), lan.host("client")
    served = server.spawn(lambda: tcp_server(server.stack, once=True))
    asked = client.spawn(lambda: tcp_client(client.stack, (server.ip, 3333), message="hello", once=True))
    assert finish(lan, served, asked) == [None, 1]
    lines = said()
    assert [line for line in lines if line in ("Socket created", "Socket bound, port 3333", "Socket listening")] == [
        "Socket created",
        "Socket bound, port 3333",
        "Socket listening",
    ]
    assert f"Socket created, connecting to {server.ip}:3333" in lines
    assert "Successfully connected" in lines
    assert any(line.startswith(f"Socket accepted ip address: {client.ip}:") for line in lines)
    assert f"Received 5 bytes from {server.ip}: hello" in lines
    assert any(line.startswith(f"Connection closed by {client.ip}:") for line in lines)
    assert not any("lost" in line for line in lines)


def test_the_client_tries_again_until_there_is_a_server(lan, said):
    server, client = lan.host("server"), lan.host("client")

    def late():
        lan.sleep(3.0)
        tcp_server(server.stack, once=True)

    served = server.spawn(late)
    asked = client.spawn(lambda: tcp_client(client.stack, (server.ip, 3333), once=True))
    assert finish(lan, served, asked) == [None, 1]
    refusals = [line for line in said() if line.startswith("Socket unable to connect: errno 111 (Connection refused)")]
    assert [line.rpartition("again in ")[2] for line in refusals] == ["0.5 s", "1 s", "2 s"]


def test_the_client_gives_up_when_the_time_is_over(lan):
    server, client = lan.host("server"), lan.host("client")
    asked = client.spawn(lambda: tcp_client(client.stack, (server.ip, 3333), timeout=5.0))
    with pytest.raises(GaveUp, match=r"^no connection to 10.0.0.1:3333 within 5 s: errno 111 \(Connection refused\)$"):
        finish(lan, asked)
    assert lan.now() == pytest.approx(5.0, abs=0.1)


def test_the_client_gives_up_on_a_silent_server_too(lan):
    server, client = lan.host("server"), lan.host("client")

    def silence():
        with server.create_server(("", 3333)) as listener:
            connection, _peer = listener.accept()
            with connection:
                while connection.recv(100):
                    pass

    server.spawn(silence)
    asked = client.spawn(lambda: tcp_client(client.stack, (server.ip, 3333), timeout=5.0))
    with pytest.raises(GaveUp, match=r"^no answer from 10.0.0.1:3333 within 5 s$"):
        finish(lan, asked)


def test_the_client_sees_an_orderly_close_as_one_and_comes_back(lan, said):
    server, client = lan.host("server"), lan.host("client")

    def twice():
        with server.create_server(("", 3333)) as listener:
            for _ in range(2):
                connection, _peer = listener.accept()
                with connection:
                    connection.sendall(connection.recv(100))
                    lan.sleep(0.1)

    served = server.spawn(twice)
    client.spawn(lambda: tcp_client(client.stack, (server.ip, 3333)))
    finish(lan, served)
    assert said().count("Successfully connected") == 2
    assert f"Connection closed by {server.ip}" in said()
    assert not any("lost" in line or "0 bytes" in line for line in said())


def test_the_server_serves_many_clients_at_once(lan):
    server = lan.host("server")
    server.spawn(lambda: tcp_server(server.stack))

    def hold(client, number):
        with client.create_connection((server.ip, 3333)) as connection:
            connection.sendall(b"%d" % number)
            answer = connection.recv(100)
            lan.sleep(10.0)  # all of them stay
            return answer

    clients = [lan.host(f"client{number}") for number in range(12)]
    talks = [client.spawn(partial(hold, client, number)) for number, client in enumerate(clients)]
    assert finish(lan, *talks) == [b"%d" % number for number in range(12)]
    assert lan.now() < 15.0


def test_the_server_gives_up_when_nobody_comes(lan):
    server = lan.host("server")
    served = server.spawn(lambda: tcp_server(server.stack, timeout=4.0))
    with pytest.raises(GaveUp, match=r"^no client has come to port 3333 within 4 s$"):
        finish(lan, served)


def test_the_server_notices_a_client_that_vanished(lan, said):
    server, client = lan.host("server"), lan.host("client")
    served = server.spawn(lambda: tcp_server(server.stack, once=True))

    def vanish():
        connection = client.create_connection((server.ip, 3333))
        connection.sendall(b"still here")
        connection.recv(100)
        lan.sleep(0.1)  # or the echo would be retransmitted first, and that may take a quarter of an hour
        client.netif.disconnected()
        return connection

    (connection,) = finish(lan, client.spawn(vanish))
    began = lan.now()
    finish(lan, served)
    assert lan.now() - began == pytest.approx(20.0, abs=1.0)  # idle 5 s, then three probes, 5 s apart
    assert any("lost: errno 110" in line for line in said())
    connection.close()


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_the_small_services_answer_over_tcp(clock):
    with Lan(seed=1, clock=clock) as lan:
        server, client = lan.host("server"), lan.host("client")

        def ask():
            with client.create_connection((server.ip, ECHO)) as connection:
                connection.sendall(b"echo" * 1000)
                echoed = b""
                while len(echoed) < 4000:
                    echoed += connection.recv(65536)
            with client.create_connection((server.ip, DISCARD)) as connection:
                connection.sendall(b"gone" * 1000)
                connection.shutdown(1)
                discarded = connection.recv(100)
            with client.create_connection((server.ip, CHARGEN)) as connection:
                characters = b""
                while len(characters) < 3 * len(PATTERN):
                    characters += connection.recv(65536)
            return echoed, discarded, characters

        with SmallServices(server.stack):
            echoed, discarded, characters = finish(lan, client.spawn(ask))[0]
    assert echoed == b"echo" * 1000
    assert discarded == b""
    assert characters[: 3 * len(PATTERN)] == PATTERN * 3
    assert characters.split(b"\r\n")[0] == bytes(range(32, 104))  # RFC 864's first line
    assert characters.split(b"\r\n")[1] == bytes(range(33, 105))


def test_the_small_services_answer_over_udp(lan):
    server, client = lan.host("server"), lan.host("client")

    def ask():
        with client.socket(AF_INET, SOCK_DGRAM) as asking:
            asking.settimeout(1.0)
            asking.sendto(b"echo", (server.ip, ECHO))
            echoed = asking.recvfrom(1000)
            asking.sendto(b"", (server.ip, CHARGEN))
            characters = asking.recvfrom(1000)
            asking.sendto(b"gone", (server.ip, DISCARD))
            with pytest.raises(TimeoutError):
                asking.recvfrom(1000)
            return echoed, characters

    with SmallServices(server.stack):
        ((echoed, characters),) = finish(lan, client.spawn(ask))
    assert echoed == (b"echo", (server.ip, ECHO))
    assert characters[1] == (server.ip, CHARGEN)
    assert 0 < len(characters[0]) <= 512


def test_two_echo_services_do_not_answer_each_other(lan):
    server, client = lan.host("server"), lan.host("client")

    def ask():
        with client.socket(AF_INET, SOCK_DGRAM) as asking:
            asking.bind(("", CHARGEN))
            asking.settimeout(1.0)
            asking.sendto(b"for ever?", (server.ip, ECHO))
            with pytest.raises(TimeoutError):
                asking.recvfrom(1000)

    with SmallServices(server.stack):
        finish(lan, client.spawn(ask))


def test_the_small_services_run_on_the_kernels_sockets_too():
    import socket
    import threading
    from types import SimpleNamespace

    port = {}

    def create_server(address):
        listener = socket.create_server(("127.0.0.1", 0))
        port[address[1]] = listener.getsockname()[1]
        return listener

    class Anywhere(socket.socket):
        def bind(self, address):
            super().bind(("127.0.0.1", 0))

        def close(self):
            """Who waits in it is woken: the kernel may begin the call anew, with whatever has this descriptor then."""
            where = self.getsockname() if self.fileno() >= 0 else None
            super().close()
            if where is not None:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
                    waking.sendto(b"", where)

    served = threading.Event()
    with SmallServices(SimpleNamespace(create_server=create_server, socket=Anywhere), served=served.set):
        with socket.create_connection(("127.0.0.1", port[ECHO])) as connection:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"
        assert served.wait(5.0)


def test_ping_tells_of_each_answer_and_sums_up(lan):
    one, other = lan.host("one"), lan.host("other", delay="5ms")
    lines: list[str] = []
    (pinged,) = finish(lan, one.spawn(lambda: ping(one.stack, other.ip, count=3, say=lines.append)))
    assert (pinged.sent, len(pinged.answers)) == (3, 3)
    assert lines[0] == "PING 10.0.0.2: 56 (84) bytes of data."
    assert lines[1].startswith("64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=")
    assert lines[2] == "64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=10.000 ms"
    assert lines[4].splitlines()[1].startswith("3 packets transmitted, 3 received, 0% packet loss, time ")
    assert lan.now() == pytest.approx(2.0, abs=0.1)


def test_ping_counts_what_is_lost(lan):
    one, other = lan.host("one"), lan.host("other", loss="30%")
    lines: list[str] = []
    (pinged,) = finish(lan, one.spawn(lambda: ping(one.stack, other.ip, count=40, say=lines.append)))
    assert pinged.sent == 40
    assert 5 < len(pinged.answers) < 35
    assert "% packet loss" in lines[-1]


def test_ping_tells_that_nobody_is_there(lan):
    one = lan.host("one")
    lines: list[str] = []
    (pinged,) = finish(lan, one.spawn(lambda: ping(one.stack, "10.0.0.99", count=4, say=lines.append)))
    assert pinged.answers == []
    assert any("No route to host" in line for line in lines)
    assert "4 packets transmitted, 0 received, 100% packet loss" in lines[-1]


def test_ping_gives_up_after_its_timeout(lan):
    one = lan.host("one")
    finish(lan, one.spawn(lambda: ping(one.stack, "10.0.0.99", timeout=2.5, say=lambda line: None)))
    assert lan.now() == pytest.approx(2.5, abs=0.1)


def test_whom_arp_has_found_is_logged_once(lan, caplog):
    caplog.set_level(logging.INFO, logger="stack.arp")
    one, other = lan.host("one"), lan.host("other")
    finish(lan, one.spawn(lambda: ping(one.stack, other.ip, count=3, say=lambda line: None)))
    said = [record.getMessage() for record in caplog.records]
    assert sorted(said) == [f"ARP cache: added {host.ip} @ {host.mac}" for host in (one, other)]


def test_what_a_peer_sends_cannot_steer_the_terminal():
    assert printable(b"plain\r\n") == "plain"
    assert printable(b"\x1b[2J\x07") == "\\x1b[2J\\x07"
    assert printable("grüße".encode()) == "grüße"
    assert printable(b"\xff\xfe") == "\\xff\\xfe"
    assert printable("\u202e".encode()) == "\\u202e"
    assert printable(b"x" * 200) == "x" * 128 + "..."
