"""Our DHCP client and our DHCP server on one switch, in virtual time, also over cables that lose frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from typing import Any

import pytest

from netif.dhcp import DhcpcConfig, DhcpsConfig, Lease
from netif.netif import Netif
from netif.runtime.virtual import VirtualRuntime
from stack import Stack
from tapio import Switch, impair


class Giver:
    def assigned(self, mac: bytes, ip: IPv4Address, hostname: str) -> None:
        """Nobody wants to know."""


class Host:
    """Its address is what its DHCP client is told."""

    def __init__(self, lan: Lan, name: str, config: DhcpcConfig, cable: dict[str, Any]) -> None:
        self.runtime = lan.runtime
        self.stack = Stack(name, runtime=lan.runtime)
        self.netif = Netif(impair(lan.switch.port(), **cable), stack=self.stack)
        self.leases: list[tuple[float, Lease]] = []
        self.lost: list[str] = []
        self.client = lan.gated(lambda: self.stack.dhcp_client(self.interface, config, self))
        lan.gated(self.client.start)

    @property
    def interface(self) -> Any:
        return self.netif.interface

    @property
    def ip(self) -> str:
        return ".".join(map(str, self.interface.address))

    def leased(self, lease: Lease) -> None:
        self.leases.append((self.runtime.now(), lease))
        self.interface.set_addresses(*lease.ip_info.packed())

    def lease_lost(self, reason: str, *, taken: bool = False) -> None:
        self.lost.append(reason)
        self.interface.set_addresses(bytes(4), bytes(4), bytes(4))

    def dhcp_state(self, old: str, new: str) -> None:
        """Seen from outside by what follows."""


class Lan:
    def __init__(self, seed: int, closing: ExitStack) -> None:
        self.runtime = VirtualRuntime(seed=seed, strict=True)
        closing.callback(self.runtime.close)
        closing.callback(self.runtime.check)
        self.switch = Switch()
        self.closing = closing
        self.server = Stack("server", runtime=self.runtime)
        closing.callback(self.server.close, 0)
        self.netif = Netif(self.switch.port(), stack=self.server, ip="10.0.0.1/24")

    def gated(self, fn: Callable[[], Any]) -> Any:
        self.runtime.enter()
        try:
            return fn()
        finally:
            self.runtime.leave()

    def serve(self, **config: Any) -> Any:
        machine = self.gated(lambda: self.server.dhcp_server(self.netif.interface, DhcpsConfig(**config), Giver()))
        self.gated(machine.start)
        return machine

    def host(self, name: str = "client", config: DhcpcConfig | None = None, **cable: Any) -> Host:
        made = Host(self, name, config or DhcpcConfig(conflict_check="none"), cable)
        self.closing.callback(made.stack.close, 0)
        return made


@pytest.fixture
def lan(seed: int) -> Iterator[Lan]:
    with ExitStack() as closing:
        yield Lan(seed, closing)


def test_a_host_has_its_address_at_once(lan: Lan):
    lan.serve(conflict_probe=0)
    host = lan.host()
    lan.runtime.run_for(0.001)
    assert host.ip == "10.0.0.2"


def test_hosts_have_an_address_each_and_keep_it(lan: Lan):
    lan.serve(lease_time=120)
    hosts = [lan.host(f"host{n}", DhcpcConfig(hostname=f"host{n}")) for n in range(10)]
    lan.runtime.run_for(1200)
    assert len({host.ip for host in hosts}) == 10
    assert all(host.lost == [] and len(host.leases) > 15 for host in hosts)


@pytest.mark.parametrize("loss", ["1%", "10%", "30%"])
def test_over_a_lossy_cable_the_lease_is_obtained_kept_and_ends(lan: Lan, loss: str):
    """Loss each way. While the server is gone the lease ends in time; when it is back there is one again."""
    machine = lan.serve(lease_time=600)
    host = lan.host(loss=loss)
    lan.runtime.run_until(lambda: bool(host.leases), timeout=600)
    lan.runtime.run_for(6 * 3600)
    assert len(host.lost) <= {"1%": 0, "10%": 1, "30%": 9}[loss]
    assert set(host.lost) <= {"the lease has expired"}
    lan.runtime.run_until(lambda: host.client.state == "BOUND", timeout=600)
    lan.gated(machine.stop)
    last = host.client.lease
    lan.runtime.run_for(last.obtained + 599 - lan.runtime.now())
    assert host.ip == str(last.ip_info.ip)
    lan.runtime.run_for(2)
    assert host.ip == ""
    lan.gated(machine.start)
    lan.runtime.run_until(lambda: host.client.state == "BOUND", timeout=600)
    assert host.ip == str(last.ip_info.ip)  # the server remembers


def test_a_host_that_is_always_bound_is_no_reason_to_wait(lan: Lan):
    """Renewals are maintenance: whoever waits for anything else is told that nothing will happen."""
    lan.serve(lease_time=120, conflict_probe=0)
    host = lan.host()
    lan.runtime.run_for(1)
    assert not host.stack.pending()


def test_an_address_given_back_is_given_to_the_next(lan: Lan):
    lan.serve(start="10.0.0.7", end="10.0.0.7")
    first = lan.host("first")
    lan.runtime.run_for(1)
    second = lan.host("second")
    lan.runtime.run_for(1)
    assert (first.ip, second.ip) == ("10.0.0.7", "")
    lan.gated(first.client.stop)
    lan.gated(lambda: first.interface.set_addresses(bytes(4), bytes(4), bytes(4)))
    lan.runtime.run_for(20)
    assert second.ip == "10.0.0.7"


def test_whoever_has_an_address_already_keeps_it_from_the_client(lan: Lan):
    """Given out without a look by the server, found by the client's probe, and rested afterwards."""
    lan.serve(conflict_probe=0)
    squatter = Stack("squatter", runtime=lan.runtime)
    lan.closing.callback(squatter.close, 0)
    Netif(lan.switch.port(), stack=squatter, ip="10.0.0.2/24")
    lan.runtime.run_for(10)
    host = lan.host(config=DhcpcConfig())
    lan.runtime.run_for(30)
    assert len(host.lost) == 1
    assert "uses it" in host.lost[0]
    assert host.ip == "10.0.0.3"
