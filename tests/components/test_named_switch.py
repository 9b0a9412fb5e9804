"""`switch:NAME` for code and commands, and with a wire behind it."""

from __future__ import annotations

import pytest

from components.wires import open_wire
from netif import Netif, Stack
from netif.runtime.virtual import VirtualRuntime


@pytest.fixture
def runtime():
    made = VirtualRuntime(seed=1)
    yield made
    made.close()
    made.check()


def asks(runtime, stack, ip):
    talking = runtime.spawn(lambda: stack.create_connection((ip, 7), timeout=20).close())
    runtime.run_until(talking.done)
    talking.result()


def test_hosts_on_one_name_reach_each_other(runtime):
    with (
        Stack("a", runtime=runtime) as a,
        Stack("b", runtime=runtime) as b,
        Netif(open_wire("switch:lab"), stack=a, ip="10.0.0.1/24"),
        Netif(open_wire("switch:lab"), stack=b, ip="10.0.0.2/24"),
        b.create_server(("", 7)),
    ):
        asks(runtime, a, "10.0.0.2")


def test_vlans_are_apart(runtime):
    with (
        Stack("a", runtime=runtime) as a,
        Stack("b", runtime=runtime) as b,
        Netif(open_wire("switch:lab,vlan=10"), stack=a, ip="10.0.0.1/24"),
        Netif(open_wire("switch:lab,vlan=20"), stack=b, ip="10.0.0.2/24"),
        b.create_server(("", 7)),
        pytest.raises(OSError),
    ):
        asks(runtime, a, "10.0.0.2")


def test_an_uplink_leads_to_another_wire_and_goes_with_its_port(runtime):
    inside, outside = Stack("a", runtime=runtime), Stack("b", runtime=runtime)
    with Netif(open_wire("switch:attic"), stack=outside, ip="10.0.0.2/24"), outside.create_server(("", 7)):
        with Netif(open_wire("switch:lab,uplink=switch:attic"), stack=inside, ip="10.0.0.1/24") as netif:
            switch, patch = netif.driver.switch, netif.driver.patch
            asks(runtime, inside, "10.0.0.2")
            assert len(switch.ports) == 2
            netif.power_off()
            netif.reboot()
            asks(runtime, inside, "10.0.0.2")
            assert len(switch.ports) == 2
            assert netif.driver.patch is patch
        assert not switch.ports
    inside.close()
    outside.close()


def test_what_others_share_behind_it_makes_default_macs_differ_by_process(tmp_path):
    alone, shared = open_wire("switch:lab,uplink=switch:attic"), open_wire(f"switch:lab,uplink=unix:{tmp_path}/lan")
    assert (alone.shared_wire, shared.shared_wire) == (False, True)
    alone.close()
    shared.close()


@pytest.mark.parametrize(
    "wire", ["switch:", "switch:lab,vlan=ten", "switch:lab,vlan=4095", "switch:lab,uplink=nowhere0"]
)
def test_mistakes_are_told_before_anything_is_open(wire):
    with pytest.raises((ValueError, OSError)):
        open_wire(wire)
