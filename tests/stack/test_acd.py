"""RFC 5227."""

from __future__ import annotations

import pytest

from netif.link import LinkCaps
from netif.wire import arp, ethernet
from stack.acd import MAX_CONFLICTS, RATE_LIMIT_INTERVAL
from stack.ip_config import IpConfig
from stack.udp import UdpEndpoint
from tests.stack.rig import GATEWAY, MASK, OTHER_MAC, OUR_MAC, PEER, PEER_MAC, US, Rig, answers, asks

ANNOUNCEMENT = "who-has 10.0.0.1 tell 10.0.0.1"
NOBODYS = bytes(4)


class Claimant:
    """Would like to have 10.0.0.1, and takes it when it may."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.told: list[bytes | None] = []
        self.claim = rig.interface.arp.claim(US, self._told)

    def _told(self, mac: bytes | None) -> None:
        self.told.append(mac)
        if mac is None:
            self.rig.interface.set_addresses(US, MASK, GATEWAY)


@pytest.fixture
def bare() -> Rig:
    return Rig(addressed=False)


def moments(rig: Rig, seconds: float) -> list[float]:
    """When each frame was sent, in tenths of a second."""
    at = []
    for n in range(int(seconds * 10)):
        rig.after(0.1)
        at += [(n + 1) / 10] * len(rig.frames())
    return at


def test_three_probes_and_two_announcements(bare: Rig):
    claimant = Claimant(bare)
    at = moments(bare, 15)
    assert len(at) == 5
    first, second, third, announced, again = at
    assert first <= 1.1
    assert 0.9 <= second - first <= 2.1
    assert 0.9 <= third - second <= 2.1
    assert 1.8 <= announced - third <= 2.2
    assert 1.8 <= again - announced <= 2.2
    assert claimant.told == [None]
    assert not bare.interface.arp.claims


def test_a_probe_names_nobody(bare: Rig):
    """RFC 5227 2.1.1: lest it should pollute others' tables."""
    Claimant(bare)
    bare.after(1.0)
    (frame,) = bare.frames()
    assert ethernet.parse(frame)[0] == ethernet.BROADCAST
    assert arp.parse(frame, 14) == (arp.REQUEST, OUR_MAC, NOBODYS, bytes(6), US)


@pytest.mark.parametrize(
    "frame",
    [
        answers(US, NOBODYS, OTHER_MAC),  # it is mine
        asks(US, GATEWAY, OTHER_MAC),  # somebody uses it
        asks(US, US, OTHER_MAC),  # an announcement
        asks(NOBODYS, US, OTHER_MAC),  # somebody else would like to have it as well
    ],
)
def test_whoever_has_it_or_wants_it_too_ends_the_claim(bare: Rig, frame: bytes):
    claimant = Claimant(bare)
    bare.after(2.0)
    bare.netif.sent.clear()
    bare.gets(frame)
    bare.after(20)
    bare.sends()
    assert claimant.told == [OTHER_MAC]
    assert bare.stack.stats["arp_claim_lost"] == 1


def test_what_is_about_others_and_what_comes_back_of_ours_does_not(bare: Rig):
    claimant = Claimant(bare)
    bare.gets(asks(PEER, GATEWAY), answers(PEER, US), asks(PEER, US), asks(NOBODYS, PEER), asks(NOBODYS, US, OUR_MAC))
    bare.after(20)
    assert claimant.told == [None]


def test_until_it_is_ours_we_do_not_answer_for_it(bare: Rig):
    claimant = Claimant(bare)
    bare.gets(asks(PEER, US))
    bare.sends()
    bare.after(20)
    assert claimant.told == [None]
    bare.netif.sent.clear()
    bare.gets(asks(PEER, US))
    bare.sends("10.0.0.1 is-at 02:00:00:00:00:01")


def test_whoever_probes_for_an_address_of_ours_is_answered_and_not_learned(rig: Rig):
    """RFC 5227 2.1.1, 2.4"""
    rig.gets(asks(NOBODYS, US))
    (reply,) = rig.frames()
    assert reply == answers(US, NOBODYS, mac=OUR_MAC, to=PEER_MAC)
    assert not rig.interface.arp.entries
    assert rig.stack.stats["arp_conflict"] == 0


