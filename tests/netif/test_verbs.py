"""What else may be done to an interface: groups, filters, aliases, traffic events, abrupt ends (esp_netif.md 1)."""

from __future__ import annotations

import pytest

from netif.config import DriverIfconfig, Flags, IpInfo
from netif.errors import IfNotReady, InvalidParams, NotSupported
from netif.events import Event, GotIp, LostIp, TxRx
from netif.lifecycle import ELECTION, Cause, Choice, State
from netif.netif import Netif
from netif.registry import registry_of

GROUP, GROUP_MAC = "224.1.2.3", b"\x01\x00\x5e\1\2\3"


@pytest.fixture
def driver(new_driver, stack):
    return new_driver(log=stack.log)


@pytest.fixture
def netif(driver, stack):
    with Netif(driver, stack=stack, ip="10.0.0.1/24") as netif:
        yield netif


@pytest.fixture
def joining(stack):
    """The foreign stack, with interfaces that know groups and aliases."""
    init = stack.init

    def with_more(netif):
        interface = init(netif)
        for verb in ("join", "leave", "add_address", "remove_address"):
            setattr(interface, verb, lambda *what, verb=verb: stack.log.append((verb, *what)))
        interface.index, interface.impl_name = 7, "en7"
        return interface

    stack.netstack_config = type(stack.netstack_config)(init_fn=with_more, input_fn=stack.echo)
    return stack


# groups, filters, aliases


def test_groups_outlive_the_interface(joining, driver):
    with Netif(driver, stack=joining, ip="10.0.0.1/24") as netif:
        netif.join_group(GROUP)
        netif.join_group(GROUP)
        netif.leave_group(GROUP)
        packed = b"\xe0\1\2\3"
        assert joining.log[-3:] == [("join", packed), ("join", packed), ("leave", packed)]
        netif.stop()
        netif.start()
        assert joining.log.count(("join", packed)) == 3
        netif.leave_group(GROUP)
        with pytest.raises(InvalidParams, match="not joined"):
            netif.leave_group(GROUP)


@pytest.mark.parametrize("group", ["10.0.0.1", "all", b"\xe0", None])
def test_what_is_no_group_is_named(netif, group):
    with pytest.raises(InvalidParams, match="multicast"):
        netif.join_group(group)


def test_stack_without_groups_is_named(netif):
    with pytest.raises(NotSupported, match="join"):
        netif.join_group(GROUP)
    with pytest.raises(NotSupported, match="add_address"):
        netif.add_address("10.0.0.9/24")


def test_aliases_outlive_the_interface(joining, driver):
    with Netif(driver, stack=joining, ip="10.0.0.1/24") as netif:
        netif.add_address("10.0.0.9/24")
        alias = ("add_address", b"\x0a\0\0\x09", b"\xff\xff\xff\0")
        assert joining.log[-1] == alias
        netif.stop()
        netif.start()
        assert joining.log.count(alias) == 2
        netif.remove_address("10.0.0.9")
        assert joining.log[-1] == ("remove_address", b"\x0a\0\0\x09")
        with pytest.raises(InvalidParams, match="none that"):
            netif.remove_address("10.0.0.9")


def test_index_and_name_are_the_stacks(joining, new_config, driver):
    netif = Netif(config=new_config(on=joining))
    assert netif.impl_index == -1
    with pytest.raises(InvalidParams, match="start"):
        _ = netif.impl_name
    netif.attach(driver)
    assert (netif.impl_index, netif.impl_name) == (7, "en7")
    netif.close()


def test_driver_is_told_which_groups_to_let_in(new_config, driver, runtime):  # 2.2: driver_set_mac_filter
    told = []
    config = new_config(flags=Flags.AUTOUP)
    netif = Netif(config=config)

    def post_attach(netif, handle):
        netif.set_driver_config(DriverIfconfig(set_mac_filter=lambda handle, mac, add: told.append((handle, mac, add))))

    driver.post_attach = post_attach
    netif.mac_filter(b"\x01\x00\x5e\0\0\1", True)
    netif.attach(driver)
    assert told == [(driver, b"\x01\x00\x5e\0\0\1", True)], "what was wanted already is replayed after the start"
    runtime.enter()
    netif.mac_filter(GROUP_MAC, True)
    netif.mac_filter(GROUP_MAC, False)
    netif.mac_filter(GROUP_MAC, False)
    runtime.leave()
    assert told[1:] == [(driver, GROUP_MAC, True), (driver, GROUP_MAC, False)]
    netif.stop()
    assert told[3:] == [(driver, b"\x01\x00\x5e\0\0\1", False)], "the next interface says anew what it wants"
    netif.close()


def test_driver_that_cannot_filter_is_logged(new_config, driver, runtime, caplog):
    def refuse(handle, mac, add):
        raise OSError("filter table full")

    netif = Netif(config=new_config(flags=Flags.AUTOUP))
    netif.set_driver_config(DriverIfconfig(None, None, refuse))
    netif.attach(driver)
    runtime.enter()
    netif.mac_filter(GROUP_MAC, True)
    runtime.leave()
    assert "filter table full" in caplog.text
    netif.close()


def test_neighbours_are_told_every_minute_with_garp(driver, stack):
    with Netif(driver, stack=stack, ip="10.0.0.1/24", flags=Flags.AUTOUP | Flags.GARP):
        assert ("announce", 60.0) in stack.log


def test_call_under_the_gate(netif, runtime):
    assert netif.tcpip_exec(lambda a, b: (a + b, runtime.held), 1, 2) == (3, True)
    assert not runtime.held
    with pytest.raises(ZeroDivisionError):
        netif.tcpip_exec(lambda: 1 / 0)
    assert not runtime.held


# traffic events


