"""Our DHCP server and our client on one Lan: to the end of leases and beyond, with loss, with a server that is gone."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import attrs
import pytest

from components.lan import Host, Lan
from components.lease_file import LeaseFile
from netif.config import Flags
from netif.dhcp import DhcpcConfig
from netif.events import GotIp, LostIp
from netif.netif import Netif
from stack import Stack

HOUR = 3600.0


def serves(lan: Lan, **configured) -> Host:
    """The server of `lan`, with another configuration."""
    giver = lan.hosts["dhcp"]
    giver.netif.dhcps_stop()
    giver.netif.dhcps_config = attrs.evolve(giver.netif.dhcps_config, **configured)
    giver.netif.dhcps_start()
    return giver


def obtains(lan: Lan, name: str = "a", **faults) -> Host:
    host = lan.host(name, **faults)
    lan.run_until(lambda: bool(host.netif.ip_info), 600)
    return host


def holds(giver: Host, host: Host) -> bool:
    (address,) = giver.netif.dhcps_clients_by_mac([host.mac]).values()
    return address is not None and address == host.netif.ip_info.ip


def test_a_client_learns_all_that_the_server_knows():
    with Lan(dhcp=True) as lan:
        serves(
            lan,
            offer_router=True,
            dns=["10.0.0.1", "9.9.9.9"],
            domain="lab.test",
            search=["lab.test", "test"],
            ntp=["10.0.0.1"],
            mtu=1400,
            routes=[("192.168.0.0/16", "10.0.0.254"), ("0.0.0.0/0", "10.0.0.253")],
            captive_portal="https://lab.test/portal",
            options={43: b"\1\2"},
        )
        lease = obtains(lan).netif.lease
        assert lease is not None
        assert lease.server == IPv4Address("10.0.0.1")
        assert lease.dns == (IPv4Address("10.0.0.1"), IPv4Address("9.9.9.9"))
        assert (lease.domain, lease.search) == ("lab.test", ("lab.test", "test"))
        assert lease.ntp == (IPv4Address("10.0.0.1"),)
        assert lease.mtu == 1400
        assert (IPv4Network("192.168.0.0/16"), IPv4Address("10.0.0.254")) in lease.routes
        assert lease.captive_portal == "https://lab.test/portal"
        assert lease.vendor_specific == b"\1\2"
        assert (lease.lease_time, lease.renewal_time, lease.rebinding_time) == (7200, 3600, 6300)


@pytest.mark.parametrize("loss", ["1%", "10%", "30%"])
def test_a_lease_is_kept_over_a_day_whatever_is_lost(loss):
    """It is renewed at a half; the server is asked again and again until it ends."""
    with Lan(seed=3, dhcp=True) as lan:
        giver = serves(lan, lease_time=HOUR)
        host = obtains(lan, loss=loss)
        address = host.netif.ip_info
        lost: list[LostIp] = []
        host.netif.subscribe(LostIp, lost.append)
        for _ in range(24):
            lan.run_for(HOUR)
            assert holds(giver, host)
        assert host.netif.ip_info == address
        assert not lost
        assert giver.stack.stats["dhcps_refused"] == 0


def test_a_server_that_is_back_in_time_is_not_missed():
    with Lan(dhcp=True) as lan:
        giver = serves(lan, lease_time=HOUR)
        host = obtains(lan)
        address = host.netif.ip_info
        lan.run_for(60)
        giver.netif.dhcps_stop()
        lan.run_for(HOUR * 0.9)
        giver.netif.dhcps_start()
        lan.run_for(HOUR)
        assert host.netif.ip_info == address
        assert holds(giver, host)


def test_a_client_whose_lease_has_ended_gets_the_same_address_again():
    with Lan(dhcp=True) as lan:
        giver = serves(lan, lease_time=HOUR)
        host, other = obtains(lan, "a"), obtains(lan, "b")
        before = host.netif.ip_info, other.netif.ip_info
        giver.netif.dhcps_stop()
        lan.run_for(2 * HOUR)
        assert not host.netif.ip_info
        giver.netif.dhcps_start()
        lan.run_until(lambda: bool(host.netif.ip_info and other.netif.ip_info), 600)
        assert (host.netif.ip_info, other.netif.ip_info) == before


def test_a_server_that_has_forgotten_everything_goes_on_with_whoever_renews():
    with Lan(dhcp=True) as lan:
        giver = serves(lan, lease_time=HOUR)
        host = obtains(lan)
        address = host.netif.ip_info
        giver.netif.dhcps_stop()
        giver.stack.dhcp_leases.clear()
        giver.netif.dhcps_start()
        assert not holds(giver, host)
        lan.run_for(HOUR)
        assert host.netif.ip_info == address
        assert holds(giver, host)


def test_a_server_in_another_process_goes_on_with_the_file(tmp_path: Path):
    """Two Lans of which the second begins at another time; the file knows the date."""
    date = 1_700_000_000.0
    with Lan(dhcp=True) as lan:
        serves(lan, lease_time=HOUR, store=LeaseFile(tmp_path / "leases", clock=lambda: date + lan.now()))
        lan.run_for(100)
        hosts = [obtains(lan, name) for name in ("a", "b")]
        macs, addresses = [host.netif.mac for host in hosts], [host.netif.ip_info.ip for host in hosts]
        for host in hosts:
            host.netif.power_off()
    with Lan(dhcp=True) as later:
        giver = serves(later, lease_time=HOUR, store=LeaseFile(tmp_path / "leases", clock=lambda: date + 1000))
        assert giver.netif.dhcps_clients_by_mac(macs) == dict(zip(macs, addresses, strict=True))
        later.run_for(HOUR - 901)
        assert giver.netif.dhcps_clients_by_mac(macs) == dict(zip(macs, addresses, strict=True))
        later.run_for(2)
        assert set(giver.netif.dhcps_clients_by_mac(macs).values()) == {None}


def test_a_client_that_is_closed_gives_its_address_back():
    with Lan(dhcp=True) as lan:
        giver = lan.hosts["dhcp"]
        host = obtains(lan)
        assert holds(giver, host)
        host.netif.close()
        lan.run_for(1)
        (address,) = giver.netif.dhcps_clients_by_mac([host.mac]).values()
        assert address is None


def test_a_client_that_was_refused_begins_anew():
    """The pool has moved: at its renewal it is told, and takes another address."""
    with Lan(dhcp=True) as lan:
        serves(lan, lease_time=HOUR)
        host = obtains(lan)
        giver = serves(lan, start="10.0.0.100", end="10.0.0.110")
        lan.run_for(HOUR)
        assert host.ip == "10.0.0.100"
        assert holds(giver, host)
        assert giver.stack.stats["dhcps_refused"] == 1


def test_an_address_that_somebody_took_meanwhile_is_declined_and_another_given():
    """The client looks behind the ACK, and tells the server."""
    with Lan(dhcp=True) as lan:
        giver = serves(lan, conflict_probe=0, start="10.0.0.2", end="10.0.0.9", decline_time=HOUR)
        squatter = lan.host("squatter", ip="10.0.0.2")
        host = lan.host("a")
        got: list[GotIp] = []
        host.netif.subscribe(GotIp, got.append)
        lan.run_for(60)
        assert host.ip == "10.0.0.3"
        assert squatter.ip == "10.0.0.2"
        assert giver.stack.stats["dhcps_declined"] == 1


def test_a_client_that_wants_to_be_sure_first_is_served_too():
    with Lan(dhcp=DhcpcConfig(conflict_check="before")) as lan:
        host = obtains(lan)
        assert lan.now() > 1
        assert holds(lan.hosts["dhcp"], host)


def test_leases_survive_a_stop_of_the_interface():
    """With DHCP_SERVER the server begins again by itself, on another interface of the stack's with the same key."""
    with Lan() as lan, Stack("server", runtime=lan.runtime) as stack:
        flags = Flags.AUTOUP | Flags.DHCP_SERVER
        server = Netif(lan.switch.port(), stack=stack, ip="10.9.0.1/24", flags=flags)
        client = Netif(lan.switch.port(), stack=lan.host("a").stack, dhcp=True)
        lan.run_until(lambda: bool(client.ip_info), 60)
        leased = {client.mac: client.ip_info.ip}
        assert str(client.ip_info.ip) == "10.9.0.2"
        assert server.dhcps_clients_by_mac([client.mac]) == leased
        server.stop()
        assert server.dhcps_clients_by_mac([client.mac]) == {client.mac: None}
        server.start()
        assert server.dhcps_clients_by_mac([client.mac]) == leased
