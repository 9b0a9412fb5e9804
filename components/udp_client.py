"""The udp_client sample: send a datagram, log the answer, and again; with a fresh socket after an error.

Knows the stdlib's socket names, nothing of wires. It differs from the original where that fell short: the socket is
connected, so that a refusal is heard and a stranger is not; what was not answered is told as that, and sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from socket import AF_INET, SOCK_DGRAM
from typing import TYPE_CHECKING, Any

from components.command import GaveUp, run
from components.serving import printable
from components.tcp_client import FIRST_PAUSE, INTERVAL, LONGEST_PAUSE, MESSAGE, describe, expired

if TYPE_CHECKING:
    from netif.link import Runtime
    from stack import Stack

ANSWER_WAIT = 10.0  # seconds; SO_RCVTIMEO in the original
EXPECTED = b"OK: "  # how the original's counterpart answers: the exchange is complete, and the socket is made anew

log = logging.getLogger("components.udp_client")


def udp_client(
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
    answers, pause = 0, FIRST_PAUSE
    while True:
        with stack.socket(AF_INET, SOCK_DGRAM) as talking:
            heard = converse(talking, runtime, address, message.encode(), interval, once, deadline)
        answers += heard
        if once and heard:
            return answers
        if heard:
            deadline, rest, pause = None, interval, FIRST_PAUSE  # somebody was there: the wait for a peer is over
        else:
            rest, pause = pause, min(2 * pause, LONGEST_PAUSE)
        if deadline is not None and runtime.now() + rest >= deadline:
            runtime.sleep(max(0.0, deadline - runtime.now()))
            raise GaveUp(f"no answer from {address[0]}:{address[1]} within {timeout:g} s")
        log.info("Shutting down socket and restarting in %g s", rest)
        runtime.sleep(rest)


def converse(
    talking: Any,
    runtime: Runtime,
    address: tuple[str, int],
    message: bytes,
    interval: float,
    once: bool,
    deadline: float | None,
) -> int:
    """Exchange datagrams on one socket until the peer refuses, or says what is expected; how many were answered."""
    answered = 0
    try:
        talking.connect(address)
        log.info("Socket created, sending to %s:%d", *address)
        while answered or not expired(runtime, deadline):
            talking.send(message)
            log.info("Message sent")
            left = ANSWER_WAIT if answered or deadline is None else min(ANSWER_WAIT, deadline - runtime.now())
            talking.settimeout(max(left, 0.001))
            try:
                data = talking.recv(65536)
            except TimeoutError:
                log.warning("No answer within %.3g s", left)
                continue
            answered += 1
            log.info("Received %d bytes from %s: %s", len(data), address[0], printable(data))
            if data.startswith(EXPECTED):
                log.info("Received expected message, reconnecting")
                break
            if once:
                break
            runtime.sleep(interval)
    except OSError as error:
        log.warning("Error occurred: %s", describe(error))
    return answered


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.sample import talk_as
    from components.udp_server import udp_server

    description = "Send a datagram to a UDP server, log what it answers, and again."
    return talk_as("udp_client", description, udp_client, udp_server, argv)


if __name__ == "__main__":
    raise SystemExit(main())
