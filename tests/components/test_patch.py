"""Two wires joined: what passes, what is cut, what is lost and counted, and how one end is mended."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import ExitStack

import attrs
import pytest

from components.lan import Lan
from components.patch import QUEUE_FRAMES, Patch, State
from components.wires import open_wire
from netif import Netif, Stack
from netif.bare import BareStack
from netif.dhcp import DhcpsConfig
from netif.errors import InvalidState
from netif.link import PARTIAL, LinkCaps, Medium, NetStack, Offload
from netif.runtime.virtual import VirtualRuntime
from netif.wire.segment import cut
from tapio import Switch, Wrapper, pair
from tests.tapio.ports import FakePort


@pytest.fixture
def runtime():
    with ExitStack() as closing:
        made = VirtualRuntime(seed=1)
        closing.callback(made.close)
        closing.callback(made.check)
        yield made


class Probe:
    """A port of a test's own on a wire: takes what comes, and sends."""

    def __init__(self, runtime, driver, **changes):
        self.frames = []
        self.if_key, self.mac, self.mtu, self.route_prio, self.driver = "probe", b"", 1500, 0, driver
        self.stack: NetStack = BareStack("probe", runtime)
        self.runtime = runtime
        runtime.enter()
        wanted = {"mtu": 65535, "gso_max": 65535, "tx_checksum": True, "rx_checksum": True, **changes}
        driver.open(LinkCaps(mac=b"", **wanted), runtime.add(self.stack, self))
        runtime.leave()

    def receive(self, frame, offload):
        self.frames.append((frame, offload))

    def send(self, *buffers, offload=None):
        self.runtime.enter()
        self.driver.transmit(buffers, offload)
        self.runtime.dirty = True
        self.runtime.leave()
        self.runtime.run_for(0)


class Dies(Wrapper):
    """A wire that dies when it is told to, at the next frame in that direction."""

    sending = receiving = opening = None
    closed = 0

    def open(self, want, port):
        if self.opening:
            raise self.opening
        self.port = port
        return super().open(want, port)

    def transmit(self, buffers, offload):
        if self.sending:
            raise self.sending
        return super().transmit(buffers, offload)

    def receive(self):
        item = super().receive()
        if item is not None and self.receiving:
            raise self.receiving
        return item

    def close(self):
        self.closed += 1
        super().close()


@pytest.fixture
def joined(runtime):
    """joined(wrap, **bounds): two probes with a patch between them, whose one driver is `wrap(pair end)`."""

    def joined(wrap=lambda driver: driver, failed=None, near=None, far=None):
        left, one = pair()
        right, other = pair(**(far or {}))
        patch = Patch(wrap(one), other, runtime=runtime, failed=failed)
        return Probe(runtime, left, **(near or {})), patch, Probe(runtime, right)

    return joined


def test_frames_pass_both_ways_unchanged(joined, frames):
    left, patch, right = joined()
    left.send(frames.plain(b"to the right"))
    right.send(frames.plain(b"to the left"))
    assert right.frames == [(frames.plain(b"to the right"), None)]
    assert left.frames == [(frames.plain(b"to the left"), None)]
    assert (patch.one.frames, patch.other.frames) == (1, 1)
    assert patch.one.bytes == len(frames.plain(b"to the left"))


def test_each_driver_is_asked_for_everything_without_a_mac_of_its_own(joined):
    asked = []

    class Asked(Wrapper):
        def open(self, want, port):
            asked.append(want)
            return super().open(want, port)

    joined(Asked)
    assert [(want.mac, want.gso_max, want.rx_checksum) for want in asked] == [(b"", 65535, True)]


def test_a_super_frame_passes_whole_and_uncopied(joined, frames):
    left, _, right = joined()
    buffers, offload = frames.tcp(bytes(60_000), gso=1448)
    whole = b"".join(buffers)
    left.send(whole, offload=offload)
    ((frame, arrived),) = right.frames
    assert arrived == offload
    assert frame is whole


def test_a_super_frame_is_cut_for_the_side_that_was_granted_less(joined, frames):
    left, _, right = joined(far={"tx_checksum": False, "rx_checksum": False, "mtu": 1500})
    buffers, offload = frames.tcp(bytes(range(250)) * 40, gso=1448)
    left.send(*buffers, offload=offload)
    assert [bytes(frame) for frame, _ in right.frames] == cut(buffers, offload)


