"""DNS messages against dnspython and scapy, and against whoever wants to lead a parser astray."""

from __future__ import annotations

import random

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import dns as scapy

from netif.wire import Malformed
from netif.wire import dns as wire
from netif.wire.dns import Message, Mx, Question, Record, Soa, Srv, format_name, is_within, parse, parse_name

WWW = parse_name("www.cf.test")
TEXTS = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "CNAME": "alias.cf.test.",
    "NS": "ns.cf.test.",
    "PTR": "host.cf.test.",
    "MX": "10 mail.cf.test.",
    "TXT": '"one" "two and three" ""',
    "SRV": "1 2 5060 sip.cf.test.",
    "SOA": "ns.cf.test. admin.cf.test. 1 2 3 4 4294967295",
}
DATA = {
    "A": bytes((192, 0, 2, 1)),
    "AAAA": bytes.fromhex("20010db8000000000000000000000001"),
    "CNAME": parse_name("alias.cf.test"),
    "NS": parse_name("ns.cf.test"),
    "PTR": parse_name("host.cf.test"),
    "MX": Mx(10, parse_name("mail.cf.test")),
    "TXT": (b"one", b"two and three", b""),
    "SRV": Srv(1, 2, 5060, parse_name("sip.cf.test")),
    "SOA": Soa(parse_name("ns.cf.test"), parse_name("admin.cf.test"), 1, 2, 3, 4, 0xFFFFFFFF),
}


def answer_of(kind: str) -> dns.message.Message:
    """dnspython's, compressed as it goes out."""
    response = dns.message.make_response(dns.message.make_query("www.cf.test.", kind))
    response.answer.append(dns.rrset.from_text("www.cf.test.", 300, "IN", kind, TEXTS[kind]))
    return response


@pytest.mark.parametrize("kind", TEXTS)
def test_what_dnspython_sends_is_read(kind):
    message = parse(answer_of(kind).to_wire())
    assert message.questions == (Question(WWW, wire.KINDS[kind]),)
    assert message.answers == (Record(WWW, wire.KINDS[kind], 300, DATA[kind]),)
    assert message.flags & wire.QR
    assert message.rcode == wire.NOERROR


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_sent_dnspython_reads(kind):
    records = (Record(WWW, wire.KINDS[kind], 300, DATA[kind]),)
    data = wire.emit(Message(ident=7, flags=wire.QR, questions=(Question(WWW, wire.KINDS[kind]),), answers=records))
    assert dns.message.from_wire(data).answer == answer_of(kind).answer
    assert parse(data).answers == records


@pytest.mark.parametrize("kind", TEXTS)
def test_scapy_reads_the_same(kind):
    theirs = scapy.DNS(wire.emit(Message(ident=7, answers=(Record(WWW, wire.KINDS[kind], 300, DATA[kind]),))))
    assert theirs.an[0].rrname == b"www.cf.test."
    assert theirs.an[0].ttl == 300
    assert parse(bytes(theirs)).answers[0].data == DATA[kind]


def test_a_query_is_what_dnspython_makes_of_it():
    theirs = dns.message.from_wire(wire.query(0x1234, WWW, wire.AAAA, 1232))
    assert theirs.id == 0x1234
    assert theirs.flags == dns.flags.RD
    assert theirs.question[0].to_text() == "www.cf.test. IN AAAA"
    assert (theirs.edns, theirs.payload) == (0, 1232)
    plain = dns.message.from_wire(wire.query(1, WWW, wire.A))
    assert plain.edns == -1


def test_edns_extends_the_response_code():  # RFC 6891 6.1.3
    theirs = dns.message.make_response(dns.message.make_query("cf.test", "A", use_edns=0, payload=4096))
    theirs.set_rcode(dns.rcode.BADVERS)
    message = parse(theirs.to_wire())
    assert message.rcode == wire.BADVERS
    assert message.edns is not None
    assert message.additional == ()
    assert parse(wire.emit(Message(rcode=wire.BADVERS, edns=512))) == Message(rcode=wire.BADVERS, edns=512)


def test_a_negative_ttl_is_none():  # RFC 2181 8
    data = wire.emit(Message(answers=(Record(WWW, wire.A, 1 << 31, bytes(4)),)))
    assert parse(data).answers[0].ttl == 0


def test_data_of_a_kind_or_class_unknown_stays_bytes():
    records = (Record(WWW, 99, 1, b"anything"), Record(WWW, wire.A, 1, b"not four", 3))
    assert parse(wire.emit(Message(answers=records))).answers == records


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", b"\0"),
        (".", b"\0"),
        ("a", b"\1a\0"),
        ("a.b.", b"\1a\1b\0"),
        ("bücher.test", b"\x0dxn--bcher-kva\4test\0"),
        (r"a\.b.c", b"\3a.b\1c\0"),
        (r"\000\255.c.", b"\2\0\xff\1c\0"),
        ("_sip._tcp.x", b"\4_sip\4_tcp\1x\0"),
    ],
)
def test_names_from_text(text, name):
    assert parse_name(text) == name
    assert parse_name(format_name(name)) == name


@pytest.mark.parametrize("text", ["a..b", ".a", "a" * 64, ".".join(["a" * 63] * 4), "ü" * 63])
def test_text_that_is_no_name(text):
    with pytest.raises(ValueError, match=r"name|label"):
        parse_name(text)


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3))
def test_any_name_is_written_as_dnspython_reads_it(labels):
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    assert dns.name.from_text(format_name(name)).to_wire() == name
    assert parse_name(format_name(name)) == name


