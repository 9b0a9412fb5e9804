"""netif http_server: HTTP/1.1 for many clients at once, on sockets that block; h11 knows the protocol.

Knows when to wait, for how long and for how many (RFC 9112 9), and what to say to a client that it cannot follow; what
the answers are is http_pages.py's. Runs on a Stack, a Host, or the kernel's sockets.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from socket import IPPROTO_TCP, SHUT_WR, SO_LINGER, SOL_SOCKET, TCP_NODELAY
from typing import TYPE_CHECKING, Any

import h11

from components.command import explain, run
from components.http_pages import Answer, Pages, text
from components.parser import Parser
from components.serving import Sockets, attend, printable, spawner
from components.tcp_client import parse_port

if TYPE_CHECKING:
    from components.connect import Joined

PORT = 80
MOST_CLIENTS = 256  # at once; more of them wait in the backlog
REQUEST_WAIT = 15.0  # seconds for a whole request head, from the answer before it
SEND_WAIT = 30.0  # seconds in which a client must make room for a block of http_pages.BLOCK bytes
CLOSE_WAIT = 1.0  # seconds for a client's FIN
LONGEST_HEAD = 16384  # bytes
MOST_DISCARDED = 1 << 16  # bytes read, and thrown away, of a client that was told to end

log = logging.getLogger("components.http_server")


class Visit:
    """One client's connection, from its first request to its end."""

    def __init__(self, connection: Any, pages: Pages, now: Callable[[], float]) -> None:
        self.connection = connection
        self.pages = pages
        self.now = now
        self.http = h11.Connection(h11.SERVER, LONGEST_HEAD)

    def converse(self) -> None:
        """Answer until one of both sides has had enough. OSError if the client goes away, or does not read."""
        self.connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        http = self.http
        try:
            while (request := self.next_request()) is not None:
                self.respond(self.answer(request), with_body=request.method != b"HEAD")
                if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                    break
                http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            self.complain(error.error_status_hint, str(error))
        self.part()

    def next_request(self) -> h11.Request | None:
        """None: the client has closed, or was too slow."""
        deadline = self.now() + REQUEST_WAIT
        while True:
            event = self.http.next_event()
            if type(event) is h11.Request:
                return event
            if type(event) is h11.ConnectionClosed:
                return None
            self.connection.settimeout(max(deadline - self.now(), 0.001))
            try:
                data = self.connection.recv(LONGEST_HEAD)
            except TimeoutError:
                if self.http.trailing_data[0]:
                    self.complain(408, f"the request has not come within {REQUEST_WAIT:g} s")
                return None
            self.http.receive_data(data)

    def answer(self, request: h11.Request) -> Answer:
        bodiless = type(self.http.next_event()) is h11.EndOfMessage
        answer = self.pages.answer(request.method, request.target, dict(request.headers))
        if not bodiless and answer.status < 400:
            answer = text(413, "a request with content is not understood here\n")
        log.debug(
            "%s %s: %d, %d bytes", request.method.decode(), printable(request.target), answer.status, answer.length
        )
        return answer

    def respond(self, answer: Answer, *, with_body: bool) -> None:
        """The head goes out together with the first block."""
        http, connection = self.http, self.connection
        headers = [*answer.headers, ("Content-Length", str(answer.length)), ("Date", formatdate(usegmt=True))]
        if http.their_state is not h11.DONE:
            headers.append(("Connection", "close"))  # RFC 9112 9.3: unread content is in the way of another request
        reason = HTTPStatus(answer.status).phrase.encode()
        waiting = http.send(h11.Response(status_code=answer.status, reason=reason, headers=headers))
        connection.settimeout(SEND_WAIT)
        for block in answer.blocks() if with_body else ():
            http.send_with_data_passthrough(h11.Data(data=block))  # type: ignore[arg-type]  # counted, not copied
            connection.sendall(waiting + block if waiting else block)
            waiting = b""
        connection.sendall(waiting + http.send(h11.EndOfMessage()))

    def complain(self, status: int, words: str) -> None:
        """To a client that is not understood; one that has got half an answer gets no other."""
        log.debug("%d: %s", status, words)
        if self.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.respond(text(status, f"{words}\n"), with_body=True)

    def part(self) -> None:
        """RFC 9112 9.6: FIN first, and read what still comes: a reset would take the last answer away."""
        connection, discarded = self.connection, 0
        connection.shutdown(SHUT_WR)
        deadline = self.now() + CLOSE_WAIT
        while discarded < MOST_DISCARDED and (left := deadline - self.now()) > 0:
            connection.settimeout(left)
            data = connection.recv(LONGEST_HEAD)
            if not data:
                return
            discarded += len(data)


def visit(pages: Pages, now: Callable[[], float], connection: Any, _peer: Any) -> None:
    """Serve one client to the end; one that is gone, or does not read what it asked for, is cut off."""
    with connection:
        try:
            Visit(connection, pages, now).converse()
        except OSError as error:
            log.debug("connection lost: %s", explain(error))
            with suppress(OSError):
                connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


def http_server(
    net: Sockets,
    port: int = PORT,
    *,
    about: Callable[[], Mapping[str, object]] = dict,
    once: bool = False,
    timeout: float | None = None,
    listening: Callable[[], Any] = bool,
) -> None:
    """Serve for ever, or the first client with `once`. Raises GaveUp if none comes within `timeout`.

    `about` gives the lines of the first page, `listening` is called when clients may come.
    """
    runtime = getattr(net, "runtime", None)
    now = time.monotonic if runtime is None else runtime.now
    with net.create_server(("", port)) as listener:
        listening()
        handle = partial(visit, Pages(about), now)
        attend(listener, handle, spawner(net), most=MOST_CLIENTS, once=once, timeout=timeout)


def about(here: Joined, port: int) -> Callable[[], Mapping[str, object]]:
    """What the first page tells."""
    netif, runtime = here.netif, here.stack.runtime
    began = runtime.now()

    def tell() -> Mapping[str, object]:
        return {
            "name": here.stack.name,
            "interface": netif.if_key,
            "address": netif.ip_info,
            "gateway": netif.ip_info.gw,
            "MAC": netif.mac.hex(":"),
            "MTU": netif.mtu,
            "port": port,
            "up for": f"{runtime.now() - began:.0f} s",
        }

    return tell


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.connect import connect
    from components.flags import add_flags, choice_of
    from components.http_get import http_get

    description = "Serve a page about this host, and N bytes at /big/N, to HTTP clients."
    parser = Parser(prog="netif http_server", description=description)
    parser.add_argument("--port", default=str(PORT), metavar="N", help=f"where to listen ({PORT})")
    add_flags(parser)
    options = parser.parse_args(argv)
    choice, port = choice_of(options), parse_port(options.port)
    if choice.verbose:
        log.setLevel(logging.DEBUG)

    with connect(choice) as here:
        other = here.other

        def listening() -> None:
            log.info("http://%s:%d/ and /big/N", here.ip, port)
            if other is not None:
                other.play(lambda: http_get(other.stack, f"http://{here.ip}:{port}/", len))

        tell, once, timeout = about(here, port), choice.once, choice.timeout
        http_server(here.stack, port, about=tell, once=once, timeout=timeout, listening=listening)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
