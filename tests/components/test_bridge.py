"""Wires joined at layer 2 with a host among them: what is learnt, what is given, who dies, and how wide it is."""

from __future__ import annotations

import errno

import attrs
import pytest

from components.bridge import Bridge
from netif import (
    DhcpsConfig,
    GotIp,
    InvalidArg,
    InvalidParams,
    InvalidState,
    Lan,
    Netif,
    NetifError,
    NoMem,
    NotFound,
    Stack,
    VirtualRuntime,
)
from netif.link import Medium
from tapio import Switch, Wrapper, pair
from tests.components.test_trunk import exchange


@pytest.fixture
def runtime():
    made = VirtualRuntime(seed=1)
    yield made
    made.check()
    made.close()


class Cable(Wrapper):
    """Dies on demand, and may be opened again."""

    closed = False

    def open(self, want, port):
        self.port = port
        return super().open(want, port)

    def die(self):
        self.port.failed(OSError(errno.EIO, "cut"))

    def close(self):
        self.closed = True
        super().close()


@pytest.fixture
def ends(runtime):
    """ends(n): n drivers for a bridge, and a host at the other end of each, 10.0.0.11 on."""
    hosts = []

    def ends(count=3, **bounds):
        drivers = []
        for n in range(count):
            near, far = pair(**bounds)
            stack = Stack(f"host{n}", runtime=runtime)
            Netif(far, stack=stack, ip=f"10.0.0.{11 + n}/24", mac=f"02:00:00:00:00:{11 + n}")
            hosts.append(stack)
            drivers.append(Cable(near))
        return drivers, hosts

    yield ends
    for host in hosts:
        host.close(0)


DATA = bytes(range(256)) * 2000


def says(runtime, one, other, address):
    return exchange(runtime, one, other, address, DATA)


def test_members_reach_each_other_and_no_address_is_needed_for_that(runtime, ends):
    drivers, hosts = ends()
    with Bridge(drivers, runtime=runtime) as bridge:
        assert bridge.netif is None
        assert says(runtime, hosts[0], hosts[1], "10.0.0.12") == DATA
        assert says(runtime, hosts[2], hosts[0], "10.0.0.11") == DATA
    assert all(driver.closed for driver in drivers)


def test_the_host_on_the_bridge_is_reached_by_all_and_reaches_all(runtime, ends):
    drivers, hosts = ends()
    with Stack("bridge", runtime=runtime) as own, Bridge(drivers, host=own, ip="10.0.0.1/24") as bridge:
        assert says(runtime, hosts[0], own, "10.0.0.1") == DATA
        assert says(runtime, own, hosts[2], "10.0.0.13") == DATA
        assert says(runtime, hosts[0], hosts[2], "10.0.0.13") == DATA
        known = {entry.mac: entry.to for entry in bridge.fdb}
        assert known["02:00:00:00:00:11"] == ("port1",)
        assert known[bridge.netif.mac.hex(":")] == ("host",)


def test_what_is_for_one_member_does_not_go_to_the_others(runtime, ends):
    drivers, hosts = ends()
    with Bridge(drivers, runtime=runtime) as bridge:
        says(runtime, hosts[0], hosts[1], "10.0.0.12")
        assert bridge.members["port3"].end.frames < 10  # ARP
        assert bridge.members["port2"].end.frames > 10


def test_the_host_asks_a_server_behind_a_member_for_its_address(runtime, ends):
    drivers, hosts = ends(2)
    server = next(iter(hosts[1].registry))
    server.dhcps_config = DhcpsConfig(start="10.0.0.50", end="10.0.0.60")
    server.dhcps_start()
    with Stack("bridge", runtime=runtime) as own, Bridge(drivers, host=own, dhcp=True) as bridge:
        runtime.run_until(lambda: bridge.netif.ip_info)
        assert says(runtime, hosts[0], own, str(bridge.netif.ip_info.ip)) == DATA


def test_a_lan_of_hosts_may_be_a_member(runtime):
    with Lan(seed=1, subnet="10.0.0.0/24") as lan:
        one = lan.host("one", ip="10.0.0.11")
        near, far = pair()
        other = Stack("other", runtime=lan.runtime)
        Netif(far, stack=other, ip="10.0.0.12/24")
        with Bridge([lan.switch.port(), near], runtime=lan.runtime):
            assert says(lan.runtime, one.stack, other, "10.0.0.12") == DATA
        other.close(0)


