"""Servers that are slow, absent, unwilling, old or terse: who is asked when, and by which transport."""

from __future__ import annotations

import socket

import pytest

from netif.wire import dns
from netif.wire.ip import parse_address
from tests.stack.dns.server import record

MANY = [record("big.test", "A", f"192.0.2.{n}") for n in range(200)]


def silent(asked):
    return None


def refuses(asked):
    return asked.reply(rcode=dns.REFUSED)


def fails(asked):
    return asked.reply(rcode=dns.SERVFAIL)


def gives_up(scene, name):
    """How the client's question for `name` will fail."""
    with pytest.raises(OSError) as caught:
        scene.client.stack.gethostbyname(name)
    return caught.value.errno


def took(scene, act):
    """(what `act` answers, seconds)"""
    began = scene.lan.now()
    return act(), scene.lan.now() - began


# again and again


def test_silence_is_asked_again_ever_more_rarely_and_given_up_after_ten_seconds(scene):
    server = scene.server(says=silent)
    code, seconds = took(scene, lambda: scene.fails("www.test"))
    assert code == socket.EAI_AGAIN
    assert seconds == pytest.approx(10.0, abs=0.01)
    begun = server.asked[0].at
    assert [round(asked.at - begun, 2) for asked in server.asked] == [0, 1, 3, 7]
    assert len({asked.data for asked in server.asked}) == 1  # RFC 5452 5: one question to guess, not many
    assert len({asked.source for asked in server.asked}) == 1


def test_times_are_configurable(scene):
    server = scene.server(says=silent)
    scene.configure(timeout=0.5, attempts=3, first_wait=0.1)
    _, seconds = took(scene, lambda: scene.fails("www.test"))
    assert seconds == pytest.approx(1.5, abs=0.01)
    assert len(server.asked) == 4


def test_silence_sends_to_the_next_server(scene, www):
    first, second = scene.server(says=silent), scene.server(www)
    answer, seconds = took(scene, lambda: scene.ask("www.test"))
    assert answer == ["192.0.2.1"]
    assert seconds == pytest.approx(1.0, abs=0.05)
    assert len(first.asked) == len(second.asked) == 1
    assert first.asked[0].message.ident != second.asked[0].message.ident


def test_three_silent_servers_take_turns(scene):
    servers = [scene.server(says=silent) for _ in range(3)]
    scene.fails("www.test")
    begun = servers[0].asked[0].at
    times = [[round(asked.at - begun, 1) for asked in server.asked] for server in servers]
    assert times == [[0, 3, 9], [1, 5], [2, 7]]


def test_a_late_answer_of_an_earlier_server_counts(scene, www):
    scene.server(www, delay="400ms")  # for ARP too
    second = scene.server(says=silent)
    answer, seconds = took(scene, lambda: scene.ask("www.test"))
    assert answer == ["192.0.2.1"]
    assert 1 < seconds < 2
    assert len(second.asked) == 1


def test_rotation_begins_elsewhere_each_time(scene, www):
    servers = [scene.server(www), scene.server(www)]
    scene.configure(rotate=True, ttl_max=0)
    for _ in range(4):
        scene.ask("www.test")
    assert [len(server.asked) for server in servers] == [2, 2]


@pytest.mark.parametrize("says", [refuses, fails])
def test_whoever_refuses_is_passed_over_at_once(scene, www, says):
    first, _ = scene.server(says=says), scene.server(www)
    answer, seconds = took(scene, lambda: scene.ask("www.test"))
    assert answer == ["192.0.2.1"]
    assert seconds < 0.1
    assert len(first.asked) == 1


def test_a_referral_is_no_answer(scene, www):
    """Its sender does not look further for us: no RA, no AA, nothing but name servers."""
    ns = record("test", "NS", "ns.test")
    scene.server(says=lambda asked: asked.reply(authority=(ns,), flags=dns.QR))
    scene.server(www)
    assert scene.ask("www.test") == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("says", "code"),
    [(refuses, socket.EAI_FAIL), (fails, socket.EAI_AGAIN), (lambda asked: asked.reply(rcode=9), socket.EAI_FAIL)],
)
def test_when_all_have_refused_the_caller_knows_at_once(scene, says, code):
    servers = [scene.server(says=says), scene.server(says=says)]
    result, seconds = took(scene, lambda: scene.fails("www.test"))
    assert result == code
    assert seconds < 0.1
    assert [len(server.asked) for server in servers] == [1, 1]


def test_nobody_at_that_address(scene, www):
    """ARP finds no neighbour: the next server need not wait for a time-out longer than that."""
    scene.client.stack.dns = (parse_address("10.0.0.200"),)
    scene.server(www)
    answer, seconds = took(scene, lambda: scene.ask("www.test"))
    assert answer == ["192.0.2.1"]
    assert seconds < 3.5


