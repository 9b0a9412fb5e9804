"""The port-style names, over a stack and a driver that are not ours."""

from __future__ import annotations

import pytest

from netif import esp
from netif.config import DnsInfo, DnsType, Flags, IpInfo
from netif.errors import DnsNotConfigured, IfNotReady, InvalidParams, NotSupported
from netif.lifecycle import State
from netif.registry import registry_of


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


def test_all_names_of_the_module_are_exported():
    public = {name for name in vars(esp) if name.startswith("netif_")}
    assert public <= set(esp.__all__)
    assert set(esp.__all__) <= set(vars(esp))
