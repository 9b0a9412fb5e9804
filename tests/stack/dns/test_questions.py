"""Questions and answers between honest hosts: what is asked, how often, of whom, and what the caller is told."""

from __future__ import annotations

import socket

import attrs
import pytest

from components.lan import Host
from netif.config import DnsInfo, DnsType
from netif.netif import Netif
from netif.wire import dns
from netif.wire.dns import Mx, Record, Srv, parse_name
from stack.dns.findings import Outcome
from stack.dns.hosts import parse_hosts
from stack.stack import Stack
from tapio import pair
from tests.stack.dns.server import NameServer, record


def test_a_name_becomes_its_addresses(scene, www):
    server = scene.server(www, record("www.test", "A", "192.0.2.2"))
    assert scene.ask("www.test") == ["192.0.2.1", "192.0.2.2"]
    assert [asked.by for asked in server.asked] == ["udp"]
    message = server.asked[0].message
    assert message.flags == dns.RD
    assert message.edns == 1232


def test_ids_and_ports_are_drawn_for_each_question(scene):  # RFC 5452 9.2
    server = scene.server(*(record(f"n{n}.test", "A", "192.0.2.1") for n in range(40)))
    for n in range(40):
        scene.ask(f"n{n}.test")
    assert len({asked.message.ident for asked in server.asked}) > 38
    ports = [asked.source[1] for asked in server.asked]
    assert len(set(ports)) > 38
    assert max(ports) - min(ports) > 8000
    assert {asked.source[0] for asked in server.asked} == {scene.client.ip}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("A", "192.0.2.1"),
        ("AAAA", bytes(15) + b"\1"),
        ("MX", Mx(10, parse_name("mail.test"))),
        ("TXT", (b"v=1", b"")),
        ("SRV", Srv(1, 2, 5060, parse_name("sip.test"))),
        ("PTR", "host.test"),
        ("CNAME", "elsewhere.test"),
    ],
)
def test_records_of_each_kind_are_found(scene, kind, data):
    here = record("here.test", kind, data)
    scene.server(here)
    found = scene.look_up("here.test", dns.KINDS[kind])
    assert found.outcome is Outcome.FOUND
    assert found.records == (here,)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nobody.test", socket.EAI_NONAME),
        ("mail.test", socket.EAI_NODATA),
        ("a" * 64 + ".test", socket.EAI_NONAME),
        ("a..b", socket.EAI_NONAME),
    ],
)
def test_what_is_not_there(scene, name, code):
    scene.server(record("mail.test", "MX", Mx(1, parse_name("x.test"))))
    assert scene.fails(name) == code


def test_without_a_server_nobody_is_asked(scene):
    with pytest.raises(socket.gaierror, match="no name server is configured") as caught:
        scene.ask("www.test")
    assert caught.value.errno == socket.EAI_NONAME


@pytest.mark.parametrize("name", ["127.0.0.1", "10.9.8.7", "10.1", "0x0a000001", "localhost", "x.LOCALHOST.", "client"])
def test_what_is_known_is_not_asked(scene, name):  # RFC 6761 6.3, RFC 1123 2.1
    server = scene.server()
    assert len(scene.ask(name)) == 1
    assert not server.asked


def test_text_of_a_hosts_file():
    text = "# all\n192.168.5.1 gw Gateway.  # the way out\n::1 six\nnonsense here\n192.168.5.2 gw other\n\n127.0.0.1"
    gateway, other = bytes((192, 168, 5, 1)), bytes((192, 168, 5, 2))
    assert parse_hosts(text) == {"gw": gateway, "gateway": gateway, "other": other}


def test_the_hosts_table_comes_first(scene, www):
    server = scene.server(www)
    scene.client.stack.hosts = parse_hosts("10.0.0.77 www.test alias.test")
    assert scene.ask("WWW.test.") == ["10.0.0.77"]
    assert scene.run(lambda: scene.client.stack.gethostbyaddr("10.0.0.77")) == (
        "www.test",
        ["alias.test"],
        ["10.0.0.77"],
    )
    assert not server.asked


