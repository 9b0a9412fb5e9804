"""Whoever answers in a server's place, or wrongly: is not believed, is counted, and poisons nothing."""

from __future__ import annotations

import random
import socket

import pytest

from netif.wire import dns
from netif.wire.dns import Question, parse_name
from netif.wire.ip import parse_address
from stack.dns.asking import mix_case
from tests.stack.dns.server import record

TRUE, FALSE = "192.0.2.1", "203.0.113.66"
GOOD = record("www.test", "A", TRUE)
BAD = record("www.test", "A", FALSE)


def truth(asked):
    return asked.reply(GOOD)


LIES = {  # RFC 5452 9.1
    "another id": lambda asked: asked.reply(BAD, ident=asked.message.ident ^ 1),
    "another name": lambda asked: asked.reply(BAD, questions=(Question(parse_name("www.evil"), dns.A),)),
    "another kind": lambda asked: asked.reply(BAD, questions=(Question(asked.question.name, dns.AAAA),)),
    "another class": lambda asked: asked.reply(BAD, questions=(Question(asked.question.name, dns.A, 3),)),
    "two questions": lambda asked: asked.reply(BAD, questions=asked.message.questions * 2),
    "no question": lambda asked: asked.reply(BAD, questions=()),
    "no such name, without a question": lambda asked: asked.reply(questions=(), rcode=dns.NXDOMAIN),
    "a question": lambda asked: asked.reply(BAD, flags=dns.RD),
    "another operation": lambda asked: asked.reply(BAD, flags=dns.QR | 0x2000),
}
NONSENSE = {
    "dns_header_short": lambda asked: asked.data[:11],
    "dns_pointer": lambda asked: dns.HEADER.pack(asked.message.ident, dns.QR, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
    "dns_name": lambda asked: dns.HEADER.pack(asked.message.ident, dns.QR, 1, 0, 0, 0) + b"\x80",
    "dns_record_short": lambda asked: asked.reply(BAD)[:-1],
    "dns_rdata": lambda asked: asked.reply(BAD._replace(data=b"short")),
    "dns_opt": lambda asked: asked.reply(BAD._replace(kind=dns.OPT)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_before_the_truth_is_not_believed(scene, lie):
    scene.server(says=lambda asked: [LIES[lie](asked), truth(asked)])
    assert scene.ask("www.test") == [TRUE]
    assert scene.count("dns_mismatch") == 1


@pytest.mark.parametrize("reason", NONSENSE)
def test_nonsense_before_the_truth_is_dropped(scene, reason):
    scene.server(says=lambda asked: [NONSENSE[reason](asked), truth(asked)])
    assert scene.ask("www.test") == [TRUE]
    assert scene.count(reason) == 1


def test_only_the_server_is_heard(scene):
    """Another host, or another port of the server, that knows all that was asked."""
    liar = scene.lan.host("liar")

    def whispers(asked):
        with liar.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind(("", dns.PORT))
            udp.sendto(asked.reply(BAD), asked.source)
        with server.host.socket(type=socket.SOCK_DGRAM) as udp:
            udp.sendto(asked.reply(BAD), asked.source)
        scene.lan.sleep(0.1)
        return truth(asked)

    server = scene.server(says=whispers)
    assert scene.ask("www.test") == [TRUE]
    assert scene.count("udp_no_socket") == 2


def test_what_bears_another_id_is_not_read(scene):
    """Whatever is in it: it counts as another's answer, not as malformed."""
    scene.server(says=lambda asked: [bytes([asked.data[0] ^ 1]) + NONSENSE["dns_pointer"](asked)[1:], truth(asked)])
    assert scene.ask("www.test") == [TRUE]
    assert scene.count("dns_mismatch") == 1
    assert scene.count("dns_pointer") == 0


def test_where_many_lie_tcp_is_asked(scene):  # RFC 5452 9.2: another guess for whoever guesses
    def flood(asked):
        return [asked.reply(BAD, ident=n) for n in range(5000, 5300)] if asked.by == "udp" else truth(asked)

    server = scene.server(says=flood)
    assert scene.ask("www.test") == [TRUE]
    assert [asked.by for asked in server.asked] == ["udp", "tcp"]
    assert scene.count("dns_mismatch") <= 17
    assert scene.count("dns_strangers_full") == 1


# poison


def test_what_was_not_asked_is_not_kept(scene):
    """Records of other names, in every section, beside the answer."""
    other = record("bank.test", "A", FALSE)
    ns = record("test", "NS", "ns.evil")
    glue = record("ns.evil", "A", FALSE)

    def says(asked):
        if asked.question.name == parse_name("www.test"):
            return asked.reply(other, GOOD, glue, authority=(ns, other), additional=(glue, other))
        return asked.reply(record("bank.test", "A", TRUE))

    server = scene.server(says=says)
    assert scene.ask("www.test") == [TRUE]
    assert scene.ask("bank.test") == [TRUE]
    assert server.names == ["www.test", "bank.test"]


def test_an_alias_of_somebody_else_is_his_for_this_name_alone(scene):
    def says(asked):
        if asked.question.name == parse_name("www.evil"):
            return asked.reply(record("www.evil", "CNAME", "bank.test"), record("bank.test", "A", FALSE))
        return asked.reply(record("bank.test", "A", TRUE))

    scene.server(says=says)
    assert scene.ask("www.evil") == [FALSE]
    assert scene.ask("bank.test") == [TRUE]


def test_an_answer_about_another_name_is_none(scene):
    server = scene.server(says=lambda asked: asked.reply(record("bank.test", "A", FALSE)))
    assert scene.fails("www.test") == socket.EAI_NODATA
    scene.fails("bank.tes")
    assert len(server.asked) == 2


def test_records_of_another_class_are_none(scene):
    scene.server(says=lambda asked: asked.reply(BAD._replace(class_=3)))
    assert scene.fails("www.test") == socket.EAI_NODATA


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("at_once", [True, False])
def test_aliases_in_a_circle(scene, length, at_once):
    links = {
        parse_name(f"a{n}.test"): record(f"a{n}.test", "CNAME", f"a{(n + 1) % length}.test") for n in range(length)
    }
    scene.server(says=lambda asked: asked.reply(*(links.values() if at_once else [links[asked.question.name]])))
    assert scene.fails("a0.test") == socket.EAI_FAIL
    assert scene.count("dns_aliases_full") == 1


def test_the_cache_is_bounded(lan):
    import tracemalloc

    from stack.limits import Limits
    from tests.stack.dns.conftest import Scene

    scene = Scene(lan, lan.host("client", limits=Limits(dns_cache_bytes=50_000)))
    scene.server(says=lambda asked: asked.reply(*[GOOD._replace(name=asked.question.name)] * 9))
    cache = scene.client.stack.resolver.cache
    for n in range(20):
        scene.ask(f"n{n}.test")
    tracemalloc.start()
    for n in range(200):
        scene.ask(f"m{n}.test")
        scene.servers[0].asked.clear()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scene.count("dns_cache_full") > 180
    assert 10 < len(cache) < 20
    assert held < 500_000


def test_one_answer_too_large_to_keep_is_not(lan):
    from stack.limits import Limits
    from tests.stack.dns.conftest import Scene

    scene = Scene(lan, lan.host("client", limits=Limits(dns_cache_bytes=1000)))
    scene.server(*[record("big.test", "A", f"192.0.2.{n}") for n in range(9)], GOOD)
    scene.ask("www.test")
    assert len(scene.ask("big.test")) == 9
    assert len(scene.servers[0].asked) == 2
    scene.ask("big.test")
    assert len(scene.servers[0].asked) == 3


# 0x20


def test_the_case_of_letters_is_drawn_and_must_come_back(scene):
    server = scene.server(GOOD)
    scene.configure(mix_case=True)
    assert scene.ask("www.test") == [TRUE]
    assert [asked.by for asked in server.asked] == ["udp"]
    name = server.asked[0].question.name
    assert name.lower() == parse_name("www.test")
    assert name != name.lower()


def test_another_case_is_asked_about_by_tcp(scene):
    def forgets(asked):
        question = Question(asked.question.name.lower(), dns.A)
        return asked.reply(BAD if asked.by == "udp" else GOOD, questions=(question,))

    server = scene.server(says=forgets)
    scene.configure(mix_case=True)
    assert scene.ask("www.test") == [TRUE]
    assert [asked.by for asked in server.asked] == ["udp", "tcp"]


def test_without_it_case_does_not_matter(scene):
    scene.server(says=lambda asked: asked.reply(GOOD, questions=(Question(parse_name("WWW.Test"), dns.A),)))
    assert scene.ask("www.test") == [TRUE]


def test_only_letters_change():
    name = parse_name("a-very-long-label-0123456789.x@y.test")
    seen = {mix_case(name, random.Random(n)) for n in range(50)}
    assert len(seen) > 45
    assert {each.lower() for each in seen} == {name}


# hostile messages


def mutate(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(2, len(changed))
        move = dice.randrange(4)
        if move == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif move == 1:
            changed[at : at + 2] = (0xC000 | dice.randrange(64)).to_bytes(2, "big")
        elif move == 2:
            del changed[dice.randrange(3, len(changed) + 1) :]
        else:
            changed[at:at] = dice.randbytes(3)
        if len(changed) < 3:
            break
    return bytes(changed)


def hammer(scene, rounds: int, each: int, seed: int) -> int:
    """Answers that somebody has changed on their way, `each` to a question; how many were refused."""
    dice = random.Random(seed)
    chain = [record("n.test", "CNAME", "m.test"), record("m.test", "A", TRUE), record("x.test", "MX", dns.Mx(1, b"\0"))]

    def says(asked):
        honest = asked.reply(*chain, authority=(record("test", "NS", "ns.test"),))
        return [mutate(honest, dice) for _ in range(each)] if asked.by == "udp" else [mutate(honest, dice)]

    stack = scene.client.stack
    scene.server(says=says)
    scene.configure(timeout=0.2, attempts=1, first_wait=0.05)
    for n in range(rounds):
        chain[0] = record(f"n{n}.test", "CNAME", "m.test")
        scene.look_up(f"n{n}.test")
        scene.servers[0].asked.clear()
        assert not stack.resolver.queries
        assert not stack.udp.ports
    assert stack.stats["internal_error"] == 0
    return sum(count for reason, count in stack.stats.drops().items() if reason.startswith("dns_"))


def test_three_thousand_mutated_answers(scene, seed):
    assert hammer(scene, 150, 20, seed) > 100


@pytest.mark.slow
def test_a_hundred_thousand_mutated_answers(scene, seed):
    assert hammer(scene, 5000, 20, seed) > 5000


def test_the_address_of_a_server_may_be_anything(scene):
    """What DHCP says are servers: ourselves, nobody, everybody."""
    for nonsense in ("0.0.0.0", "255.255.255.255", "224.0.0.251", "10.0.0.255", scene.client.ip, "127.0.0.1"):
        scene.client.stack.dns = (parse_address(nonsense),)
        assert scene.fails("www.test") == socket.EAI_AGAIN
