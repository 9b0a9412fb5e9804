"""The port-style names, over a stack and a driver that are not ours."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from netif import esp
from netif.config import DnsInfo, DnsType, Flags, IpEvent, IpInfo
from netif.errors import (
    DnsNotConfigured,
    IfNotReady,
    InvalidArg,
    InvalidParams,
    NetifError,
    NotFound,
    NotSupported,
)
from netif.esp import unsupported
from netif.events import GotIp, LinkUp, LostIp
from netif.lifecycle import State
from netif.registry import registry_of
from stack import default_stack


@pytest.fixture(autouse=True)
def _process():
    esp.netif_init()
    yield
    esp.netif_deinit()


def test_port_style_from_new_to_destroy(new_config, new_driver, stack):
    driver = new_driver()
    netif = esp.netif_new(new_config("TAP", flags=Flags.AUTOUP, route_prio=100))
    esp.netif_attach(netif, driver)
    assert esp.netif_is_netif_up(netif)
    assert esp.netif_get_ip_info(netif) == IpInfo("10.0.0.1/24")
    assert esp.netif_get_handle_from_ifkey("TAP") is netif
    esp.netif_destroy(netif)
    assert driver.closed
    assert esp.netif_get_handle_from_ifkey("TAP") is None
    esp.netif_destroy(netif)
    esp.netif_destroy(None)


def test_actions_are_event_handlers(new_config, new_driver):
    netif = esp.netif_new(new_config())
    esp.netif_attach(netif, new_driver())
    esp.netif_action_start(netif, "ETH_EVENT", 0, None)
    assert not netif.is_up
    esp.netif_action_connected(netif, "ETH_EVENT", 1, None)
    assert netif.is_up
    esp.netif_action_got_ip(netif, "IP_EVENT", 2, None)
    esp.netif_action_disconnected(netif)
    assert netif.state is State.STARTED
    esp.netif_action_stop(netif)
    assert netif.state is State.ATTACHED


def test_duplicate_key_is_refused_before_attaching(new_config):
    esp.netif_new(new_config("A"))
    with pytest.raises(InvalidParams, match="'A' is taken"):
        esp.netif_new(new_config("A"))
    assert esp.netif_get_nr_of_ifs() == 1


def test_netif_moves_to_the_registry_of_its_stack(new_config, new_driver, new_stack, stack):
    hosts = [stack, new_stack("other")]
    for host in hosts:
        esp.netif_attach(esp.netif_new(new_config("ETH_DEF", on=host)), new_driver())
    assert [len(registry_of(host)) for host in hosts] == [1, 1]
    assert esp.netif_get_nr_of_ifs() == 2


def test_default_stack_has_the_global_registry(new_config, new_driver, stack):
    esp.adopt(stack)
    netif = esp.netif_new(new_config(flags=Flags.AUTOUP, route_prio=5))
    assert registry_of(stack).get("TEST") is netif
    esp.netif_attach(netif, new_driver())
    assert esp.netif_get_default_netif() is netif
    better = esp.netif_new(new_config("BETTER", flags=Flags.AUTOUP, route_prio=9, ip="10.0.1.1/24"))
    esp.netif_attach(better, new_driver())
    assert esp.netif_get_default_netif() is better
    esp.netif_set_default_netif(netif)
    assert esp.netif_get_default_netif() is netif
    esp.netif_set_default_netif(None)
    assert esp.netif_get_default_netif() is better


def test_deinit_ends_everything_and_init_may_follow(new_config, new_driver, stack, runtime):
    ended = []
    esp.adopt(stack)
    esp.at_deinit(lambda: ended.append("later"))
    driver = new_driver()
    netif = esp.netif_new(new_config(flags=Flags.AUTOUP))
    esp.netif_attach(netif, driver)
    esp.netif_deinit()
    assert netif.state is State.CLOSED
    assert driver.closed
    assert ended == ["later"]
    assert stack not in runtime.stacks
    assert esp.netif_get_nr_of_ifs() == 0
    esp.netif_init()
    esp.netif_new(new_config())
    esp.netif_deinit()
    assert ended == ["later"]


def test_deinit_goes_on_after_an_error(new_config, new_driver):
    def explode():
        raise ValueError("no")

    ended = []
    esp.at_deinit(lambda: ended.append(1))
    esp.at_deinit(explode)
    with pytest.raises(ValueError, match="no"):
        esp.netif_deinit()
    assert ended == [1]


def test_what_is_said_again_ends_once():
    ended = []

    def end():
        ended.append("end")

    esp.at_deinit(end)
    esp.at_deinit(lambda: ended.append("between"))
    esp.at_deinit(end)
    esp.netif_deinit()
    assert ended == ["end", "between"]


def test_what_was_closed_otherwise_is_let_go(new_config):
    """Interfaces without netif_destroy, default stacks without netif_deinit."""
    netif, host = esp.netif_new(new_config()), default_stack()
    gone = [weakref.ref(netif), weakref.ref(host)]
    netif.close()
    host.close()
    del netif, host
    esp.netif_new(new_config())
    default_stack()
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_missing_parts_are_said(new_config, new_driver):
    with pytest.raises(InvalidParams, match="NetifConfig"):
        esp.netif_new(None)
    netif = esp.netif_new(new_config())
    with pytest.raises(InvalidParams, match="netif_attach"):
        esp.netif_attach(netif, None)
    with pytest.raises(IfNotReady):
        esp.netif_receive(netif, b"x")
    with pytest.raises(IfNotReady):
        esp.netif_action_connected(netif)


def test_driver_that_fetches_needs_no_netif_receive(new_config, new_driver):
    netif = esp.netif_new(new_config())
    esp.netif_attach(netif, new_driver())
    with pytest.raises(NotSupported):
        esp.netif_receive(netif, b"x")


def test_transmit_goes_past_the_stack(new_config, new_driver):
    driver = new_driver()
    netif = esp.netif_new(new_config(flags=Flags.AUTOUP))
    esp.netif_attach(netif, driver)
    assert esp.netif_transmit(netif, b"raw")
    assert driver.sent == [((b"raw",), None)]


def test_getters(new_config, new_driver):
    netif = esp.netif_new(
        new_config("K", if_desc="desc", flags=Flags.AUTOUP, route_prio=7, mtu=1400, mac="02:00:00:00:00:01")
    )
    driver = new_driver()
    esp.netif_attach(netif, driver)
    assert esp.netif_get_ifkey(netif) == "K"
    assert esp.netif_get_desc(netif) == "desc"
    assert esp.netif_get_flags(netif) == Flags.AUTOUP
    assert esp.netif_get_route_prio(netif) == 7
    assert esp.netif_get_mac(netif) == b"\x02\0\0\0\0\x01"
    assert esp.netif_get_mtu(netif) == 1400
    assert esp.netif_get_io_driver(netif) is driver
    assert esp.netif_get_netif_impl(netif) is netif.interface
    assert esp.netif_find_if(lambda each: each.mtu == 1400) is netif
    esp.netif_set_ip_info(netif, IpInfo("10.0.0.2/24"))
    assert netif.ip_info == IpInfo("10.0.0.2/24")


def test_name_servers(new_config):
    netif = esp.netif_new(new_config())
    with pytest.raises(DnsNotConfigured, match="MAIN"):
        esp.netif_get_dns_info(netif, DnsType.MAIN)
    esp.netif_set_dns_info(netif, DnsType.MAIN, DnsInfo("1.1.1.1"))
    assert esp.netif_get_dns_info(netif, DnsType.MAIN) == DnsInfo("1.1.1.1")


def test_what_is_no_interface_is_named(new_config):
    nobody = esp.netif_get_handle_from_ifkey("MISSPELT")
    for function in (esp.netif_get_ip_info, esp.netif_action_start, esp.netif_is_netif_up):
        with pytest.raises(InvalidArg, match=f"{function.__name__}: None is no interface"):
            function(nobody)


def test_iteration_is_from_the_newest_to_the_oldest(new_config):
    made = [esp.netif_new(new_config(key)) for key in "ABC"]
    seen, each = [], esp.netif_next_unsafe(None)
    while each is not None:
        seen.append(each)
        each = esp.netif_next_unsafe(each)
    assert seen == made[::-1]
    esp.netif_destroy(made[1])
    assert esp.netif_next_unsafe(made[2]) is made[0]
    with pytest.raises(NotFound, match=r"begin again"):
        esp.netif_next_unsafe(made[1])


def test_find_if_hands_the_context_on(new_config):
    made = [esp.netif_new(new_config(key, if_desc=key.lower())) for key in "AB"]
    assert esp.netif_find_if(lambda netif, desc: esp.netif_get_desc(netif) == desc, "a") is made[0]
    assert esp.netif_find_if(lambda netif: False) is None


def test_interface_of_the_stack_leads_back_to_the_netif(new_config, new_driver):
    netif = esp.netif_new(new_config())
    assert esp.netif_get_netif_impl(netif) is None
    esp.netif_attach(netif, new_driver())
    assert esp.netif_get_handle_from_netif_impl(esp.netif_get_netif_impl(netif)) is netif
    assert esp.netif_get_handle_from_netif_impl(object()) is None


def test_event_ids_are_the_configurations(new_config):
    netif = esp.netif_new(new_config(get_ip_event=0x1234))
    assert esp.netif_get_event_id(netif, GotIp) == 0x1234
    assert esp.netif_get_event_id(netif, LostIp) is None
    with pytest.raises(InvalidParams, match="GotIp or LostIp"):
        esp.netif_get_event_id(netif, LinkUp)


def test_neighbours_are_a_matter_of_the_stack(new_config, new_driver):
    netif = esp.netif_new(new_config())
    with pytest.raises(IfNotReady, match="netif_arp_get_client_by_mac"):
        esp.netif_arp_get_client_by_mac(netif, "02:00:00:00:00:01")
    esp.netif_attach(netif, new_driver())
    with pytest.raises(NotSupported, match="does not tell its neighbours"):
        esp.netif_arp_get_client_by_mac(netif, "02:00:00:00:00:01")


def test_events_reach_the_default_loop(new_config, new_driver):
    heard = []
    esp.event_loop_create_default()
    esp.event_handler_register(esp.IP_EVENT, esp.ANY_ID, lambda arg, base, event_id, data: heard.append(event_id))
    netif = esp.netif_new(new_config(flags=Flags.AUTOUP, get_ip_event=0x1234))
    esp.netif_attach(netif, new_driver())
    assert heard == [IpEvent.NETIF_UP, 0x1234]
    esp.netif_deinit()
    assert heard == [IpEvent.NETIF_UP, 0x1234, IpEvent.NETIF_DOWN]
    again = esp.netif_new(new_config(flags=Flags.AUTOUP))
    esp.netif_attach(again, new_driver())
    assert len(heard) == 3, "the loop has ended with the rest, and what was registered there"


def test_actions_are_handlers_of_posted_events(new_config, new_driver):
    done = threading.Event()
    netif = esp.netif_new(new_config())
    esp.netif_attach(netif, new_driver())
    esp.event_handler_register("ETH_EVENT", "CONNECTED", esp.netif_action_connected, netif)
    instance = esp.event_handler_instance_register("ETH_EVENT", esp.ANY_ID, lambda *_event: done.set())
    esp.event_post("ETH_EVENT", "CONNECTED")
    assert done.wait(10)
    assert netif.is_up
    esp.event_handler_instance_unregister("ETH_EVENT", esp.ANY_ID, instance)
    with pytest.raises(InvalidArg, match="what registering returned"):
        esp.event_handler_instance_unregister("ETH_EVENT", esp.ANY_ID, None)


def test_traffic_is_told_on_request(new_config, new_driver):
    heard = []
    esp.event_handler_register(esp.IP_EVENT, IpEvent.TX_RX, lambda arg, base, event_id, data: heard.append(data))
    netif = esp.netif_new(new_config(flags=Flags.AUTOUP))
    esp.netif_attach(netif, new_driver())
    esp.netif_transmit(netif, b"untold")
    esp.netif_tx_rx_event_enable(netif)
    esp.netif_transmit(netif, b"told")
    esp.netif_tx_rx_event_disable(netif)
    esp.netif_transmit(netif, b"untold")
    assert [(each.length, each.sent) for each in heard] == [(4, True)]


@pytest.mark.parametrize("event", [(), ("BASE", 1)], ids=["one argument", "four"])
def test_groups_and_further_addresses_are_acted_on(new_config, new_driver, event):
    netif = esp.netif_new(new_config())
    esp.netif_attach(netif, new_driver())
    done = []
    for verb in ("join", "leave", "add_address", "remove_address"):
        setattr(netif.interface, verb, lambda *what, verb=verb: done.append((verb, *what)))
    group, packed = "239.1.2.3", b"\xef\1\2\3"
    esp.netif_action_join_multicast_group(netif, *event, group)
    esp.netif_action_leave_multicast_group(netif, *event, group)
    esp.netif_action_add_address(netif, *event, "10.0.0.9/24")
    esp.netif_action_remove_address(netif, *event, "10.0.0.9")
    alias, mask = b"\x0a\0\0\x09", b"\xff\xff\xff\0"
    assert done == [("join", packed), ("leave", packed), ("add_address", alias, mask), ("remove_address", alias)]


def test_old_address_decides_what_is_a_change(new_config, new_driver):
    netif = esp.netif_new(new_config(ip="10.0.0.1/24"))
    assert esp.netif_get_old_ip_info(netif) == IpInfo("10.0.0.1/24"), "what is configured is no change"
    esp.netif_set_old_ip_info(netif, IpInfo("10.0.0.2/24"))
    assert esp.netif_get_old_ip_info(netif) == IpInfo("10.0.0.2/24")
    esp.netif_attach(netif, new_driver())
    esp.netif_action_connected(netif)
    assert netif.wait_for(GotIp).ip_changed
    assert esp.netif_get_old_ip_info(netif) == IpInfo("10.0.0.1/24")


def test_nothing_runs_beside_tcpip_exec(new_config, stack, runtime):
    assert esp.netif_tcpip_exec(lambda: runtime.held) is False, "there is no default stack yet"
    esp.adopt(stack)
    assert esp.netif_tcpip_exec(lambda word: (word, runtime.held), "said") == ("said", True)
    assert not runtime.held


def test_addresses_as_text():
    assert esp.netif_str_to_ip4("192.168.5.1") == esp.netif_set_ip4_addr(192, 168, 5, 1)
    assert esp.ip4addr_ntoa(esp.ip4addr_aton("10.0.0.1")) == "10.0.0.1"
    assert str(esp.netif_str_to_ip6("FE80::1")) == "fe80::1"
    for wrong in ("127.0.0", "1.2.3.256", "", "ten"):
        for function in (esp.netif_str_to_ip4, esp.ip4addr_aton, esp.netif_str_to_ip6):
            with pytest.raises(NetifError) as caught:
                function(wrong)
            assert caught.value.name == "ESP_FAIL"
    for function in (esp.netif_str_to_ip4, esp.netif_str_to_ip6, esp.ip4addr_ntoa):
        with pytest.raises(InvalidArg):
            function(None)
    with pytest.raises(InvalidArg):
        esp.netif_set_ip4_addr(1, 2, 3, 256)


@pytest.mark.parametrize("name", unsupported.__all__)
def test_function_with_nothing_behind_it_answers_by_name(name):
    with pytest.raises(NotSupported, match=f"^{name}: ") as caught:
        getattr(esp, name)(None, 1, key=2)
    assert caught.value.name == "ESP_ERR_NOT_SUPPORTED"


def test_all_names_of_the_module_are_exported():
    public = {name for name in vars(esp) if name.startswith(("netif_", "event_", "ip4addr_", "vfs_", "NETIF_"))}
    assert public <= set(esp.__all__)
    assert set(esp.__all__) <= set(vars(esp))
