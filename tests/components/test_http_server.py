"""http_server as a client meets it: on hosts of a Lan, under virtual time."""

from __future__ import annotations

import re
from socket import SHUT_WR

import pytest

from components.http_server import MOST_CLIENTS, http_server
from components.lan import Lan
from components.serving import serve


@pytest.fixture
def lan():
    with Lan(seed=1) as lan:
        server, lan.client = lan.host("server"), lan.host("client")
        lan.url = (server.ip, 80)
        lan.task = server.spawn(lambda: http_server(server.stack))
        yield lan


def finish(lan, *parts, timeout=600.0):
    tasks = [lan.client.spawn(part) for part in parts]
    lan.run_until(lambda: all(task.done() for task in tasks), timeout)
    return [task.result() for task in tasks]


def read_all(connection) -> bytes:
    got = b""
    while data := connection.recv(1 << 20):
        got += data
    return got


def talk(lan, *sent: bytes, pause: float = 0.0, end: bool = False) -> tuple[bytes, float]:
    """(what came until the server closed, how long that took); OSError if it was cut off."""

    def client():
        began = lan.now()
        with lan.client.create_connection(lan.url) as connection:
            for part in sent:
                connection.sendall(part)
                lan.sleep(pause)
            if end:
                connection.shutdown(SHUT_WR)
            return read_all(connection), lan.now() - began

    return finish(lan, client)[0]


def request(target: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join((f"{method} {target} HTTP/{version}", "Host: server", *fields, "", "")).encode()


CLOSE = "Connection: close"


def heads(got: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1.1 (\d{3}) ", got)


def test_a_page_and_the_end_of_the_connection_when_asked_for(lan):
    got, took = talk(lan, request("/", CLOSE))
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert re.search(rb"(?i)\r\nconnection: close(\r\n|$)", head)
    assert re.search(rb"(?i)\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", head)
    assert int(re.search(rb"(?i)content-length: (\d+)", head)[1]) == len(body)
    assert took < 1.0


def test_http_1_0_is_answered_and_closed(lan):  # RFC 9112 9.3
    got, took = talk(lan, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert heads(got) == [b"200"]
    assert took < 1.0


def test_a_connection_is_kept_for_more_and_closed_when_nothing_comes(lan):
    got, took = talk(lan, request("/big/10"), request("/big/20"), pause=5.0)
    assert heads(got) == [b"200", b"200"]
    assert took == pytest.approx(5.0 + 15.0, abs=0.5)  # 15 s after the second


def test_requests_that_come_at_once_are_answered_in_order(lan):  # RFC 9112 9.3.2
    got, _ = talk(lan, request("/big/11") + request("/nix") + request("/big/12") + request("/", CLOSE))
    assert heads(got) == [b"200", b"404", b"200", b"200"]
    assert [int(n) for n in re.findall(rb"(?i)content-length: (\d+)", got)][::2] == [11, 12]


def test_a_client_that_has_said_all_is_answered_before_the_end(lan):
    got, took = talk(lan, request("/big/300000"), end=True)
    assert heads(got) == [b"200"]
    assert len(got.partition(b"\r\n\r\n")[2]) == 300_000
    assert took < 1.0


def test_head_is_the_head_alone(lan):  # RFC 9110 9.3.2
    got, _ = talk(lan, request("/big/1000", method="HEAD") + request("/big/5", CLOSE))
    assert heads(got) == [b"200", b"200"]
    assert b"content-length: 1000\r\n" in got.lower()
    assert got.count(b"\r\n\r\n") == 2
    assert len(got.rpartition(b"\r\n\r\n")[2]) == 5


def test_a_range(lan):
    got, _ = talk(lan, request("/big/1000", "Range: bytes=10-19", CLOSE))
    assert heads(got) == [b"206"]
    assert b"content-range: bytes 10-19/1000\r\n" in got.lower()
    assert len(got.partition(b"\r\n\r\n")[2]) == 10


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),  # TLS
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # RFC 9112 3.2: no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad name: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000, b"431"),
        (b"GET /" + b"x" * 40_000, b"431"),
    ],
)
def test_what_is_no_request_is_told_and_closed(lan, sent, status):
    got, took = talk(lan, sent)
    assert heads(got) == [status]
    assert b"\nconnection: close\r\n" in got.lower()
    assert took < 2.0


