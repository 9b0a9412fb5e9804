"""The scenarios of esp_netif's own tests (test_app_esp_netif), by their names, and what comes out of them here."""

from __future__ import annotations

import gc
import weakref

import pytest

from netif import esp
from netif.config import DnsInfo, DnsType, Flags
from netif.errors import (
    DhcpAlreadyStarted,
    InvalidArg,
    InvalidParams,
    NetifError,
    NotFound,
)
from netif.events import NetifDown, NetifUp
from netif.lifecycle import DhcpStatus
from netif.wire import ip

INIT, STARTED, STOPPED = DhcpStatus
CLIENT = Flags.DHCP_CLIENT | Flags.EVENT_IP_MODIFIED


# init_and_destroy


def test_init_and_destroy(attached, stack):
    esp.netif_init()  # again: harmless
    with pytest.raises(InvalidParams):
        esp.netif_new(None)
    netif = attached()
    gone = weakref.ref(netif)
    esp.netif_destroy(netif)
    assert esp.netif_get_nr_of_ifs() == 0
    del netif
    stack.interfaces.clear()
    gc.collect()
    assert gone() is None


# create_delete_multiple_netifs


def test_create_delete_multiple_netifs(new_config):
    keys = [f"if{number}" for number in range(1, 10)]
    netifs = [esp.netif_new(new_config(key)) for key in keys]
    for key, netif in zip(keys, netifs, strict=True):
        assert esp.netif_get_handle_from_ifkey(key) is netif
        with pytest.raises(InvalidParams, match=f"'{key}' is taken"):
            esp.netif_new(new_config(key))
    assert esp.netif_get_nr_of_ifs() == 9
    for left, (key, netif) in enumerate(zip(keys, netifs, strict=True), 1):
        esp.netif_destroy(netif)
        assert esp.netif_get_handle_from_ifkey(key) is None
        assert esp.netif_get_nr_of_ifs() == 9 - left
    esp.netif_new(new_config(keys[0]))


# get_from_if_key, find_netifs


def test_get_from_if_key(attached):
    netif = attached("WIFI_STA_DEF")
    assert esp.netif_get_handle_from_ifkey("WIFI_STA_DEF") is netif
    esp.netif_destroy(netif)
    assert esp.netif_get_handle_from_ifkey("WIFI_STA_DEF") is None


def test_find_netifs(new_config):
    netifs = {desc: esp.netif_new(new_config(desc.upper(), if_desc=desc)) for desc in ("sta", "ap", "eth")}
    for desc, netif in netifs.items():
        assert esp.netif_find_if(lambda each, desc: esp.netif_get_desc(each) == desc, desc) is netif
    assert esp.netif_find_if(lambda each: esp.netif_get_desc(each) == "nan") is None


# convert_ip_addresses


def test_convert_ip_addresses():
    for text in ("0.0.0.0", "1.2.3.4", "255.255.255.255"):
        assert str(esp.netif_str_to_ip4(text)) == text
    for text in ("127.0.0", "127.0.0.1.1", "256.1.1.1", "", "::1"):
        with pytest.raises(NetifError):
            esp.netif_str_to_ip4(text)
    assert esp.netif_str_to_ip6("FE80::1").is_link_local
    for text in ("1::2::3", "10.0.0.1", ""):
        with pytest.raises(NetifError):
            esp.netif_str_to_ip6(text)
    for convert in (esp.netif_str_to_ip4, esp.netif_str_to_ip6):
        with pytest.raises(InvalidArg):
            convert(None)


# unified_netif_status_event


def test_unified_netif_status_event(attached, heard):
    netif = attached()
    netif.subscribe(NetifUp, heard)
    netif.subscribe(NetifDown, heard)
    esp.netif_action_connected(netif)
    esp.netif_action_connected(netif)
    assert heard == ["NetifUp"]
    esp.netif_action_disconnected(netif)
    esp.netif_action_disconnected(netif)
    assert heard == ["NetifUp", "NetifDown"]
    esp.netif_action_connected(netif)
    assert heard.count("NetifUp") == 2


