"""The tcp_client sample: send a message, log the answer, and again; come back when the connection is lost.

Knows the stdlib's socket names, nothing of wires. It differs from the original where that fell short: a refused or lost
connection is tried again with a growing pause, an orderly close is told from an answer, nothing waits without bound.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from socket import SHUT_WR
from typing import TYPE_CHECKING, Any

from components.command import Complaint, GaveUp, explain, run
from components.serving import printable

if TYPE_CHECKING:
    from netif.link import Runtime
    from stack import Stack

PORT = 3333
MESSAGE = "Message from netif "
INTERVAL = 2.0  # seconds between messages: what the original's README promises
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds before the next attempt to connect
CONNECT_WAIT = 10.0  # seconds an attempt may take
SEND_WAIT = 10.0  # seconds in which the peer must make room
CLOSE_WAIT = 2.0  # seconds for the peer's FIN

log = logging.getLogger("components.tcp_client")


def tcp_client(
    stack: Stack,
    address: tuple[str, int],
    *,
    message: str = MESSAGE,
    interval: float = INTERVAL,
    once: bool = False,
    timeout: float | None = None,
) -> int:
    """Talk to `address` for ever; with `once`, until there was an answer. Raises GaveUp after `timeout` without any."""
    runtime = stack.runtime
    deadline = None if timeout is None else runtime.now() + timeout
    exchanges, pause = 0, FIRST_PAUSE
    while True:
        connection = connect_patiently(stack, address, deadline)
        with connection:
            words = message.encode()
            done = converse(connection, runtime, message=words, interval=interval, once=once, deadline=deadline)
        exchanges += done
        if once and done:
            return exchanges
        if expired(runtime, deadline) and not exchanges:
            raise GaveUp(f"no answer from {address[0]}:{address[1]} within {timeout:g} s")
        deadline = None if exchanges else deadline  # somebody was there: the wait for a peer is over
        pause = FIRST_PAUSE if done else min(2 * pause, LONGEST_PAUSE)
        log.info("Shutting down socket and restarting in %g s", pause)
        runtime.sleep(pause)


def expired(runtime: Runtime, deadline: float | None) -> bool:
    return deadline is not None and runtime.now() >= deadline


def connect_patiently(stack: Stack, address: tuple[str, int], deadline: float | None) -> Any:
    """A connected socket; attempts are made further and further apart until the deadline."""
    runtime, pause = stack.runtime, FIRST_PAUSE
    began = runtime.now()
    host, port = address
    while True:
        left = CONNECT_WAIT if deadline is None else min(CONNECT_WAIT, deadline - runtime.now())
        log.info("Socket created, connecting to %s:%d", host, port)
        try:
            connection = stack.create_connection(address, timeout=max(left, 0.001))
        except OSError as error:
            reason = describe(error)
        else:
            log.info("Successfully connected")
            return connection
        if deadline is not None and runtime.now() + pause >= deadline:
            runtime.sleep(max(0.0, deadline - runtime.now()))
            raise GaveUp(f"no connection to {host}:{port} within {deadline - began:.3g} s: {reason}")
        log.warning("Socket unable to connect: %s; again in %g s", reason, pause)
        runtime.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def converse(
    connection: Any,
    runtime: Runtime,
    *,
    message: bytes,
    interval: float,
    once: bool,
    deadline: float | None,
) -> int:
    """Exchange messages until the connection ends; how many were answered."""
    answered = 0
    peer = connection.getpeername()[0]
    try:
        while answered or not expired(runtime, deadline):
            connection.settimeout(SEND_WAIT)
            connection.sendall(message)
            next_message = runtime.now() + interval
            while (left := next_message - runtime.now()) > 0:
                connection.settimeout(left)
                try:
                    data = connection.recv(4096)
                except TimeoutError:
                    break
                if not data:
                    log.info("Connection closed by %s", peer)
                    return answered
                answered += 1
                log.info("Received %d bytes from %s: %s", len(data), peer, printable(data))
                if once:
                    close_in_order(connection)
                    return answered
    except OSError as error:
        log.warning("Connection lost: %s", describe(error))
    return answered


def close_in_order(connection: Any) -> None:
    """FIN, then wait for the peer's: nothing is left unread, so nothing is cut off."""
    connection.shutdown(SHUT_WR)
    connection.settimeout(CLOSE_WAIT)
    while connection.recv(4096):
        pass


def describe(error: OSError) -> str:
    return f"errno {error.errno} ({os.strerror(error.errno)})" if error.errno else explain(error)


def parse_port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Complaint(f"{text} is no port: write 1 to 65535")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.sample import talk_as
    from components.tcp_server import tcp_server

    description = "Send a message to a TCP server, log what it answers, and again."
    return talk_as("tcp_client", description, tcp_client, tcp_server, argv)


if __name__ == "__main__":
    raise SystemExit(main())