def test_a_mistake_after_a_good_request_ends_there(lan):
    got, _ = talk(lan, request("/big/5") + b"nonsense\r\n\r\n" + request("/big/5"))
    assert heads(got) == [b"200", b"400"]


def test_the_reason_arrives_however_much_is_still_sent(lan):  # RFC 9112 9.6
    got, _ = talk(lan, b"nonsense\r\n\r\n" + b"more of it" * 5000)
    assert heads(got) == [b"400"]


def test_half_a_request_and_the_end_is_told(lan):
    got, _ = talk(lan, b"GET / HT", end=True)
    assert heads(got) == [b"400"]


@pytest.mark.parametrize("words", [("Content-Length: 5",), ("Transfer-Encoding: chunked",)])
def test_content_is_refused_and_the_connection_closed(lan, words):
    got, _ = talk(lan, request("/", *words) + b"5\r\nhello\r\n0\r\n\r\n")
    assert heads(got) == [b"413"]
    got, _ = talk(lan, request("/", *words, "Expect: 100-continue", method="PUT"))
    assert heads(got) == [b"405"]


def test_a_request_that_comes_a_byte_at_a_time_is_cut_short(lan):
    letters = [bytes((letter,)) for letter in request("/")[:14]]
    got, took = talk(lan, *letters, pause=1.0)
    assert heads(got) == [b"408"]
    assert took == pytest.approx(15.0, abs=0.5)


def test_nothing_said_nothing_answered(lan):
    got, took = talk(lan)
    assert got == b""
    assert took == pytest.approx(15.0, abs=0.5)


def test_a_client_that_does_not_read_is_cut_off(lan):
    def stubborn():
        with lan.client.create_connection(lan.url) as connection:
            connection.sendall(request("/big/100000000"))
            lan.sleep(60.0)
            with pytest.raises(ConnectionResetError):
                read_all(connection)

    finish(lan, stubborn)


def test_a_client_that_goes_away_harms_nobody(lan):
    def go_away():
        with lan.client.create_connection(lan.url) as connection:
            connection.sendall(request("/big/100000000"))
            connection.recv(1000)

    finish(lan, go_away, go_away)
    got, _ = talk(lan, request("/big/5", CLOSE))
    assert heads(got) == [b"200"]
    assert not lan.task.done()


def test_a_hundred_clients_at_once(lan):
    def client():
        with lan.client.create_connection(lan.url) as connection:
            for _ in range(3):
                connection.sendall(request("/big/100"))
                got = b""
                while len(got.partition(b"\r\n\r\n")[2]) < 100:
                    got += connection.recv(1000)
                assert heads(got) == [b"200"]
                lan.sleep(1.0)

    finish(lan, *[client] * 100)
    assert MOST_CLIENTS > 100


def test_silent_clients_hold_up_others_for_a_while_only(lan):
    def silent():
        with lan.client.create_connection(lan.url) as connection:
            assert connection.recv(10) == b""

    def honest():
        lan.sleep(1.0)
        began = lan.now()
        with lan.client.create_connection(lan.url) as connection:
            connection.sendall(request("/big/10", CLOSE))
            assert heads(read_all(connection)) == [b"200"]
        return lan.now() - began

    waited = finish(lan, honest, *[silent] * MOST_CLIENTS)[0]
    assert 13.0 < waited < 15.0


def test_no_more_clients_are_served_at_once_than_allowed():
    with Lan(seed=1) as lan:
        server, client = lan.host("server"), lan.host("client")
        served, most = [], 0

        def handle(connection, _peer):
            nonlocal most
            with connection:
                served.append(connection)
                most = max(most, len(served))
                lan.sleep(1.0)
                connection.sendall(b"done")
                served.remove(connection)

        def come():
            with client.create_connection((server.ip, 80)) as connection:
                assert connection.recv(10) == b"done"

        listener = server.create_server(("", 80))
        server.spawn(lambda: serve(listener, handle, lan.runtime.spawn, most=3))
        tasks = [client.spawn(come) for _ in range(9)]
        lan.run_until(lambda: all(task.done() for task in tasks))
        for task in tasks:
            task.result()
        listener.close()
    assert most == 3
