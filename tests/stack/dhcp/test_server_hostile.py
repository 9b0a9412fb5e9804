"""What nobody should send to a DHCP server: counted, dropped, bounded, and of no harm to whoever has a lease."""

from __future__ import annotations

import random

import pytest

from netif.wire import dhcp_options as option
from netif.wire.dhcp import BOOTREQUEST, Message, MessageType, emit
from stack.limits import Limits
from stack.stats import DROPS
from tests.stack.dhcp.serving import ACK, DISCOVER, EVERYBODY, NOBODY, REQUEST, Serving, carried, mac_of
from tests.stack.rig import US, address

HONEST = 1
OPTIONS = (12, 43, 50, 51, 52, 53, 54, 55, 57, 60, 61, 82, 121, 255, 0)


class Attacker:
    """Well-formed messages of many clients, and what is left of them after some bytes were changed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def frame(self) -> bytes:
        dice = self.dice
        mac = mac_of(dice.randrange(2, 500))
        src, dst = dice.choice(((NOBODY, EVERYBODY), (self.some_address(), US), (self.some_address(), EVERYBODY)))
        return carried(self.changed(emit(self.message(mac))), mac, src, dst, dice.choice((68, 67, 1, 65535)))

    def message(self, mac: bytes) -> Message:
        dice = self.dice
        kind = dice.choice((*MessageType, DISCOVER, REQUEST, REQUEST, REQUEST))
        options = {dice.choice(OPTIONS[:-3]): dice.randbytes(dice.choice((0, 1, 4, 20, 300))) for _ in range(3)}
        if dice.random() < 0.7:
            options[option.REQUESTED_IP] = self.some_address()
        if dice.random() < 0.4:
            options[option.SERVER_ID] = US
        return Message(
            op=BOOTREQUEST if dice.random() < 0.97 else 2,
            kind=kind,
            xid=dice.getrandbits(32),
            chaddr=mac,
            broadcast=dice.random() < 0.3,
            ciaddr=self.some_address() if dice.random() < 0.3 else NOBODY,
            giaddr=self.some_address() if dice.random() < 0.1 else NOBODY,
            options={code: value for code, value in options.items() if code not in (0, 52, 53, 255)},
        )

    def some_address(self) -> bytes:
        """Of ours mostly, and never the honest client's."""
        dice = self.dice
        return dice.choice((b"\x0a\0\0" + bytes((dice.randrange(3, 256),)), dice.randbytes(4), EVERYBODY, NOBODY))

    def changed(self, message: bytes) -> bytes:
        dice = self.dice
        made = bytearray(message)
        way = dice.randrange(5)
        if way == 0:  # bits anywhere but in the client's own address
            for _ in range(dice.randrange(1, 8)):
                at = dice.choice((dice.randrange(28), dice.randrange(44, len(made))))
                made[at] ^= 1 << dice.randrange(8)
        elif way == 1:
            del made[dice.randrange(len(made)) :]
        elif way == 2:  # options that claim what they like
            at = dice.randrange(240, len(made))
            made[at : at + 2] = bytes((dice.choice(OPTIONS), dice.choice((0, 1, 4, 255))))
        elif way == 3:  # a bomb of options
            made += b"".join(
                bytes((dice.choice(OPTIONS), 4)) + dice.randbytes(4) for _ in range(dice.choice((10, 100, 150)))
            )
        return bytes(made)


def attacked(seed: int, messages: int) -> None:
    serving = Serving(lease_time=3600, limits=Limits(dhcp_leases=80), conflict_probe=0.1, decline_time=20)
    serving.asks(HONEST)
    serving.after(0.1)
    serving.hears()
    (ack,) = serving.selects(HONEST, "10.0.0.2")
    assert ack.kind is ACK
    attacker = Attacker(seed)
    for n in range(messages):
        serving.gets(attacker.frame())
        serving.frames()
        if not n % 100:
            serving.after(0.5)
            serving.frames()
            (subnet,) = serving.server.subnets
            assert len(subnet.pool.bindings) <= 80
            assert len(serving.interface.arp.claims) <= 80
            (ack,) = serving.reboots(HONEST, "10.0.0.2")
            assert ack.kind is ACK
    stats = serving.stack.stats
    assert stats["internal_error"] == 0
    counted = stats.drops()
    assert set(counted) <= set(DROPS)
    for reason in ("dhcp_short", "dhcp_option_length", "dhcp_option_value", "dhcps_kind", "dhcps_unknown_client"):
        assert counted[reason]
    assert sum(counted.values()) > messages / 4


def test_mutated_messages():
    attacked(seed=1, messages=3000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 10))
def test_many_mutated_messages(seed: int):
    attacked(seed, messages=12_500)


def test_a_hostile_client_takes_no_more_than_the_pool(serving: Serving):
    """By whole exchanges, one name after another: whoever had a lease keeps it."""
    wanted = serving.leases(HONEST)
    for n in range(2, 101):
        serving.leases(n)
    assert serving.says(DISCOVER, 200) == []
    for n in range(300, 600):
        serving.says(REQUEST, n, options={option.REQUESTED_IP: address(wanted), option.SERVER_ID: US})
    serving.frames()
    assert str(serving.server.client_address(mac_of(HONEST))) == wanted
    (ack,) = serving.reboots(HONEST, wanted)
    assert ack.kind is ACK
