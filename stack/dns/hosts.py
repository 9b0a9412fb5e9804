"""A hosts table: the names that a host knows without asking, and the text that such a table is written in.

IPv4 alone for now: lines of other addresses are passed over. hosts(5); RFC 1123 6.1.3.8; RFC 6761 6.3 (localhost).
"""

from __future__ import annotations

from collections.abc import Mapping

from netif.wire.ip import parse_address

LOOPBACK = b"\x7f\0\0\1"


def parse_hosts(text: str) -> dict[str, bytes]:
    """{name in lower case: 4 bytes} of lines like `192.168.5.1 gateway gw # comment`; the first line for a name counts.

    As the C library does, lines that say nothing readable are passed over.
    """
    table: dict[str, bytes] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            packed = parse_address(address)
        except ValueError:
            continue
        for name in names:
            table.setdefault(name.removesuffix(".").lower(), packed)
    return table


def known(name: str, hosts: Mapping[str, bytes]) -> bytes | None:
    """The address of a name that nobody need be asked for. localhost never leaves this host."""
    if (address := hosts.get(name)) is not None:
        return address
    plain = name.removesuffix(".").lower()
    if (address := hosts.get(plain)) is not None:
        return address
    return LOOPBACK if plain == "localhost" or plain.endswith(".localhost") else None


def names_of(address: bytes, hosts: Mapping[str, bytes]) -> list[str]:
    """Its names, in the order of the table."""
    names = [name for name, packed in hosts.items() if packed == address]
    if address == LOOPBACK and "localhost" not in names:
        names.append("localhost")
    return names
