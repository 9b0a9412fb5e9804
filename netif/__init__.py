"""netif: be a host on a network, in Python.

The doorway: `import netif` costs nothing, and whatever a user needs, from any room, is found here when it is first
named. Rooms bear common names; the doorway looks before it imports, and says whose file stands in the way.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

TYPE_CHECKING = False  # `typing` alone would double what this import costs
if TYPE_CHECKING:
    from components.br_glue import BridgeGlue as BridgeGlue
    from components.bridge import Bridge as Bridge
    from components.lan import Host as Host
    from components.lan import Lan as Lan
    from components.lease_file import LeaseFile as LeaseFile
    from components.netif_connect import netif_connect as netif_connect
    from components.netif_connect import netif_disconnect as netif_disconnect
    from components.trunk import VlanTrunk as VlanTrunk
    from components.wires import open_wire as open_wire
    from netif import esp as esp
    from netif.config import BridgeConfig as BridgeConfig
    from netif.config import DnsInfo as DnsInfo
    from netif.config import DnsType as DnsType
    from netif.config import DriverIfconfig as DriverIfconfig
    from netif.config import Flags as Flags
    from netif.config import InherentConfig as InherentConfig
    from netif.config import IpEvent as IpEvent
    from netif.config import IpInfo as IpInfo
    from netif.config import NetifConfig as NetifConfig
    from netif.config import NetstackConfig as NetstackConfig
    from netif.dhcp import DhcpcConfig as DhcpcConfig
    from netif.dhcp import DhcpsConfig as DhcpsConfig
    from netif.dhcp import Lease as Lease
    from netif.dhcp import RelayedPool as RelayedPool
    from netif.errors import DhcpAlreadyStarted as DhcpAlreadyStarted
    from netif.errors import DhcpAlreadyStopped as DhcpAlreadyStopped
    from netif.errors import DhcpcStartFailed as DhcpcStartFailed
    from netif.errors import DhcpNotStopped as DhcpNotStopped
    from netif.errors import DhcpsStartFailed as DhcpsStartFailed
    from netif.errors import DnsNotConfigured as DnsNotConfigured
    from netif.errors import DriverAttachFailed as DriverAttachFailed
    from netif.errors import IfNotReady as IfNotReady
    from netif.errors import InitFailed as InitFailed
    from netif.errors import InvalidArg as InvalidArg
    from netif.errors import InvalidParams as InvalidParams
    from netif.errors import InvalidState as InvalidState
    from netif.errors import Ip6AddrFailed as Ip6AddrFailed
    from netif.errors import Mld6Failed as Mld6Failed
    from netif.errors import NetifError as NetifError
    from netif.errors import NoMem as NoMem
    from netif.errors import NotFound as NotFound
    from netif.errors import NotSupported as NotSupported
    from netif.errors import TxFailed as TxFailed
    from netif.esp import *  # noqa: F403
    from netif.event_bus import ANY_BASE as ANY_BASE
    from netif.event_bus import ANY_ID as ANY_ID
    from netif.event_bus import IP_EVENT as IP_EVENT
    from netif.event_bus import EventBus as EventBus
    from netif.events import AssignedIp as AssignedIp
    from netif.events import DriverFailed as DriverFailed
    from netif.events import Event as Event
    from netif.events import GotIp as GotIp
    from netif.events import LinkDown as LinkDown
    from netif.events import LinkUp as LinkUp
    from netif.events import LostIp as LostIp
    from netif.events import NetifDown as NetifDown
    from netif.events import NetifUp as NetifUp
    from netif.events import Reachable as Reachable
    from netif.events import TxRx as TxRx
    from netif.events import Unreachable as Unreachable
    from netif.lifecycle import DhcpStatus as DhcpStatus
    from netif.link import LinkCaps as LinkCaps
    from netif.link import Medium as Medium
    from netif.link import Offload as Offload
    from netif.netif import Netif as Netif
    from netif.presets import *  # noqa: F403
    from netif.reachability import ReachabilityPolicy as ReachabilityPolicy
    from netif.registry import Registry as Registry
    from netif.router import ForwardingCounters as ForwardingCounters
    from netif.router import NaptEntry as NaptEntry
    from netif.runtime import AsyncioRuntime as AsyncioRuntime
    from netif.runtime import Deadlock as Deadlock
    from netif.runtime import ThreadedRuntime as ThreadedRuntime
    from netif.runtime import VirtualRuntime as VirtualRuntime
    from stack import Stack as Stack
    from stack import default_stack as default_stack
    from stack import ethif_init as ethif_init
    from stack import ethif_input as ethif_input
    from stack import tunif_init as tunif_init
    from stack import tunif_input as tunif_input
    from stack.socket.selector import Selector as Selector
    from stack.socket.use import use as use
    from tapio import Hook as Hook
    from tapio import Impair as Impair
    from tapio import Packet as Packet
    from tapio import Pcap as Pcap
    from tapio import PcapngWriter as PcapngWriter
    from tapio import Sniff as Sniff
    from tapio import Switch as Switch
    from tapio import Tap as Tap
    from tapio import Tun as Tun
    from tapio import Vlan as Vlan
    from tapio import impair as impair
    from tapio import pair as pair
    from tapio import tapio_create as tapio_create
    from tapio import tapio_output as tapio_output

_HOMES: dict[str, str] = {
    "components.br_glue": "BridgeGlue",
    "components.bridge": "Bridge",
    "components.lan": "Host Lan",
    "components.lease_file": "LeaseFile",
    "components.netif_connect": "netif_connect netif_disconnect",
    "components.trunk": "VlanTrunk",
    "components.wires": "open_wire",
    "netif.config": """
        BridgeConfig DnsInfo DnsType DriverIfconfig Flags InherentConfig IpEvent IpInfo NetifConfig NetstackConfig
    """,
    "netif.dhcp": "DhcpcConfig DhcpsConfig Lease RelayedPool",
    "netif.errors": """
        DhcpAlreadyStarted DhcpAlreadyStopped DhcpNotStopped DhcpcStartFailed DhcpsStartFailed DnsNotConfigured
        DriverAttachFailed IfNotReady InitFailed InvalidArg InvalidParams InvalidState Ip6AddrFailed Mld6Failed
        NetifError NoMem NotFound NotSupported TxFailed
    """,
    "netif.esp": """
        NETIF_BR_DROP NETIF_BR_FDW_CPU NETIF_BR_FLOOD
        DhcpOp DhcpOption DhcpsLease event_handler_instance_register event_handler_instance_unregister
        event_handler_register event_handler_unregister event_loop_create_default event_loop_delete_default
        event_post ip4addr_aton ip4addr_ntoa netif_action_add_address netif_action_add_ip6_address
        netif_action_connected netif_action_disconnected netif_action_got_ip
        netif_action_join_ip6_multicast_group netif_action_join_multicast_group
        netif_action_leave_ip6_multicast_group netif_action_leave_multicast_group netif_action_remove_address
        netif_action_remove_ip6_address netif_action_start netif_action_stop netif_add_ip6_address
        netif_add_static_neighbor netif_arp_get_client_by_mac netif_attach netif_br_glue_add_port
        netif_br_glue_add_wifi_port netif_br_glue_del netif_br_glue_new netif_bridge_add_port
        netif_bridge_fdb_add netif_bridge_fdb_remove netif_create_ip6_linklocal netif_deinit netif_destroy
        netif_dhcpc_get_status netif_dhcpc_option netif_dhcpc_start netif_dhcpc_stop
        netif_dhcps_get_clients_by_mac netif_dhcps_get_status netif_dhcps_option netif_dhcps_start
        netif_dhcps_stop netif_find_if netif_free_rx_buffer netif_get_all_ip6 netif_get_all_preferred_ip6
        netif_get_default_netif netif_get_desc netif_get_dns_info netif_get_event_id netif_get_flags
        netif_get_handle_from_ifkey netif_get_handle_from_netif_impl netif_get_hostname netif_get_ifkey
        netif_get_io_driver netif_get_ip6_global netif_get_ip6_linklocal netif_get_ip_info netif_get_mac
        netif_get_mtu netif_get_netif_impl netif_get_netif_impl_index netif_get_netif_impl_name
        netif_get_nr_of_ifs netif_get_old_ip_info netif_get_route_prio netif_init netif_ip6_get_addr_type
        netif_is_netif_up netif_join_ip6_multicast_group netif_leave_ip6_multicast_group netif_napt_disable
        netif_napt_enable netif_netstack_buf_free netif_netstack_buf_ref netif_new netif_next_unsafe
        netif_ppp_get_params netif_ppp_set_auth netif_ppp_set_params netif_receive netif_remove_ip6_address
        netif_remove_static_neighbor netif_set_default_netif netif_set_dns_info netif_set_driver_config
        netif_set_hostname netif_set_ip4_addr netif_set_ip_info netif_set_link_speed netif_set_mac netif_set_mtu
        netif_set_old_ip_info netif_set_route_prio netif_sntp_deinit netif_sntp_init netif_sntp_reachability
        netif_sntp_start netif_sntp_sync_wait netif_str_to_ip4 netif_str_to_ip6 netif_tcpip_exec netif_transmit
        netif_transmit_wrap netif_tx_rx_event_disable netif_tx_rx_event_enable vfs_l2tap_eth_filter_frame
        vfs_l2tap_intf_register vfs_l2tap_intf_unregister
    """,
    "netif.event_bus": "ANY_BASE ANY_ID IP_EVENT EventBus",
    "netif.events": """
        AssignedIp DriverFailed Event GotIp LinkDown LinkUp LostIp NetifDown NetifUp Reachable TxRx Unreachable
    """,
    "netif.lifecycle": "DhcpStatus",
    "netif.link": "LinkCaps Medium Offload",
    "netif.netif": "Netif",
    "netif.presets": """
        NETIF_INHERENT_DEFAULT_BR NETIF_INHERENT_DEFAULT_BR_DHCPS NETIF_INHERENT_DEFAULT_ETH
        NETIF_INHERENT_DEFAULT_PAIR NETIF_INHERENT_DEFAULT_PPP NETIF_INHERENT_DEFAULT_TAP
        NETIF_INHERENT_DEFAULT_TUN NETIF_INHERENT_DEFAULT_WIFI_AP NETIF_INHERENT_DEFAULT_WIFI_NAN
        NETIF_INHERENT_DEFAULT_WIFI_STA
    """,
    "netif.reachability": "ReachabilityPolicy",
    "netif.registry": "Registry",
    "netif.router": "ForwardingCounters NaptEntry",
    "netif.runtime": "AsyncioRuntime Deadlock ThreadedRuntime VirtualRuntime",
    "stack": "Stack default_stack ethif_init ethif_input tunif_init tunif_input",
    "stack.socket.selector": "Selector",
    "stack.socket.use": "use",
    "tapio": "Hook Impair Packet Pcap PcapngWriter Sniff Switch Tap Tun Vlan impair pair tapio_create tapio_output",
}  # where each name lives; mirrored above for type checkers
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = ["esp", *_HOME]


def check_room(room: str) -> None:
    """ImportError unless the top-level module `room` is the one that was installed beside netif."""
    from importlib.util import find_spec

    ours = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    loaded = sys.modules.get(room)
    spec = find_spec(room) if loaded is None or loaded.__spec__ is not None else None
    places = [spec.origin] if spec is not None and spec.origin else [getattr(loaded, "__file__", None)]
    if places == [None] and spec is not None:
        places = [os.path.join(place, "__init__.py") for place in spec.submodule_search_locations or ()]
    found = next((place for place in places if place), None)
    if found is None:
        raise ImportError(f"netif's room {room!r} is not installed in {ours}; install netif again")
    if os.path.dirname(os.path.dirname(os.path.realpath(found))) != ours:
        raise ImportError(
            f"{found} is not netif's: netif needs the name {room!r} for a room of its own in {ours}; "
            "rename that file, or run Python with -P or from another directory"
        )


def _fetch(name: str) -> object:
    if name == "esp":
        return import_module("netif.esp")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'netif' has no attribute {name!r}")
    room = home.partition(".")[0]
    if room != "netif":
        check_room(room)
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # or a type checker would take every misspelt name for a lazy one
    __getattr__ = _fetch


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
