"""A DHCP client among liars: who is not believed, what is dropped and under which name, and that nothing grows."""

from __future__ import annotations

import random

import pytest

from netif.wire import dhcp, ethernet, ip, udp
from netif.wire import dhcp_options as option
from netif.wire.dhcp import BOOTREPLY, BOOTREQUEST, CLIENT_PORT, SERVER_PORT, Message, MessageType
from tests.stack.dhcp.leasing import LEASE_TIME, MASK, OFFERED, ROGUE, SERVER, Leasing, answer_to, frame_of, options_of
from tests.stack.rig import OTHER_MAC, OUR_MAC

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = MessageType


def renewing() -> tuple[Leasing, Message]:
    wire = Leasing().start()
    wire.bind()
    wire.after(LEASE_TIME / 2)
    return wire, wire.says(REQUEST)


def requesting() -> tuple[Leasing, Message]:
    wire = Leasing().start()
    wire.answer(OFFER, wire.says(DISCOVER))
    return wire, wire.says(REQUEST)


@pytest.mark.parametrize("scene", [requesting, renewing])
@pytest.mark.parametrize("kind", [ACK, NAK])
def test_in_answer_to_a_request_only_the_chosen_server_is_believed(scene, kind):
    wire, asked = scene()
    wire.hears(answer_to(kind, asked, options_of(server=ROGUE)), to=OFFERED, src=ROGUE)
    assert wire.client.state in ("REQUESTING", "RENEWING")
    wire.drops(dhcpc_other_server=1)
    wire.answer(ACK, asked)
    assert wire.client.state == "BOUND"
    assert wire.holder.lost == []


@pytest.mark.parametrize("kind", [OFFER, ACK, NAK, DISCOVER, REQUEST, DECLINE, RELEASE, INFORM])
def test_after_a_binding_nothing_is_believed_that_was_not_asked_for(kind):
    wire = Leasing().start()
    asked = wire.says(DISCOVER)
    wire.answer(OFFER, asked)
    wire.answer(ACK, wire.says(REQUEST))
    wire.hears(answer_to(kind, asked), to=OFFERED)
    wire.hears(answer_to(kind, asked, options_of(server=ROGUE)), to=ip.BROADCAST, src=ROGUE)
    assert wire.client.state == "BOUND"
    assert wire.holder.ip == "10.0.0.5"
    assert wire.stack.stats["dhcpc_unexpected"] == 2


@pytest.mark.parametrize(
    "changed", [{"xid": 0x55555555}, {"chaddr": OTHER_MAC}, {"op": BOOTREQUEST}], ids=["xid", "chaddr", "op"]
)
def test_what_is_for_others_or_no_answer_does_not_count(changed):
    wire = Leasing().start()
    wire.answer(OFFER, wire.says(DISCOVER), **changed)
    wire.silent()
    wire.drops(dhcpc_not_for_us=1)


@pytest.mark.parametrize("kind", [ACK, NAK, DISCOVER, REQUEST, DECLINE, RELEASE, INFORM])
def test_while_offers_are_awaited_only_offers_count(kind):
    wire = Leasing().start()
    wire.hears(answer_to(kind, wire.says(DISCOVER)), to=OFFERED)
    assert wire.client.state == "SELECTING"
    wire.drops(dhcpc_unexpected=1)


def test_another_address_than_the_one_asked_for_is_not_taken():
    wire, asked = renewing()
    wire.answer(ACK, asked, yiaddr=bytes((10, 0, 0, 77)))
    assert wire.holder.ip == "10.0.0.5"
    assert wire.client.state == "RENEWING"
    wire.drops(dhcpc_unusable=1)


def test_a_message_beyond_all_measure_is_not_even_read():
    wire = Leasing().start()
    asked = wire.says(DISCOVER)
    frame = frame_of(answer_to(OFFER, asked, options_of(o43=bytes(5000))), OFFERED)
    wire.gets(frame)
    wire.silent()
    wire.drops(dhcpc_too_long=1)


@pytest.mark.parametrize(
    ("reason", "at", "value"),
    [
        ("dhcp_format", 42, b"\7"),
        ("dhcp_format", 43, b"\6"),
        ("dhcp_cookie", 42 + 236, b"\0"),
        ("dhcp_message_type", 42 + 240, b"\x99"),
        ("dhcp_message_type", 42 + 242, b"\x2a"),
        ("dhcp_option_length", 42 + 244, b"\xfd"),
        ("dhcp_overload", 42 + 243, b"\x34\1\7\0\0\0"),
    ],
)
def test_what_cannot_be_read_is_counted_by_its_reason(reason, at, value):
    wire = Leasing().start()
    frame = bytearray(frame_of(answer_to(OFFER, wire.says(DISCOVER)), OFFERED))
    frame[at : at + len(value)] = value
    frame[40:42] = b"\0\0"  # no checksum
    wire.gets(bytes(frame))
    wire.silent()
    wire.drops(**{reason: 1})


