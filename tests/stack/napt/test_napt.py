"""Conversations through a NAPT. RFC 3022, 4787, 5382, 5508."""

from __future__ import annotations

import random
from socket import AF_INET, SOCK_DGRAM, timeout
from typing import Any

import pytest

from netif import esp
from netif.errors import InvalidParams, NetifError, NoMem, NotFound
from stack.echo import EchoEndpoint
from stack.limits import Limits
from stack.stack import Stack
from tests.stack.forwarding.test_routers import fetch, trace
from tests.stack.forwarding.world import PLAIN
from tests.stack.napt.home import OUTSIDE, SERVER, Home, calls, says_who
from tests.stack.rig import address


def test_a_host_goes_out_under_the_routers_address_and_its_own_port(home: Home):
    home.echoes(home.server)
    assert home.asks(home.one, 5000) == f"{OUTSIDE}:5000"
    assert home.table() == [f"udp 192.168.4.2:5000 = {OUTSIDE}:5000 <-> {SERVER} established"]
    says_who(home, home.server)
    assert calls(home, home.one, port=6000) == f"{OUTSIDE}:6000"
    assert home.table()[1].startswith(f"tcp 192.168.4.2:6000 = {OUTSIDE}:6000 <-> {SERVER}:80")


@pytest.mark.parametrize("port", [{}, PLAIN], ids=["offload", "plain"])
def test_bulk_goes_through_whole(port: dict[str, Any]):
    home = Home(**port)
    fetch(home, home.one, home.server, SERVER)
    home.close()


def test_two_hosts_with_one_port_are_told_apart(home: Home):
    """RFC 4787 REQ-3: no port for two; REQ-4: parity stays"""
    other = home.inside("other", 3)
    home.echoes(home.server)
    assert home.asks(home.one, 5001) == f"{OUTSIDE}:5001"
    second = home.asks(other, 5001)
    assert second != f"{OUTSIDE}:5001"
    assert int(second.partition(":")[2]) % 2 == 1
    assert home.asks(home.one, 5001) == f"{OUTSIDE}:5001"
    assert home.asks(other, 5001) == second


def test_a_well_known_port_becomes_a_well_known_one(home: Home):
    """RFC 4787 REQ-3 a"""
    other = home.inside("other", 3)
    home.echoes(home.server)
    home.asks(home.one, 123)
    assert int(home.asks(other, 123).partition(":")[2]) < 1024


def test_one_endpoint_is_the_same_to_all_its_peers(home: Home):
    """RFC 4787 REQ-1, RFC 5382 REQ-1"""
    home.echoes(home.host("second", "world", "203.0.113.8/24"))
    home.echoes(home.server)
    other = home.inside("other", 3)
    home.asks(home.one, 5000)
    assert home.asks(other, 5000) == home.asks(other, 5000, ("203.0.113.8", 7))
    assert len(home.rows()) == 3


def test_a_ping_goes_through_and_two_pings_with_one_ident_are_told_apart(home: Home):
    """RFC 5508 REQ-1"""
    other = home.inside("other", 3)
    pings = [EchoEndpoint(stack) for stack in (home.one, other)]
    for ping in pings:
        home.gated(lambda ping=ping: ping.bind(ident=77))
        home.gated(lambda ping=ping: ping.send_echo(1, b"x" * 100, address(SERVER)))
    home.runtime.run_for(1)
    assert [reply.payload for ping in pings if (reply := ping.receive())] == [b"x" * 100] * 2
    assert home.table()[0] == f"icmp 192.168.4.2:77 = {OUTSIDE}:77 <-> {SERVER} established"
    assert len({row.outside for row in home.rows()}) == 2


def test_traceroute_sees_what_is_behind_the_router(home: Home):
    """RFC 5508 REQ-4: an error's quote is translated back, or nobody would know whom it concerns"""
    home.router("next", {"world": "203.0.113.9/24", "far": "198.51.100.1/24"})
    home.napt["world"].set_routes([("198.51.100.0/24", "203.0.113.9")])
    home.host("far", "far", "198.51.100.7/24", "198.51.100.1")
    for by in ("udp", "icmp"):
        seen = home.do(lambda by=by: trace(home.one, "198.51.100.7", 3, by))
        assert seen == ["192.168.4.1", "203.0.113.9", "198.51.100.7"]


def is_refused(home: Home, host: Stack, to: tuple[str, int]) -> None:
    """A datagram, at a closed port."""

    def ask() -> None:
        with host.socket(AF_INET, SOCK_DGRAM) as s:
            s.connect(to)
            s.send(b"x")
            s.recv(100)

    with pytest.raises(ConnectionRefusedError):
        home.do(ask)


def test_a_closed_port_outside_is_heard_inside(home: Home):
    """RFC 5508 REQ-4, RFC 5382 REQ-9"""
    is_refused(home, home.one, (SERVER, 9))
    with pytest.raises(ConnectionRefusedError):
        calls(home, home.one, (SERVER, 9))


