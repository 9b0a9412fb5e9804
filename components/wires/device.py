"""What a bare name stands for: a table from what the kernel says a device is to the wire that suits it.

A name that does not exist is an error: as root the kernel would silently make a device that vanishes with us. The log
says what was chosen.
"""

from __future__ import annotations

import enum
import logging
import os
import sys
from collections.abc import Mapping

import attrs

from components.wires.grammar import BadWire
from netif.value import Value
from tapio.device import Control, exists
from tapio.netns import in_netns

log = logging.getLogger("netif.wires")  # of the link, not of the samples: a command shows it with -v


IS_LINUX = sys.platform == "linux"


class Device(enum.Enum):
    """What a network device may be, as far as it matters here."""

    TAP = "TAP"
    TUN = "TUN"
    VETH = "veth pair's end"
    BRIDGE = "bridge"
    LOOPBACK = "loopback device"
    WIRELESS = "wireless network card"
    CARD = "network card"
    OTHER = "device without a driver"


@attrs.frozen(eq=False, repr=False)
class Resolution(Value):
    """The wire for one kind of device, and the options that go with it."""

    wire: str
    options: Mapping[str, str] = attrs.field(factory=dict)


RESOLUTIONS = {
    Device.TAP: Resolution("tap"),
    Device.TUN: Resolution("tun"),
    Device.VETH: Resolution("packet"),
    Device.BRIDGE: Resolution("packet"),
    Device.LOOPBACK: Resolution("packet"),
    Device.WIRELESS: Resolution("packet", {"shared_mac": ""}),
    Device.CARD: Resolution("packet"),
    Device.OTHER: Resolution("packet"),
}


def resolve(name: str, netns: str | None = None) -> tuple[str, Mapping[str, str]]:
    """The wire's kind, and the options that go with it; BadWire for what is no device, OSError for a namespace that
    cannot be entered."""
    found = look_at(name) if netns is None else in_netns(netns, lambda: look_at(name))
    if found is None:
        place, flag, option = (f" in {netns}", f" --netns {netns}", f",netns={netns}") if netns else ("", "", "")
        make = "make_tap_netif" + ("" if name == "tap0" else f" {name}") + flag
        raise BadWire(f"there is no device {name}{place}; make one with `{make}`, or say tap:{name},create{option}")
    device, words = found
    chosen = RESOLUTIONS[device] if IS_LINUX else Resolution("pcap")
    log.info("%s is a %s: %s:%s", name, words, chosen.wire, name)
    return chosen.wire, chosen.options


def look_at(name: str) -> tuple[Device, str] | None:
    """What the device is, and the same in words; None: there is no such device."""
    try:
        if not 0 < len(os.fsencode(name)) < 16 or "\0" in name or not exists(name):
            return None
    except UnicodeEncodeError:
        return None
    if not IS_LINUX:
        return Device.OTHER, "device"
    with Control(name) as control:
        driver, bus = control.driver()
        device = device_of(name, driver, bus)
        if device is Device.CARD and control.is_wireless():
            device = Device.WIRELESS
    return device, f"{device.value} ({driver})" if device in (Device.CARD, Device.WIRELESS) else device.value


def device_of(name: str, driver: str, bus: str) -> Device:
    if driver == "tun":
        return Device.TUN if bus == "tun" else Device.TAP
    if not driver:
        return Device.LOOPBACK if name in ("lo", "lo0") else Device.OTHER
    return {"veth": Device.VETH, "bridge": Device.BRIDGE}.get(driver, Device.CARD)