def test_what_the_other_wire_is_too_narrow_for_is_counted(runtime, frames):
    left, one = pair()
    right, other = pair(mtu=1500)
    patch = Patch(one, other, runtime=runtime)
    near, far = Probe(runtime, left), Probe(runtime, right)
    near.send(frames.plain(bytes(1501 + 4)))
    assert (far.frames, patch.other.too_long) == ([], 1)
    near.send(frames.plain(bytes(1504)))  # a VLAN tag has room
    assert len(far.frames) == 1


def test_segments_that_the_other_wire_is_too_narrow_for_are_counted(runtime, frames):
    left, one = pair()
    right, other = pair(mtu=1500)
    patch = Patch(one, other, runtime=runtime)
    near, far = Probe(runtime, left), Probe(runtime, right)
    buffers, offload = frames.tcp(bytes(60_000), gso=8948)
    near.send(*buffers, offload=offload)
    assert (far.frames, patch.other.too_long) == ([], 1)


def test_a_frame_that_cannot_be_cut_is_counted(joined, frames):
    left, patch, right = joined(far={"tx_checksum": False})
    left.send(frames.plain(bytes(5000)), offload=Offload(PARTIAL, 34, 16, 1448))
    assert (right.frames, patch.other.malformed + patch.other.too_long) == ([], 1)


def test_a_full_driver_has_a_bounded_queue_and_goes_on_in_order(runtime, frames):
    left, one = pair(queue=4 * QUEUE_FRAMES)
    right, other = pair(queue=2)
    patch = Patch(one, other, runtime=runtime)
    near = Probe(runtime, left)
    port = FakePort(runtime)
    right.open(LinkCaps(mac=b"", mtu=65535, gso_max=65535, tx_checksum=True, rx_checksum=True), port)
    for n in range(QUEUE_FRAMES + 10):
        near.send(n.to_bytes(2, "big") * 10)
    assert patch.other.dropped == 8
    taken = []
    while (item := right.receive()) is not None:
        taken.append(int.from_bytes(item[0][:2], "big"))
        runtime.enter()
        runtime.dirty = True
        runtime.leave()
        runtime.run_for(0)
    assert taken == list(range(QUEUE_FRAMES + 2))


class TestWhenADriverDies:
    @pytest.mark.parametrize("way", ["sending", "receiving"])
    def test_it_is_told_and_the_other_side_lives(self, joined, frames, way, runtime):
        told = []
        left, patch, right = joined(Dies, failed=lambda end, error: told.append((end, error.errno)))
        setattr(patch.one.driver, way, OSError(errno.ENODEV, "pulled out"))
        (right if way == "sending" else left).send(frames.plain())
        runtime.run_for(0)
        assert told == [(patch.one, errno.ENODEV)]
        assert (patch.one.state, patch.other.state) == (State.FAILED, State.OPEN)
        assert patch.one.error.errno == errno.ENODEV
        dropped = patch.one.dropped
        right.send(frames.plain())
        assert patch.one.dropped == dropped + 1
        assert left.frames == right.frames == []

    def test_a_driver_may_say_so_by_its_port(self, joined, runtime):
        _, patch, _ = joined(Dies)
        runtime.enter()
        patch.one.driver.port.failed(OSError(errno.ENETDOWN, "down"))
        runtime.leave()
        assert patch.one.state is State.FAILED

    def test_it_is_opened_again(self, joined, frames):
        left, patch, right = joined(Dies)
        patch.one.driver.sending = OSError(errno.ENODEV, "pulled out")
        right.send(frames.plain())
        patch.one.driver.sending = None
        patch.one.reattach()
        right.send(frames.plain(b"again"))
        left.send(frames.plain(b"and back"))
        assert [bytes(frame[14:]) for frame, _ in left.frames + right.frames] == [b"again", b"and back"]
        assert patch.one.error is None

    def test_another_driver_takes_its_place(self, joined, frames, runtime):
        _, patch, right = joined(Dies)
        dead = patch.one.driver
        dead.sending = OSError(errno.ENODEV, "pulled out")
        right.send(frames.plain())
        fresh, end = pair()
        patch.one.reattach(end)
        elsewhere = Probe(runtime, fresh)
        right.send(frames.plain(b"elsewhere"))
        assert dead.closed == 1
        assert [bytes(frame[14:]) for frame, _ in elsewhere.frames] == [b"elsewhere"]

    def test_one_that_lives_is_exchanged(self, joined, frames, runtime):
        _, patch, right = joined(Dies)
        former = patch.one.driver
        patch.one.reattach()
        assert patch.one.driver is former
        fresh, end = pair()
        patch.one.reattach(end)
        elsewhere = Probe(runtime, fresh)
        right.send(frames.plain(b"elsewhere"))
        assert former.closed == 1
        assert [bytes(frame[14:]) for frame, _ in elsewhere.frames] == [b"elsewhere"]

    def test_what_waited_for_room_is_lost_with_it(self, runtime, frames):
        left, one = pair()
        right, other = pair(queue=1)
        patch = Patch(one, Dies(other), runtime=runtime)
        near = Probe(runtime, left)
        right.open(LinkCaps(mac=b""), FakePort(runtime))
        for _ in range(3):
            near.send(frames.plain())
        runtime.enter()
        patch.other.driver.port.failed(OSError(errno.ENODEV, "pulled out"))
        runtime.leave()
        assert patch.other.dropped == 2

    def test_one_that_does_not_open_stays_failed(self, joined, frames):
        left, patch, right = joined(Dies)
        patch.one.driver.sending = patch.one.driver.opening = OSError(errno.ENODEV, "pulled out")
        right.send(frames.plain())
        with pytest.raises(OSError, match="pulled out"):
            patch.one.reattach()
        assert patch.one.state is State.FAILED
        right.send(frames.plain())
        patch.one.driver.sending = patch.one.driver.opening = None
        patch.one.reattach()
        left.send(frames.plain())
        assert len(right.frames) == 1


