"""netif http_get: fetch a URL over our own TCP; h11 knows the protocol.

Knows how a URL names a server and a page, where a redirect leads (RFC 9110 15.4), and how long to wait. Every body is
passed on piece by piece as it comes; one that ends early is told, not taken for whole.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

import attrs
import h11

from components.command import Complaint, GaveUp, explain, run
from components.parser import Parser
from components.serving import printable

if TYPE_CHECKING:
    from types import TracebackType

    from netif.link import Buffer
    from stack import Stack

PORT = 80
CONNECT_WAIT = 10.0  # seconds
READ_WAIT = 30.0  # seconds of silence
MOST_REDIRECTS = 10
LONGEST_HEAD = 65536  # bytes
BLOCK = 1 << 18  # bytes asked for at once
PATH = "/%:@!$&'()*+,;=~"  # RFC 3986 3.3 and 3.4: what stands for itself, escapes that are there already among it
QUERY = f"{PATH}?"
REDIRECTS = (301, 302, 303, 307, 308)  # RFC 9110 15.4

log = logging.getLogger("components.http_get")


@attrs.frozen
class Place:
    """Where a URL leads."""

    url: str
    host: str
    port: int
    target: str  # path and query

    @property
    def authority(self) -> str:
        """RFC 9110 7.2: the Host field."""
        return self.host if self.port == PORT else f"{self.host}:{self.port}"


@attrs.frozen
class Fetched:
    """What came of it."""

    url: str  # after redirects
    status: int  # a success
    length: int  # bytes of the body


def parse_url(url: str) -> Place:
    """Complaint that says how to write one; http:// may be left out."""
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        port = PORT if parts.port is None else parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError as error:
        raise Complaint(f"{url}: {error}") from None
    if parts.scheme != "http":
        raise Complaint(f"{url}: there is only http: here, write http://HOST/PATH")
    if not host or not host.isprintable() or " " in host:
        raise Complaint(f"{url}: which host? Write http://HOST/PATH")
    query = f"?{quote(parts.query, safe=QUERY)}" if parts.query else ""
    return Place(parts.geturl(), host, port, (quote(parts.path, safe=PATH) or "/") + query)


def http_get(stack: Stack, url: str, write: Callable[[Buffer], Any], *, timeout: float | None = None) -> Fetched:
    """Fetch `url`, hand its body to `write` piece by piece. `timeout`: seconds to connect in, and of silence.

    Raises GaveUp where there is no such page, or the server is not there, breaks off, or speaks no HTTP.
    """
    place = parse_url(url)
    for _ in range(MOST_REDIRECTS + 1):
        with Client(stack, place, timeout) as client:
            response = client.ask()
            location = dict(response.headers).get(b"location")
            if response.status_code in REDIRECTS and location is not None:
                place = follow(place, location)
                log.info("%d: on to %s", response.status_code, place.url)
                continue
            if not 200 <= response.status_code < 300:
                reason = printable(response.reason)
                raise GaveUp(f"{place.url}: the server says {response.status_code} {reason}".rstrip())
            return Fetched(place.url, response.status_code, client.read(write))
    raise GaveUp(f"{url}: redirected more than {MOST_REDIRECTS} times")


def follow(place: Place, location: bytes) -> Place:
    """RFC 9110 10.2.2: the reference may be relative. What a URL has no room for is escaped before it is shown."""
    try:
        return parse_url(urljoin(place.url, quote(location, safe=f"{QUERY}#[]")))
    except (Complaint, ValueError) as error:
        raise GaveUp(f"{place.url}: redirected: {error}") from None


class Client:
    """One request on one connection. Whatever goes wrong with the connection is a GaveUp that names the URL."""

    def __init__(self, stack: Stack, place: Place, timeout: float | None) -> None:
        self.place = place
        self.wait = READ_WAIT if timeout is None else timeout
        self.http = h11.Connection(h11.CLIENT, LONGEST_HEAD)
        with self._told():
            wait = CONNECT_WAIT if timeout is None else timeout
            self.connection = stack.create_connection((place.host, place.port), timeout=wait)
        self.connection.settimeout(self.wait)

    def ask(self) -> h11.Response:
        headers = [("Host", self.place.authority), ("User-Agent", "netif"), ("Accept", "*/*"), ("Connection", "close")]
        with self._told():
            request = h11.Request(method="GET", target=self.place.target, headers=headers)
            self.connection.sendall(self.http.send(request) + self.http.send(h11.EndOfMessage()))
        while True:
            event = self._next_event()
            if type(event) is h11.Response:
                return event

    def read(self, write: Callable[[Buffer], Any]) -> int:
        """The body's length, when all of it has been written."""
        length = 0
        while type(event := self._next_event()) is not h11.EndOfMessage:
            if type(event) is h11.Data:
                write(event.data)
                length += len(event.data)
        return length

    def _next_event(self) -> Any:
        with self._told():
            while (event := self.http.next_event()) is h11.NEED_DATA:
                data = self.connection.recv(BLOCK)
                if not data and self.http.their_state is h11.SEND_RESPONSE:
                    raise GaveUp(f"{self.place.url}: the server closed without an answer")
                self.http.receive_data(data)
            return event

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise GaveUp(f"{self.place.url}: no answer within {self.wait:g} s") from None
        except (OSError, h11.ProtocolError) as error:
            raise GaveUp(f"{self.place.url}: {explain(error)}") from None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.connect import connect
    from components.flags import add_flags, choice_of
    from components.http_server import http_server

    parser = Parser(prog="netif http_get", description="Fetch a URL, and write what comes to stdout or to a file.")
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="http://HOST[:PORT]/PATH (the gateway's, or the pair's /)"
    )
    parser.add_argument("-o", dest="output", metavar="FILE", help="write to FILE")
    add_flags(parser)
    options = parser.parse_args(argv)
    choice = choice_of(options)
    port = PORT if options.url is None else parse_url(options.url).port

    with connect(choice, says=sys.stderr if options.output is None else sys.stdout) as here:
        other = here.other
        if other is not None:
            other.play(lambda: http_server(other.stack, port))
        url = options.url or f"http://{here.target(None)}/"
        with opened(options.output) as output:
            fetched = http_get(here.stack, url, output.write, timeout=choice.timeout)
        if options.output is not None:
            log.info("%d bytes of %s are in %s", fetched.length, fetched.url, options.output)
    return 0


@contextmanager
def opened(path: str | None) -> Iterator[Any]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    try:
        file = open(path, "wb")  # noqa: SIM115 - what goes wrong in here is told, what goes wrong below is not ours
    except OSError as error:
        raise Complaint(f"-o {path}: {explain(error)}") from None
    with file:
        yield file


if __name__ == "__main__":
    raise SystemExit(main())
