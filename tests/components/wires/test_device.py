"""What a bare name stands for, by what the kernel says of the device."""

from __future__ import annotations

import logging
import subprocess

import pytest

from components.wires import BadWire, device, read
from components.wires.device import RESOLUTIONS, Device
from components.wires.kinds import WIRES


def test_every_kind_of_device_has_a_wire():
    assert set(RESOLUTIONS) == set(Device)
    assert {chosen.wire for chosen in RESOLUTIONS.values()} <= set(WIRES)


def test_the_loopback_device_is_one():
    assert device.look_at("lo") == (Device.LOOPBACK, "loopback device")


@pytest.mark.parametrize("name", ["", "no-such-device-0", "x" * 40, "a\0b", "€" * 6, "\udcff"])
def test_what_is_no_device_is_none(name):
    assert device.look_at(name) is None


def test_what_no_system_could_write_is_no_device():
    assert device.look_at("\ud800") is None


@pytest.mark.parametrize(
    ("driver", "bus", "is_what"),
    [
        ("tun", "tap", Device.TAP),
        ("tun", "tun", Device.TUN),
        ("veth", "", Device.VETH),
        ("bridge", "N/A", Device.BRIDGE),
        ("e1000", "0000:00:03.0", Device.CARD),
        ("", "", Device.OTHER),
    ],
)
def test_the_driver_says_what_a_device_is(driver, bus, is_what):
    assert device.device_of("eth0", driver, bus) is is_what


def test_a_namespace_that_is_not_there_is_an_os_error():
    with pytest.raises(OSError, match="there is no network namespace nowhere-7"):
        read("impair(eth0, netns=nowhere-7, loss=1%)")


@pytest.mark.host
class TestInANamespace:
    MAKE = {
        "tap7": "tuntap add dev tap7 mode tap",
        "tun7": "tuntap add dev tun7 mode tun",
        "veth7": "link add veth7 type veth peer name veth8",
        "br7": "link add br7 type bridge",
        "lo": "",
    }

    @pytest.mark.parametrize("name", MAKE)
    def test_what_is_chosen_is_logged(self, namespace, name, caplog):
        if self.MAKE[name]:
            subprocess.run(["ip", "-n", namespace, *self.MAKE[name].split()], check=True)
        found = {"tap7": "TAP", "tun7": "TUN", "veth7": "veth", "br7": "bridge", "lo": "loopback"}[name]
        with caplog.at_level(logging.INFO, "netif.wires"):
            plan = read(f"{name},netns={namespace}")
        chosen = plan.kind.name
        assert chosen == {"tap7": "tap", "tun7": "tun"}.get(name, "packet")
        (record,) = caplog.records
        assert record.getMessage().startswith(f"{name} is a {found}")
        assert f": {chosen}:{name}" in record.getMessage()

    def test_a_name_is_looked_up_where_netns_says(self, namespace):
        with pytest.raises(
            BadWire, match=f"there is no device tap7 in {namespace}; make one with `make_tap_netif tap7 --"
        ):
            read(f"impair(tap7, netns={namespace}, loss=1%)")
        subprocess.run(["ip", "-n", namespace, *self.MAKE["tap7"].split()], check=True)
        plan = read(f"impair(tap7, netns='{namespace}', loss=1%)")
        assert (plan.kind, plan.name, plan.options) == (WIRES["tap"], "tap7", {"netns": namespace})