@pytest.mark.parametrize("length", [0, 1, 100, 239, 240])
def test_a_message_that_ends_early_is_counted(length):
    wire = Leasing().start()
    data = dhcp.emit(answer_to(OFFER, wire.says(DISCOVER)))[:length]
    body = udp.emit(SERVER, OFFERED, SERVER_PORT, CLIENT_PORT, data) + data
    wire.gets(ethernet.emit(OUR_MAC, OTHER_MAC, ethernet.IP) + ip.emit(SERVER, OFFERED, 17, len(body), ident=0) + body)
    wire.silent()
    wire.drops(**{"dhcp_short" if length < 240 else "dhcp_message_type": 1})


def mutated(message: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, cut out, repeated, or the end torn off."""
    data = bytearray(message)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        at = dice.choice((dice.randrange(len(data)), 240 + dice.randrange(60))) % len(data)
        how = dice.randrange(4)
        if how == 0:
            data[at] = dice.choice((0, 255, dice.randrange(256)))
        elif how == 1:
            data[at:at] = dice.randbytes(dice.choice((1, 4, 300)))
        elif how == 2 and len(data) > 250:
            del data[at : at + dice.randrange(1, 9)]
        elif how == 3:
            data[at : at + 2] = bytes((dice.choice((3, 6, 51, 52, 53, 54, 58, 119, 121)), dice.randrange(256)))
    return bytes(data[: dice.randrange(len(data))] if dice.random() < 0.1 else data)


OFTEN_SEEN = options_of(
    o3=SERVER, o6=SERVER * 2, o15=b"example.org", o119=b"\1a\0\1b\xc0\0", o121=b"\x08\x0a" + SERVER, o58=bytes(4)
)


def torment(rounds: int, seed: int) -> None:
    """Mutations of what would be right in the present state: what is wrong is counted, and a lease is a lease."""
    dice = random.Random(seed)
    wire = Leasing().start()
    asked: list[Message] = []
    for n in range(rounds):
        asked = [message for _, message in wire.said()] or asked
        kind = dice.choice((OFFER, OFFER, ACK, ACK, ACK, NAK))
        message = dhcp.emit(answer_to(kind, asked[-1], OFTEN_SEEN))
        data = mutated(message, dice) if n % 4 else message
        body = udp.emit(SERVER, OFFERED, SERVER_PORT, CLIENT_PORT, data) + data
        header = ip.emit(SERVER, OFFERED, ip.UDP, len(body), ident=0)
        wire.gets(ethernet.emit(OUR_MAC, OTHER_MAC, ethernet.IP) + header + body)
        if n % 8 == 0:
            wire.after(dice.choice((0.0, 5.0, LEASE_TIME / 2)))
        held = wire.client.lease
        assert (held is None) == (wire.holder.ip is None)
        assert held is None or held.ip_info.ip.packed == wire.interface.address
        wire.holder.states[:-1] = wire.holder.leases[:] = wire.holder.lost[:] = []
        wire.others.clear()
    assert wire.stack.stats["internal_error"] == 0
    assert wire.stack.timers.size() < 100
    assert sum(wire.stack.stats.drops().values()) > rounds / 4
    wire.client.stop()
    assert wire.stack.stats.drops().keys() <= {*wire.stack.stats.counters}


def test_mutations(seed: int):
    torment(3000, seed)


@pytest.mark.slow
def test_many_mutations(seed: int):
    torment(100_000, seed)


def test_a_flood_of_offers_leaves_nothing_behind():
    wire = Leasing().start()
    asked = wire.says(DISCOVER)
    for n in range(2000):
        wire.hears(answer_to(OFFER, asked, {**options_of(), 43: bytes(200), option.MESSAGE: b"%d" % n}, siaddr=MASK))
    assert len(wire.said()) == 1
    assert wire.stack.timers.size() < 100
    assert wire.stack.stats["dhcpc_unexpected"] == 1999


def test_replies_are_heard_for_the_answer_alone():
    """A reply to port 68 that is no DHCP at all."""
    wire = Leasing().start()
    assert BOOTREPLY == 2
    body = udp.emit(SERVER, OFFERED, 5353, CLIENT_PORT, b"hello") + b"hello"
    wire.gets(ethernet.emit(OUR_MAC, OTHER_MAC, ethernet.IP) + ip.emit(SERVER, OFFERED, 17, len(body), ident=0) + body)
    wire.drops(dhcp_short=1)