def test_traffic_events_are_off_at_first(netif, driver, runtime, heard):
    netif.subscribe(TxRx, heard)
    netif.transmit((b"x",), None)
    runtime.turn()
    assert heard == []


def test_traffic_events_tell_each_frame(netif, driver, runtime):
    told = []
    netif.subscribe(TxRx, told.append)
    netif.enable_traffic_events()
    driver.inbox.append((b"abc", None))
    driver.port.readable()
    runtime.turn()
    assert [(event.length, event.sent) for event in told] == [(3, False), (3, True)]
    assert netif.counters.rx_frames == netif.counters.tx_frames == 1
    netif.disconnected()
    netif.connected()
    netif.transmit((b"head", b"body"), None)
    runtime.turn()
    assert (told[-1].length, told[-1].sent) == (8, True)
    netif.disable_traffic_events()
    netif.transmit((b"x",), None)
    runtime.turn()
    assert len(told) == 3


def test_traffic_events_open_no_link(netif, driver, runtime):
    netif.disconnected()
    netif.enable_traffic_events()
    assert netif.transmit((b"x",), None)
    assert driver.sent == []


def test_frame_that_finds_no_room_is_not_told(netif, driver, runtime, heard):
    netif.subscribe(TxRx, heard)
    netif.enable_traffic_events()
    driver.room = 0
    assert netif.transmit((b"x",), None) is False
    runtime.turn()
    assert heard == []


def test_traffic_events_that_nobody_keeps_up_with_are_bounded(netif, runtime, heard):
    netif.subscribe(TxRx, heard)
    netif.enable_traffic_events()
    for _ in range(2000):
        netif.transmit((b"x",), None)
    runtime.turn()
    assert len(heard) == 1024
    assert netif.counters.traffic_untold == 2000 - 1024
    netif.transmit((b"x",), None)
    runtime.turn()
    assert len(heard) == 1025


# link and power


def test_static_address_is_lost_when_the_link_stays_down(netif, stack, runtime, heard):
    netif.subscribe(Event, heard)
    heard.clear()
    netif.disconnected()
    runtime.pass_time(119)
    assert heard == ["LinkDown", "NetifDown"]
    runtime.pass_time(1)
    assert heard == ["LinkDown", "NetifDown", "LostIp"]
    assert stack.interfaces[0].addresses == (bytes(4),) * 3
    assert netif.ip_info == IpInfo("10.0.0.1/24"), "it stays configured"
    assert netif.old_ip_info == IpInfo()
    netif.connected()
    assert heard[3:] == ["LinkUp", "NetifUp", "GotIp"]
    assert stack.interfaces[0].addresses[0] == b"\x0a\0\0\1"


def test_link_that_comes_back_in_time_loses_nothing(netif, stack, runtime, heard):
    netif.subscribe(LostIp, heard)
    netif.disconnected()
    runtime.pass_time(100)
    netif.connected()
    netif.disconnected()
    runtime.pass_time(100)
    netif.connected()
    runtime.pass_time(1000)
    assert heard == []
    assert netif.wait_for(GotIp).ip_changed is False


def test_link_that_goes_twice_does_not_put_lost_ip_off(netif, runtime, heard):
    netif.subscribe(LostIp, heard)
    netif.disconnected()
    runtime.pass_time(60)
    netif.unplug()
    runtime.pass_time(60)
    assert heard == ["LostIp"]


def test_other_address_while_the_link_was_down_has_changed(netif, runtime, heard):
    netif.disconnected()
    netif.ip_info = "10.0.0.2/24"
    netif.subscribe(LostIp, heard)
    netif.connected()
    assert netif.wait_for(GotIp).ip_changed
    runtime.pass_time(1000)
    assert heard == []


def test_old_address_can_be_set(netif):
    netif.old_ip_info = "10.0.0.7/24"
    netif.disconnected()
    netif.connected()
    assert netif.wait_for(GotIp).ip_changed


def test_power_failure_is_silent_and_final(netif, stack, driver, runtime, heard):
    netif.subscribe(Event, heard)
    heard.clear()
    stack.log.clear()
    interface = stack.interfaces[0]
    interface.detach = lambda: (netif.transmit((b"RST",), None), stack.log.append("detach"))
    netif.power_off()
    assert heard == ["LinkDown", "NetifDown", "LostIp"]
    assert stack.log == ["link_down", "detach"]
    assert driver.sent == []
    assert netif.state is State.ATTACHED
    netif.power_off()
    netif.reboot()
    assert not driver.closed
    assert netif.is_up
    assert heard[3:] == ["LinkUp", "NetifUp", "GotIp"]


def test_reboot_needs_something_attached(new_config):
    netif = Netif(config=new_config())
    netif.power_off()
    with pytest.raises(IfNotReady):
        netif.reboot()
    with pytest.raises(IfNotReady):
        netif.unplug()


def test_power_fails_while_connections_end(netif, stack, runtime):
    stack.interfaces[0].connections = 1
    runtime.script.append(netif.power_off)
    runtime.script.append(lambda: stack.interfaces[0].finishing.wake())
    netif.close()
    assert netif.state is State.CLOSED


# who is the default


def test_candidate_may_have_to_have_an_address(new_driver, stack):
    registry = registry_of(stack)
    with (
        Netif(new_driver(), stack=stack, ip="10.0.0.1/24") as low,
        Netif(new_driver(), stack=stack, route_prio=9) as high,
    ):
        assert registry.default is high, "esp_netif's rule: up is enough"
        registry.needs_address = True
        high.set_ip_info("10.0.1.1/24")
        assert registry.default is high
        high.set_ip_info(IpInfo())
        assert registry.default is low
        low.disconnected()
        assert registry.default is None


def test_every_cause_has_its_choice():
    assert set(ELECTION) == set(Cause)
    assert set(ELECTION.values()) == set(Choice)
