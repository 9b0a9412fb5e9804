"""What esp_netif's users suffered from, and does not happen here. The numbers are issues of esp-idf."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netif import esp
from netif.config import DnsInfo, DnsType, Flags, IpInfo
from netif.errors import (
    DhcpNotStopped,
    IfNotReady,
)
from netif.events import GotIp, LostIp
from netif.registry import registry_of

CLIENT = Flags.DHCP_CLIENT | Flags.EVENT_IP_MODIFIED
A, B = IpInfo("10.0.0.50/24", gw="10.0.0.1"), IpInfo("10.0.0.60/24", gw="10.0.0.1")


def test_static_address_without_gateway_is_told(attached, heard):  # 2344, 12927
    netif = attached(ip="10.0.0.7/24")
    netif.subscribe(GotIp, heard)
    esp.netif_action_connected(netif)
    assert heard == ["GotIp"]
    assert esp.netif_get_ip_info(netif) == IpInfo("10.0.0.7/24")


def test_static_address_on_a_dhcp_netif(attached, machines, heard):  # 8698, and the static_ip sample
    netif = attached(flags=CLIENT, ip=None)
    netif.subscribe(GotIp, heard)
    with pytest.raises(DhcpNotStopped, match=r"dhcpc_stop\(\)"):
        esp.netif_set_ip_info(netif, A)
    esp.netif_dhcpc_stop(netif)
    esp.netif_set_ip_info(netif, A)
    esp.netif_action_connected(netif)
    assert heard == ["GotIp"]
    assert not machines
    esp.netif_action_disconnected(netif)
    esp.netif_action_connected(netif)
    assert esp.netif_get_ip_info(netif) == A, "it survives the link"
    esp.netif_action_stop(netif)
    assert esp.netif_get_ip_info(netif) == A, "and a stop"


@pytest.mark.parametrize("server_first", [True, False])
def test_order_of_address_and_name_server_does_not_matter(attached, server_first):  # 7251, 705
    netif = attached(flags=CLIENT, ip=None)
    esp.netif_dhcpc_stop(netif)
    steps = [
        lambda: esp.netif_set_dns_info(netif, DnsType.MAIN, DnsInfo("1.1.1.1")),
        lambda: esp.netif_set_ip_info(netif, A),
    ]
    for step in steps if server_first else reversed(steps):
        step()
    assert esp.netif_get_dns_info(netif, DnsType.MAIN) == DnsInfo("1.1.1.1")


def test_dhcp_of_another_netif_leaves_the_defaults_name_servers(attached, machines, stack):  # 19082, 8080, 6270
    best = attached("BEST", flags=Flags.AUTOUP, route_prio=100)
    esp.netif_set_dns_info(best, DnsType.MAIN, DnsInfo("1.1.1.1"))
    other = attached("OTHER", flags=CLIENT, ip=None, route_prio=1)
    esp.netif_action_connected(other)
    machines[0].leases(IpInfo("10.9.0.2/24"), dns=(IPv4Address("9.9.9.9"),))
    assert stack.default == (best.interface, (b"\1\1\1\1",))
    assert esp.netif_get_dns_info(other, DnsType.MAIN) == DnsInfo("9.9.9.9")
    esp.netif_destroy(best)
    assert stack.default == (other.interface, (b"\x09\x09\x09\x09",))


def test_lost_ip_comes_once_after_its_delay(attached, machines, runtime, heard):  # esp-protocols 480, 415
    netif = attached(flags=CLIENT, ip=None)
    netif.subscribe(LostIp, heard)
    esp.netif_action_connected(netif)
    machines[0].leases(A)
    machines[0].loses()
    runtime.pass_time(119)
    assert not heard
    runtime.pass_time(2)
    assert heard == ["LostIp"]
    runtime.pass_time(1000)
    assert heard == ["LostIp"]
    assert not esp.netif_get_old_ip_info(netif)


def test_lost_ip_needs_an_address_that_was_held(attached, runtime, heard):
    netif = attached(flags=CLIENT, ip=None)
    netif.subscribe(LostIp, heard)
    esp.netif_action_connected(netif)  # and no server answers
    runtime.pass_time(1000)
    assert not heard


def test_address_that_comes_back_in_time_was_never_lost(attached, machines, runtime, heard):
    netif = attached(flags=CLIENT, ip=None)
    esp.netif_action_connected(netif)
    machines[0].leases(A)
    machines[0].loses()
    assert not esp.netif_get_ip_info(netif)
    runtime.pass_time(60)
    netif.subscribe(LostIp, heard)
    netif.subscribe(GotIp, heard)
    machines[0].leases(A)
    runtime.pass_time(1000)
    assert heard == ["GotIp"]
    assert netif.wait_for(GotIp).ip_changed is False


def test_another_lease_is_told_as_a_change(attached, machines, heard):  # 2372
    netif = attached(flags=CLIENT, ip=None)
    esp.netif_action_connected(netif)
    machines[0].leases(A)
    netif.subscribe(LostIp, heard)
    machines[0].leases(B)
    assert netif.wait_for(GotIp).ip_changed is True
    assert not heard


def test_lost_ip_of_a_destroyed_netif_does_not_reach_the_next(attached, machines, runtime, heard):  # 15218
    first = attached("ETH_DEF", flags=CLIENT, ip=None)
    esp.netif_action_connected(first)
    machines[0].leases(A)
    machines[0].loses()
    esp.netif_destroy(first)
    second = attached("ETH_DEF", flags=CLIENT, ip=None)
    second.subscribe(LostIp, heard)
    esp.netif_action_connected(second)
    runtime.pass_time(1000)
    assert not heard


def test_destroying_a_netif_gives_its_lease_back(attached, machines):  # 11862
    netif = attached(flags=CLIENT, ip=None)
    esp.netif_action_connected(netif)
    machines[0].leases(A)
    esp.netif_destroy(netif)
    assert machines[0].log == ["start", "release"]
    machines[0].leases(B)  # from a machine that is late
    assert not esp.netif_get_ip_info(netif)


def test_frame_after_the_end_is_refused_or_dropped(new_config, stack):  # esp-thread-br 213, 6973
    netif = esp.netif_new(new_config(flags=Flags.AUTOUP, transmit=lambda handle, frame: None))
    with pytest.raises(IfNotReady):
        esp.netif_receive(netif, b"too early")
    esp.netif_attach(netif, object())
    esp.netif_destroy(netif)
    esp.netif_receive(netif, b"too late")
    assert not stack.seen


def test_hostname_counts_whenever_it_is_set(new_config, new_driver, machines):  # 4737, 12627, 6085
    netif = esp.netif_new(new_config(flags=CLIENT, ip=None))
    esp.netif_set_hostname(netif, "before")
    esp.netif_attach(netif, new_driver())
    esp.netif_action_connected(netif)
    assert machines[0].config.hostname == "before"
    esp.netif_set_hostname(netif, "after")
    assert machines[0].config.hostname == "after"


def test_lan_outranks_wlan_where_the_presets_field_says_so(attached):  # 9966
    sta, eth = esp.NETIF_INHERENT_DEFAULT_WIFI_STA(), esp.NETIF_INHERENT_DEFAULT_ETH(route_prio=200)
    assert sta.route_prio < eth.route_prio
    cable = attached("ETH", flags=Flags.AUTOUP, route_prio=eth.route_prio)
    attached("STA", flags=Flags.AUTOUP, route_prio=sta.route_prio, ip="10.0.1.1/24")
    assert esp.netif_get_default_netif() is cable


def test_cable_that_is_pulled_leaves_the_way_to_the_next(attached):  # 11472
    cable = attached("ETH", flags=Flags.AUTOUP, route_prio=200)
    air = attached("STA", flags=Flags.AUTOUP, route_prio=100, ip="10.0.1.1/24")
    cable.unplug()
    assert esp.netif_get_default_netif() is air
    cable.replug()
    assert esp.netif_get_default_netif() is cable


def test_deinit_is_real(attached, stack, runtime):  # 6950, 1999
    netif = attached(flags=Flags.AUTOUP)
    esp.netif_deinit()
    assert netif.interface is None
    assert stack not in runtime.stacks
    assert esp.netif_get_nr_of_ifs() == 0
    assert len(registry_of(stack)) == 0