def test_after_ten_losses_it_takes_a_minute(bare: Rig):
    for _ in range(MAX_CONFLICTS):
        Claimant(bare)
        bare.gets(asks(US, US, OTHER_MAC))
    claimant = Claimant(bare)
    bare.after(RATE_LIMIT_INTERVAL - 1)
    bare.sends()
    bare.after(20)
    assert claimant.told == [None]
    bare.netif.sent.clear()
    again = Claimant(bare)
    bare.after(1.0)
    bare.sends("who-has 10.0.0.1 tell 0.0.0.0")  # asked for at once
    assert again.told == []


def test_a_claim_may_be_called_off_or_made_anew(bare: Rig):
    first = Claimant(bare)
    second = Claimant(bare)
    bare.after(20)
    assert (first.told, second.told) == ([], [None])
    third = Claimant(bare)
    third.claim.cancel()
    bare.after(20)
    assert third.told == []


def test_a_link_that_comes_back_is_asked_anew(bare: Rig):
    claimant = Claimant(bare)
    bare.after(3.0)  # it takes four seconds at least (RFC 5227 1.1)
    bare.interface.link_down()
    bare.interface.link_up(LinkCaps(mac=OUR_MAC))
    bare.netif.sent.clear()
    assert claimant.told == []
    bare.after(4.0)
    assert {frame[28:32] for frame in bare.frames()} == {NOBODYS}
    bare.after(20)
    assert claimant.told == [None]


def test_by_default_an_address_is_defended_once_in_ten_seconds_and_kept(rig: Rig):
    """RFC 5227 2.4 c"""
    for _ in range(100):
        rig.gets(asks(US, GATEWAY, OTHER_MAC))
        rig.after(1.0)
    assert rig.interface.address == US
    assert rig.stack.stats["arp_defended"] == 10


def test_one_that_yields_defends_itself_once_and_gives_up_when_that_does_not_help():
    """RFC 5227 2.4 b"""
    rig = Rig(ip=IpConfig(conflict_policy="yield"))
    rig.knows_peer()
    socket = UdpEndpoint(rig.stack)
    socket.connect(PEER, 9)
    rig.gets(asks(US, GATEWAY, OTHER_MAC))
    rig.sends(ANNOUNCEMENT)
    rig.after(10.1)
    rig.gets(asks(US, GATEWAY, OTHER_MAC))
    rig.sends(ANNOUNCEMENT)
    rig.after(1.0)
    rig.gets(asks(US, GATEWAY, OTHER_MAC))
    rig.sends()
    assert rig.interface.address == b""
    assert rig.netif.gave_way
    assert rig.stack.stats["arp_yielded"] == 1


def test_whoever_wants_to_know_is_told_instead():
    rig = Rig(ip=IpConfig(conflict_policy="yield"))
    told: list[bytes] = []
    rig.interface.yields = told.append
    rig.gets(asks(US, GATEWAY, OTHER_MAC), asks(US, GATEWAY, OTHER_MAC))
    assert told == [OTHER_MAC]
    assert rig.interface.address == US


def test_a_conflict_is_traced(rig: Rig):
    said: list[tuple[str, object]] = []
    rig.stack.trace = lambda event, owner, detail: said.append((event, detail))
    rig.gets(asks(US, GATEWAY, OTHER_MAC))
    assert ("conflict", "02:00:00:00:00:09") in said


class TestProxies:
    def test_the_first_of_two_answers_counts(self, rig: Rig):
        socket = UdpEndpoint(rig.stack)
        socket.send_to(b"x", (PEER, 9))
        rig.gets(answers(PEER, US), answers(PEER, US, OTHER_MAC))
        assert rig.interface.arp.entries[PEER].mac == PEER_MAC
        assert rig.stack.stats["arp_second"] == 1

    def test_whoever_has_moved_is_believed_a_second_later_or_when_it_says_so(self, met: Rig):
        met.gets(asks(PEER, PEER, OTHER_MAC))  # gratuitous
        assert met.interface.arp.entries[PEER].mac == OTHER_MAC
        met.after(1.1)
        met.gets(answers(PEER, US))
        assert met.interface.arp.entries[PEER].mac == PEER_MAC

    def test_an_announcement_of_a_stranger_is_not_kept(self, rig: Rig):
        rig.gets(asks(PEER, PEER), answers(PEER, PEER))
        assert not rig.interface.arp.entries
        rig.drops(arp_not_for_us=2)

    def test_nobody_is_answered_for(self, met: Rig):
        met.gets(asks(PEER, GATEWAY), asks(GATEWAY, PEER, OTHER_MAC))
        met.sends()