def test_case_does_not_matter(scene, www):  # RFC 4343
    scene.server(www, record("Alias.Test", "CNAME", "WWW.test"))
    assert scene.ask("wWw.tEst") == ["192.0.2.1"]
    assert scene.ask("alias.test") == ["192.0.2.1"]


def test_an_address_said_twice_is_one(scene, www):
    scene.server(www, www)
    assert scene.ask("www.test") == ["192.0.2.1"]


# aliases


def chain(count: int, ttl: int = 60) -> list[Record]:
    links = [record(f"a{n}.test", "CNAME", f"a{n + 1}.test", ttl) for n in range(count)]
    return [*links, record(f"a{count}.test", "A", "192.0.2.9")]


def test_aliases_are_followed_within_the_message(scene):
    server = scene.server(*chain(16))
    assert scene.ask("a0.test") == ["192.0.2.9"]
    assert len(server.asked) == 1
    name, aliases, addresses = scene.run(lambda: scene.client.stack.gethostbyname_ex("a0.test"))
    assert (name, aliases, addresses) == ("a16.test", ["a0.test"], ["192.0.2.9"])


def test_an_alias_without_its_target_is_asked_for(scene):  # RFC 1034 5.3.3 step 4c
    zone = {each.name: each for each in chain(3)}
    server = scene.server(says=lambda asked: asked.reply(zone[asked.question.name]))
    assert scene.ask("a0.test") == ["192.0.2.9"]
    assert server.names == ["a0.test", "a1.test", "a2.test", "a3.test"]


@pytest.mark.parametrize("count", [17, 40])
def test_too_many_aliases_are_not_followed(scene, count):
    zone = {each.name: each for each in chain(count)}
    scene.server(says=lambda asked: asked.reply(zone[asked.question.name]))
    assert scene.fails("a0.test") == socket.EAI_FAIL
    assert scene.count("dns_aliases_full") == 1
    whole = scene.servers[0]
    whole.records, whole.says = chain(count), whole.zone
    scene.client.stack.resolver.cache.clear()
    assert scene.fails("a0.test") == socket.EAI_FAIL


def test_the_canonical_name_comes_with_the_first_answer(scene):
    scene.server(*chain(1), record("a1.test", "A", "192.0.2.8"))
    ask = scene.client.stack.getaddrinfo
    found = scene.run(lambda: ask("a0.test", "http", 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME))
    assert [(name, where) for *_, name, where in found] == [
        ("a1.test", ("192.0.2.9", 80)),
        ("", ("192.0.2.8", 80)),
    ]


# search


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("www", ["www.one.test", "www.two.test"]),
        ("www.", ["www"]),
        ("a.b", ["a.b", "a.b.one.test", "a.b.two.test"]),
    ],
)
def test_search_domains(scene, name, asked):  # resolv.conf(5): ndots
    server = scene.server(record("www.two.test", "A", "192.0.2.1"), record("a.b.two.test", "A", "192.0.2.1"))
    scene.client.stack.search = ("one.test", "two.test")
    scene.client.stack.hosts = {}
    if name == "www.":
        assert scene.fails(name) == socket.EAI_NONAME
    else:
        assert scene.ask(name) == ["192.0.2.1"]
    assert server.names == asked


def test_more_dots_by_ndots(scene):
    server = scene.server(record("a.b.one.test", "A", "192.0.2.1"))
    scene.client.stack.search = ("one.test",)
    scene.configure(ndots=2)
    assert scene.ask("a.b") == ["192.0.2.1"]
    assert server.names == ["a.b.one.test"]


def test_a_name_without_such_records_is_there_all_the_same(scene):
    """The search goes on, but what it comes to is "no data", not "no name"."""
    scene.server(record("www.one.test", "TXT", (b"x",)))
    scene.client.stack.search = ("one.test", "two.test")
    assert scene.fails("www") == socket.EAI_NODATA


