"""Who gets a frame that is for many, once hosts have said what they could use."""

from __future__ import annotations

import pytest

from netif.link import Hears
from netif.wire import arp, ethernet, ip, udp
from tapio import Impair, Sniff, Switch, Wrapper
from tests.tapio.ports import drained

A, B, C, D = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2, 3, 4))
ONE, TWO, THREE = (ip.parse_address(f"10.0.0.{n}") for n in (1, 2, 3))


def who_has(spa, tpa, src=A):
    message = arp.emit(arp.REQUEST, src, spa, bytes(6), tpa)
    return ethernet.emit(ethernet.BROADCAST, src, ethernet.ARP) + message


def datagram(dport, *, dst=ip.BROADCAST, mac=ethernet.BROADCAST, options=b"", fragment=0, protocol=ip.UDP):
    body = udp.emit(ONE, dst, 1000, dport, b"hello") + b"hello"
    header = ip.emit(ONE, dst, protocol, len(body), ident=1, fragment=fragment, options=options)
    return ethernet.emit(mac, A, ethernet.IP) + header + body


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def sender(switch, make_port, want):
    port = switch.port()
    port.open(want(A), make_port())
    port.hear_all(False)
    return port


@pytest.fixture
def hearing(switch, make_port, want):
    """hearing((what, key), ...): a port whose host could use that alone; without any, all."""

    def hearing(*wanted, mac=B):
        port = switch.port()
        port.open(want(mac), make_port())
        for what, key in wanted:
            port.hear(what, key, True)
        if wanted:
            port.hear_all(False)
        return port

    return hearing


def test_a_port_of_which_nothing_is_said_gets_everything(sender, hearing):
    port = hearing()
    frames = [who_has(ONE, TWO), datagram(7), ethernet.emit(ethernet.BROADCAST, A, 0x88B5) + bytes(40)]
    for frame in frames:
        sender.transmit((frame,), None)
    assert drained(port) == frames


def test_arp_goes_to_whom_its_sender_or_target_concerns(sender, hearing):
    one, two, three = (hearing((Hears.ADDRESS, address)) for address in (ONE, TWO, THREE))
    frame = who_has(ONE, TWO)
    sender.transmit((frame,), None)
    assert [drained(port) for port in (one, two, three)] == [[frame], [frame], []]


def test_of_a_neighbour_that_is_known_what_it_asks_others_is_no_news(sender, hearing):
    knows, knew = hearing((Hears.NEIGHBOUR, ONE + A)), hearing((Hears.NEIGHBOUR, ONE + C))
    asks, answers = who_has(ONE, TWO), who_has(ONE, TWO).replace(b"\x06\x04\0\1", b"\x06\x04\0\2")
    for frame in (asks, answers):
        sender.transmit((frame,), None)
    assert [drained(port) for port in (knows, knew)] == [[answers], [asks, answers]]
    for port, mac in ((knows, A), (knew, C)):
        port.hear(Hears.NEIGHBOUR, ONE + mac, False)
        port.hear(Hears.NEIGHBOUR, ONE + mac, False)
    sender.transmit((answers,), None)
    assert [drained(port) for port in (knows, knew)] == [[], []]


def test_a_broadcast_datagram_goes_to_whom_its_port_concerns(sender, hearing):
    seven, nine = hearing((Hears.PORT, 7)), hearing((Hears.PORT, 9))
    plain, long = datagram(7), datagram(7, options=bytes([1, 1, 1, 0]))
    for frame in (plain, long):
        sender.transmit((frame,), None)
    assert [drained(port) for port in (seven, nine)] == [[plain, long], []]


@pytest.mark.parametrize(
    "frame",
    [
        datagram(7, fragment=ip.MF),
        datagram(7, fragment=2),
        datagram(7, protocol=1),
        datagram(7)[:40],
    ],
    ids=["first fragment", "later fragment", "ICMP", "cut short"],
)
def test_other_ip_goes_to_everybody(sender, hearing, frame):
    nine = hearing((Hears.PORT, 9))
    sender.transmit((frame,), None)
    assert drained(nine) == [frame]