def test_no_server_at_that_host(scene, www):
    """An ICMP error says so at once."""
    scene.client.stack.dns = (parse_address(scene.lan.host("nothing").ip),)
    scene.server(www)
    answer, seconds = took(scene, lambda: scene.ask("www.test"))
    assert answer == ["192.0.2.1"]
    assert seconds < 0.1


def test_no_way_to_the_server(scene):
    scene.client.stack.dns = (parse_address("203.0.113.1"),)
    result, seconds = took(scene, lambda: scene.fails("www.test"))
    assert result == socket.EAI_AGAIN
    assert seconds == 0


def test_servers_are_bounded(scene):
    servers = [scene.server(says=fails) for _ in range(10)]
    assert scene.fails("www.test") == socket.EAI_AGAIN
    assert [len(server.asked) for server in servers] == [1] * 8 + [0] * 2
    assert scene.count("dns_servers_full") == 1


@pytest.mark.parametrize("loss", ["10%", "30%"])
def test_names_are_found_in_spite_of_loss(lan, loss):
    from tests.stack.dns.conftest import Scene

    scene = Scene(lan, lan.host("client", loss=loss))
    records = [record(f"n{n}.test", "A", "192.0.2.1") for n in range(60)]
    scene.server(*records)
    scene.server(*records)
    scene.configure(first_wait=0.5)
    for n in range(60):
        assert scene.ask(f"n{n}.test") == ["192.0.2.1"]


# EDNS


@pytest.mark.parametrize("rcode", [dns.FORMERR, dns.NOTIMP, dns.BADVERS])
@pytest.mark.parametrize("repeats", [True, False], ids=["with the question", "without"])
def test_who_does_not_know_edns_is_asked_without(scene, rcode, repeats):  # RFC 6891 7
    def old(asked):
        if asked.message.edns is None:
            return asked.reply(record("www.test", "A", "192.0.2.1"), record("www.test", "A", "192.0.2.2"))
        edns = 512 if rcode > 15 else None
        return asked.reply(rcode=rcode, edns=edns, questions=asked.message.questions if repeats else ())

    server = scene.server(says=old)
    assert scene.ask("www.test") == ["192.0.2.1", "192.0.2.2"]
    assert [asked.message.edns for asked in server.asked] == [1232, None]
    scene.client.stack.resolver.cache.clear()
    scene.ask("www.test")  # and is remembered
    assert [asked.message.edns for asked in server.asked] == [1232, None, None]


def test_only_so_many_are_remembered_to_be_old(lan):
    from stack.limits import Limits
    from tests.stack.dns.conftest import Scene

    scene = Scene(lan, lan.host("client", limits=Limits(dns_servers=2)))
    servers = [scene.server(says=lambda asked: asked.reply(rcode=dns.FORMERR, edns=None)) for _ in range(3)]
    for server in [*servers, servers[0]]:
        scene.client.stack.dns = (server.address,)
        scene.fails("www.test")
    assert [asked.message.edns for asked in servers[0].asked] == [1232, None] * 2


def test_edns_can_be_switched_off(scene, www):
    server = scene.server(www)
    scene.configure(edns=0)
    assert scene.ask("www.test") == ["192.0.2.1"]
    assert server.asked[0].message.edns is None


def test_a_large_answer_comes_by_udp_where_it_is_taken(scene):
    server = scene.server(*MANY)
    assert len(scene.ask("big.test")) == 200
    assert [asked.by for asked in server.asked] == ["udp"]


# TCP


def terse(asked):
    """Truncated by UDP, with half of the truth in it."""
    if asked.by == "udp":
        return asked.reply(*MANY[:3], flags=dns.QR | dns.TC | dns.RA)
    return asked.reply(*MANY)


def test_what_is_truncated_is_asked_for_by_tcp(scene):  # RFC 7766 5
    server = scene.server(says=terse)
    assert len(scene.ask("big.test")) == 200
    assert [asked.by for asked in server.asked] == ["udp", "tcp"]
    assert server.asked[0].message.ident != server.asked[1].message.ident


def test_the_largest_message_comes_by_tcp(scene):
    text = tuple(b"x" * 255 for _ in range(254))
    answer = record("big.test", "TXT", text)

    def says(asked):
        return asked.reply(flags=dns.QR | dns.TC) if asked.by == "udp" else asked.reply(answer)

    scene.server(says=says)
    assert scene.look_up("big.test", dns.TXT).records == (answer,)