def test_a_member_that_dies_takes_only_itself_out_and_is_mended(runtime, ends):
    drivers, hosts = ends()
    told = []
    with Bridge(
        drivers, runtime=runtime, failed=lambda member, error: told.append((member.name, str(error)))
    ) as bridge:
        says(runtime, hosts[0], hosts[1], "10.0.0.12")
        drivers[1].die()
        runtime.run_for(0)
        assert told == [("port2", "[Errno 5] cut")]
        assert [entry.to for entry in bridge.fdb if entry.mac == "02:00:00:00:00:12"] == []  # it may be anywhere now
        assert says(runtime, hosts[0], hosts[2], "10.0.0.13") == DATA
        assert not bridge.members["port2"].is_up
        bridge.members["port2"].reattach()
        assert bridge.members["port2"].is_up
        assert says(runtime, hosts[0], hosts[1], "10.0.0.12") == DATA


def test_the_link_is_up_while_any_member_is(runtime, ends):
    drivers, _ = ends(2)
    with Stack("bridge", runtime=runtime) as own, Bridge(host=own, ip="10.0.0.1/24") as bridge:
        assert not bridge.netif.is_up
        members = [bridge.add(driver) for driver in drivers]
        assert bridge.netif.is_up
        drivers[0].die()
        runtime.run_for(0)
        assert bridge.netif.is_up
        drivers[1].die()
        runtime.run_for(0)
        assert not bridge.netif.is_up
        members[0].reattach()
        assert bridge.netif.is_up
        bridge.remove(members[0])
        assert not bridge.netif.is_up


def test_the_mtu_is_the_least_of_the_members(runtime, ends):
    (wide,), _ = ends(1)
    (narrow,), _ = ends(1, mtu=1400)
    with Stack("bridge", runtime=runtime) as own, Bridge([wide], host=own, ip="10.0.0.1/24") as bridge:
        assert (bridge.netif.mtu, bridge.mtu) == (1500, 1500)
        member = bridge.add(narrow)
        assert (bridge.netif.mtu, bridge.mtu) == (1400, 1400)
        bridge.remove(member)
        assert bridge.netif.mtu == 1500


def test_its_mac_is_the_same_at_each_start(ends):
    def mac():
        runtime = VirtualRuntime(seed=5)
        near, _ = pair()
        with Stack("bridge", runtime=runtime) as own, Bridge([near], host=own, ip="10.0.0.1/24") as bridge:
            return bridge.netif.mac

    assert mac() == mac()


def times_out(runtime, host, address):
    """Asked for by TCP, nobody answers: not even one who is there."""

    def ask():
        try:
            host.create_connection((address, 7), 5).close()
        except TimeoutError:
            return True
        return False

    asked = runtime.spawn(ask)
    runtime.run_until(asked.done)
    return asked.result()


def test_a_static_entry_holds_whatever_is_learnt(runtime, ends):
    drivers, hosts = ends()
    with Bridge(drivers, runtime=runtime) as bridge:
        bridge.fdb_add("02:00:00:00:00:12", bridge.members["port3"])  # where it is not
        assert times_out(runtime, hosts[0], "10.0.0.12")
        assert (bridge.fdb[0].to, bridge.fdb[0].is_static) == (("port3",), True)
        bridge.fdb_remove("02:00:00:00:00:12")
        assert says(runtime, hosts[0], hosts[1], "10.0.0.12") == DATA


def test_an_entry_to_nowhere_drops(runtime, ends):
    drivers, hosts = ends(2)
    with Bridge(drivers, runtime=runtime) as bridge:
        bridge.fdb_add(b"\x02\0\0\0\0\x12")
        assert times_out(runtime, hosts[0], "10.0.0.12")
        assert bridge.members["port1"].port.counters.filtered > 0


def test_what_was_learnt_is_forgotten_in_time(runtime, ends):
    drivers, hosts = ends(2)
    with Bridge(drivers, runtime=runtime, ageing=30) as bridge:
        says(runtime, hosts[0], hosts[1], "10.0.0.12")
        assert len(bridge.fdb) == 2
        runtime.run_for(31)
        assert bridge.fdb == []


def test_the_table_is_bounded(runtime, ends):
    drivers, hosts = ends(3)
    with Bridge(drivers, runtime=runtime, dynamic=2, static=2) as bridge:
        says(runtime, hosts[0], hosts[1], "10.0.0.12")
        says(runtime, hosts[0], hosts[2], "10.0.0.13")
        assert len(bridge.fdb) == 2
        assert bridge.switch.forgotten > 0
        bridge.fdb_add("02:00:00:00:00:01")
        bridge.fdb_add("02:00:00:00:00:02")
        bridge.fdb_add("02:00:00:00:00:02", bridge.members["port1"])  # another, in its place
        with pytest.raises(NoMem, match="BR0 has 2 static entries; make it with more static="):
            bridge.fdb_add("02:00:00:00:00:03")


