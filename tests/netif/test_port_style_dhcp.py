"""The port style with DHCP, both ends ours: an access point and a station by the default configurations."""

from __future__ import annotations

from functools import partial

import pytest

from netif import (
    NETIF_INHERENT_DEFAULT_WIFI_AP,
    NETIF_INHERENT_DEFAULT_WIFI_STA,
    AssignedIp,
    DhcpOp,
    DhcpOption,
    DhcpsLease,
    DhcpStatus,
    DnsInfo,
    DnsType,
    DriverIfconfig,
    Flags,
    GotIp,
    IpInfo,
    LostIp,
    NetifConfig,
    NetstackConfig,
    Stack,
    VirtualRuntime,
    ethif_init,
    ethif_input,
    netif_action_connected,
    netif_action_disconnected,
    netif_arp_get_client_by_mac,
    netif_attach,
    netif_deinit,
    netif_destroy,
    netif_dhcpc_get_status,
    netif_dhcpc_stop,
    netif_dhcps_get_clients_by_mac,
    netif_dhcps_option,
    netif_get_dns_info,
    netif_get_ip_info,
    netif_new,
    netif_set_dns_info,
    netif_set_hostname,
    pair,
)
from tapio import tapio_output


class Scene:
    def __init__(self):
        self.runtime = VirtualRuntime(seed=5)
        ends = pair()
        self.drivers = dict(zip(("ap", "sta"), ends, strict=True))
        self.stacks = {name: Stack(name, runtime=self.runtime) for name in self.drivers}

    def new(self, name, base):
        stack = NetstackConfig(init_fn=partial(ethif_init, stack=self.stacks[name]), input_fn=ethif_input)
        driver = DriverIfconfig(handle=self.drivers[name], transmit=tapio_output)
        return netif_new(NetifConfig(base=base, driver=driver, stack=stack))

    def attach(self, name, netif):
        netif_attach(netif, self.drivers[name])

    def run(self, seconds=5.0):
        self.runtime.run_for(seconds)


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    netif_deinit()
    for stack in scene.stacks.values():
        stack.close()
    scene.runtime.close()


@pytest.fixture
def joined(scene):
    """(access point, station), connected; the server's options were set before anything started."""
    ap = scene.new("ap", NETIF_INHERENT_DEFAULT_WIFI_AP())
    netif_dhcps_option(
        ap, DhcpOp.SET, DhcpOption.REQUESTED_IP_ADDRESS, DhcpsLease(True, "192.168.4.50", "192.168.4.60")
    )
    netif_set_dns_info(ap, DnsType.MAIN, DnsInfo("192.168.4.1"))
    scene.attach("ap", ap)
    sta = scene.new("sta", NETIF_INHERENT_DEFAULT_WIFI_STA())
    netif_set_hostname(sta, "kitchen-light")
    scene.attach("sta", sta)
    return ap, sta


def test_station_gets_its_address_from_the_access_point(scene, joined):
    ap, sta = joined
    assigned = []
    ap.subscribe(AssignedIp, assigned.append)
    scene.run()
    assert not netif_get_ip_info(sta), "nothing is asked before it is connected"
    netif_action_connected(sta, "WIFI_EVENT", 4, None)
    scene.run()
    assert netif_get_ip_info(sta) == IpInfo("192.168.4.50/24", gw="192.168.4.1")
    assert netif_dhcpc_get_status(sta) is DhcpStatus.STARTED
    assert netif_get_dns_info(sta, DnsType.MAIN) == DnsInfo("192.168.4.1")
    assert [(each.mac, str(each.ip), each.hostname) for each in assigned] == [
        (sta.mac, "192.168.4.50", "kitchen-light")
    ]
    assert {str(each) for each in netif_dhcps_get_clients_by_mac(ap, [sta.mac]).values()} == {"192.168.4.50"}


def test_neighbour_that_was_talked_to_is_known_by_its_mac(scene, joined):
    ap, sta = joined
    netif_action_connected(sta)
    scene.run()
    assert netif_arp_get_client_by_mac(sta, ap.mac) is None

    def knock():
        with pytest.raises(ConnectionRefusedError):
            scene.stacks["sta"].create_connection(("192.168.4.1", 9))

    knocked = scene.runtime.spawn(knock)
    scene.run()
    assert knocked.done()
    assert str(netif_arp_get_client_by_mac(sta, ap.mac)) == "192.168.4.1"
    assert str(netif_arp_get_client_by_mac(ap, sta.mac)) == "192.168.4.50"


def test_same_address_after_the_link_was_down_is_no_change(scene, joined):
    _, sta = joined
    netif_action_connected(sta)
    scene.run()
    assert sta.wait_for(GotIp).ip_changed
    netif_action_disconnected(sta)
    assert not netif_get_ip_info(sta)
    scene.run(60)
    netif_action_connected(sta)
    scene.run()
    assert sta.wait_for(GotIp).ip_changed is False
    assert str(netif_get_ip_info(sta).ip) == "192.168.4.50"


def test_lost_ip_two_minutes_after_the_client_was_stopped(scene, joined):
    _, sta = joined
    lost = []
    sta.subscribe(LostIp, lost.append)
    netif_action_connected(sta)
    scene.run()
    netif_dhcpc_stop(sta)
    scene.run(119)
    assert not lost
    scene.run(2)
    assert [each.event_id for each in lost] == [sta.config.base.lost_ip_event]


def test_lease_of_a_destroyed_station_is_free_again(scene, joined):
    ap, sta = joined
    netif_action_connected(sta)
    scene.run()
    mac = sta.mac
    netif_destroy(sta)
    scene.run()
    assert netif_dhcps_get_clients_by_mac(ap, [mac]) == {mac: None}


def test_static_choice_on_a_netif_of_dhcp(scene, joined):  # the static_ip sample
    _, sta = joined
    assert sta.flags & Flags.DHCP_CLIENT
    netif_dhcpc_stop(sta)
    sta.ip_info = IpInfo("192.168.4.7/24", gw="192.168.4.1")
    netif_action_connected(sta)
    scene.run()
    assert str(sta.wait_for(GotIp).ip_info.ip) == "192.168.4.7"
    assert netif_dhcpc_get_status(sta) is DhcpStatus.STOPPED
