"""esp_netif's functions with nothing behind them here: each raises NotSupported with its name and the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from netif.errors import NotSupported

__all__ = [
    "netif_action_add_ip6_address",
    "netif_action_join_ip6_multicast_group",
    "netif_action_leave_ip6_multicast_group",
    "netif_action_remove_ip6_address",
    "netif_add_ip6_address",
    "netif_add_static_neighbor",
    "netif_create_ip6_linklocal",
    "netif_free_rx_buffer",
    "netif_get_all_ip6",
    "netif_get_all_preferred_ip6",
    "netif_get_ip6_global",
    "netif_get_ip6_linklocal",
    "netif_ip6_get_addr_type",
    "netif_join_ip6_multicast_group",
    "netif_leave_ip6_multicast_group",
    "netif_netstack_buf_free",
    "netif_netstack_buf_ref",
    "netif_ppp_get_params",
    "netif_ppp_set_auth",
    "netif_ppp_set_params",
    "netif_remove_ip6_address",
    "netif_remove_static_neighbor",
    "netif_set_link_speed",
    "netif_sntp_deinit",
    "netif_sntp_init",
    "netif_sntp_reachability",
    "netif_sntp_start",
    "netif_sntp_sync_wait",
    "netif_transmit_wrap",
    "vfs_l2tap_eth_filter_frame",
    "vfs_l2tap_intf_register",
    "vfs_l2tap_intf_unregister",
]

_IPV6 = "there is no IPv6 here yet"
_PPP = "there is no PPP here"
_SNTP = "there is no SNTP here; ask a time service over a socket"
_L2TAP = "there is no VFS here; stack.l2tap(netif, ethertype) is such an endpoint"
_SPEED = "nothing here counts by the speed of a link"
_BUFFERS = "Python frees buffers by itself; leave the call out"
_WRAP = "netif_transmit passes buffers on without copying; call that"


def _not_supported(name: str, why: str) -> Callable[..., NoReturn]:
    def function(*_arguments: object, **_named: object) -> NoReturn:
        raise NotSupported(f"{name}: {why}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NotSupported: {why}."
    return function


netif_action_add_ip6_address = _not_supported("netif_action_add_ip6_address", _IPV6)
netif_action_join_ip6_multicast_group = _not_supported("netif_action_join_ip6_multicast_group", _IPV6)
netif_action_leave_ip6_multicast_group = _not_supported("netif_action_leave_ip6_multicast_group", _IPV6)
netif_action_remove_ip6_address = _not_supported("netif_action_remove_ip6_address", _IPV6)
netif_add_ip6_address = _not_supported("netif_add_ip6_address", _IPV6)
netif_add_static_neighbor = _not_supported("netif_add_static_neighbor", _IPV6)
netif_create_ip6_linklocal = _not_supported("netif_create_ip6_linklocal", _IPV6)
netif_get_all_ip6 = _not_supported("netif_get_all_ip6", _IPV6)
netif_get_all_preferred_ip6 = _not_supported("netif_get_all_preferred_ip6", _IPV6)
netif_get_ip6_global = _not_supported("netif_get_ip6_global", _IPV6)
netif_get_ip6_linklocal = _not_supported("netif_get_ip6_linklocal", _IPV6)
netif_ip6_get_addr_type = _not_supported("netif_ip6_get_addr_type", _IPV6)
netif_join_ip6_multicast_group = _not_supported("netif_join_ip6_multicast_group", _IPV6)
netif_leave_ip6_multicast_group = _not_supported("netif_leave_ip6_multicast_group", _IPV6)
netif_remove_ip6_address = _not_supported("netif_remove_ip6_address", _IPV6)
netif_remove_static_neighbor = _not_supported("netif_remove_static_neighbor", _IPV6)
netif_ppp_get_params = _not_supported("netif_ppp_get_params", _PPP)
netif_ppp_set_auth = _not_supported("netif_ppp_set_auth", _PPP)
netif_ppp_set_params = _not_supported("netif_ppp_set_params", _PPP)
netif_sntp_deinit = _not_supported("netif_sntp_deinit", _SNTP)
netif_sntp_init = _not_supported("netif_sntp_init", _SNTP)
netif_sntp_reachability = _not_supported("netif_sntp_reachability", _SNTP)
netif_sntp_start = _not_supported("netif_sntp_start", _SNTP)
netif_sntp_sync_wait = _not_supported("netif_sntp_sync_wait", _SNTP)
vfs_l2tap_eth_filter_frame = _not_supported("vfs_l2tap_eth_filter_frame", _L2TAP)
vfs_l2tap_intf_register = _not_supported("vfs_l2tap_intf_register", _L2TAP)
vfs_l2tap_intf_unregister = _not_supported("vfs_l2tap_intf_unregister", _L2TAP)
netif_set_link_speed = _not_supported("netif_set_link_speed", _SPEED)
netif_free_rx_buffer = _not_supported("netif_free_rx_buffer", _BUFFERS)
netif_netstack_buf_free = _not_supported("netif_netstack_buf_free", _BUFFERS)
netif_netstack_buf_ref = _not_supported("netif_netstack_buf_ref", _BUFFERS)
netif_transmit_wrap = _not_supported("netif_transmit_wrap", _WRAP)
