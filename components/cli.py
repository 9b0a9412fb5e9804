"""`netif COMMAND`: finds the command, imports it alone, and hands over.

Knows the commands' names and a line about each; what they do is theirs.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

from components.command import run

COMMANDS = {
    "demo": "a network of hosts in this process: messages, loss, a trace, a capture",
    "ping": "is HOST there, and how far away?",
    "resolve": "what does the DNS say about NAME?",
    "tcp_client": "send messages to a TCP server",
    "tcp_server": "echo to TCP clients",
    "udp_client": "send datagrams to a UDP server",
    "udp_server": "echo datagrams to their senders",
    "http_server": "serve a page and any number of bytes over HTTP",
    "http_get": "fetch a URL",
    "host": "prepare this machine for a wire, and put it back: isolated, bridge, forward, nat",
    "router": "send packets on between wires, and translate addresses",
    "small_services": "echo, discard, chargen over TCP and UDP",
}

USAGE = """\
usage: netif COMMAND [...]

Be a host on a network, in Python.

commands:
{commands}

`netif COMMAND --help` tells of a command and of the wires. To begin with: netif demo
"""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE.format(commands="\n".join(f"  {name:16}{text}" for name, text in COMMANDS.items())), end="")
        return 0 if arguments else 2
    command = arguments[0]
    if command in ("-V", "--version"):
        print(f"netif {installed_version()}")
        return 0
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        print(f"netif: there is no command {command!r}; {hint}", file=sys.stderr)
        return 2
    return run(lambda: start(command, arguments[1:]))  # Ctrl-C may come before the command has begun


def start(command: str, arguments: list[str]) -> int:
    status: int = import_module(f"components.{command}").main(arguments)
    return status


def installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version("netif")
    except PackageNotFoundError:
        return "(a checkout)"


if __name__ == "__main__":
    raise SystemExit(main())