def test_a_broadcast_that_is_neither_arp_nor_ip_goes_to_those_who_want_all(sender, hearing):
    some, every = hearing((Hears.PORT, 7)), hearing()
    frame = ethernet.emit(ethernet.BROADCAST, A, 0x88B5) + bytes(40)
    sender.transmit((frame,), None)
    assert (drained(some), drained(every)) == ([], [frame])


def test_a_runt_of_an_arp_goes_to_those_who_want_all(sender, hearing):
    some, every = hearing((Hears.ADDRESS, TWO)), hearing()
    frame = who_has(ONE, TWO)[:30]
    sender.transmit((frame,), None)
    assert (drained(some), drained(every)) == ([], [frame])


@pytest.mark.parametrize("mac", [b"\x01\0\x5e\0\0\xfb", C], ids=["a group", "a station unknown"])
def test_other_addresses_go_to_those_who_bear_them(sender, hearing, mac):
    bears, other = hearing((Hears.STATION, mac)), hearing((Hears.STATION, D))
    frame = datagram(7, mac=mac)
    sender.transmit((frame,), None)
    assert [drained(port) for port in (bears, other)] == [[frame], []]


def test_what_is_no_longer_of_use_is_left_out(sender, hearing):
    port = hearing((Hears.ADDRESS, TWO), (Hears.ADDRESS, THREE))
    port.hear(Hears.ADDRESS, TWO, False)
    port.hear(Hears.ADDRESS, TWO, False)
    sender.transmit((who_has(ONE, TWO),), None)
    assert drained(port) == []
    port.hear_all(True)
    sender.transmit((who_has(ONE, TWO),), None)
    assert len(drained(port)) == 1


def test_several_who_care_get_it_in_the_order_of_the_ports(switch, make_port, want, sender):
    order = []
    for number in range(5):
        port = switch.port()
        opened = make_port()
        opened.readable = lambda number=number: order.append(number)
        port.open(want(bytes([2, 0, 0, 0, 1, number])), opened)
        if number != 3:
            port.hear_all(False)
        port.hear(Hears.ADDRESS, (TWO, ONE)[number % 2], True)
    sender.transmit((who_has(ONE, TWO),), None)
    assert order == [0, 1, 2, 3, 4]


def test_closed_or_opened_anew_a_port_has_said_nothing(switch, sender, hearing, make_port, want):
    port = hearing((Hears.ADDRESS, TWO))
    port.close()
    port.open(want(B), make_port())
    sender.transmit((who_has(ONE, THREE),), None)
    assert len(drained(port)) == 1
    port.hear_all(False)
    sender.transmit((who_has(ONE, TWO),), None)
    assert drained(port) == []


def test_a_closed_port_that_wanted_all_is_forgotten(switch, hearing):
    port = hearing()
    port.close()
    assert port not in switch.hearing.all


def test_opened_anew_without_a_close_it_has_said_nothing_either(sender, hearing, make_port, want):
    port = hearing((Hears.ADDRESS, TWO))
    port.open(want(B), make_port())
    port.hear_all(False)
    sender.transmit((who_has(ONE, TWO),), None)
    assert drained(port) == []


def test_a_switch_that_is_not_selective_gives_all_to_all(sender, hearing, switch):
    port = hearing((Hears.ADDRESS, TWO))
    switch.selective = False
    sender.transmit((who_has(ONE, THREE),), None)
    assert len(drained(port)) == 1


def test_who_looks_into_a_wire_gets_everything(switch):
    for wrapper in (Wrapper(switch.port()), Sniff(switch.port()), Impair(switch.port(), loss=0.5)):
        assert not hasattr(wrapper, "hear")


def test_tagged_frames_are_looked_at_behind_their_tag(sender, hearing, switch, make_port, want):
    two, three = hearing((Hears.ADDRESS, TWO)), hearing((Hears.ADDRESS, THREE))
    trunk = switch.port(trunk=[], native=1)
    trunk.open(want(C), make_port())
    frame = who_has(ONE, TWO)
    sender.transmit((frame[:12] + b"\x81\0\0\x01" + frame[12:],), None)
    assert [drained(port) for port in (two, three)] == [[frame], []]