# dhcp_client_state_transitions


def test_dhcp_client_state_transitions(attached):
    netif = attached(flags=CLIENT, ip=None)

    def status():
        return esp.netif_dhcpc_get_status(netif)

    esp.netif_action_start(netif)
    assert status() is INIT
    esp.netif_action_connected(netif)
    assert status() is STARTED
    esp.netif_dhcpc_stop(netif)
    assert status() is STOPPED
    esp.netif_dhcpc_start(netif)
    assert status() is STARTED
    with pytest.raises(DhcpAlreadyStarted):
        esp.netif_dhcpc_start(netif)
    assert status() is STARTED
    esp.netif_action_stop(netif)
    assert status() is INIT
    with pytest.raises(InvalidArg, match="netif_dhcpc_get_status"):
        esp.netif_dhcps_get_status(netif)


def test_dhcpc_start_while_the_link_is_down_waits_for_it(attached, machines):
    netif = attached(flags=CLIENT, ip=None)
    esp.netif_dhcpc_stop(netif)
    esp.netif_dhcpc_start(netif)
    assert esp.netif_dhcpc_get_status(netif) is INIT
    assert not machines
    esp.netif_action_connected(netif)
    assert esp.netif_dhcpc_get_status(netif) is STARTED
    assert machines[0].log == ["start"]


# dhcp_server_state_transitions


def test_dhcp_server_state_transitions(attached):
    netif = attached(flags=Flags.DHCP_SERVER | Flags.AUTOUP)

    def status():
        return esp.netif_dhcps_get_status(netif)

    assert status() is STARTED
    esp.netif_dhcps_stop(netif)
    assert status() is STOPPED
    esp.netif_dhcps_start(netif)
    assert status() is STARTED
    with pytest.raises(DhcpAlreadyStarted):
        esp.netif_dhcps_start(netif)
    assert status() is STARTED
    esp.netif_action_stop(netif)
    assert status() is INIT
    with pytest.raises(InvalidArg, match="netif_dhcps_get_status"):
        esp.netif_dhcpc_get_status(netif)


# the mesh variant


def test_dhcp_state_transitions_mesh(attached, new_config, new_driver):
    station = esp.netif_new(new_config("STA", flags=CLIENT, ip=None))
    access_point = esp.netif_new(new_config("AP", flags=Flags.DHCP_SERVER | Flags.AUTOUP))
    esp.netif_dhcpc_stop(station)
    esp.netif_dhcps_stop(access_point)
    for netif in (station, access_point):
        esp.netif_attach(netif, new_driver())
        esp.netif_action_connected(netif)
    assert esp.netif_dhcpc_get_status(station) is esp.netif_dhcps_get_status(access_point) is STOPPED
    for netif in (station, access_point):
        esp.netif_action_stop(netif)
    assert esp.netif_dhcpc_get_status(station) is esp.netif_dhcps_get_status(access_point) is STOPPED
    esp.netif_action_start(station)
    esp.netif_action_connected(station)
    assert esp.netif_dhcpc_get_status(station) is STOPPED
    esp.netif_dhcpc_start(station)
    assert esp.netif_dhcpc_get_status(station) is STARTED


# get_set_hostname


def test_get_set_hostname(new_config, new_driver, stack):
    netif = esp.netif_new(new_config())
    assert esp.netif_get_hostname(netif) == ""
    esp.netif_attach(netif, new_driver())
    assert esp.netif_get_hostname(netif) == stack.name
    esp.netif_set_hostname(netif, "new_name")
    assert esp.netif_get_hostname(netif) == "new_name"
    with pytest.raises(InvalidParams, match="33 bytes; 32 are the most"):
        esp.netif_set_hostname(netif, "h" * 33)
    with pytest.raises(InvalidArg):
        esp.netif_set_hostname(netif, None)
    assert esp.netif_get_hostname(netif) == "new_name"


# route_priority