def test_tcp_to_nobody_leads_to_the_next_server(scene):
    class OnlyUdp:
        def __init__(self, scene):
            self.host = scene.lan.host("udp-only")
            self.host.spawn(self.serve)
            scene.lan.run_for(0)
            scene.client.stack.dns += (parse_address(self.host.ip),)

        def serve(self):
            with self.host.socket(type=socket.SOCK_DGRAM) as udp:
                udp.bind(("", dns.PORT))
                while True:
                    data, source = udp.recvfrom(2000)
                    message = dns.parse(data)
                    flags = dns.QR | dns.TC
                    udp.sendto(
                        dns.emit(dns.Message(ident=message.ident, flags=flags, questions=message.questions)), source
                    )

    OnlyUdp(scene)
    scene.server(*MANY)
    assert len(scene.ask("big.test")) == 200


@pytest.mark.parametrize("nothing", [(), (b"short",), (b"\0" * 12,)], ids=["closes", "nonsense", "another answer"])
def test_tcp_that_comes_to_nothing_leads_to_the_next_server(scene, nothing):
    first = scene.server(says=lambda asked: terse(asked) if asked.by == "udp" else nothing)
    scene.server(*MANY)
    answer, seconds = took(scene, lambda: scene.ask("big.test"))
    assert len(answer) == 200
    assert seconds < 1.5
    assert [asked.by for asked in first.asked] == ["udp", "tcp"]


def test_time_bounds_tcp_too(scene):
    """A server that takes the connection and says nothing."""
    host = scene.lan.host("mute")
    scene.client.stack.dns = (parse_address(host.ip),)

    def truncates():
        with host.create_server(("", dns.PORT)), host.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind(("", dns.PORT))
            while True:
                data, source = udp.recvfrom(2000)
                message = dns.parse(data)
                reply = dns.Message(ident=message.ident, flags=dns.QR | dns.TC, questions=message.questions)
                udp.sendto(dns.emit(reply), source)

    host.spawn(truncates)
    scene.lan.run_for(0)
    code, seconds = took(scene, lambda: scene.fails("www.test"))
    assert code == socket.EAI_AGAIN
    assert seconds == pytest.approx(10.0, abs=0.01)


# who waits, and ends


def test_nothing_is_left_behind(scene, www):
    stack = scene.client.stack
    scene.server(says=silent)
    truthful = scene.server(www, *MANY)
    truthful.says = lambda asked: asked.reply(flags=dns.QR | dns.TC) if asked.by == "udp" else truthful.zone(asked)
    for name in ("www.test", "big.test"):
        scene.ask(name)
    scene.fails("nobody.test")
    scene.client.stack.dns = (scene.servers[0].address,)
    scene.fails("www.test")
    assert not stack.resolver.queries
    assert not stack.udp.ports
    scene.lan.run_for(120)
    assert not stack.tcp.connections


def test_the_last_to_give_up_ends_the_query(scene):
    server = scene.server(says=silent)
    stack, runtime = scene.client.stack, scene.lan.runtime
    runtime.enter()
    lookups = [stack.resolver.lookup("www.test", dns.A) for _ in range(2)]
    runtime.leave()
    scene.lan.run_for(0.5)
    for lookup in lookups:
        assert stack.resolver.queries
        runtime.enter()
        lookup.close()
        runtime.leave()
    assert not stack.resolver.queries
    assert not stack.udp.ports
    scene.lan.run_for(10)
    assert len(server.asked) == 1


def test_a_stack_that_closes_lets_its_callers_go(lan):
    from stack.limits import Limits
    from tests.stack.dns.conftest import Scene

    scene = Scene(lan, lan.host("client", limits=Limits(flush_rounds=1)))  # its last flush does not settle by itself
    servers = [scene.server(says=silent), scene.server(says=silent)]
    task = scene.client.spawn(lambda: gives_up(scene, "www.test"))
    scene.lan.run_for(0.5)
    scene.client.stack.close(0)
    _, seconds = took(scene, lambda: scene.lan.run_until(task.done))
    assert task.result() == socket.EAI_AGAIN
    assert seconds == 0
    assert not scene.client.stack.udp.ports
    assert [len(server.asked) for server in servers] == [1, 0]


def test_questions_on_their_way_are_bounded(lan):
    from stack.limits import Limits
    from tests.stack.dns.conftest import Scene

    scene = Scene(lan, lan.host("client", limits=Limits(dns_queries=5)))
    scene.server(says=silent)
    tasks = [scene.client.spawn(lambda n=n: gives_up(scene, f"n{n}.test")) for n in range(8)]
    scene.lan.run_for(0.5)
    assert sum(task.done() for task in tasks) == 3
    assert scene.count("dns_queries_full") == 3
    scene.lan.run_until(lambda: all(task.done() for task in tasks))
    assert {task.result() for task in tasks} == {socket.EAI_AGAIN}
