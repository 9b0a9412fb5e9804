"""The tcp_server sample: echo to each of many clients, and log what they send.

Knows the stdlib's socket names, nothing of wires. Differs from the original where that fell short: no client
waits for another, and one that vanished is noticed by keep-alive (20 s).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from socket import IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_KEEPCNT, TCP_KEEPINTVL
from typing import Any

from components.command import run
from components.serving import Sockets, printable
from components.sessions import Session, attend, receive, send_all
from components.tcp_client import PORT, describe, tcp_client
from stack.socket.constants import TCP_KEEPIDLE

KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 5, 5, 3  # seconds, seconds, probes

log = logging.getLogger("components.tcp_server")


def tcp_server(net: Sockets, port: int = PORT, *, once: bool = False, timeout: float | None = None) -> None:
    """Echo for ever, or until the first client is gone with `once`. Raises GaveUp if none comes within `timeout`."""
    with net.create_server(("", port)) as listener:
        log.info("Socket created")
        log.info("Socket bound, port %d", port)
        log.info("Socket listening")
        attend(net, listener, talk, once=once, timeout=timeout)


def talk(connection: Any, peer: Any) -> Session:
    """Echo to one client until it closes, or is gone."""
    name = f"{peer[0]}:{peer[1]}"
    log.info("Socket accepted ip address: %s", name)
    try:
        keep_alive(connection)
        while data := (yield from receive(connection, 65536)):
            log.info("Received %d bytes from %s: %s", len(data), name, printable(data))
            yield from send_all(connection, data)
        log.info("Connection closed by %s", name)
    except OSError as error:
        log.warning("Connection to %s lost: %s", name, describe(error))


def keep_alive(connection: Any) -> None:
    connection.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
    connection.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE)
    connection.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    connection.setsockopt(IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT)


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.sample import wait_as

    description = "Echo to every TCP client, and log what they send."
    return wait_as("tcp_server", description, "where to listen", tcp_server, tcp_client, argv)


if __name__ == "__main__":
    raise SystemExit(main())
