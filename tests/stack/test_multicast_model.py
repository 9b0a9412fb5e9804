"""Whatever sockets and links do: a router that hears every report knows what is wanted, and so does the driver."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from netif.link import LinkCaps
from netif.wire import igmp, ip
from netif.wire.igmp import ALL_HOSTS
from stack.ethernet import EthernetInterface, group_mac
from stack.multicast import EVERYBODY, NOBODY, Filter, merged
from stack.subscriptions import Place
from stack.udp import UdpEndpoint
from tests.stack.multicasting import ALICE, BOB, CAROL, query
from tests.stack.rig import MASK, US, Rig, ScriptedNetif, address

GROUPS = [bytes((239, 0, 0, last)) for last in range(4)] + [bytes((238, 128, 0, 1))]  # the last has the MAC of another
SOURCES = (ALICE, BOB, CAROL)


class Router:
    """RFC 3376 6.4 for one host that it always hears: what each group's filter is by now."""

    def __init__(self) -> None:
        self.wanted: dict[bytes, Filter] = {}

    def hears(self, frame: bytes) -> None:
        if len(frame) < 34 or frame[12:14] != b"\x08\0" or frame[23] != ip.IGMP:
            return
        header_len, total_len, _, _, ttl, _, _, dst, _ = ip.parse(frame, 14)
        start, end = 14 + header_len, 14 + total_len
        assert ttl == 1
        kind, group = igmp.parse(frame, start, end)
        if kind == igmp.V3_REPORT:
            for record in igmp.parse_records(frame, start, end):
                self.learns(record)
        elif kind == igmp.LEAVE:
            assert dst == igmp.ALL_ROUTERS
            self.wanted.pop(group, None)
        else:
            assert dst == group
            self.wanted[group] = EVERYBODY

    def learns(self, record: igmp.Record) -> None:
        kind, group, told = record.kind, record.group, frozenset(record.sources)
        include, sources = self.wanted.get(group, NOBODY)
        assert group != ALL_HOSTS
        if kind in (igmp.IS_EX, igmp.TO_EX):
            include, sources = False, told
        elif kind in (igmp.IS_IN, igmp.TO_IN):
            include, sources = True, told
        elif (kind == igmp.ALLOW) == include:
            sources |= told
        else:
            sources -= told
        self.wanted[group] = Filter(include, sources)
        if self.wanted[group] == NOBODY:
            del self.wanted[group]


class Link:
    """One link of the host, and who is on it."""

    def __init__(self, rig: Rig, netif: ScriptedNetif, interface: EthernetInterface, here: bytes) -> None:
        self.rig, self.netif, self.interface, self.here = rig, netif, interface, here
        self.router = Router()

    def relay(self) -> None:
        sent, self.netif.sent = self.netif.sent, []
        for buffers, _ in sent:
            self.router.hears(b"".join(buffers))

    def flaps(self) -> None:
        self.interface.link_down()
        self.router = Router()
        self.rig.after(1.0)
        self.interface.link_up(LinkCaps(mac=self.netif.mac))

    def is_well(self, older: bool) -> None:
        """What sockets want, what the interface hears, what router and driver know: all the same."""
        held = {group: member.filter for group, member in self.interface.groups.items() if group != ALL_HOSTS}
        macs: dict[bytes, bool] = dict(self.netif.filtered)
        assert {mac for mac, wanted in macs.items() if wanted} == {group_mac(group) for group in (ALL_HOSTS, *held)}
        if older:
            assert self.router.wanted.keys() == held.keys()
        else:
            assert self.router.wanted == held
        for group in held:
            assert held[group] == merged(list(self.interface.groups[group].holders.values()))


class Scene:
    def __init__(self, seed: int, version: int) -> None:
        self.dice = random.Random(seed)
        self.version = version
        self.rig = Rig()
        second, interface = self.rig.link("eth1", bytes.fromhex("020000000003"))
        interface.set_addresses(address("10.1.0.1"), MASK, bytes(4))
        self.links = [
            Link(self.rig, self.rig.netif, self.rig.interface, US),
            Link(self.rig, second, interface, address("10.1.0.1")),
        ]
        self.sockets = [UdpEndpoint(self.rig.stack) for _ in range(4)]
        self.ask()

    def ask(self) -> None:
        """The queriers of this version show themselves, and hear of everything."""
        for link in self.links:
            self.rig.gets(query(version=self.version, max_resp=2.0), by=link.interface)
        self.passes(3.0 if self.version > 1 else 11.0)

    def passes(self, seconds: float) -> None:
        self.rig.flush()
        self.rig.after(seconds)
        for link in self.links:
            link.relay()

    def happens(self) -> None:
        dice = self.dice
        at = dice.randrange(len(self.sockets))
        groups = self.sockets[at].multicast()
        link = dice.choice(self.links)
        group, source, place = dice.choice(GROUPS), dice.choice(SOURCES), Place(link.here)
        kind = dice.randrange(12)
        with suppress(OSError):
            if kind < 3:
                groups.join(group, place)
            elif kind < 5:
                groups.leave(group, place)
            elif kind < 7:
                groups.join_source(group, source, place)
            elif kind < 10:
                groups.filter_source(group, source, place, include=kind == 9, add=kind == 7)
            elif kind == 10:
                self.sockets[at].close()
                self.sockets[at] = UdpEndpoint(self.rig.stack)
            elif dice.random() < 0.3:
                link.flaps()
                if self.version < 3:
                    self.ask()
            elif dice.random() < 0.5:
                link.interface.join(group, (source,) if dice.random() < 0.5 else ())
            else:
                link.interface.leave(group)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_a_router_knows_what_is_wanted(seed: int, version: int):
    scene = Scene(seed, version)
    for step in range(80):
        scene.happens()
        if scene.dice.random() < 0.4:
            scene.passes(scene.dice.choice((0.0, 0.3, 5.0)))
        if step % 20 == 19:
            scene.passes(25.0)
            if version < 3:
                scene.ask()
            if version == 1:  # which is never told of leaving, so that it must forget and ask
                for link in scene.links:
                    link.router = Router()
                scene.ask()
            for link in scene.links:
                link.is_well(version < 3)
