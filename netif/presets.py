"""esp_netif's default inherent configurations (ESP_NETIF_INHERENT_DEFAULT_...), and those of this project's wires.

Each takes the fields that are to differ: `NETIF_INHERENT_DEFAULT_ETH(route_prio=200)`. What needs IPv6 is left out of
the flags. Wi-Fi outranks Ethernet, as upstream has it: say route_prio= where the cable should win.
"""
# ruff: noqa: N802 - the names are esp_netif's

from __future__ import annotations

from typing import Any

from netif.config import BridgeConfig, Flags, InherentConfig, IpEvent, IpInfo

__all__ = [
    "NETIF_INHERENT_DEFAULT_BR",
    "NETIF_INHERENT_DEFAULT_BR_DHCPS",
    "NETIF_INHERENT_DEFAULT_ETH",
    "NETIF_INHERENT_DEFAULT_PAIR",
    "NETIF_INHERENT_DEFAULT_PPP",
    "NETIF_INHERENT_DEFAULT_TAP",
    "NETIF_INHERENT_DEFAULT_TUN",
    "NETIF_INHERENT_DEFAULT_WIFI_AP",
    "NETIF_INHERENT_DEFAULT_WIFI_NAN",
    "NETIF_INHERENT_DEFAULT_WIFI_STA",
]

ACCESS_POINT = IpInfo("192.168.4.1", "255.255.255.0", None)
CLIENT = Flags.DHCP_CLIENT | Flags.GARP | Flags.EVENT_IP_MODIFIED


def NETIF_INHERENT_DEFAULT_WIFI_STA(**changes: Any) -> InherentConfig:
    return _config(
        changes,
        if_key="WIFI_STA_DEF",
        if_desc="sta",
        route_prio=100,
        flags=CLIENT,
        get_ip_event=IpEvent.STA_GOT_IP,
        lost_ip_event=IpEvent.STA_LOST_IP,
    )


def NETIF_INHERENT_DEFAULT_WIFI_AP(**changes: Any) -> InherentConfig:
    return _config(
        changes,
        if_key="WIFI_AP_DEF",
        if_desc="ap",
        route_prio=10,
        flags=Flags.DHCP_SERVER | Flags.AUTOUP,
        ip_info=ACCESS_POINT,
    )


def NETIF_INHERENT_DEFAULT_WIFI_NAN(**changes: Any) -> InherentConfig:
    return _config(changes, if_key="WIFI_NAN_DEF", if_desc="nan", route_prio=10)


def NETIF_INHERENT_DEFAULT_ETH(**changes: Any) -> InherentConfig:
    return _config(
        changes,
        if_key="ETH_DEF",
        if_desc="eth",
        route_prio=50,
        flags=CLIENT,
        get_ip_event=IpEvent.ETH_GOT_IP,
        lost_ip_event=IpEvent.ETH_LOST_IP,
    )


def NETIF_INHERENT_DEFAULT_PPP(**changes: Any) -> InherentConfig:
    """NotSupported, unless the flags are changed: nothing here speaks PPP."""
    return _config(
        changes,
        if_key="PPP_DEF",
        if_desc="ppp",
        route_prio=20,
        flags=Flags.IS_PPP,
        get_ip_event=IpEvent.PPP_GOT_IP,
        lost_ip_event=IpEvent.PPP_LOST_IP,
    )


def NETIF_INHERENT_DEFAULT_BR(**changes: Any) -> InherentConfig:
    """A bridge, attached to netif_br_glue_new(); `bridge_info`: how much it holds."""
    return _config(
        changes,
        bridge_info=BridgeConfig(),
        if_key="BR0",
        if_desc="br0",
        route_prio=70,
        flags=CLIENT | Flags.IS_BRIDGE,
        get_ip_event=IpEvent.ETH_GOT_IP,
        lost_ip_event=IpEvent.ETH_LOST_IP,
    )


def NETIF_INHERENT_DEFAULT_BR_DHCPS(**changes: Any) -> InherentConfig:
    """The same, giving addresses."""
    return _config(
        changes,
        bridge_info=BridgeConfig(),
        if_key="BR1",
        if_desc="br1",
        route_prio=70,
        flags=Flags.DHCP_SERVER | Flags.IS_BRIDGE,
        ip_info=ACCESS_POINT,
    )


def NETIF_INHERENT_DEFAULT_TAP(**changes: Any) -> InherentConfig:
    """tapif_io's, which asks for an address by DHCP; its static choice is flags=AUTOUP and 192.168.5.100/24."""
    return _config(
        changes,
        if_key="TAP",
        if_desc="tap",
        route_prio=100,
        flags=Flags.AUTOUP | Flags.EVENT_IP_MODIFIED | Flags.DHCP_CLIENT,
        get_ip_event=IpEvent.CUSTOM_GOT_IP,
        lost_ip_event=IpEvent.CUSTOM_LOST_IP,
    )


def NETIF_INHERENT_DEFAULT_TUN(**changes: Any) -> InherentConfig:
    """A point-to-point link: up at once; nobody gives addresses there, so its own is to be given."""
    return _config(
        changes,
        if_key="TUN",
        if_desc="tun",
        route_prio=100,
        flags=Flags.AUTOUP | Flags.EVENT_IP_MODIFIED,
        get_ip_event=IpEvent.CUSTOM_GOT_IP,
        lost_ip_event=IpEvent.CUSTOM_LOST_IP,
    )


def NETIF_INHERENT_DEFAULT_PAIR(**changes: Any) -> InherentConfig:
    """One end of `tapio.pair()`: up at once; its address is to be given."""
    return _config(
        changes,
        if_key="PAIR",
        if_desc="pair",
        flags=Flags.AUTOUP | Flags.EVENT_IP_MODIFIED,
        get_ip_event=IpEvent.CUSTOM_GOT_IP,
        lost_ip_event=IpEvent.CUSTOM_LOST_IP,
    )


def _config(changes: dict[str, Any], **fields: Any) -> InherentConfig:
    return InherentConfig(**{**fields, **changes})
