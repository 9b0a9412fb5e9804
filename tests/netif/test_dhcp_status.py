"""What DHCP is to an interface: esp_netif's status and codes, what a lease changes, and what becomes of it.

The machines are toys here; what they say to each other on a wire is tested with the stack (reference: esp_netif.md 3).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import product

import attrs
import pytest

from netif.config import DnsInfo, DnsType, Flags, IpInfo
from netif.dhcp import DhcpcConfig, DhcpsConfig, Lease
from netif.errors import (
    DhcpAlreadyStarted,
    DhcpAlreadyStopped,
    DhcpcStartFailed,
    DhcpNotStopped,
    DhcpsStartFailed,
    IfNotReady,
    InvalidParams,
    NotSupported,
)
from netif.events import AssignedIp, Event, GotIp, LostIp
from netif.lifecycle import DHCP_CLIENT, DHCP_SERVER, Action, DhcpStatus
from netif.netif import Netif

INIT, STARTED, STOPPED = DhcpStatus
LEASE = Lease(
    ip_info=IpInfo("10.0.0.50/24", gw="10.0.0.254"),
    server=IPv4Address("10.0.0.254"),
    obtained=0.0,
    dns=(IPv4Address("10.0.0.253"), IPv4Address("10.0.0.252"), IPv4Address("10.0.0.251")),
    domain="example.org",
)


class ToyClient:
    def __init__(self, interface, config, holder):
        self.interface, self.config, self.holder = interface, config, holder
        self.log = interface.log
        self.state = "INIT"
        self.previous = None

    def start(self, previous=None):
        self.previous = previous
        self.log.append("client start")

    def stop(self, *, release=True):
        self.log.append("client release" if release else "client stop")

    def link_up(self):
        self.log.append("client link up")

    def link_down(self):
        self.log.append("client link down")


class ToyServer:
    def __init__(self, interface, config, giver):
        self.interface, self.config, self.giver = interface, config, giver
        self.log = interface.log

    def start(self):
        self.log.append("server start")

    def stop(self):
        self.log.append("server stop")

    def client_address(self, mac):
        return IPv4Address("10.0.0.9") if mac == b"\2\0\0\0\0\x09" else None


@pytest.fixture
def stack(stack):
    """The foreign stack, with toys for DHCP."""
    stack.clients, stack.servers = [], []

    def client(*arguments):
        stack.clients.append(ToyClient(*arguments))
        return stack.clients[-1]

    def server(*arguments):
        stack.servers.append(ToyServer(*arguments))
        return stack.servers[-1]

    stack.dhcp_client, stack.dhcp_server = client, server
    return stack


@pytest.fixture
def make(new_driver, stack):
    made = []

    def make(flags=Flags.DHCP_CLIENT, **arguments):
        made.append(Netif(new_driver(log=stack.log), stack=stack, flags=flags, **arguments))
        return made[-1]

    yield make
    for netif in made:
        netif.close()


@pytest.fixture
def bound(make, stack, runtime):
    """Connected, with a lease."""
    netif = make()
    netif.connected()
    tell(runtime, stack.clients[0].holder.leased, LEASE)
    return netif


def tell(runtime, what, *arguments):
    """As the stack does: with the gate held."""
    runtime.enter()
    what(*arguments)
    runtime.leave()


# the client's status (3.5, appendix A: dhcp_client_state_transitions)


def test_client_goes_through_its_states(make):
    netif = make()
    assert netif.dhcpc_status is INIT
    netif.connected()
    assert netif.dhcpc_status is STARTED
    netif.dhcpc_stop()
    assert netif.dhcpc_status is STOPPED
    netif.dhcpc_start()
    assert netif.dhcpc_status is STARTED
    with pytest.raises(DhcpAlreadyStarted):
        netif.dhcpc_start()
    assert netif.dhcpc_status is STARTED
    netif.stop()
    assert netif.dhcpc_status is INIT


def test_stopped_on_purpose_stays_stopped(make, stack):
    netif = make()
    netif.dhcpc_stop()
    with pytest.raises(DhcpAlreadyStopped):
        netif.dhcpc_stop()
    netif.connected()
    netif.disconnected()
    netif.stop()
    netif.start()
    netif.connected()
    assert netif.dhcpc_status is STOPPED
    assert stack.clients == []
    netif.dhcpc_start()
    assert netif.dhcpc_status is STARTED


def test_client_that_is_started_while_the_link_is_down_waits_for_it(make, stack):
    netif = make()
    netif.dhcpc_stop()
    netif.dhcpc_start()
    assert netif.dhcpc_status is INIT
    assert stack.clients == []
    netif.connected()
    assert netif.dhcpc_status is STARTED


def test_so_does_one_that_no_flag_asks_for(make, stack):
    netif = make(flags=Flags(0))
    netif.dhcpc_start()
    assert netif.dhcpc_status is INIT
    with pytest.raises(DhcpNotStopped, match=r"dhcpc_stop\(\) before"):
        netif.set_ip_info("10.0.0.2/24")
    with pytest.raises(DhcpsStartFailed):
        netif.dhcps_start()
    netif.connected()
    assert netif.dhcpc_status is STARTED
    netif.disconnected()
    netif.connected()
    assert netif.dhcpc_status is INIT, "once"


def test_client_that_is_stopped_before_the_link_comes_up_stays_so(make, stack):
    netif = make(flags=Flags(0))
    netif.dhcpc_start()
    netif.dhcpc_stop()
    netif.connected()
    assert netif.dhcpc_status is STOPPED
    assert stack.clients == []


def test_server_that_is_started_while_the_link_is_down_waits_for_it(make, stack):
    netif = make(flags=Flags.AUTOUP, ip="10.0.0.1/24")
    netif.unplug()
    netif.dhcps_start()
    assert netif.dhcps_status is INIT
    assert stack.servers == []
    with pytest.raises(DhcpcStartFailed):
        netif.dhcpc_start()
    netif.replug()
    assert netif.dhcps_status is STARTED


def test_autoup_alone_begins_no_dhcp(new_driver, new_config, stack):
    netif = Netif(config=new_config(ip=None, flags=Flags.AUTOUP | Flags.DHCP_CLIENT))
    netif.attach(new_driver())
    assert netif.is_up
    assert netif.dhcpc_status is INIT
    netif.connected()
    assert netif.dhcpc_status is STARTED
    netif.close()


def test_python_style_is_connected_at_once(new_driver, stack):
    with Netif(new_driver(), stack=stack, dhcp=True) as netif:
        assert netif.dhcpc_status is STARTED
        assert netif.flags == Flags.AUTOUP | Flags.DHCP_CLIENT


def test_address_beside_dhcp_is_a_mistake_in_python_style(new_driver, stack):
    with pytest.raises(InvalidParams, match="leave out ip="):
        Netif(new_driver(), stack=stack, dhcp=True, ip="10.0.0.1/24")


def test_client_without_the_flag_is_started_by_hand_alone(make):
    netif = make(flags=Flags.AUTOUP, ip="10.0.0.1/24")
    assert netif.dhcpc_status is INIT
    netif.dhcpc_start()
    assert netif.dhcpc_status is STARTED
    netif.disconnected()
    netif.connected()
    assert netif.dhcpc_status is INIT


def test_stack_without_dhcp_is_named(make, stack):
    del stack.dhcp_client, stack.dhcp_server
    netif = make()
    with pytest.raises(NotSupported, match="no DHCP client"):
        netif.connected()
    assert netif.dhcpc_status is INIT
    netif.dhcpc_stop()
    netif.set_ip_info("10.0.0.1/24")
    with pytest.raises(NotSupported, match="no DHCP server"):
        make(flags=Flags.AUTOUP, ip="10.0.0.2/24").dhcps_start()


def test_client_needs_room_for_its_messages(make):  # RFC 2131 2
    netif = make(mtu=575)
    with pytest.raises(DhcpcStartFailed, match="576"):
        netif.connected()
    assert netif.dhcpc_status is INIT


def test_client_that_does_not_start_is_told(make, stack):
    def broken(*arguments):
        client = ToyClient(*arguments)
        client.start = lambda previous: (_ for _ in ()).throw(OSError("no port 68"))
        return client

    stack.dhcp_client = broken
    netif = make()
    with pytest.raises(DhcpcStartFailed, match="no port 68"):
        netif.connected()
    assert netif.dhcpc_status is INIT


def test_tables_know_every_status_and_lead_to_known_ones():
    for table, status in product((DHCP_CLIENT, DHCP_SERVER), DhcpStatus):
        assert all(isinstance(then, DhcpStatus) for then in table[status].values())
        assert Action.DHCP_START not in table[STARTED]
        assert Action.DHCP_STOP not in table[STOPPED]


# static addresses beside it (3.6)


def test_static_address_is_refused_until_dhcp_is_stopped(make):
    netif = make()
    with pytest.raises(DhcpNotStopped):  # INIT is not stopped
        netif.set_ip_info("10.0.0.1/24")
    netif.connected()
    with pytest.raises(DhcpNotStopped):
        netif.set_ip_info("10.0.0.1/24")
    netif.dhcpc_stop()
    netif.set_ip_info("10.0.0.1/24")
    assert netif.wait_for(GotIp).ip_info == IpInfo("10.0.0.1/24")


def test_static_address_on_a_dhcp_interface_survives_the_link_and_a_stop(make):
    netif = make()
    netif.dhcpc_stop()
    netif.set_ip_info("10.0.0.1/24")
    netif.connected()
    for away, back in ((netif.disconnected, netif.connected), (netif.stop, netif.start)):
        away()
        back()
        if not netif.is_up:
            netif.connected()
        assert netif.wait_for(GotIp).ip_info == netif.ip_info == IpInfo("10.0.0.1/24")


def test_name_servers_and_address_may_be_set_in_either_order(make):
    netif = make()
    netif.dhcpc_stop()
    netif.set_dns_info(DnsType.MAIN, DnsInfo("1.1.1.1"))
    netif.set_ip_info("10.0.0.1/24")
    assert netif.get_dns_info(DnsType.MAIN) == DnsInfo("1.1.1.1")


# what a lease changes


def test_lease_is_applied(bound, stack, heard):
    assert bound.lease == LEASE
    assert bound.ip_info == LEASE.ip_info
    assert stack.interfaces[0].addresses == LEASE.ip_info.packed()
    event = bound.wait_for(GotIp)
    assert event.ip_changed
    assert bound.old_ip_info == LEASE.ip_info
    assert bound.get_dns_info(DnsType.MAIN) == DnsInfo("10.0.0.253")
    assert bound.get_dns_info(DnsType.BACKUP) == DnsInfo("10.0.0.252")
    assert stack.interfaces[0].dns == ((b"\x0a\0\0\xfd", b"\x0a\0\0\xfc"), ("example.org",))


def test_renewed_lease_is_no_news(bound, stack, runtime, heard):
    bound.subscribe(GotIp, heard)
    heard.clear()
    tell(runtime, bound.leased, attrs.evolve(LEASE, obtained=100.0))
    assert heard == []
    assert bound.lease.obtained == 100.0


def test_another_lease_has_changed_without_lost_ip(bound, stack, runtime, heard):  # 3.4 (d)
    bound.subscribe(Event, heard)
    heard.clear()
    tell(runtime, bound.leased, attrs.evolve(LEASE, ip_info=IpInfo("10.0.0.51/24")))
    assert heard == ["GotIp"]
    assert bound.wait_for(GotIp).ip_changed


def test_configured_address_is_no_change(new_driver, new_config, stack, runtime):  # 2.1
    netif = Netif(config=new_config(ip=LEASE.ip_info, flags=Flags.DHCP_CLIENT))
    netif.attach(new_driver())
    netif.connected()
    tell(runtime, netif.leased, LEASE)
    assert netif.wait_for(GotIp).ip_changed is False
    netif.close()


def test_routes_of_a_lease_come_and_go_with_it(bound, stack, runtime):  # RFC 3442
    route = (IPv4Network("10.1.0.0/16"), IPv4Address("10.0.0.253"))
    tell(runtime, bound.leased, attrs.evolve(LEASE, routes=(route,)))
    assert stack.log[-1] == ("routes", ((b"\x0a\1\0\0", 16, b"\x0a\0\0\xfd"),))
    tell(runtime, bound.leased, attrs.evolve(LEASE, routes=(route,)))
    assert [entry[0] for entry in stack.log].count("routes") == 1
    tell(runtime, bound.lease_lost, "expired")
    assert ("routes", ()) in stack.log


def test_lease_lowers_the_mtu_and_gives_it_back(bound, stack, runtime):  # RFC 2132 5.1
    tell(runtime, bound.leased, attrs.evolve(LEASE, mtu=1280))
    assert bound.mtu == 1280
    assert stack.log[-1] == ("mtu", 1280)
    tell(runtime, bound.leased, attrs.evolve(LEASE, mtu=9000))
    assert bound.mtu == 1500
    tell(runtime, bound.leased, attrs.evolve(LEASE, mtu=20))
    assert bound.mtu == 68
    tell(runtime, bound.lease_lost, "expired")
    assert bound.mtu == 1500


def test_name_server_given_by_a_person_goes_before_the_lease(bound, stack, runtime):
    bound.set_dns_info(DnsType.MAIN, DnsInfo("9.9.9.9"))
    bound.set_dns_info(DnsType.FALLBACK, DnsInfo("8.8.8.8"))
    servers = tuple(IPv4Address(text).packed for text in ("9.9.9.9", "10.0.0.252", "8.8.8.8"))
    assert bound.dns == servers
    tell(runtime, bound.leased, LEASE)
    assert bound.dns == servers
    bound.set_dns_info(DnsType.MAIN, None)
    assert bound.dns[0] == LEASE.dns[0].packed
    bound.dhcpc_stop()
    assert bound.dns == servers[2:], "what came with the lease is gone, the rest is kept"


def test_lease_without_name_servers_clears_nobody_elses(bound, make, stack, runtime):  # esp-idf 19082
    other = make(route_prio=-1)
    other.connected()
    tell(runtime, stack.clients[1].holder.leased, attrs.evolve(LEASE, ip_info=IpInfo("10.0.1.5/24"), dns=()))
    assert stack.default == (bound.interface, bound.dns)
    assert bound.dns == (b"\x0a\0\0\xfd", b"\x0a\0\0\xfc")


def test_default_waits_for_the_lease(make, stack, runtime):  # 2.4
    static = make(flags=Flags.AUTOUP, ip="10.0.1.1/24")
    netif = make(route_prio=100)
    netif.connected()
    assert stack.default[0] is static.interface
    tell(runtime, netif.leased, LEASE)
    assert stack.default[0] is netif.interface


# what becomes of it


def test_lost_lease_waits_for_lost_ip(bound, stack, runtime, heard):
    bound.subscribe(Event, heard)
    heard.clear()
    stack.log.clear()
    tell(runtime, bound.lease_lost, "expired")
    assert stack.log == ["withdraw"]
    assert not bound.ip_info
    assert bound.lease is None
    assert heard == []
    runtime.pass_time(119)
    assert heard == []
    runtime.pass_time(1)
    assert heard == ["LostIp"]
    assert stack.log == ["withdraw", "addresses"]
    assert stack.interfaces[0].addresses == (bytes(4),) * 3
    assert bound.old_ip_info == IpInfo()


def test_same_lease_again_in_time_has_not_changed(bound, stack, runtime, heard):  # 3.3
    tell(runtime, bound.lease_lost, "expired")
    bound.subscribe(Event, heard)
    heard.clear()
    runtime.pass_time(60)
    tell(runtime, bound.leased, LEASE)
    assert heard == ["GotIp"]
    assert bound.wait_for(GotIp).ip_changed is False
    runtime.pass_time(1000)
    assert heard == ["GotIp"], "the timer was cancelled"


def test_lease_after_lost_ip_has_changed(bound, stack, runtime):
    tell(runtime, bound.lease_lost, "expired")
    runtime.pass_time(121)
    tell(runtime, bound.leased, LEASE)
    assert bound.wait_for(GotIp).ip_changed


def test_dhcp_that_never_answers_loses_nothing(make, runtime, heard):  # 3.4 (b)
    netif = make()
    netif.subscribe(LostIp, heard)
    netif.connected()
    runtime.pass_time(1000)
    assert heard == []


def test_delay_may_be_none_at_all(new_driver, new_config, stack, runtime, heard):
    netif = Netif(config=new_config(ip=None, flags=Flags.DHCP_CLIENT, lost_ip_delay=0))
    netif.attach(new_driver())
    netif.connected()
    tell(runtime, netif.leased, LEASE)
    netif.subscribe(LostIp, heard)
    tell(runtime, netif.lease_lost, "NAK")
    assert heard == ["LostIp"]
    netif.close()


def test_starting_dhcp_anew_puts_lost_ip_off(make, runtime, heard):  # 3.4
    netif = make(flags=Flags.AUTOUP, ip="10.0.0.1/24")
    netif.subscribe(LostIp, heard)
    netif.dhcpc_start()
    runtime.pass_time(100)
    netif.dhcpc_stop()
    netif.dhcpc_start()
    runtime.pass_time(100)
    assert heard == []
    runtime.pass_time(20)
    assert heard == ["LostIp"]


def test_stopped_client_gives_the_lease_back(bound, stack, runtime, heard):
    bound.subscribe(LostIp, heard)
    stack.log.clear()
    bound.dhcpc_stop()
    assert stack.log == ["client release", "withdraw"]
    assert not bound.ip_info
    with pytest.raises(IfNotReady, match="ip="):
        bound.wait_for(GotIp)
    runtime.pass_time(120)
    assert heard == ["LostIp"]


def test_disconnected_gives_the_lease_back_and_connected_begins_anew(bound, stack):  # 3.2
    stack.log.clear()
    bound.disconnected()
    assert stack.log == ["client release", "withdraw", "link_down"]
    assert bound.dhcpc_status is INIT
    assert not bound.ip_info
    bound.connected()
    assert bound.dhcpc_status is STARTED
    assert stack.clients[1].previous is None


def test_lease_to_be_restored_is_not_given_back(make, stack, runtime):
    netif = make()
    netif.dhcpc_config = DhcpcConfig(restore=True)
    netif.connected()
    tell(runtime, netif.leased, LEASE)
    stack.log.clear()
    netif.disconnected()
    assert stack.log[0] == "client stop"
    netif.connected()
    assert stack.clients[1].previous == LEASE
    tell(runtime, netif.leased, LEASE)
    netif.stop()
    netif.start()
    netif.connected()
    assert stack.clients[2].previous == LEASE
    assert "client release" not in stack.log
    tell(runtime, netif.leased, LEASE)
    netif.dhcpc_stop()
    netif.dhcpc_start()
    assert stack.clients[3].previous is None, "dhcpc_stop gives it back"


def test_stop_gives_the_lease_back_before_connections_are_reset(bound, stack, heard):
    bound.subscribe(Event, heard)
    heard.clear()
    stack.log.clear()
    bound.stop()
    assert stack.log == ["client release", "detach"]
    assert heard == ["LinkDown", "NetifDown", "LostIp"]


def test_close_gives_the_lease_back_last(bound, stack):
    stack.log.clear()
    bound.close()
    assert stack.log == ["finish", "client release", "detach", "close"]


def test_unplugged_cable_keeps_the_lease(bound, stack, runtime, heard):
    bound.subscribe(Event, heard)
    heard.clear()
    stack.log.clear()
    bound.unplug()
    assert stack.log == ["client link down", "link_down"]
    assert bound.dhcpc_status is STARTED
    assert bound.ip_info == LEASE.ip_info
    bound.replug()
    assert stack.log[2:] == ["link_up", "client link up"]
    assert heard == ["LinkDown", "NetifDown", "LinkUp", "NetifUp"]
    tell(runtime, bound.leased, LEASE)
    assert heard[4:] == ["GotIp"]
    assert bound.wait_for(GotIp).ip_changed is False
    runtime.pass_time(1000)
    assert heard[5:] == []


def test_cable_that_stays_unplugged_loses_the_address(bound, stack, runtime, heard):
    bound.unplug()
    bound.subscribe(LostIp, heard)
    runtime.pass_time(120)
    assert heard == ["LostIp"]
    assert not bound.ip_info
    bound.replug()
    tell(runtime, bound.leased, LEASE)
    assert stack.interfaces[0].addresses == LEASE.ip_info.packed()
    assert bound.wait_for(GotIp).ip_changed


def test_link_that_goes_after_the_lease_does_not_put_lost_ip_off(bound, runtime, heard):  # 3.4
    bound.subscribe(LostIp, heard)
    tell(runtime, bound.lease_lost, "expired")
    runtime.pass_time(60)
    bound.unplug()
    runtime.pass_time(60)
    assert heard == ["LostIp"]


def test_link_that_comes_back_leaves_a_lost_lease_its_time(bound, stack, runtime, heard):
    bound.disconnected()
    bound.subscribe(LostIp, heard)
    runtime.pass_time(60)
    bound.connected()
    assert heard == []
    tell(runtime, bound.leased, LEASE)
    assert bound.wait_for(GotIp).ip_changed is False
    runtime.pass_time(1000)
    assert heard == []


def test_disconnected_ends_what_was_unplugged(bound, stack):
    bound.unplug()
    bound.disconnected()
    assert bound.dhcpc_status is INIT
    assert not bound.ip_info


def test_power_failure_tells_nobody_and_reboot_asks_for_the_same_lease(bound, stack, heard):
    bound.subscribe(Event, heard)
    heard.clear()
    driver = bound.driver
    stack.log.clear()
    bound.power_off()
    assert "client stop" in stack.log
    assert "client release" not in stack.log
    assert heard == ["LinkDown", "NetifDown", "LostIp"]
    assert driver.sent == []
    bound.reboot()
    bound.connected()
    assert stack.clients[1].previous == LEASE


def test_reboot_has_the_link_as_it_was(bound, stack):
    bound.reboot()
    assert bound.is_up
    assert bound.dhcpc_status is STARTED
    assert stack.clients[1].previous == LEASE
    bound.disconnected()
    bound.connected()
    assert stack.clients[2].previous is None, "it is asked for once"


@pytest.mark.parametrize("link", [True, False])
def test_reboot_after_a_power_failure_has_the_link_as_it_was_before(bound, stack, link):
    if not link:
        bound.unplug()
    bound.power_off()
    bound.power_off()
    bound.reboot()
    assert bound.is_up is link
    assert len(stack.clients) == 1 + link


def test_address_that_no_server_gave_is_not_asked_for(make, stack, runtime):
    netif = make()
    netif.connected()
    tell(runtime, netif.leased, attrs.evolve(LEASE, server=IPv4Address(0)))
    netif.reboot()
    assert stack.clients[1].previous is None


def test_candidate_without_address_is_no_default_while_its_lease_is_lost(bound, make, stack, runtime):
    bound.registry.needs_address = True
    other = make(flags=Flags.AUTOUP, ip="10.0.1.1/24", route_prio=-1)
    assert stack.default[0] is bound.interface
    tell(runtime, bound.lease_lost, "expired")
    assert stack.default[0] is other.interface
    tell(runtime, bound.leased, LEASE)
    assert stack.default[0] is bound.interface


def test_dead_driver_remembers_the_lease(bound, stack, runtime):
    bound.driver.port.failed(OSError("gone"))
    runtime.turn()
    bound.start()
    bound.connected()
    assert stack.clients[1].previous == LEASE


def test_client_is_not_heard_after_it_was_stopped(bound, stack, runtime, heard):
    holder = stack.clients[0].holder
    bound.dhcpc_stop()
    bound.subscribe(Event, heard)
    heard.clear()
    tell(runtime, holder.leased, LEASE)
    tell(runtime, holder.lease_lost, "late")
    assert heard == []
    assert bound.lease is None
    bound.close()
    tell(runtime, holder.leased, LEASE)
    tell(runtime, holder.lease_lost, "late")
    assert bound.lease is None


@pytest.mark.parametrize("end", ["close", "stop", "power_off"])
def test_no_timer_is_left_behind(bound, runtime, heard, end):  # esp-idf 15218
    tell(runtime, bound.lease_lost, "expired")
    bound.subscribe(LostIp, heard)
    getattr(bound, end)()
    assert heard == ["LostIp"]
    assert not any(alarm.armed for alarm in runtime.alarms)
    runtime.pass_time(1000)
    assert heard == ["LostIp"]


@pytest.mark.parametrize("before", ["new", "started", "connected", "leased", "lost", "unplugged", "powered off"])
def test_interface_can_be_destroyed_in_every_state(make, new_config, new_driver, stack, runtime, before):
    if before == "new":
        netif = Netif(config=new_config(if_key="ETH_DEF"))
    else:
        netif = make()
    steps = ["new", "started", "connected", "leased", "lost", "unplugged", "powered off"]
    reached = steps[: steps.index(before) + 1]
    if "connected" in reached:
        netif.connected()
    if "leased" in reached:
        tell(runtime, netif.leased, LEASE)
    if before == "lost":
        tell(runtime, netif.lease_lost, "expired")
    if before == "unplugged":
        netif.unplug()
    if before == "powered off":
        netif.power_off()
    netif.close()
    netif.close()
    assert runtime.ports == {}
    assert not any(alarm.armed for alarm in runtime.alarms)
    again = make(if_key="ETH_DEF")
    assert again.dhcpc_status is INIT
    for verb in (netif.dhcpc_start, netif.dhcpc_stop, netif.connected, netif.unplug, netif.reboot, netif.start):
        with pytest.raises(IfNotReady):
            verb()
    netif.stop()
    netif.power_off()


# options and names


def test_options_may_be_set_before_the_first_start_and_not_while_it_runs(make, stack):
    netif = make()
    netif.dhcpc_config = DhcpcConfig(hostname="kitchen")
    netif.connected()
    assert stack.clients[0].config.hostname == "kitchen"
    with pytest.raises(DhcpAlreadyStarted):
        netif.dhcpc_config = DhcpcConfig()
    with pytest.raises(InvalidParams):
        netif.dhcpc_config = "kitchen"


def test_hostname_may_be_set_at_any_time(make, stack):  # appendix A: get_set_hostname
    netif = make()
    assert netif.hostname == "foreign", "the stack's, by itself"
    netif.hostname = "kitchen-light"
    netif.connected()
    assert stack.clients[0].config.hostname == "kitchen-light"
    netif.hostname = "k" * 32
    assert stack.clients[0].config.hostname == "k" * 32
    with pytest.raises(InvalidParams, match="33"):
        netif.hostname = "k" * 33
    assert netif.hostname == "k" * 32


def test_hostname_of_a_lease_is_ours_unless_another_was_set(bound, stack, runtime):  # RFC 2132 3.14
    tell(runtime, bound.leased, attrs.evolve(LEASE, hostname="porch"))
    assert bound.hostname == "porch"
    bound.hostname = "kitchen"
    assert bound.hostname == stack.clients[0].config.hostname == "kitchen"
    bound.hostname = ""
    assert bound.hostname == "porch"
    assert stack.clients[0].config.hostname == "foreign", "what a server says is not said to it"
    bound.dhcpc_stop()
    assert bound.hostname == "foreign"


def test_hostname_before_the_start(new_config, new_driver):
    netif = Netif(config=new_config(ip=None))
    assert netif.hostname == ""
    netif.hostname = "early"
    netif.attach(new_driver())
    assert netif.hostname == "early"
    netif.close()


# the server (appendix A: dhcp_server_state_transitions)


SERVER = Flags.DHCP_SERVER | Flags.AUTOUP


def test_server_goes_through_its_states(make, stack):
    netif = make(flags=SERVER, ip="10.0.0.1/24")
    assert netif.dhcps_status is STARTED
    netif.dhcps_stop()
    assert netif.dhcps_status is STOPPED
    with pytest.raises(DhcpAlreadyStopped):
        netif.dhcps_stop()
    netif.dhcps_start()
    assert netif.dhcps_status is STARTED
    with pytest.raises(DhcpAlreadyStarted):
        netif.dhcps_start()
    netif.stop()
    assert netif.dhcps_status is INIT
    netif.start()
    assert netif.dhcps_status is STARTED
    netif.dhcps_stop()
    netif.stop()
    netif.start()
    assert netif.dhcps_status is STOPPED


def test_server_waits_for_the_link(make):
    netif = make(flags=Flags.DHCP_SERVER, ip="10.0.0.1/24")
    assert netif.dhcps_status is INIT
    netif.connected()
    assert netif.dhcps_status is STARTED
    netif.disconnected()
    assert netif.dhcps_status is STARTED


def test_server_needs_an_address(new_driver, new_config, runtime):
    netif = Netif(config=new_config(ip=None, flags=SERVER))
    with pytest.raises(DhcpsStartFailed, match="no address"):
        netif.attach(new_driver())
    assert runtime.ports == {}, "the start was undone"
    netif.close()


def test_address_of_a_server_is_set_while_it_is_stopped(make):
    netif = make(flags=SERVER, ip="10.0.0.1/24")
    with pytest.raises(DhcpNotStopped, match="dhcps_stop"):
        netif.set_ip_info("10.0.1.1/24")
    netif.dhcps_stop()
    netif.set_ip_info("10.0.1.1/24")
    netif.dhcps_start()
    assert netif.dhcps_status is STARTED


def test_one_interface_does_not_both_give_and_obtain(make):
    with pytest.raises(DhcpsStartFailed, match="obtains"):
        make().dhcps_start()
    with pytest.raises(DhcpcStartFailed, match="gives"):
        make(flags=SERVER, ip="10.0.0.1/24").dhcpc_start()
    netif = make(flags=Flags.AUTOUP, ip="10.0.0.1/24")
    netif.dhcps_start()
    with pytest.raises(DhcpcStartFailed, match="gives"):
        netif.dhcpc_start()
    with pytest.raises(DhcpNotStopped, match="dhcps_stop"):
        netif.set_ip_info("10.0.0.2/24")
    netif.dhcps_stop()
    netif.dhcpc_start()
    with pytest.raises(DhcpsStartFailed, match="obtains"):
        netif.dhcps_start()


def test_assigned_addresses_are_told(make, stack, runtime, heard):
    netif = make(flags=SERVER, ip="10.0.0.1/24")
    told = []
    netif.subscribe(AssignedIp, told.append)
    giver = stack.servers[0].giver
    tell(runtime, giver.assigned, b"\2\0\0\0\0\x09", IPv4Address("10.0.0.9"), "phone")
    assert told == [AssignedIp(netif, b"\2\0\0\0\0\x09", IPv4Address("10.0.0.9"), "phone")]
    assert netif.dhcps_clients_by_mac(["02:00:00:00:00:09", b"\2\0\0\0\0\x08"]) == {
        b"\2\0\0\0\0\x09": IPv4Address("10.0.0.9"),
        b"\2\0\0\0\0\x08": None,
    }
    netif.dhcps_stop()
    tell(runtime, giver.assigned, b"\2\0\0\0\0\x09", IPv4Address("10.0.0.9"), "late")
    assert len(told) == 1


def test_waiting_for_an_assignment_is_for_the_next_one(make, stack, runtime):
    netif = make(flags=SERVER, ip="10.0.0.1/24")
    giver = stack.servers[0].giver
    tell(runtime, giver.assigned, b"\2\0\0\0\0\x09", IPv4Address("10.0.0.9"), "first")
    runtime.script.append(lambda: tell(runtime, giver.assigned, b"\2\0\0\0\0\x09", IPv4Address("10.0.0.9"), "second"))
    assert netif.wait_for(AssignedIp, timeout=5).hostname == "second"


def test_server_offers_the_name_servers_of_its_interface(make, stack):  # 1.8
    netif = make(flags=SERVER, ip="10.0.0.1/24")
    netif.dhcps_stop()
    netif.set_dns_info(DnsType.MAIN, DnsInfo("1.1.1.1"))
    with pytest.raises(InvalidParams, match="FALLBACK"):
        netif.set_dns_info(DnsType.FALLBACK, DnsInfo("1.1.1.1"))
    netif.dhcps_start()
    assert stack.servers[-1].config.dns == (IPv4Address("1.1.1.1"),)
    netif.dhcps_stop()
    netif.dhcps_config = DhcpsConfig(dns=("9.9.9.9",))
    netif.dhcps_start()
    assert stack.servers[-1].config.dns == (IPv4Address("9.9.9.9"),)


def test_servers_options_are_set_while_it_is_stopped(make, stack):
    netif = make(flags=SERVER, ip="10.0.0.1/24")
    with pytest.raises(DhcpAlreadyStarted):
        netif.dhcps_config = DhcpsConfig()
    netif.dhcps_stop()
    netif.dhcps_config = config = DhcpsConfig()
    netif.dhcps_start()
    assert stack.servers[1].config == config
