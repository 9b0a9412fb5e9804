"""What a person gets wrong is told in one line, and changes nothing."""

from __future__ import annotations

import pytest

from netif import esp
from netif.config import DnsInfo, DnsType
from netif.errors import IfNotReady, InvalidArg, InvalidParams
from netif.events import GotIp, LinkDown
from netif.netif import Netif


@pytest.fixture
def netif(new_driver, stack):
    return Netif(new_driver(), stack=stack, ip="10.0.0.2/24", if_key="ETH")


async def awaiting(event):
    """No handler: nobody would await it."""


@pytest.mark.parametrize("handler", [None, "told", awaiting])
def test_handler_that_cannot_be_called_is_refused(netif, handler):
    with pytest.raises(InvalidArg, match=r"subscribe: .* is no plain function"):
        netif.subscribe(GotIp, handler)


@pytest.mark.parametrize("handler", [None, awaiting])
def test_so_is_one_of_the_event_loop(handler):
    with pytest.raises(InvalidArg, match=r"EventBus.register: .* is no plain function"):
        esp.event_handler_register(esp.IP_EVENT, esp.ANY_ID, handler)


@pytest.mark.parametrize("delay", [-1, "soon", None])
def test_what_is_no_delay_is_refused(netif, delay):
    with pytest.raises(InvalidParams, match=r"lost_ip_delay: .* is out of range; take 0 to 65535 seconds"):
        netif.lost_ip_delay = delay
    assert netif.lost_ip_delay == 120


@pytest.mark.parametrize("event_type", [None, "GotIp", int, 0])
def test_what_is_no_event_is_refused(netif, heard, event_type):
    with pytest.raises(InvalidArg, match=r"subscribe: .* is no type of event; give one such as GotIp"):
        netif.subscribe(event_type, print)
    with pytest.raises(InvalidArg, match=r"wait_for: .* is no type of event"):
        netif.wait_for(event_type, timeout=1)
    netif.subscribe(LinkDown, heard)
    netif.close()
    assert heard == ["LinkDown"], "nothing was left that its events stumble over"


@pytest.mark.parametrize(
    ("kind", "server", "told"),
    [
        (7, DnsInfo("1.1.1.1"), "7 is no DnsType"),
        (DnsType.MAIN, "1.1.1.1", "'1.1.1.1' is no DnsInfo"),
        (DnsType.MAIN, DnsInfo("0.0.0.0"), "0.0.0.0 is no name server"),  # esp_netif: INVALID_PARAMS
    ],
)
def test_what_is_no_name_server_is_refused(netif, kind, server, told):
    with pytest.raises(InvalidParams, match=told):
        netif.set_dns_info(kind, server)
    assert netif.dns == ()
    netif.reboot()
    assert netif.is_up


def test_further_address_goes_as_it_came(netif):
    netif.stop()
    netif.add_address("10.0.0.9/24")
    netif.remove_address("10.0.0.9/24")
    with pytest.raises(InvalidParams, match=r"remove_address: 10\.0\.0\.9 is none that add_address gave"):
        netif.remove_address("10.0.0.9")


@pytest.mark.parametrize(
    "action",
    [
        esp.netif_action_join_multicast_group,
        esp.netif_action_leave_multicast_group,
        esp.netif_action_add_address,
        esp.netif_action_remove_address,
    ],
)
def test_action_without_what_it_acts_on(netif, action):
    with pytest.raises(InvalidArg, match="is missing; give it as the last argument"):
        action(netif)


def test_one_client_is_asked_for_in_a_list(netif):
    with pytest.raises(InvalidParams, match=r"dhcps_clients_by_mac: '02:.*' is no list; write \['02:"):
        netif.dhcps_clients_by_mac("02:00:00:00:00:01")


def test_frames_leave_a_started_interface_only(netif):
    netif.stop()
    with pytest.raises(IfNotReady, match="is not started"):
        esp.netif_transmit(netif, b"raw")


@pytest.mark.parametrize(
    "verb",
    [
        lambda netif: netif.set_ip_info("10.0.0.3/24"),
        lambda netif: netif.add_address("10.0.0.3/24"),
        lambda netif: netif.join_group("224.1.1.1"),
        lambda netif: netif.set_dns_info(DnsType.MAIN, DnsInfo("1.1.1.1")),
        lambda netif: netif.set_hostname("late"),
        lambda netif: netif.set_mac("02:00:00:00:00:09"),
        lambda netif: netif.set_mtu(1400),
        lambda netif: netif.set_routes([("10.9.0.0/16", "10.0.0.1")]),
        lambda netif: netif.watch_reachability(None),
        lambda netif: netif.dhcpc_start(),
        lambda netif: netif.start(),
    ],
)
def test_closed_interface_is_changed_no_more(netif, verb):
    netif.close()
    with pytest.raises(IfNotReady, match=r"closed|CLOSED"):
        verb(netif)
