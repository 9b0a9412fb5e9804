"""netif_dhcpc_option and netif_dhcps_option: esp_netif's numbers, and what they change; also before the first start."""

from __future__ import annotations

from ipaddress import IPv4Address

import attrs
import pytest

from netif import esp
from netif.config import DnsInfo, DnsType, Flags, IpInfo
from netif.errors import (
    DhcpAlreadyStarted,
    InvalidArg,
    InvalidParams,
)

CLIENT = Flags.DHCP_CLIENT | Flags.EVENT_IP_MODIFIED
A = IpInfo("10.0.0.50/24", gw="10.0.0.1")


def test_options_of_dhcp_count_before_the_first_start(new_config, new_driver, machines):
    netif = esp.netif_new(new_config(flags=CLIENT, ip=None))
    option, retries, vendor = esp.netif_dhcpc_option, esp.DhcpOption.IP_REQUEST_RETRY_TIME, 60
    option(netif, esp.DhcpOp.SET, retries, 7)
    option(netif, esp.DhcpOp.SET, vendor, "a-class")
    assert option(netif, esp.DhcpOp.GET, retries) == 7
    assert option(netif, esp.DhcpOp.GET, esp.DhcpOption.VENDOR_SPECIFIC_INFO) == b""
    esp.netif_attach(netif, new_driver())
    esp.netif_action_connected(netif)
    assert (machines[0].config.tries, machines[0].config.vendor_class) == (7, "a-class")
    with pytest.raises(DhcpAlreadyStarted, match="stop it before its options"):
        option(netif, esp.DhcpOp.SET, retries, 8)
    machines[0].leases(A, vendor_specific=b"\x01\x02")
    assert option(netif, esp.DhcpOp.GET, esp.DhcpOption.VENDOR_SPECIFIC_INFO) == b"\x01\x02"


@pytest.mark.parametrize(
    ("op", "option", "kind"),
    [("GET", 60, InvalidArg), (esp.DhcpOp.GET, 200, InvalidParams), (esp.DhcpOp.SET, 43, InvalidParams)],
)
def test_option_that_is_none_is_named(new_config, op, option, kind):
    netif = esp.netif_new(new_config(flags=CLIENT, ip=None))
    with pytest.raises(kind, match=r"^netif_dhcpc_option: "):
        esp.netif_dhcpc_option(netif, op, option, b"")


def test_options_of_the_server(attached, machines):
    netif = attached(flags=Flags.DHCP_SERVER)
    option, get, put = esp.netif_dhcps_option, esp.DhcpOp.GET, esp.DhcpOp.SET
    assert option(netif, get, esp.DhcpOption.REQUESTED_IP_ADDRESS) == esp.DhcpsLease(False)
    pool = esp.DhcpsLease(True, IPv4Address("10.0.0.100"), IPv4Address("10.0.0.110"))
    option(netif, put, esp.DhcpOption.REQUESTED_IP_ADDRESS, pool)
    assert option(netif, get, esp.DhcpOption.REQUESTED_IP_ADDRESS) == pool
    option(netif, put, esp.DhcpOption.REQUESTED_IP_ADDRESS, attrs.evolve(pool, enable=False))
    assert option(netif, get, esp.DhcpOption.REQUESTED_IP_ADDRESS) == esp.DhcpsLease(False)
    with pytest.raises(InvalidArg, match=r"give DhcpsLease\(True, first, last\)"):
        option(netif, put, esp.DhcpOption.REQUESTED_IP_ADDRESS, "10.0.0.100")
    option(netif, put, esp.DhcpOption.REQUESTED_IP_ADDRESS, pool)
    option(netif, put, esp.DhcpOption.IP_ADDRESS_LEASE_TIME, 3600)
    option(netif, put, esp.DhcpOption.ROUTER_SOLICITATION_ADDRESS, 0)
    assert option(netif, get, esp.DhcpOption.ROUTER_SOLICITATION_ADDRESS) is False
    option(netif, put, esp.DhcpOption.CAPTIVEPORTAL_URI, "http://10.0.0.1/")
    option(netif, put, esp.DhcpOption.SUBNET_MASK, "255.255.255.0")
    with pytest.raises(InvalidParams, match=r"the mask 255\.0\.0\.0 is not the interface's"):
        option(netif, put, esp.DhcpOption.SUBNET_MASK, "255.0.0.0")
    esp.netif_set_dns_info(netif, DnsType.MAIN, DnsInfo("10.0.0.1"))
    esp.netif_set_dns_info(netif, DnsType.BACKUP, DnsInfo("1.1.1.1"))
    with pytest.raises(InvalidParams, match="is not offered to clients"):
        esp.netif_set_dns_info(netif, DnsType.FALLBACK, DnsInfo("1.1.1.1"))
    esp.netif_action_connected(netif)
    config = machines[0].config
    assert (config.start, config.end, config.lease_time) == (pool.start_ip, pool.end_ip, 3600)
    assert (config.offer_router, config.offer_dns, config.captive_portal) == (False, True, "http://10.0.0.1/")
    assert config.dns == (IPv4Address("10.0.0.1"), IPv4Address("1.1.1.1"))
    known, unknown = "02:00:00:00:00:01", "02:00:00:00:00:02"
    found = esp.netif_dhcps_get_clients_by_mac(netif, [known, unknown])
    assert found == {b"\2\0\0\0\0\1": IPv4Address("10.0.0.9"), b"\2\0\0\0\0\2": None}