class TestItsEnd:
    def test_closing_closes_both_drivers_and_leaves_the_runtime(self, joined, runtime):
        _, patch, _ = joined(Dies)
        patch.close()
        patch.close()
        assert patch.one.driver.closed == 1
        assert patch not in runtime.stacks
        assert {patch.one.state, patch.other.state} == {State.CLOSED}
        with pytest.raises(InvalidState):
            patch.one.reattach()

    def test_a_driver_that_does_not_open_leaves_nothing_behind(self, runtime):
        (_, one), (_, other) = pair(), pair()
        good, bad = Dies(one), Dies(other)
        bad.opening = OSError(errno.ENODEV, "no such device")
        with pytest.raises(OSError, match="no such device"):
            Patch(good, bad, runtime=runtime)
        assert (good.closed, bad.closed) == (1, 1)
        assert not runtime.stacks
        assert not runtime.ports

    def test_bare_packets_and_ethernet_are_not_joined(self, runtime):
        class Packets(Wrapper):
            def open(self, want, port):
                return attrs.evolve(super().open(want, port), medium=Medium.POINT_TO_POINT)

        (_, one), (_, other) = pair(), pair()
        with pytest.raises(ValueError, match="point-to-point"):
            Patch(one, Packets(other), runtime=runtime)
        assert not runtime.stacks


def test_two_switches_joined_are_one_network(runtime):
    left, right = Switch(), Switch()
    with (
        Patch(left.port(), right.port(), runtime=runtime),
        Stack("a", runtime=runtime) as a,
        Stack("b", runtime=runtime) as b,
        Netif(left.port(), stack=a, ip="10.0.0.1/24"),
        Netif(right.port(), stack=b, ip="10.0.0.2/24"),
    ):
        listener = b.create_server(("", 7))
        sent = bytes(range(256)) * 4000

        def serve():
            connection, _ = listener.accept()
            received = bytearray()
            while data := connection.recv(65536):
                received += data
            connection.close()
            return bytes(received)

        def ask():
            with a.create_connection(("10.0.0.2", 7)) as connection:
                connection.sendall(sent)

        serving, asking = runtime.spawn(serve), runtime.spawn(ask)
        runtime.run_until(lambda: serving.done() and asking.done())
        assert serving.result() == sent
        listener.close()


def test_hosts_of_a_lan_reach_what_is_behind_its_uplink():
    near, far = pair()
    with (
        Lan(seed=1, uplink=near) as lan,
        Stack("outside", runtime=lan.runtime) as outside,
        Netif(far, stack=outside, ip="10.0.0.200/24"),
        outside.create_server(("", 7)),
    ):
        host = lan.host("inside")
        talking = host.spawn(lambda: host.create_connection(("10.0.0.200", 7)).close())
        lan.run_until(talking.done)
        talking.result()
        assert lan.uplink.other.frames > 2


