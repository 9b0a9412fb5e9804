"""echo (RFC 862), discard (RFC 863) and chargen (RFC 864) over TCP and UDP: what benchmarks and other stacks talk to.

Knows the three protocols and the stdlib's socket names, nothing of wires: runs on a Stack, a Host, or the kernel. A UDP
datagram from another such service is not answered, or two of them would answer each other for ever.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from socket import AF_INET, SOCK_DGRAM
from typing import TYPE_CHECKING, Any

from components.command import GaveUp, run
from components.parser import Parser
from components.serving import Sockets, Spawn, spawner
from components.sessions import READ, Session, Sessions, receive, send_all

if TYPE_CHECKING:
    from types import TracebackType

    from stack import Stack

ECHO, DISCARD, CHARGEN = 7, 9, 19
SELF_ANSWERING = {7, 13, 17, 19, 37}  # echo, daytime, qotd, chargen, time
BLOCK = 1 << 18  # bytes asked for at once

# RFC 864's pattern: 95 lines of 72 printable characters, each line beginning one character further, and over again.
PRINTABLE = bytes(range(32, 127))
PATTERN = b"".join((PRINTABLE * 2)[line : line + 72] + b"\r\n" for line in range(95))
CHARACTERS = PATTERN * (1 + (1 << 20) // len(PATTERN))  # one large immutable block: sent by reference, never copied
LONGEST_DATAGRAM = 512  # RFC 864: between 0 and 512 characters

log = logging.getLogger("components.small_services")


def echo(connection: Any, _peer: Any) -> Session:
    while data := (yield from receive(connection, BLOCK)):
        yield from send_all(connection, data)


def discard(connection: Any, _peer: Any) -> Session:
    buffer = bytearray(BLOCK)
    while True:
        yield READ
        try:
            if not connection.recv_into(buffer):
                return
        except BlockingIOError:
            continue


def chargen(connection: Any, _peer: Any) -> Session:
    while True:
        yield from send_all(connection, CHARACTERS)


def echo_datagrams(receiver: Any) -> None:
    answer_datagrams(receiver, lambda data: data)


def chargen_datagrams(receiver: Any) -> None:
    sent = 0

    def characters(_data: bytes) -> bytes:
        nonlocal sent
        sent += 1
        line = 74 * (sent % 95)
        return CHARACTERS[line : line + sent * 131 % (LONGEST_DATAGRAM + 1)]  # 131 visits every length

    answer_datagrams(receiver, characters)


def discard_datagrams(receiver: Any) -> None:
    buffer = bytearray(65536)
    while True:
        try:
            receiver.recvfrom_into(buffer)
        except ConnectionError:
            continue
        except OSError:
            return


def answer_datagrams(receiver: Any, answer: Callable[[bytes], bytes]) -> None:
    """One datagram for each that comes, until the socket is closed."""
    while True:
        try:
            data, source = receiver.recvfrom(65536)
        except ConnectionError:
            continue
        except OSError:
            return
        if source[1] not in SELF_ANSWERING:
            try:
                receiver.sendto(answer(data), source)
            except OSError:
                continue  # no way back to whoever that was


class SmallServices:
    """The services of one host, from construction to `close()`."""

    def __init__(self, net: Sockets, *, spawn: Spawn | None = None, served: Callable[[], Any] | None = None) -> None:
        """`served` is called after each TCP client."""
        spawn = spawn or spawner(net)
        self._receivers: list[Any] = []
        self._sessions = sessions = Sessions(net, ended=served or bool)
        try:
            for port, session in ((ECHO, echo), (DISCARD, discard), (CHARGEN, chargen)):
                sessions.listen(net.create_server(("", port)), session)
            for port, loop in ((ECHO, echo_datagrams), (DISCARD, discard_datagrams), (CHARGEN, chargen_datagrams)):
                receiver = net.socket(AF_INET, SOCK_DGRAM)
                self._receivers.append(receiver)
                receiver.bind(("", port))
                spawn(partial(loop, receiver))
            spawn(sessions.run)
        except BaseException:
            self._close_receivers()
            sessions.close()
            raise

    def close(self) -> None:
        """No more clients; those being served are served on."""
        self._sessions.stop()
        self._close_receivers()

    def _close_receivers(self) -> None:
        while self._receivers:
            self._receivers.pop().close()

    def __enter__(self) -> SmallServices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def small_services(net: Sockets, *, spawn: Spawn | None = None) -> SmallServices:
    """Start all six on `net`; they run until the answer is closed."""
    return SmallServices(net, spawn=spawn)


def exercise(stack: Stack, address: str) -> None:
    """The other part: one exchange with each TCP service, as somebody might have with nc."""
    for port, words in ((ECHO, b"hello"), (CHARGEN, b""), (DISCARD, b"nobody reads this")):
        with stack.create_connection((address, port)) as connection:
            connection.sendall(words)
            if port != DISCARD:
                connection.recv(100)


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.connect import connect
    from components.flags import add_flags, choice_of

    description = "echo, discard and chargen over TCP and UDP: ports 7, 9, 19."
    parser = Parser(prog="netif small_services", description=description)
    add_flags(parser)
    choice = choice_of(parser.parse_args(argv))

    with connect(choice) as here:
        other = here.other
        first = threading.Event()
        with SmallServices(here.stack, served=first.set):
            log.info("echo %d, discard %d, chargen %d over TCP and UDP on %s", ECHO, DISCARD, CHARGEN, here.ip)
            if other is not None:
                other.play(lambda: exercise(other.stack, here.ip))
            if (choice.once or choice.timeout is not None) and not first.wait(choice.timeout):
                raise GaveUp(f"no client has come within {choice.timeout:g} s")
            while not choice.once:
                here.stack.runtime.sleep(3600.0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
