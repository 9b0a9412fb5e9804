"""The udp_server sample: echo each datagram to its sender, and log it.

Knows the stdlib's socket names, nothing of wires. Differs from the original where that fell short: silence is no error,
nor is a sender that is gone again; what comes from a service that would answer for ever is not answered.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from socket import AF_INET, SOCK_DGRAM
from typing import Any

from components.command import GaveUp, run
from components.serving import Sockets, printable
from components.small_services import SELF_ANSWERING
from components.tcp_client import PORT, describe
from components.udp_client import udp_client

LAST_WAIT = 0.5  # seconds for the last answer to leave: whom it is for may have to be looked for first, by ARP

log = logging.getLogger("components.udp_server")


def udp_server(net: Sockets, port: int = PORT, *, once: bool = False, timeout: float | None = None) -> None:
    """Echo for ever, or the first datagram with `once`. Raises GaveUp if none comes within `timeout`."""
    with net.socket(AF_INET, SOCK_DGRAM) as receiver:
        log.info("Socket created")
        receiver.bind(("", port))
        log.info("Socket bound, port %d", port)
        receiver.settimeout(timeout)
        while True:
            log.info("Waiting for data")
            try:
                data, source = receiver.recvfrom(65536)
            except TimeoutError:
                raise GaveUp(f"no datagram has come to port {port} within {timeout:g} s") from None
            except ConnectionError as error:  # an earlier answer was refused: others may still come
                log.warning("Error occurred during receiving: %s", describe(error))
                continue
            receiver.settimeout(None)
            name = f"{source[0]}:{source[1]}"
            log.info("Received %d bytes from %s: %s", len(data), name, printable(data))
            if source[1] in SELF_ANSWERING or source[1] == port:
                log.warning("No answer to %s: it might be answered in turn, for ever", name)
                continue
            try:
                receiver.sendto(data, source)
            except OSError as error:
                log.warning("Error occurred during sending: %s", describe(error))
                continue
            if once:
                let_it_leave(net)
                return


def let_it_leave(net: Any) -> None:
    """The kernel sends on by itself; a stack of ours is about to end with us."""
    runtime = getattr(net, "runtime", None)
    if runtime is not None:
        runtime.sleep(LAST_WAIT)


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.sample import wait_as

    description = "Echo every UDP datagram, and log it."
    return wait_as("udp_server", description, "where to wait", udp_server, udp_client, argv)


if __name__ == "__main__":
    raise SystemExit(main())