def test_route_priority(attached):
    netifs = [attached(f"if{n}", route_prio=n % 6, flags=Flags.AUTOUP, ip=f"10.0.{n}.1/24") for n in range(10)]
    default = esp.netif_get_default_netif
    assert default() is netifs[5]
    esp.netif_action_stop(netifs[5])
    assert default() is netifs[4]
    esp.netif_set_default_netif(netifs[0])
    assert default() is netifs[0]
    esp.netif_action_start(netifs[5])
    assert default() is netifs[0], "the override holds"
    esp.netif_destroy(netifs[0])
    assert default() is netifs[5]
    esp.netif_action_stop(netifs[5])
    assert default() is netifs[4]
    esp.netif_set_default_netif(netifs[1])
    esp.netif_set_default_netif(None)
    assert default() is netifs[4], "the override was cleared"
    esp.netif_set_route_prio(netifs[2], 50)
    assert default() is netifs[4], "nothing has happened that is a reason to choose"
    esp.netif_set_default_netif(None)
    assert default() is netifs[2]
    assert esp.netif_get_route_prio(netifs[2]) == 50


def test_of_equals_the_newest_is_the_default(attached):
    first, second = (attached(key, route_prio=5, flags=Flags.AUTOUP, ip=address) for key, address in _TWO)
    assert esp.netif_get_default_netif() is second
    esp.netif_action_disconnected(first)
    esp.netif_action_connected(first)
    assert esp.netif_get_default_netif() is first, "it has come up last"


_TWO = (("A", "10.0.0.1/24"), ("B", "10.0.1.1/24"))


def test_netif_that_is_down_may_be_chosen_and_stays_chosen(attached):
    up, down = attached("UP", flags=Flags.AUTOUP, route_prio=9), attached("DOWN", ip="10.0.1.1/24")
    esp.netif_set_default_netif(down)
    esp.netif_action_disconnected(up)
    esp.netif_action_connected(up)
    assert esp.netif_get_default_netif() is down
    esp.netif_destroy(down)
    assert esp.netif_get_default_netif() is up
    with pytest.raises(NotFound):
        esp.netif_set_default_netif(down)


# set_get_dnsserver


def test_set_get_dnsserver(attached, stack):
    netifs = [attached(key, flags=Flags.AUTOUP, ip=address) for key, address in _TWO]
    for number, netif in enumerate(netifs, 1):
        for kind in DnsType:
            esp.netif_set_dns_info(netif, kind, DnsInfo(f"8.8.{number}.{kind + 1}"))
    for number, netif in enumerate(netifs, 1):
        for kind in DnsType:
            assert esp.netif_get_dns_info(netif, kind) == DnsInfo(f"8.8.{number}.{kind + 1}"), "each has its own"
        esp.netif_set_default_netif(netif)
        assert stack.default[1] == tuple(ip.parse_address(f"8.8.{number}.{last}") for last in (1, 2, 3))
    with pytest.raises(InvalidArg):
        esp.netif_set_dns_info(None, DnsType.MAIN, DnsInfo("8.8.8.8"))


# initial_mtu_config_applied


@pytest.mark.parametrize(("configured", "mtu"), [(1400, 1400), (0, 1500)])
def test_initial_mtu_config_applied(attached, configured, mtu):
    netif = attached(mtu=configured)
    assert esp.netif_get_mtu(netif) == mtu
    assert esp.netif_get_netif_impl(netif).netif.mtu == mtu


# pbuf_uses_allocated_rx_free_callback


def test_pbuf_uses_allocated_rx_free_callback(new_config, stack):
    """What the stack holds is its own: its owner may use the buffer again, and driver and interface may go."""
    netif = esp.netif_new(new_config(flags=Flags.AUTOUP, transmit=lambda handle, frame: None))
    esp.netif_attach(netif, object())
    buffer = bytearray(b"a frame that the stack keeps")
    assert esp.netif_receive(netif, buffer)
    buffer[:] = bytes(len(buffer))
    netif.runtime.turn()
    (held, _) = stack.seen.pop()
    esp.netif_destroy(netif)
    assert bytes(held) == b"a frame that the stack keeps"