def test_a_closed_port_inside_is_heard_outside(home: Home):
    """RFC 5508 REQ-5, about what came in by a port mapping"""
    home.napt["home"].portmap_add("udp", 4000, "192.168.4.2", 5000)
    is_refused(home, home.server, (OUTSIDE, 4000))


def test_tcp_hears_of_a_narrow_path_through_it(home: Home):
    """RFC 5382 REQ-9"""
    home.router("next", {"world": "203.0.113.9/24"})
    narrow = home.join(home.stacks[-1], "far", "198.51.100.1/24", None, ip_mtu=1000)
    home.gated(home.stacks[-1].forwarding.enable)
    home.napt["world"].set_routes([("198.51.100.0/24", "203.0.113.9")])
    far = home.host("far", "far", "198.51.100.7/24", "198.51.100.1")
    fetch(home, home.one, far, "198.51.100.7")
    assert narrow.mtu == 1000
    assert home.one.stats["path_narrowed"] >= 1


def test_who_was_not_spoken_to_does_not_get_in(home: Home):
    """RFC 4787 REQ-8: whatever port, but that address; RFC 5382 REQ-3: TCP by both"""
    stranger = home.host("stranger", "world", "203.0.113.8/24")
    with home.one.socket(AF_INET, SOCK_DGRAM) as s:

        def speak() -> None:
            s.bind(("", 5000))
            s.settimeout(2)
            s.sendto(b"x", (SERVER, 9))

        home.do(speak)
        home.sends(stranger, b"evil", (OUTSIDE, 5000))
        home.sends(home.server, b"from another port", (OUTSIDE, 5000))
        assert home.do(lambda: bytes(s.recv(100))) == b"from another port"
        with pytest.raises(timeout):
            home.do(lambda: s.recv(100))
    assert home.napt.stack.stats["napt_filtered"] == 1


def test_nobody_outside_reaches_an_inside_address(home: Home):
    """Its NAPT makes it no router for others."""
    home.echoes(home.one)
    home.gated(lambda: home.server.interfaces[0].set_routes(((address("192.168.4.0"), 24, address(OUTSIDE)),)))
    with pytest.raises(timeout):
        home.asks(home.server, to=("192.168.4.2", 7))
    assert home.napt.stack.stats["forwarded"] == 0


def test_what_belongs_to_nobody_inside_is_the_routers(home: Home):
    home.echoes(home.napt.stack)
    says_who(home, home.napt.stack)
    home.echoes(home.server)
    home.asks(home.one, 5000)
    assert home.asks(home.server, 5000, (OUTSIDE, 7)) == f"{SERVER}:5000"
    assert calls(home, home.server, (OUTSIDE, 80)).startswith(SERVER)
    assert home.asks(home.one, 5000, ("192.168.4.1", 7)) == "192.168.4.2:5000"
    assert home.asks(home.napt.stack, 6000) == f"{OUTSIDE}:6000"
    other = home.asks(home.one, 7)
    assert other != f"{OUTSIDE}:7"  # a socket of the router has it


def test_a_port_mapping_lets_all_in(home: Home):
    says_who(home, home.one, 8080)
    home.echoes(home.one, 5353)
    inside = home.napt["home"]
    inside.portmap_add("tcp", 80, "192.168.4.2", 8080)
    inside.portmap_add("udp", 5353, "192.168.4.2")
    assert calls(home, home.server, (OUTSIDE, 80)).startswith(f"{SERVER}:")
    assert home.asks(home.server, 6000, (OUTSIDE, 5353)) == f"{SERVER}:6000"
    assert [repr(row) for row in inside.napt_table()] == [
        "<NaptEntry tcp 192.168.4.2:8080 = *:80 <-> * portmap>",
        "<NaptEntry udp 192.168.4.2:5353 = *:5353 <-> * portmap>",
    ]
    inside.portmap_remove("tcp", 80)
    with pytest.raises(ConnectionRefusedError):
        calls(home, home.server, (OUTSIDE, 80))


def test_port_mappings_hold_while_translation_does_and_outlive_a_restart(home: Home):
    home.echoes(home.one, 5353)
    inside = home.napt["home"]
    inside.portmap_add("udp", 5353, "192.168.4.2")
    inside.stop()
    assert inside.napt_table() == ()
    inside.start()
    assert home.asks(home.server, 6000, (OUTSIDE, 5353)) == f"{SERVER}:6000"
    inside.napt_enable(False)
    assert inside.napt_table() == ()
    with pytest.raises(timeout):
        home.asks(home.server, 6000, (OUTSIDE, 5353))
    inside.napt_enable()
    assert home.asks(home.server, 6000, (OUTSIDE, 5353)) == f"{SERVER}:6000"