def test_failure_ends_the_search(scene):
    server = scene.server(says=lambda asked: asked.reply(rcode=dns.SERVFAIL))
    scene.client.stack.search = ("one.test", "two.test")
    assert scene.fails("www") == socket.EAI_AGAIN
    assert server.names == ["www.one.test"]


def test_search_domains_are_bounded(scene):
    server = scene.server()
    scene.client.stack.search = tuple(f"d{n}.test" for n in range(50))
    assert scene.fails("www") == socket.EAI_NONAME
    assert len(server.asked) == 33
    assert scene.count("dns_search_full") == 1


# the cache


def test_an_answer_is_kept_for_its_ttl(scene, www):
    server = scene.server(www)
    scene.ask("www.test")
    scene.lan.run_for(59)
    scene.ask("WWW.test")
    assert len(server.asked) == 1
    scene.lan.run_for(2)
    scene.ask("www.test")
    assert len(server.asked) == 2


def test_the_shortest_ttl_on_the_way_counts(scene):
    server = scene.server(*chain(2, ttl=10))
    scene.ask("a0.test")
    scene.lan.run_for(11)
    scene.ask("a0.test")
    assert len(server.asked) == 2


def test_ttl_zero_is_for_this_once(scene):  # RFC 1035 3.2.1
    server = scene.server(record("www.test", "A", "192.0.2.1", 0))
    scene.ask("www.test")
    scene.ask("www.test")
    assert len(server.asked) == 2


@pytest.mark.parametrize("name", ["nobody.test", "mail.test"])
def test_that_there_is_nothing_is_kept_as_the_soa_says(scene, name):  # RFC 2308 5: the lesser of TTL and MINIMUM
    server = scene.server(record("mail.test", "MX", Mx(1, parse_name("x.test"))))
    code = scene.fails(name)
    scene.lan.run_for(29)
    assert scene.fails(name) == code
    assert len(server.asked) == 1
    scene.lan.run_for(2)
    scene.fails(name)
    assert len(server.asked) == 2


def test_without_an_soa_it_is_not_kept(scene):  # RFC 2308 5
    server = scene.server(says=lambda asked: asked.reply(rcode=dns.NXDOMAIN))
    scene.fails("nobody.test")
    scene.fails("nobody.test")
    assert len(server.asked) == 2


def test_an_soa_from_elsewhere_does_not_count(scene):
    soa = Record(parse_name("other"), dns.SOA, 60, dns.Soa(b"\0", b"\0", 1, 1, 1, 1, 60))
    server = scene.server(says=lambda asked: asked.reply(rcode=dns.NXDOMAIN, authority=(soa,)))
    scene.fails("nobody.test")
    scene.fails("nobody.test")
    assert len(server.asked) == 2


def test_failure_is_kept_briefly(scene):  # RFC 2308 7.1
    server = scene.server(says=lambda asked: asked.reply(rcode=dns.SERVFAIL))
    assert scene.fails("www.test") == socket.EAI_AGAIN
    assert scene.fails("www.test") == socket.EAI_AGAIN
    assert len(server.asked) == 1
    scene.lan.run_for(6)
    scene.fails("www.test")
    assert len(server.asked) == 2


def test_ttls_are_clamped(scene):
    server = scene.server(record("www.test", "A", "192.0.2.1", 1 << 30))
    scene.configure(ttl_max=100)
    scene.ask("www.test")
    scene.lan.run_for(101)
    scene.ask("www.test")
    assert len(server.asked) == 2


def test_negative_ttls_are_clamped(scene):
    server = scene.server()
    scene.configure(negative_ttl_max=10)
    scene.fails("www.test")
    scene.lan.run_for(11)
    scene.fails("www.test")
    assert len(server.asked) == 2