def test_hosts_of_a_lan_have_their_addresses_from_behind_its_uplink():
    near, far = pair()
    with (
        Lan(seed=1, uplink=near, dhcp="uplink", subnet="10.7.0.0/24") as lan,
        Stack("server", runtime=lan.runtime) as stack,
        Netif(far, stack=stack, ip="10.7.0.1/24") as server,
    ):
        server.dhcps_config = DhcpsConfig(conflict_probe=0)
        server.dhcps_start()
        hosts = [lan.host(f"host{n}") for n in range(3)]
        lan.run_until(lambda: all(host.netif.ip_info for host in hosts))
        assert len({host.ip for host in hosts}) == 3


def test_a_host_that_asks_for_its_address_has_the_same_mac_at_every_run():
    def macs(seed, *names):
        near, _ = pair()
        with Lan(seed=seed, uplink=near, dhcp="uplink") as lan:
            return {name: lan.host(name).mac for name in names}

    first = macs(7, "kettle", "lamp")
    assert macs(7, "lamp", "kettle") == first
    assert not set(macs(8, "kettle", "lamp").values()) & set(first.values())
    assert all(int(mac[:2], 16) & 3 == 2 for mac in first.values())  # locally administered, one station's


class TestALoop:
    """Two switches joined twice: nobody speaks a spanning tree, so a broadcast would go round for ever."""

    @pytest.mark.parametrize("patches", [2, 3])
    def test_time_moves_on_and_it_is_counted(self, runtime, patches):
        left, right = Switch(storm=200), Switch(storm=200)
        ports = [(left.port(), right.port()) for _ in range(patches)]
        joined = [Patch(one, other, runtime=runtime) for one, other in ports]
        with Stack("a", runtime=runtime) as a, Netif(left.port(), stack=a, ip="10.0.0.1/24"), a.socket(type=2) as s:
            s.sendto(b"is anybody there?", ("10.0.0.9", 7))
            runtime.run_for(5)
        assert runtime.now() == 5
        ends = [end for pair in ports for end in pair]
        assert sum(port.counters.storm for port in ends) > 0
        assert sum(port.counters.in_frames for port in ends) < 10 * 5 * 200 * len(ends)
        for patch in joined:
            patch.close()

    def test_of_one_patch_within_a_switch_too(self, runtime):
        switch = Switch(storm=200)
        patch = Patch(switch.port(), switch.port(), runtime=runtime)
        with Stack("a", runtime=runtime) as a, Netif(switch.port(), stack=a, ip="10.0.0.1/24"):
            runtime.run_for(5)
        assert runtime.now() == 5
        assert sum(end.driver.counters.storm for end in (patch.one, patch.other)) > 0
        patch.close()

    def test_hosts_beside_it_go_on_once_it_is_cut(self, runtime):
        left, right = Switch(storm=200), Switch(storm=200)
        stays, goes = (Patch(left.port(), right.port(), runtime=runtime) for _ in range(2))
        with (
            Stack("a", runtime=runtime) as a,
            Stack("b", runtime=runtime) as b,
            Netif(left.port(), stack=a, ip="10.0.0.1/24"),
            Netif(right.port(), stack=b, ip="10.0.0.2/24"),
            b.create_server(("", 7)),
        ):
            runtime.run_for(2)
            goes.close()
            runtime.run_for(2)
            talking = runtime.spawn(lambda: a.create_connection(("10.0.0.2", 7), timeout=20).close())
            runtime.run_until(talking.done)
            talking.result()
        stays.close()


def test_an_uplink_may_be_named():
    with (
        Lan(seed=1, uplink="switch:street") as lan,
        Stack("outside", runtime=lan.runtime) as outside,
        Netif(open_wire("switch:street"), stack=outside, ip="10.0.0.200/24"),
        outside.create_server(("", 7)),
    ):
        host = lan.host("inside")
        talking = host.spawn(lambda: host.create_connection(("10.0.0.200", 7)).close())
        lan.run_until(talking.done)
        talking.result()


@pytest.mark.parametrize("uplink", ["tap:nowhere0", "tape:tap0", "unix:"])
def test_an_uplink_that_cannot_be_had_leaves_nothing_behind(uplink, tmp_path):
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with pytest.raises((OSError, ValueError)):
        Lan(clock="real", uplink=uplink, pcapng=tmp_path / "x.pcapng")
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == (threads, descriptors)
