"""A stack whose DHCP does as the test says, as the process's default one; interfaces made the port-style way."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netif import esp
from netif.dhcp import Lease


class Machine:
    """A DHCP client and server that do as the test says."""

    state = "INIT"

    def __init__(self, config, holder):
        self.config, self.holder, self.log = config, holder, []

    def start(self, previous=None):
        self.log.append("start")

    def stop(self, *, release=True):
        self.log.append("release" if release else "stop")

    def link_up(self):
        self.log.append("link up")

    def link_down(self):
        self.log.append("link down")

    def client_address(self, mac):
        return IPv4Address("10.0.0.9") if mac == b"\2\0\0\0\0\1" else None

    def leases(self, info, **more):
        self.holder.runtime.enter()
        self.holder.leased(Lease(ip_info=info, server=IPv4Address("10.0.0.1"), obtained=0.0, **more))
        self.holder.runtime.leave()

    def loses(self):
        self.holder.runtime.enter()
        self.holder.lease_lost("it has expired")
        self.holder.runtime.leave()


@pytest.fixture(autouse=True)
def machines(stack):
    """What the stack was asked for, in order; the process's default stack is this one."""
    made = []

    def make(interface, config, holder):
        made.append(Machine(config, holder))
        return made[-1]

    stack.dhcp_client = stack.dhcp_server = make
    esp.netif_init()
    esp.adopt(stack)
    yield made
    esp.netif_deinit()


@pytest.fixture
def attached(new_config, new_driver):
    """A netif, made and attached the port-style way."""

    def make(if_key="TEST", **base):
        netif = esp.netif_new(new_config(if_key, **base))
        esp.netif_attach(netif, new_driver())
        return netif

    return make