def test_those_who_ask_the_same_share_one_question(scene, www):  # RFC 5452 5
    server = scene.server(www)
    ask = scene.client.stack.gethostbyname
    tasks = [scene.client.spawn(lambda: ask("www.test")) for _ in range(20)]
    scene.lan.run_until(lambda: all(task.done() for task in tasks))
    assert {task.result() for task in tasks} == {"192.0.2.1"}
    assert len(server.asked) == 1


# whose servers


@pytest.fixture
def elsewhere(scene):
    """Another netif of the client, on a wire with the Lan's addresses where a server has the first one's address."""
    near, far = pair()
    there = Stack("there", runtime=scene.lan.runtime)
    netif = Netif(near, stack=scene.client.stack, ip="10.0.0.101/24", if_key="elsewhere", route_prio=-1)
    server = Host(scene.lan, "there", there, Netif(far, stack=there, ip="10.0.0.2/24"))
    yield netif, NameServer(scene.lan, server, record("www.test", "A", "10.7.0.9"))
    scene.lan.closing = True
    there.close(0)


def test_a_netifs_servers_are_asked_while_it_is_the_default(scene, www):
    first, second = scene.server(www), scene.server(www)
    scene.configure(ttl_max=0)
    netif = scene.client.netif
    netif.set_dns_info(DnsType.MAIN, DnsInfo(second.host.ip))
    assert scene.ask("www.test") == ["192.0.2.1"]
    assert (len(first.asked), len(second.asked)) == (0, 1)
    netif.set_dns_info(DnsType.MAIN, None)
    with pytest.raises(socket.gaierror, match="no name server"):
        scene.ask("www.test")


def test_an_interface_with_servers_of_its_own(scene, elsewhere, www):
    netif, theirs = elsewhere
    ours = scene.server(www)
    assert ours.address == theirs.address
    netif.interface.set_dns((theirs.address,), ("other.test",))
    found = scene.look_up("www.test", interface=netif.interface)
    assert [record.data for record in found.records] == [bytes((10, 7, 0, 9))]
    assert theirs.asked[0].source[0] == "10.0.0.101"
    assert scene.ask("www.test") == ["192.0.2.1"]  # what one said is not what another would
    assert len(ours.asked) == 1
    scene.look_up("www", interface=netif.interface)
    assert theirs.names[1:] == ["www.other.test", "www"]


def test_a_socket_bound_to_an_interface_asks_its_servers(scene, elsewhere, www):
    netif, theirs = elsewhere
    scene.server(www)
    netif.interface.set_dns((theirs.address,), ())

    def connect():
        with scene.client.socket(type=socket.SOCK_DGRAM) as udp:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"elsewhere")
            with pytest.raises(OSError, match=r"route|unreachable"):
                udp.connect(("www.test", 9))

    scene.run(connect)
    assert theirs.names == ["www.test"]
    assert not scene.servers[0].asked


def test_an_interface_without_servers_asks_the_stacks(scene, elsewhere, www):
    netif, theirs = elsewhere
    scene.server(www)
    assert scene.look_up("www.test", interface=netif.interface).records == (www,)
    assert not theirs.asked


def test_nothing_is_imported_before_the_first_name():
    import subprocess
    import sys

    code = (
        "import sys, stack.socket; from stack.stack import Stack;"
        "s = Stack(); s.getaddrinfo('10.0.0.1', 80); s.gethostbyname('localhost');"
        "print([m for m in sys.modules if m.startswith(('stack.dns.', 'netif.wire.dns', 'dns'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['stack.dns.hosts']"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"timeout": 0}, "timeout"),
        ({"attempts": 0}, "attempts"),
        ({"edns": 100}, "edns"),
        ({"edns": "yes"}, "edns"),
        ({"ndots": "one"}, "ndots"),
        ({"ttl_max": None}, "ttl_max"),
    ],
)
def test_settings_that_cannot_be(change, what):
    from stack.dns.config import DnsConfig

    with pytest.raises(ValueError, match=f"^{what} is"):
        attrs.evolve(DnsConfig(), **change)
