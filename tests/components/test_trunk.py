"""Several VLANs over one driver: each netif in its own, and who may not hear whom."""

from __future__ import annotations

import errno

import pytest

from components.trunk import VlanTrunk
from netif import Netif, Stack, VirtualRuntime
from tapio import Vlan, Wrapper, pair


@pytest.fixture
def runtime():
    made = VirtualRuntime(seed=1)
    yield made
    made.check()
    made.close()


@pytest.fixture
def lines(runtime):
    """A trunk at each end of a cable; `host(end, vid, address)` is a host on a VLAN of it."""
    near, far = pair()
    ends = {"near": VlanTrunk(near, runtime=runtime), "far": VlanTrunk(far, runtime=runtime)}
    stacks = []

    def host(end, vid, address):
        stack = Stack(f"{end}{vid}", runtime=runtime)
        stacks.append(stack)
        Netif(ends[end].vlan(vid), stack=stack, ip=address)
        return stack

    yield ends, host
    for stack in stacks:
        stack.close(0)
    for end in ends.values():
        end.close()


def exchange(runtime, one, other, address, data):
    with other.create_server((address, 7)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                got = b""
                while len(got) < len(data):
                    got += connection.recv(1 << 16)
                connection.sendall(got)

        def ask():
            with one.create_connection((address, 7)) as s:
                s.sendall(data)
                got = b""
                while len(got) < len(data):
                    got += s.recv(1 << 16)
                return got

        serving, asking = runtime.spawn(serve), runtime.spawn(ask)
        runtime.run_until(lambda: serving.done() and asking.done(), 60)
        return asking.result()


def test_the_same_addresses_on_two_vlans_are_two_networks(runtime, lines):
    _, host = lines
    data = bytes(range(256)) * 800
    pairs = [(host("near", vid, "10.0.0.1/24"), host("far", vid, "10.0.0.2/24")) for vid in (10, 20, 1)]
    for one, other in pairs:
        assert exchange(runtime, one, other, "10.0.0.2", data) == data


def test_one_vlan_is_not_heard_in_another(runtime, lines):
    _, host = lines
    one, _ = host("near", 10, "10.0.0.1/24"), host("far", 20, "10.0.0.2/24")

    def ask():
        with pytest.raises(OSError) as told, one.socket() as s:
            s.connect(("10.0.0.2", 7))
        return told.value.errno

    asking = runtime.spawn(ask)
    runtime.run_until(asking.done, 60)
    assert asking.result() == errno.EHOSTUNREACH


def test_a_vlan_alone_at_the_other_end_will_do(runtime):
    near, far = pair()
    with (
        VlanTrunk(near, runtime=runtime) as trunk,
        Stack("a", runtime=runtime) as one,
        Stack("b", runtime=runtime) as other,
    ):
        Netif(trunk.vlan(30), stack=one, ip="10.0.0.1/24")
        Netif(Vlan(far, 30), stack=other, ip="10.0.0.2/24")
        assert exchange(runtime, one, other, "10.0.0.2", bytes(300_000)) == bytes(300_000)


def test_without_a_native_vlan_frames_without_tags_are_not_taken(runtime):
    near, far = pair()
    with VlanTrunk(near, native=None, runtime=runtime) as trunk, Stack("b", runtime=runtime) as other:
        Netif(far, stack=other, ip="10.0.0.2/24")  # tells its address without a tag
        runtime.run_for(0.1)
        assert trunk.uplink.counters.not_member > 0


def test_its_ports_are_no_wider_than_the_driver(runtime):
    near, far = pair(mtu=1400)
    with VlanTrunk(near, runtime=runtime) as trunk, Stack("a", runtime=runtime) as stack:
        assert Netif(trunk.vlan(10), stack=stack, ip="10.0.0.1/24").mtu == 1400
    far.close()


def test_a_vlan_that_is_none_leaves_nothing_open(runtime):
    class Watched(Wrapper):
        closed = False

        def close(self):
            self.closed = True
            super().close()

    driver = Watched(pair()[0])
    with pytest.raises(ValueError, match="native: 5000 is no VLAN"):
        VlanTrunk(driver, native=5000, runtime=runtime)
    assert driver.closed