def test_a_mapping_that_cannot_be_is_refused_with_a_word():
    home = Home(limits=Limits(napt_portmaps=2))
    inside = home.napt["home"]
    for wrong in (
        ("sctp", 80, "192.168.4.2"),
        ("tcp", 0, "192.168.4.2"),
        ("tcp", 80, "home"),
        ("tcp", 80, "224.0.0.1"),
    ):
        with pytest.raises(InvalidParams, match="portmap: "):
            inside.portmap_add(*wrong)
    inside.portmap_add("tcp", 80, "192.168.4.2")
    with pytest.raises(InvalidParams, match="tcp port 80 is mapped already"):
        inside.portmap_add("tcp", 80, "192.168.4.3")
    with pytest.raises(InvalidParams, match=r"192\.168\.4\.2:80 has port 80 already"):
        inside.portmap_add("tcp", 81, "192.168.4.2", 80)
    inside.portmap_add("udp", 80, "192.168.4.2")
    with pytest.raises(NoMem, match=r"Limits\.napt_portmaps"):
        inside.portmap_add("udp", 81, "192.168.4.2")
    with pytest.raises(NotFound):
        inside.portmap_remove("udp", 9)
    assert home.napt.stack.stats["napt_portmaps_full"] == 1
    home.close()


def test_what_is_under_way_goes_on_beside_a_mapping_that_comes_later(home: Home):
    home.echoes(home.server)
    other = home.inside("other", 3)
    home.asks(other, 5000)
    seen = home.asks(home.one, 5000)
    home.napt["home"].portmap_add("udp", 5353, "192.168.4.2", 5000)
    assert home.asks(home.one, 5000) == seen
    home.echoes(home.host("second", "world", "203.0.113.8/24"))
    assert home.asks(home.one, 5000, ("203.0.113.8", 7)) == f"{OUTSIDE}:5353"


def test_hosts_reach_each_other_by_their_outside_address(home: Home):
    """RFC 4787 REQ-9: hairpinning, from the outside address and port; RFC 5382 REQ-8"""
    other = home.inside("other", 3)
    says_who(home, home.one, 8080)
    home.echoes(home.one, 5353)
    home.napt["home"].portmap_add("tcp", 80, "192.168.4.2", 8080)
    home.napt["home"].portmap_add("udp", 5353, "192.168.4.2")
    assert home.asks(other, 6000, (OUTSIDE, 5353)) == f"{OUTSIDE}:6000"
    assert calls(home, other, (OUTSIDE, 80), port=7000) == f"{OUTSIDE}:7000"
    assert home.asks(home.one, 6001, (OUTSIDE, 5353)) == f"{OUTSIDE}:6001"  # itself


def test_an_error_about_what_came_back_inside_is_heard(home: Home):
    """RFC 5508 REQ-7"""
    other = home.inside("other", 3)
    home.napt["home"].portmap_add("udp", 5353, "192.168.4.2")
    is_refused(home, other, (OUTSIDE, 5353))


def test_two_hosts_behind_two_routers_meet_by_sending_first(home: Home):
    """UDP hole punching (RFC 5128 3.3), which REQ-1 and REQ-8 allow"""
    home.router("second", {"home2": "192.168.4.1/24", "world": "203.0.113.2/24"}, forwarding=False, inside="home2")
    other = home.host("other", "home2", "192.168.4.2/24", "192.168.4.1")
    ends = [(home.one, "203.0.113.2"), (other, OUTSIDE)]

    def meet(host: Stack, peer: str) -> bytes:
        with host.socket(AF_INET, SOCK_DGRAM) as s:
            s.bind(("", 5000))
            for _ in range(3):
                s.sendto(host.name.encode(), (peer, 5000))
                host.runtime.sleep(1)
            s.settimeout(0)
            return bytes(s.recv(100))

    tasks = [home.runtime.spawn(lambda h=host, p=peer: meet(h, p)) for host, peer in ends]
    home.runtime.run_until(lambda: all(task.done() for task in tasks))
    assert [task.result() for task in tasks] == [b"other", b"one"]


def test_fragments_go_through_both_ways_in_any_order():
    """RFC 4787 REQ-14"""
    home = Home(faults={"reorder": "30%", "delay": "5ms"})
    home.echoes(home.server)
    data = random.Random(3).randbytes(20_000)

    def ask() -> bytes:
        with home.one.socket(AF_INET, SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(data, (SERVER, 7))
            return bytes(s.recv(65536))

    assert home.do(ask).endswith(data)
    assert home.napt.stack.stats["reassembled"] == 2
    home.close()


# by esp_netif's names


def test_by_the_port_style_names_there_is_one_inside_at_a_time(home: Home):
    inside, outside = home.napt["home"], home.napt["world"]
    esp.netif_napt_enable(outside)
    assert (inside.napt, outside.napt) == (False, True)
    esp.netif_napt_disable(outside)
    assert not outside.napt
    inside.disconnected()
    with pytest.raises(NetifError, match="is down") as caught:
        esp.netif_napt_enable(inside)
    assert caught.value.name == "ESP_FAIL"
