"""http_get as a server meets it: on hosts of a Lan, under virtual time."""

from __future__ import annotations

import pytest

from components.command import Complaint, GaveUp
from components.http_get import http_get, parse_url
from components.http_server import http_server
from components.lan import Lan
from components.small_services import PATTERN


@pytest.fixture
def lan():
    with Lan(seed=1) as lan:
        lan.server, lan.client = lan.host("server"), lan.host("client")
        yield lan


def answering(lan, *answers: bytes, port: int = 80) -> list[bytes]:
    """A server that gives these answers in turn, each on a connection of its own; and remembers the requests."""
    requests = []

    def serve():
        with lan.server.create_server(("", port)) as listener:
            for answer in answers:
                connection, _peer = listener.accept()
                with connection:
                    requests.append(connection.recv(10_000))
                    connection.sendall(answer)

    lan.server.spawn(serve)
    return requests


def fetch(lan, url: str, **options):
    """(what http_get says, the body)."""
    parts: list[bytes] = []
    task = lan.client.spawn(lambda: http_get(lan.client.stack, url, lambda part: parts.append(bytes(part)), **options))
    lan.run_until(task.done)
    return task.result(), b"".join(parts)


def test_a_page_of_our_own_server(lan):
    lan.server.spawn(lambda: http_server(lan.server.stack))
    fetched, body = fetch(lan, "http://server/big/1000000")
    assert (fetched.status, fetched.length) == (200, 1_000_000)
    assert body.startswith(PATTERN)
    assert len(body) == 1_000_000


def test_the_request_is_one_that_any_server_understands(lan):
    requests = answering(lan, b"HTTP/1.1 204 No Content\r\n\r\n", port=8080)
    fetched, body = fetch(lan, f"http://{lan.server.ip}:8080/a b/\u00fc?q=\u00e4#part")
    assert (fetched.status, body) == (204, b"")
    head = requests[0].decode().split("\r\n")
    assert head[0] == "GET /a%20b/%C3%BC?q=%C3%A4 HTTP/1.1"
    assert f"Host: {lan.server.ip}:8080" in head
    assert "Connection: close" in head


def test_a_body_in_chunks(lan):
    answering(lan, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n")
    assert fetch(lan, "server/")[1] == b"hello, world"


def test_a_body_that_ends_with_the_connection(lan):
    answering(lan, b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert fetch(lan, "server")[1] == b"hello"


def test_what_comes_before_the_answer_is_passed_over(lan):
    answering(lan, b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert fetch(lan, "http://server/")[1] == b"ok"


@pytest.mark.parametrize("location", ["/there", "there", "//server/there", "http://server:80/there"])
def test_a_redirect_is_followed(lan, location):  # RFC 9110 10.2.2: it may be relative
    answer = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % location.encode()
    requests = answering(lan, answer, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    fetched, body = fetch(lan, "http://server/here")
    assert body == b"ok"
    assert requests[1].startswith(b"GET /there HTTP/1.1\r\n")
    assert fetched.url.endswith("/there")


def test_redirects_in_a_circle_come_to_an_end(lan):
    answering(lan, *[b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n"] * 20)
    with pytest.raises(GaveUp, match=r"^http://server/: redirected more than 10 times$"):
        fetch(lan, "http://server/")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the server says 404 Not Found"),
        (b"HTTP/1.1 500 \x1b[2J\r\n\r\n", r"the server says 500 \\x1b\[2J"),
        (b"HTTP/1.1 302 Found\r\nLocation: x:\x9b2J\r\n\r\n", "redirected: x:%9B2J"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "the server says 302 Found"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://server/\r\n\r\n",
            "redirected: https://server/: there is only http: here",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[/\r\n\r\n", "redirected: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", r"peer closed connection .*5 bytes, expected 10"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "peer closed connection without sending"),
        (b"220 mail.example ESMTP\r\n\r\n", "illegal status line"),
        (b"220 mail.example ESMTP\r\n", "the server closed without an answer"),
        (b"", "the server closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "too long"),
    ],
)
def test_what_is_no_page_is_told_with_the_url(lan, answer, says):
    answering(lan, answer)
    with pytest.raises(GaveUp, match=rf"^http://server/: .*{says}") as told:
        fetch(lan, "http://server/")
    assert str(told.value).isprintable()


def test_nobody_there(lan):
    with pytest.raises(GaveUp, match=r"^http://server/: Connection refused$"):
        fetch(lan, "http://server/")


def test_a_silent_server_is_waited_for_no_longer_than_told(lan):
    def silence():
        with lan.server.create_server(("", 80)) as listener:
            connection, _peer = listener.accept()
            with connection:
                lan.sleep(100.0)

    lan.server.spawn(silence)
    with pytest.raises(GaveUp, match=r"^http://server/: no answer within 5 s$"):
        fetch(lan, "http://server/", timeout=5.0)
    assert lan.now() == pytest.approx(5.0, abs=0.1)


def test_what_cannot_be_written_is_not_the_servers_fault(lan):
    answering(lan, b"HTTP/1.0 200 OK\r\n\r\nhello")

    def full(_part):
        raise OSError(28, "No space left on device")

    task = lan.client.spawn(lambda: http_get(lan.client.stack, "http://server/", full))
    with pytest.raises(OSError, match="No space left"):
        lan.run_until(task.done)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://x/", "there is only http: here"),
        ("file:///etc/passwd", "there is only http: here"),
        ("http://", "which host"),
        ("http:///path", "which host"),
        ("http://a b/", "which host"),
        ("http://x:99999/", "[Pp]ort"),
        ("http://x:y/", "[Pp]ort"),
        ("http://[::1/", "Invalid IPv6"),
        ("http://" + "x" * 70 + "/", "label"),
        ("", "which host"),
    ],
)
def test_a_url_that_is_none_is_told(url, says):
    with pytest.raises(Complaint, match=says) as told:
        parse_url(url)
    assert told.value.status == 2


def test_a_url_names_a_server_and_a_page():
    place = parse_url("http://Example.org:81/x%20y/?a=b&c")
    assert (place.host, place.port, place.target) == ("example.org", 81, "/x%20y/?a=b&c")
    assert place.authority == "example.org:81"
    assert parse_url("192.168.5.1").target == "/"
    assert parse_url("http://b\u00fccher.example/").host == "xn--bcher-kva.example"
