"""Whatever is done to an interface, in whatever order: it answers or raises a NetifError, and stays of one mind."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

import pytest

from netif.config import DnsInfo, DnsType, Flags, IpInfo
from netif.dhcp import Lease
from netif.errors import NetifError
from netif.events import Event
from netif.lifecycle import DhcpStatus, State
from netif.netif import Netif

FLAGS = [
    Flags(0),
    Flags.AUTOUP,
    Flags.DHCP_CLIENT,
    Flags.AUTOUP | Flags.DHCP_CLIENT,
    Flags.AUTOUP | Flags.DHCP_SERVER,
    Flags.EVENT_IP_MODIFIED | Flags.GARP,
]


class Machine:
    """A DHCP client and a server in one, which count how often they run."""

    running = 0

    def __init__(self, interface, config, holder):
        self.holder, self.config = holder, config

    def start(self, previous=None):
        Machine.running += 1

    def stop(self, *, release=True):
        Machine.running -= 1

    def link_up(self): ...
    def link_down(self): ...


class Scene:
    def __init__(self, seed, runtime, stack, driver, config):
        self.dice, self.runtime, self.stack, self.driver = random.Random(seed), runtime, stack, driver
        self.machines, self.heard = [], []
        Machine.running = 0
        stack.dhcp_client = stack.dhcp_server = self.machine
        self.netif = Netif(config=config)
        self.netif.subscribe(Event, self.hear)

    def machine(self, *arguments):
        self.machines.append(Machine(*arguments))
        return self.machines[-1]

    def hear(self, event):
        self.heard.append(type(event).__name__)

    def under_gate(self, what, *arguments):
        self.runtime.enter()
        try:
            what(*arguments)
        finally:
            self.runtime.leave()

    def verbs(self):
        netif, dice = self.netif, self.dice
        lease = Lease(
            ip_info=IpInfo(f"10.0.0.{dice.randrange(50, 53)}/24"),
            server=IPv4Address("10.0.0.254"),
            obtained=0.0,
            mtu=dice.choice([None, 1200]),
            dns=(IPv4Address("10.0.0.253"),) * dice.randrange(3),
        )
        return [
            lambda: netif.attach(self.driver),
            netif.start,
            netif.connected,
            netif.connected,
            netif.disconnected,
            netif.unplug,
            netif.replug,
            netif.stop,
            netif.power_off,
            netif.reboot,
            netif.dhcpc_start,
            netif.dhcpc_stop,
            netif.dhcps_start,
            netif.dhcps_stop,
            lambda: netif.set_ip_info(dice.choice(["10.0.0.1/24", "10.0.0.2/24", "0.0.0.0"])),
            lambda: netif.set_dns_info(DnsType.MAIN, dice.choice([None, DnsInfo("1.1.1.1")])),
            lambda: netif.set_mtu(dice.choice([1500, 900, 500])),
            lambda: setattr(netif, "hostname", dice.choice(["a", "b", "c" * 33])),
            lambda: self.machines and self.under_gate(dice.choice(self.machines).holder.leased, lease),
            lambda: self.machines and self.under_gate(dice.choice(self.machines).holder.leased, lease),
            lambda: self.machines and self.under_gate(dice.choice(self.machines).holder.lease_lost, "expired"),
            lambda: self.runtime.pass_time(dice.choice([1, 60, 121])),
            lambda: netif.interface and (self.driver.port.failed(OSError("dead")), self.runtime.turn()),
            lambda: netif.interface and self.under_gate(netif.yielded),
        ]

    def step(self):
        try:
            self.dice.choice(self.verbs())()
        except NetifError:
            pass

    def check(self):
        netif = self.netif
        ups, downs = self.heard.count("LinkUp"), self.heard.count("LinkDown")
        assert ups - downs == netif.is_up
        assert self.heard.count("NetifUp") - self.heard.count("NetifDown") == netif.is_up
        statuses = (netif.dhcpc_status, netif.dhcps_status)
        assert Machine.running == statuses.count(DhcpStatus.STARTED)
        if netif.is_up and netif.has_address:
            assert netif.interface.addresses == netif.ip_info.packed()
        assert all(alarm.armed <= (netif.interface is not None) for alarm in self.runtime.alarms)
        addresses = [name for name in self.heard if name in ("GotIp", "LostIp")]
        pairs = zip(["", *addresses], addresses, strict=False)
        assert all(before == "GotIp" for before, name in pairs if name == "LostIp"), "lost is what was held"
        assert not (netif.is_up and netif.has_address) or addresses[-1] == "GotIp"
        assert netif.interface is None or (netif.interface.dns[0], netif.caps.mtu) == (netif.dns, netif.mtu)


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_verbs(seed, flags, runtime, stack, new_driver, new_config):
    ip = None if flags & Flags.DHCP_CLIENT else "10.0.0.1/24"
    scene = Scene(f"{seed}/{flags}", runtime, stack, new_driver(), new_config(ip=ip, flags=flags))
    for _ in range(120):
        scene.step()
        assert not runtime.held
        scene.check()
    scene.netif.close()
    assert scene.netif.state is State.CLOSED
    assert (runtime.ports, Machine.running) == ({}, 0)
    assert not any(alarm.armed for alarm in runtime.alarms)
    scene.step()
