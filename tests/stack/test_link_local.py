"""Link-local addresses: RFC 3927."""

from __future__ import annotations

from netif.wire import arp, ethernet
from stack.link_local import MASK, LinkLocal, choice, is_link_local
from tests.stack.rig import OTHER_MAC, OUR_MAC, PEER, PEER_MAC, Rig, address, answers, asks


class Claimant:
    """Takes the address that it is told of."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.told: list[object] = []
        self.link_local = LinkLocal(rig.interface, self._claimed, self._lost)
        rig.interface.yields = self.link_local.conflict
        self.link_local.claim()

    def _claimed(self, address: bytes) -> None:
        self.told.append(address)
        self.rig.interface.set_addresses(address, MASK, bytes(4))

    def _lost(self, mac: bytes) -> None:
        self.told.append(mac)
        self.rig.interface.set_addresses(bytes(4), bytes(4), bytes(4))


def claimed() -> tuple[Rig, Claimant, bytes]:
    rig = Rig(addressed=False)
    claimant = Claimant(rig)
    rig.after(20)
    rig.netif.sent.clear()
    return rig, claimant, rig.interface.address


def test_addresses_are_in_the_range_and_the_same_every_time():
    """RFC 3927 2.1"""
    found = {choice(n.to_bytes(6, "big"), tried) for n in range(500) for tried in range(4)}
    assert all(address("169.254.1.0") <= each <= address("169.254.254.255") for each in found)
    assert len(found) > 1900
    assert choice(OUR_MAC, 0) == choice(OUR_MAC, 0) != choice(OUR_MAC, 1)
    assert all(map(is_link_local, found))
    assert not is_link_local(PEER)


def test_it_is_probed_for_before_it_is_used():
    """RFC 3927 2.2.1"""
    rig = Rig(addressed=False)
    claimant = Claimant(rig)
    rig.after(3.0)
    assert claimant.told == []
    rig.after(5.0)
    assert claimant.told == [choice(OUR_MAC, 0)]
    probes = [arp.parse(frame, 14) for frame in rig.frames()][:3]
    assert all(probe[2:] == (bytes(4), bytes(6), choice(OUR_MAC, 0)) for probe in probes)


def test_if_another_has_it_the_next_one_is_tried():
    """RFC 3927 2.2.1"""
    rig = Rig(addressed=False)
    claimant = Claimant(rig)
    rig.after(2.0)
    rig.gets(answers(choice(OUR_MAC, 0), bytes(4), OTHER_MAC))
    rig.after(10)
    assert claimant.told == [OTHER_MAC, choice(OUR_MAC, 1)]


def test_it_is_defended_once_and_then_given_up_whatever_the_policy():
    """RFC 3927 2.5 b"""
    rig, claimant, ours = claimed()
    claimant.told.clear()
    rig.gets(asks(ours, PEER, OTHER_MAC))
    (defence,) = rig.frames()
    assert arp.parse(defence, 14)[1:3] == (OUR_MAC, ours)
    rig.gets(asks(ours, PEER, OTHER_MAC))
    assert claimant.told == [OTHER_MAC]
    rig.after(10)
    assert claimant.told == [OTHER_MAC, choice(OUR_MAC, 1)]


def test_all_arp_about_it_is_broadcast():
    """RFC 3927 2.5: so that a conflict is seen."""
    rig, _, ours = claimed()
    rig.gets(asks(address("169.254.7.7"), ours, PEER_MAC))
    (reply,) = rig.frames()
    assert ethernet.parse(reply)[0] == ethernet.BROADCAST
    assert arp.parse(reply, 14) == (arp.REPLY, OUR_MAC, ours, PEER_MAC, address("169.254.7.7"))


def test_whoever_wants_it_no_longer_is_told_nothing():
    rig = Rig(addressed=False)
    claimant = Claimant(rig)
    claimant.link_local.cancel()
    rig.after(20)
    assert claimant.told == []
    assert rig.stack.next_deadline() is None
