"""udp_client and udp_server, on hosts of a Lan under virtual time."""

from __future__ import annotations

import logging
from socket import AF_INET, SOCK_DGRAM

import pytest

from components.command import GaveUp
from components.lan import Lan
from components.udp_client import udp_client
from components.udp_server import udp_server


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


def answering(lan, server, *answers):
    """A peer that gives these answers in turn, None being silence; and remembers who asked."""
    askers = []

    def serve():
        with server.socket(AF_INET, SOCK_DGRAM) as receiver:
            receiver.bind(("", 3333))
            for answer in answers:
                _data, source = receiver.recvfrom(1000)
                askers.append((lan.now(), source))
                if answer is not None:
                    receiver.sendto(answer, source)

    server.spawn(serve)
    return askers


def test_a_client_and_a_server_exchange_a_datagram(lan, said):
    server, client = lan.host("server"), lan.host("client")
    served = server.spawn(lambda: udp_server(server.stack, once=True))
    asked = client.spawn(lambda: udp_client(client.stack, (server.ip, 3333), message="hello", once=True))
    assert finish(lan, served, asked) == [None, 1]
    lines = said()
    for line in (
        "Socket bound, port 3333",
        "Waiting for data",
        f"Socket created, sending to {server.ip}:3333",
        "Message sent",
        f"Received 5 bytes from {server.ip}: hello",
    ):
        assert line in lines
    assert any(line.startswith(f"Received 5 bytes from {client.ip}:") for line in lines)


def test_the_expected_answer_ends_the_round_and_the_next_has_a_socket_of_its_own(lan, said):
    server, client = lan.host("server"), lan.host("client")
    askers = answering(lan, server, b"OK: one", b"two", b"three")
    client.spawn(lambda: udp_client(client.stack, (server.ip, 3333)))
    lan.run_until(lambda: len(askers) == 3)
    (first, one), (second, two), (third, three) = askers
    assert one != two == three
    assert (second - first, third - second) == (pytest.approx(2.0, abs=0.1), pytest.approx(2.0, abs=0.1))
    assert said().count("Received expected message, reconnecting") == 1


def test_the_client_asks_again_when_no_answer_came(lan, said):
    server, client = lan.host("server"), lan.host("client")
    askers = answering(lan, server, None, b"at last")
    asked = client.spawn(lambda: udp_client(client.stack, (server.ip, 3333), once=True))
    assert finish(lan, asked) == [1]
    assert askers[1][0] - askers[0][0] == pytest.approx(10.0, abs=0.1)
    assert "No answer within 10 s" in said()


def test_a_refused_client_comes_back_later_and_later(lan, said):
    server, client = lan.host("server"), lan.host("client")

    def late():
        lan.sleep(3.0)
        udp_server(server.stack, once=True)

    served = server.spawn(late)
    asked = client.spawn(lambda: udp_client(client.stack, (server.ip, 3333), once=True))
    assert finish(lan, served, asked) == [None, 1]
    lines = said()
    assert lines.count("Error occurred: errno 111 (Connection refused)") == 3
    rests = [line.rpartition(" in ")[2] for line in lines if line.startswith("Shutting down socket and restarting")]
    assert rests == ["0.5 s", "1 s", "2 s"]


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.0.0.99", "10.9.9.9"])  # silent; not there; no way there
def test_the_client_gives_up_when_the_time_is_over(lan, peer):
    server, client = lan.host("server"), lan.host("client")
    answering(lan, server, None)
    asked = client.spawn(lambda: udp_client(client.stack, (peer, 3333), timeout=5.0))
    with pytest.raises(GaveUp, match=rf"^no answer from {peer}:3333 within 5 s$"):
        finish(lan, asked)
    assert lan.now() == pytest.approx(5.0, abs=0.1)


def test_a_stranger_is_not_taken_for_the_server(lan):
    server, stranger, client = lan.host("server"), lan.host("stranger"), lan.host("client")
    askers = answering(lan, server, None, b"from the server")

    def intrude():
        while not askers:
            lan.sleep(0.1)
        with stranger.socket(AF_INET, SOCK_DGRAM) as sender:
            sender.sendto(b"from a stranger", askers[0][1])

    stranger.spawn(intrude)
    asked = client.spawn(lambda: udp_client(client.stack, (server.ip, 3333), once=True))
    finish(lan, asked)
    assert len(askers) == 2


def test_the_server_gives_up_when_nothing_comes(lan):
    server = lan.host("server")
    served = server.spawn(lambda: udp_server(server.stack, timeout=4.0))
    with pytest.raises(GaveUp, match=r"^no datagram has come to port 3333 within 4 s$"):
        finish(lan, served)


def test_silence_and_a_sender_that_is_gone_do_not_end_the_server(lan):
    server, client = lan.host("server"), lan.host("client")
    server.spawn(lambda: udp_server(server.stack, timeout=4.0))

    def ask(words, wait):
        with client.socket(AF_INET, SOCK_DGRAM) as asking:
            asking.sendto(words, (server.ip, 3333))
            asking.settimeout(5.0)
            return asking.recvfrom(100)[0] if wait else b""

    def come_and_go():
        ask(b"gone before the answer", False)
        lan.sleep(60.0)
        return ask(b"hello", True)

    assert finish(lan, client.spawn(come_and_go)) == [b"hello"]


@pytest.mark.parametrize("port", [7, 3333])
def test_the_server_does_not_answer_what_would_answer_for_ever(lan, port):
    server, client = lan.host("server"), lan.host("client")
    server.spawn(lambda: udp_server(server.stack))

    def ask():
        with client.socket(AF_INET, SOCK_DGRAM) as asking:
            asking.bind(("", port))
            asking.settimeout(1.0)
            asking.sendto(b"for ever?", (server.ip, 3333))
            with pytest.raises(TimeoutError):
                asking.recvfrom(1000)

    finish(lan, client.spawn(ask))
