"""`netif resolve`: what does the DNS say about NAME? Asks a server on the wire, and prints the records it finds.

Knows how a zone file writes records, and the stack's resolver; search domains and the hosts table hold here too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from components.command import Complaint, GaveUp, run
from components.parser import Parser
from netif.wire.dns import KINDS, Record, format_name, parse_name, reverse_name
from netif.wire.ip import format_address, parse_address

if TYPE_CHECKING:
    from stack import Stack
    from stack.dns.findings import Finding

WORDS = {number: word for word, number in KINDS.items()}


def resolve(stack: Stack, name: str, kind: str = "A") -> Finding:
    """All that was found: `records`, and the `names` that led there. ValueError: no name, or no such type."""
    from stack.socket import names
    from stack.socket.resolver import Steps, Wanted

    def steps() -> Steps[Finding]:
        return (yield Wanted(name, kind))

    return names.ask(stack, steps())


def show(record: Record) -> str:
    """As a zone file has it: name, TTL, type, data."""
    return f"{format_name(record.name)}. {record.ttl} {WORDS[record.kind]} {show_data(record.data, record.kind)}"


def show_data(data: Any, kind: int) -> str:
    if kind in (KINDS["A"], KINDS["AAAA"]):
        return format_address(data)
    if kind == KINDS["TXT"]:
        return " ".join(map(quoted, data))
    if isinstance(data, bytes):
        return f"{format_name(data)}."
    return " ".join(f"{format_name(field)}." if isinstance(field, bytes) else str(field) for field in data)


def quoted(text: bytes) -> str:
    """RFC 1035 5.1: quotes and backslashes escaped, what is not printable in three digits."""
    special = {0x22: '\\"', 0x5C: "\\\\"}
    return '"' + "".join(special.get(c) or (chr(c) if 0x20 <= c < 0x7F else f"\\{c:03d}") for c in text) + '"'


def tell(found: Finding, kind: str, servers: Sequence[bytes] = (), say: Callable[[str], Any] = print) -> None:
    """Print it. GaveUp where there is nothing to print."""
    from stack.dns.findings import Outcome

    for alias, target in pairwise(found.names):
        say(f"{format_name(alias)}. CNAME {format_name(target)}.")
    for record in found.records:
        say(show(record))
    if not found.records:
        vain = found.outcome in (Outcome.AGAIN, Outcome.FAILED)
        asked = f" (asked {', '.join(map(format_address, servers))}; --server names another)" if vain else ""
        raise GaveUp(f"{format_name(found.names[0])} {kind}: {found.outcome.value}{asked}")


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.connect import connect
    from components.flags import add_flags, choice_of

    parser = Parser(prog="netif resolve", description="Ask a name server, print the records that it finds.")
    parser.add_argument("name", metavar="NAME", help="a name, or an address to find the name of")
    parser.add_argument("kind", nargs="?", metavar="TYPE", help=f"{', '.join(KINDS)} (A; PTR for an address)")
    parser.add_argument("--server", metavar="A", help="whom to ask (the interface's server, else the gateway)")
    add_flags(parser)
    options = parser.parse_args(argv)
    name, kind = asked(options.name, options.kind)
    choice = choice_of(options)
    with connect(choice, says=sys.stderr) as here:  # stdout is for the records
        if options.server or not here.stack.dns:
            here.stack.dns = (parse_address(here.target(options.server)),)
        found, servers = resolve(here.stack, name, kind), here.stack.dns
    tell(found, kind, servers)
    return 0


def asked(name: str, kind: str | None) -> tuple[str, str]:
    """(name, type) for what a person wrote."""
    try:
        address = parse_address(name)
    except ValueError:
        kind = (kind or "A").upper()
        if kind not in KINDS:
            raise Complaint(f"TYPE: {kind} is none of {', '.join(KINDS)}") from None
        try:
            parse_name(name)
        except ValueError as error:
            raise Complaint(f"NAME: {error}") from None
        return name, kind
    return format_name(reverse_name(address)) + ".", (kind or "PTR").upper()


if __name__ == "__main__":
    raise SystemExit(main())
