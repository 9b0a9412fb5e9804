"""A configuration that exists is valid, and an error names the field."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import attrs
import pytest

from netif import presets
from netif.config import (
    BridgeConfig,
    DnsInfo,
    DriverIfconfig,
    Flags,
    InherentConfig,
    IpEvent,
    IpInfo,
    NetifConfig,
    NetstackConfig,
)
from netif.errors import InvalidArg, InvalidParams, NetifError, NotSupported


def test_ip_info_as_a_port_writes_it():
    info = IpInfo("192.168.5.100", "255.255.255.0", "192.168.5.1")
    assert info.ip == IPv4Address("192.168.5.100")
    assert info.netmask == IPv4Address("255.255.255.0")
    assert info.gw == IPv4Address("192.168.5.1")
    assert info.packed() == (b"\xc0\xa8\x05\x64", b"\xff\xff\xff\x00", b"\xc0\xa8\x05\x01")


@pytest.mark.parametrize(
    "ip",
    ["10.1.2.3/24", IPv4Interface("10.1.2.3/24"), "10.1.2.3/255.255.255.0"],
)
def test_ip_may_bear_its_prefix(ip):
    assert IpInfo(ip) == IpInfo("10.1.2.3", "255.255.255.0")


@pytest.mark.parametrize("ip", ["10.1.2.3", b"\x0a\x01\x02\x03", 0x0A010203, IPv4Address("10.1.2.3")])
def test_ip_in_every_form(ip):
    assert IpInfo(ip, "255.0.0.0").ip == IPv4Address("10.1.2.3")


def test_no_address_is_false():
    assert not IpInfo()
    assert IpInfo("10.0.0.1/8")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("10.0.0.300/24",), "IpInfo.ip"),
        (("ten",), "IpInfo.ip"),
        (("10.0.0.1/33",), "IpInfo.ip"),
        (("10.0.0.1",), "IpInfo.netmask"),
        (("10.0.0.1", "255.0.255.0"), "IpInfo.netmask"),
        (("10.0.0.1/24", "255.255.0.0"), "IpInfo.netmask"),
        (("10.0.0.0/24",), "IpInfo.ip"),
        (("10.0.0.255/24",), "IpInfo.ip"),
        (("224.0.0.1/24",), "IpInfo.ip"),
        (("127.0.0.1/8",), "IpInfo.ip"),
        (("255.255.255.255/32",), "IpInfo.ip"),
        (("10.0.0.1/24", None, "10.0.1.1"), "IpInfo.gw"),
        (("10.0.0.1/24", None, "10.0.0.1"), "IpInfo.gw"),
        (("0.0.0.0", None, "10.0.0.1"), "IpInfo.gw"),
        (("10.0.0.1/24", None, "x"), "IpInfo.gw"),
    ],
)
def test_bad_address_names_the_field(arguments, field):
    with pytest.raises(InvalidParams) as caught:
        IpInfo(*arguments)
    assert str(caught.value).startswith(field)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.name == "ESP_ERR_ESP_NETIF_INVALID_PARAMS"
    assert caught.value.code == 0x5001


def test_point_to_point_prefixes_have_no_broadcast():
    assert IpInfo("10.0.0.0/31", gw="10.0.0.1")
    assert IpInfo("10.0.0.5/32", gw="192.168.0.1")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"if_key": ""}, "if_key"),
        ({"if_key": None}, "if_key"),
        ({"mac": "02:00:00"}, "mac"),
        ({"mac": "not a mac"}, "mac"),
        ({"mac": b"\x02\x00"}, "mac"),
        ({"mac": "01:00:5e:00:00:01"}, "mac"),
        ({"mtu": 20}, "mtu"),
        ({"mtu": 70000}, "mtu"),
        ({"mtu": -1}, "mtu"),
        ({"route_prio": "high"}, "route_prio"),
        ({"flags": Flags.DHCP_CLIENT | Flags.DHCP_SERVER}, "flags"),
    ],
)
def test_bad_inherent_config_names_the_field(fields, named):
    with pytest.raises(InvalidParams, match=f"InherentConfig.{named}"):
        InherentConfig(**{"if_key": "X", **fields})


def test_mac_as_text_or_bytes():
    assert InherentConfig("X", mac="02:00:00:00:00:01").mac == b"\x02\0\0\0\0\x01"
    assert InherentConfig("X", mac=b"\x02\0\0\0\0\x01").mac == b"\x02\0\0\0\0\x01"
    assert InherentConfig("X", mac=bytes(6)).mac is None


def test_ip_info_may_be_text():
    assert InherentConfig("X", ip_info="10.0.0.1/24").ip_info == IpInfo("10.0.0.1/24")


def test_missing_parts_are_named():
    base, stack = InherentConfig("X"), NetstackConfig(init_fn=lambda netif: None, input_fn=lambda *frame: None)
    with pytest.raises(InvalidParams, match=r"NetifConfig\.base"):
        NetifConfig(stack=stack)
    with pytest.raises(InvalidParams, match=r"NetifConfig\.stack"):
        NetifConfig(base=base)
    with pytest.raises(InvalidParams, match=r"NetifConfig\.driver"):
        NetifConfig(base=base, driver=object(), stack=stack)
    with pytest.raises(InvalidParams, match=r"NetstackConfig\.input_fn"):
        NetstackConfig(init_fn=lambda netif: None, input_fn=None)
    with pytest.raises(InvalidParams, match=r"DriverIfconfig\.transmit"):
        DriverIfconfig(handle=object(), transmit=5)


def test_configuration_cannot_be_changed():
    config = InherentConfig("X")
    with pytest.raises(AttributeError):
        config.if_key = "Y"


def test_dns_info_names_the_field():
    assert DnsInfo("1.1.1.1").ip == IPv4Address("1.1.1.1")
    with pytest.raises(InvalidParams, match=r"DnsInfo\.ip"):
        DnsInfo("one")


def test_errors_bear_the_codes_of_esp_netif():
    def below(kind):
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    codes = {each.code: each.name for each in below(NetifError)}
    assert [code for code in sorted(codes) if code > 0x5000] == list(range(0x5001, 0x500F))
    assert codes[0x5007] == "ESP_ERR_ESP_NETIF_DHCP_NOT_STOPPED"
    assert codes[0x500E] == "ESP_ERR_ESP_NETIF_TX_FAILED"


@pytest.mark.parametrize("flag", [Flags.IS_PPP, Flags.MLDV6_REPORT, Flags.IPV6_AUTOCONFIG])
def test_flag_with_nothing_behind_it_is_refused_by_its_name(flag):
    with pytest.raises(NotSupported, match=rf"InherentConfig\.flags: {flag.name} "):
        InherentConfig("X", flag | Flags.AUTOUP)


@pytest.mark.parametrize("flags", [512, "AUTOUP", None])
def test_flags_are_esp_netifs(flags):
    with pytest.raises(InvalidParams, match=r"InherentConfig\.flags: .*netif\.Flags"):
        InherentConfig("X", flags)


def test_hostname_has_at_most_32_bytes():  # esp_netif_set_hostname
    assert InherentConfig("X", hostname="h" * 32).hostname == "h" * 32
    with pytest.raises(InvalidParams, match=r"InherentConfig\.hostname: .* 33 bytes; 32 are the most"):
        InherentConfig("X", hostname="h" * 33)
    with pytest.raises(InvalidParams, match=r"InherentConfig\.hostname"):
        InherentConfig("X", hostname="two words")
    with pytest.raises(InvalidArg, match=r"InherentConfig\.hostname"):
        InherentConfig("X", hostname=None)


def test_lost_ip_delay_is_two_minutes_or_as_given():  # ESP_NETIF_IP_LOST_TIMER_INTERVAL
    assert InherentConfig("X").lost_ip_delay == 120
    assert InherentConfig("X", lost_ip_delay=0).lost_ip_delay == 0
    for wrong in (-1, 65536, "long", None):
        with pytest.raises(InvalidParams, match=r"InherentConfig\.lost_ip_delay: .* 0 to 65535 seconds"):
            InherentConfig("X", lost_ip_delay=wrong)


@pytest.mark.parametrize(
    ("preset", "key", "desc", "prio", "flags"),
    [
        (presets.NETIF_INHERENT_DEFAULT_WIFI_STA, "WIFI_STA_DEF", "sta", 100, 1 | 8 | 16),
        (presets.NETIF_INHERENT_DEFAULT_WIFI_AP, "WIFI_AP_DEF", "ap", 10, 2 | 4),
        (presets.NETIF_INHERENT_DEFAULT_WIFI_NAN, "WIFI_NAN_DEF", "nan", 10, 0),
        (presets.NETIF_INHERENT_DEFAULT_ETH, "ETH_DEF", "eth", 50, 1 | 8 | 16),
        (presets.NETIF_INHERENT_DEFAULT_TAP, "TAP", "tap", 100, 1 | 4 | 16),
        (presets.NETIF_INHERENT_DEFAULT_PAIR, "PAIR", "pair", 0, 4 | 16),
    ],
)
def test_presets_are_esp_netifs(preset, key, desc, prio, flags):
    config = preset()
    assert (config.if_key, config.if_desc, config.route_prio, config.flags) == (key, desc, prio, flags)
    assert preset(route_prio=7, if_key="MINE") == attrs.evolve(config, route_prio=7, if_key="MINE")


def test_events_of_the_presets():
    sta, eth = presets.NETIF_INHERENT_DEFAULT_WIFI_STA(), presets.NETIF_INHERENT_DEFAULT_ETH()
    assert (sta.get_ip_event, sta.lost_ip_event) == (IpEvent.STA_GOT_IP, IpEvent.STA_LOST_IP)
    assert (eth.get_ip_event, eth.lost_ip_event) == (IpEvent.ETH_GOT_IP, IpEvent.ETH_LOST_IP)
    assert presets.NETIF_INHERENT_DEFAULT_WIFI_AP().get_ip_event is None
    assert presets.NETIF_INHERENT_DEFAULT_WIFI_AP().ip_info == IpInfo("192.168.4.1/24")


def test_a_bridge_says_how_much_it_holds():
    for preset in (presets.NETIF_INHERENT_DEFAULT_BR, presets.NETIF_INHERENT_DEFAULT_BR_DHCPS):
        assert preset().flags & Flags.IS_BRIDGE
        assert preset(bridge_info=BridgeConfig(max_ports=2)).bridge_info == BridgeConfig(1024, 256, 2)
        with pytest.raises(InvalidParams, match=r"bridge_info: IS_BRIDGE wants one; give BridgeConfig\(\)"):
            preset(bridge_info=None)
        with pytest.raises(InvalidParams, match="bridge_info: 5 is none"):
            preset(bridge_info=5)
    with pytest.raises(InvalidParams, match=r"BridgeConfig\.max_ports: 0 is no count"):
        BridgeConfig(max_ports=0)


@pytest.mark.parametrize(
    ("preset", "flag"),
    [
        (presets.NETIF_INHERENT_DEFAULT_PPP, "IS_PPP"),
    ],
)
def test_preset_with_nothing_behind_it_is_refused_by_its_flag(preset, flag):
    with pytest.raises(NotSupported, match=flag):
        preset()
    assert preset(flags=Flags.AUTOUP).flags == Flags.AUTOUP