def test_a_loop_of_two_bridges_hangs_nobody(runtime, ends):
    """A broadcast goes round and round: bounded by `storm`, and no longer than the loop is there."""
    drivers, hosts = ends(2)
    one, other = pair(), pair()
    left = Bridge([drivers[0], one[0], other[0]], runtime=runtime, storm=100, name="left")
    right = Bridge([drivers[1], one[1], other[1]], runtime=runtime, storm=100, name="right")
    with left, right:
        with hosts[0].socket(type=2) as s:
            s.setsockopt(1, 6, 1)  # SO_BROADCAST
            s.sendto(b"round and round", ("10.0.0.255", 7))
        runtime.run_for(3)
        at_most = 3 * 4 * 2 * 100  # seconds, ports, bridges
        assert (
            100 < sum(member.port.in_frames for member in (*left.members.values(), *right.members.values())) < at_most
        )
        turned = sum(member.port.counters.storm for bridge in (left, right) for member in bridge.members.values())
        assert turned > 0
        left.remove(left.members["port3"])
        runtime.run_for(10)
        assert says(runtime, hosts[0], hosts[1], "10.0.0.12") == DATA


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda b: b.fdb_add("no mac"), InvalidParams, "BR0: 'no mac' is not a MAC address"),
        (lambda b: b.fdb_add(b"\x02"), InvalidParams, "is not a MAC address"),
        (lambda b: b.fdb_remove("no mac"), InvalidParams, "'no mac' is not a MAC address"),
        (lambda b: b.fdb_remove("02:00:00:00:00:09"), NotFound, "BR0 knows no station 02:00:00:00:00:09"),
        (lambda b: b.fdb_add("02:00:00:00:00:09", "port1"), InvalidArg, "'port1' is neither a member of BR0 nor its"),
        (lambda b: b.add(pair()[0], "port1"), InvalidParams, "BR0 has a member 'port1' already"),
        (lambda b: b.add("no such wire"), ValueError, "no such wire"),
        (
            lambda b: b.remove(b.add(pair()[0])) or (b.add(pair()[0]) and b.add(pair()[0])),
            NoMem,
            "BR0 has 2 members, and",
        ),
        (lambda b: b.close() or b.add(pair()[0]), InvalidState, "is closed: make another"),
    ],
)
def test_mistakes_are_told_in_one_line(runtime, act, error, says):
    with (
        Bridge([pair()[0]], runtime=runtime, ports=2) as bridge,
        pytest.raises(error) as told,
    ):
        act(bridge)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ports": 0}, "ports=0 is no count"),
        ({"dynamic": "many"}, "dynamic='many' is no count"),
        ({"dhcp": True}, "an address is a host's: give host=Stack() too"),
        ({"ip": "10.0.0.1/24"}, "an address is a host's"),
        ({"ports": 1}, "BR0 has 1 members, and that is the most"),
    ],
)
def test_a_bridge_that_cannot_be_leaves_nothing_open(runtime, given, says):
    drivers = [Cable(pair()[0]), Cable(pair()[0])]
    with pytest.raises(NetifError) as told:
        Bridge(drivers, runtime=runtime, **given)
    assert says in str(told.value)
    assert all(driver.closed for driver in drivers)


def test_a_wire_of_bare_packets_is_no_member(runtime):
    class Tunnel(Cable):
        def open(self, want, port):
            return attrs.evolve(super().open(want, port), medium=Medium.POINT_TO_POINT)

    drivers = [Cable(pair()[0]), Tunnel(pair()[0]), Cable(Switch().port())]
    with pytest.raises(ValueError, match="a patch joins Ethernet wires"):
        Bridge(drivers, runtime=runtime)
    assert all(driver.closed for driver in drivers)


def test_who_waits_for_an_address_hears_of_it(runtime, ends):
    drivers, _ = ends(1)
    heard = []
    with Stack("bridge", runtime=runtime) as own, Bridge(host=own, ip="10.0.0.1/24") as bridge:
        bridge.netif.subscribe(GotIp, heard.append)
        bridge.add(drivers[0])
        runtime.run_for(0)
        assert heard