@pytest.mark.parametrize(("zone", "answer"), [("cf.test", True), ("CF.test", True), (".", True), ("f.test", False)])
def test_bailiwick(zone, answer):
    assert is_within(WWW, parse_name(zone)) is answer
    assert not is_within(parse_name("test"), WWW)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_reverse_names(address):
    import ipaddress

    value = ipaddress.ip_address(address)
    assert format_name(wire.reverse_name(value.packed)) == value.reverse_pointer


HEAD = wire.HEADER.pack(1, wire.QR, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (b"\xc0\x0c\0\1\0\1", "dns_pointer"),  # to itself
        (b"\1a\xc0\x0c\0\1\0\1", "dns_pointer"),  # to the beginning of the name that it ends
        (b"\xc0\x20\0\1\0\1" + bytes(30), "dns_pointer"),  # forward
        (b"\xc0", "dns_name"),
        (b"\1", "dns_name"),
        (b"\3ab", "dns_name"),
        (b"\1a", "dns_name"),
        (b"\x40a" + bytes(80), "dns_name"),  # RFC 6891 5: extended label types are no more
        (b"\x80a" + bytes(80), "dns_name"),
        (b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0\0\1\0\1", "dns_name"),  # 257 bytes
        (b"\0\0\1\0", "dns_record_short"),
    ],
)
def test_names_that_lead_astray(question, reason):
    with pytest.raises(Malformed, match=f"^{reason}$"):
        parse(HEAD + question)


def test_the_longest_name_is_read():
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert len(name) == 255
    assert parse(HEAD + name + b"\0\1\0\1").questions[0].name == name


def chain(length: int) -> bytes:
    """One question, and records whose names are pointers to pointers."""
    message = bytearray(wire.HEADER.pack(1, 0, 1, length, 0, 0) + b"\1a\0\0\1\0\1")
    target = 12
    for _ in range(length):
        here = len(message)
        message += (0xC000 | target).to_bytes(2, "big") + b"\0\1\0\1" + bytes(4) + b"\0\4" + bytes(4)
        target = here
    return bytes(message)


def test_chains_of_pointers_are_bounded():
    assert len(parse(chain(16)).answers) == 16
    with pytest.raises(Malformed, match="dns_pointer"):
        parse(chain(17))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (wire.A, bytes(3)),
        (wire.A, bytes(5)),
        (wire.AAAA, bytes(4)),
        (wire.CNAME, b"\1a\0x"),
        (wire.PTR, b"\0\0"),
        (wire.MX, b"\0\1"),
        (wire.SRV, bytes(6)),
        (wire.SRV, bytes(8)),
        (wire.SOA, bytes(21)),
        (wire.TXT, b""),
        (wire.TXT, b"\5abc"),
    ],
)
def test_data_that_is_not_of_its_kind(kind, data):
    with pytest.raises(Malformed, match=r"^dns_rdata$"):
        parse(wire.emit(Message(answers=(Record(WWW, kind, 1, data),))))


def test_a_name_may_not_reach_past_its_data():
    message = bytearray(wire.emit(Message(answers=(Record(WWW, wire.CNAME, 1, b"\4abcd\0"),))))
    length = len(message) - 6 - 2
    message[length : length + 2] = b"\0\3"
    with pytest.raises(Malformed, match=r"^dns_rdata$"):
        parse(message)


def test_one_opt_and_in_its_place():  # RFC 6891 6.1.1
    opt = Record(b"\0", wire.OPT, 0, b"", 512)
    with pytest.raises(Malformed, match=r"^dns_opt$"):
        parse(wire.emit(Message(additional=(opt,), edns=512)))
    with pytest.raises(Malformed, match=r"^dns_opt$"):
        parse(wire.emit(Message(answers=(opt,))))
    with pytest.raises(Malformed, match=r"^dns_opt$"):
        parse(wire.emit(Message(additional=(opt._replace(name=WWW),))))


def test_what_is_cut_off_anywhere_is_malformed():
    whole = answer_of("SOA").to_wire()
    for length in range(len(whole)):
        with pytest.raises(Malformed):
            parse(whole[:length])


def hammer(count: int, seed: int) -> tuple[int, int]:
    """Mutate real messages: (read, refused). Whatever is read can be sent, and reads the same again."""
    dice = random.Random(seed)
    originals = [answer_of(kind).to_wire() for kind in TEXTS]
    read = refused = 0
    for _ in range(count):
        data = bytearray(dice.choice(originals))
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(data))
            move = dice.randrange(4)
            if move == 0:
                data[at] ^= 1 << dice.randrange(8)
            elif move == 1:
                data[at : at + 2] = (0xC000 | dice.randrange(len(data))).to_bytes(2, "big")
            elif move == 2:
                del data[at:]
                data += b"\0"
            else:
                data[at:at] = dice.randbytes(dice.randrange(1, 5))
        try:
            message = parse(data)
        except Malformed:
            refused += 1
        else:
            read += 1
            again = parse(wire.emit(message))
            assert again == message
    return read, refused


def test_three_thousand_mutated_messages(seed):
    read, refused = hammer(3000, seed)
    assert read > 100
    assert refused > 100


@pytest.mark.slow
def test_a_hundred_thousand_mutated_messages(seed):
    read, refused = hammer(100_000, seed)
    assert read > 5000
    assert refused > 5000


def test_reading_the_worst_message_takes_no_time_to_speak_of():
    import time

    long_name = (b"\1a" * 126) + b"\0"
    worst = bytearray(wire.HEADER.pack(1, 0, 1, 5400, 0, 0) + long_name + b"\0\1\0\1")
    worst += (b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\0").replace(b"\0\1\0\1", b"\0\x63\0\1") * 5400
    began = time.process_time()
    assert len(parse(worst).answers) == 5400
    assert time.process_time() - began < 5.0
