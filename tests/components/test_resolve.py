"""`netif resolve`: how records are written, and what a person may get wrong; tests/host/test_dns.py asks a server."""

from __future__ import annotations

import pytest

from components.command import Complaint
from components.resolve import asked, show
from netif.wire.dns import KINDS, Mx, Record, Soa, Srv, parse_name

HERE = parse_name("here.test")


@pytest.mark.parametrize(
    ("kind", "data", "written"),
    [
        ("A", bytes((192, 0, 2, 1)), "192.0.2.1"),
        ("AAAA", bytes.fromhex("20010db8" + "0" * 23 + "1"), "2001:db8::1"),
        ("CNAME", parse_name("a.b"), "a.b."),
        ("MX", Mx(10, parse_name("mail.test")), "10 mail.test."),
        ("SRV", Srv(1, 2, 5060, parse_name("sip.test")), "1 2 5060 sip.test."),
        ("SOA", Soa(HERE, HERE, 1, 2, 3, 4, 5), "here.test. here.test. 1 2 3 4 5"),
        ("TXT", (b'say "hi"\\', b"\0 b", b""), r'"say \"hi\"\\" "\000 b" ""'),
    ],
)
def test_records_are_written_as_in_a_zone_file(kind, data, written):
    dnspython = pytest.importorskip("dns.rdata")
    assert show(Record(HERE, KINDS[kind], 60, data)) == f"here.test. 60 {kind} {written}"
    assert dnspython.from_text("IN", kind, written).to_text() == written


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("www.test", None), ("www.test", "A")),
        (("www.test", "mx"), ("www.test", "MX")),
        (("192.0.2.1", None), ("1.2.0.192.in-addr.arpa.", "PTR")),
    ],
)
def test_what_is_asked(words, question):
    assert asked(*words) == question


@pytest.mark.parametrize(("words", "says"), [(("a", "X"), "TYPE: X is none of A, NS"), (("a..b", "A"), "NAME: 'a..b'")])
def test_what_cannot_be_asked(words, says):
    with pytest.raises(Complaint, match=says):
        asked(*words)


def test_stdout_is_for_the_records(command):
    """On a pair the other host gives us the address, and has no name server."""
    done = command("resolve", "www.test", "--dhcp")
    assert (done.status, done.out) == (1, ""), done
    assert "READY, IP: " in done.err


def test_when_nobody_answers_it_says_whom_it_asked(command):
    """On a pair the other host has no name server."""
    command("resolve", "www.test").complains(r"no server has answered.*\(asked 192\.168\.5\.1; --server", status=1)
