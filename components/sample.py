"""The command line that the samples share: a client talks to HOST PORT, a server waits at PORT.

Knows their arguments, and that on a pair the other host of this process plays the other part; what is said over the
sockets is each sample's own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from components.connect import connect
from components.flags import add_flags, choice_of
from components.parser import Parser
from components.tcp_client import INTERVAL, MESSAGE, PORT, parse_port


def talk_as(
    name: str, description: str, client: Callable[..., Any], server: Callable[..., Any], argv: Sequence[str] | None
) -> int:
    parser = Parser(prog=f"netif {name}", description=description)
    parser.add_argument("host", nargs="?", metavar="HOST", help="the server (the gateway, or the other host of a pair)")
    parser.add_argument("port", nargs="?", metavar="PORT", default=str(PORT), help=f"its port ({PORT})")
    parser.add_argument("--message", default=MESSAGE, help="what to send")
    parser.add_argument("--interval", default=INTERVAL, type=float, metavar="S", help="between messages (2)")
    add_flags(parser)
    options = parser.parse_args(argv)
    choice, port = choice_of(options), parse_port(options.port)

    with connect(choice) as here:
        other = here.other
        if other is not None:
            other.play(lambda: server(other.stack, port))
        address = (here.target(options.host), port)
        once, timeout = choice.once, choice.timeout
        client(here.stack, address, message=options.message, interval=options.interval, once=once, timeout=timeout)
    return 0


def wait_as(
    name: str,
    description: str,
    where: str,
    server: Callable[..., Any],
    client: Callable[..., Any],
    argv: Sequence[str] | None,
) -> int:
    parser = Parser(prog=f"netif {name}", description=description)
    parser.add_argument("port", nargs="?", metavar="PORT", default=str(PORT), help=f"{where} ({PORT})")
    add_flags(parser)
    options = parser.parse_args(argv)
    choice, port = choice_of(options), parse_port(options.port)

    with connect(choice) as here:
        other = here.other
        if other is not None:
            other.play(lambda: client(other.stack, (here.ip, port), once=choice.once))
        server(here.stack, port, once=choice.once, timeout=choice.timeout)
    return 0
