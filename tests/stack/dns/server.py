"""A name server that says what a test wants said: a zone by default, by UDP and TCP, on a host of a Lan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from components.lan import Host, Lan
from netif.wire import dns
from netif.wire.dns import Message, Question, Record, parse, parse_name
from netif.wire.ip import parse_address

Says = Callable[["Asked"], "Iterable[bytes] | bytes | None"]
SOA = Record(parse_name("test"), dns.SOA, 60, dns.Soa(parse_name("ns.test"), parse_name("admin.test"), 1, 2, 3, 4, 30))


class Asked:
    """One question that came."""

    def __init__(self, data: bytes, source: tuple[str, int], by: str, at: float) -> None:
        self.data = data
        self.message = parse(data)
        self.source = source
        self.by = by  # "udp" or "tcp"
        self.at = at

    @property
    def question(self) -> Question:
        return self.message.questions[0]

    def reply(self, *answers: Record, **changes: Any) -> bytes:
        said: dict[str, Any] = {
            "ident": self.message.ident,
            "flags": dns.QR | dns.RD | dns.RA,
            "questions": self.message.questions,
            "answers": answers,
            "edns": None if self.message.edns is None else 1232,
        }
        return dns.emit(Message(**{**said, **changes}))


def record(name: str, kind: str, data: Any, ttl: int = 60) -> Record:
    if kind == "A":
        data = parse_address(data)
    elif kind in ("CNAME", "PTR", "NS"):
        data = parse_name(data)
    return Record(parse_name(name), dns.KINDS[kind], ttl, data)


class NameServer:
    def __init__(self, lan: Lan, host: Host, *records: Record, says: Says | None = None) -> None:
        self.host = host
        self.lan = lan
        self.records = list(records)
        self.says = says or self.zone
        self.asked: list[Asked] = []
        self.host.spawn(self._by_udp)
        self.host.spawn(self._by_tcp)
        lan.run_for(0)

    @property
    def address(self) -> bytes:
        return parse_address(self.host.ip)

    @property
    def names(self) -> list[str]:
        return [dns.format_name(asked.question.name) for asked in self.asked]

    def zone(self, asked: Asked) -> bytes:
        """What an honest recursive server says: aliases are followed, what is not there has an SOA."""
        answers, name = [], asked.question.name
        while True:
            here = [each for each in self.records if each.name.lower() == name.lower()]
            found = [each for each in here if each.kind == asked.question.kind]
            if found:
                return asked.reply(*answers, *found)
            alias = next((each for each in here if each.kind == dns.CNAME), None)
            if alias is None:
                rcode = dns.NOERROR if here else dns.NXDOMAIN
                return asked.reply(*answers, authority=(SOA,), rcode=rcode)
            answers.append(alias)
            name = alias.data

    def _hear(self, data: bytes, source: tuple[str, int], by: str) -> list[bytes]:
        asked = Asked(data, source, by, self.lan.now())
        self.asked.append(asked)
        said = self.says(asked)
        return [said] if isinstance(said, bytes) else list(said or ())

    def _by_udp(self) -> None:
        with self.host.socket(type=2) as udp:
            udp.bind(("", dns.PORT))
            while True:
                data, source = udp.recvfrom(65535)
                for message in self._hear(data, source, "udp"):
                    udp.sendto(message, source)

    def _by_tcp(self) -> None:
        with self.host.create_server(("", dns.PORT)) as listener:
            while True:
                connection, source = listener.accept()
                with connection, connection.makefile("rb") as stream:
                    length = int.from_bytes(stream.read(2), "big")
                    for message in self._hear(stream.read(length), source, "tcp") if length else ():
                        connection.sendall(len(message).to_bytes(2, "big") + message)
