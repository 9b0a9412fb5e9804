"""What a Netif is made of: esp_netif's configuration structs as frozen values.

A value that exists is valid: every field is checked on construction, and the error names the field and what it should
be. Addresses are `ipaddress` objects here, at the edge, and bytes from the Netif on down.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, TypeAlias

import attrs

from netif.errors import InvalidArg, InvalidParams, NotSupported
from netif.value import Value
from netif.wire import ethernet, ip

Address: TypeAlias = str | bytes | int | IPv4Address

MTU_MIN = 68  # RFC 791 3.2: every link carries a packet of 68 bytes
MTU_MAX = 65535  # the total length field
HOSTNAME_MAX = 32  # bytes, as esp_netif has it
DELAY_MAX = 65535  # seconds; ESP_NETIF_IP_LOST_TIMER_INTERVAL's range
_HOSTNAME = re.compile(r"[A-Za-z0-9._-]*")


class Flags(enum.IntFlag):
    """esp_netif's, by their bits there."""

    DHCP_CLIENT = 1  # obtain an address when the link comes up
    DHCP_SERVER = 2  # give addresses while the link is up; excludes DHCP_CLIENT
    AUTOUP = 4  # start() brings the link up; without it connected() does
    GARP = 8  # tell the neighbours our address every minute
    EVENT_IP_MODIFIED = 16  # say GotIp even if an address is set that was there already
    IS_PPP = 32
    IS_BRIDGE = 64
    MLDV6_REPORT = 128
    IPV6_AUTOCONFIG = 256


NOT_HERE = Flags.IS_PPP | Flags.MLDV6_REPORT | Flags.IPV6_AUTOCONFIG  # nothing is behind these
_ALL = Flags(0x1FF)


class IpEvent(enum.IntEnum):
    """The ids that esp_netif posts under its base IP_EVENT."""

    STA_GOT_IP = 0
    STA_LOST_IP = 1
    ASSIGNED_IP_TO_CLIENT = 2
    GOT_IP6 = 3
    ETH_GOT_IP = 4
    ETH_LOST_IP = 5
    PPP_GOT_IP = 6
    PPP_LOST_IP = 7
    TX_RX = 8
    NETIF_UP = 9
    NETIF_DOWN = 10
    CUSTOM_GOT_IP = 11
    CUSTOM_LOST_IP = 12


class DnsType(enum.IntEnum):
    """Which of an interface's name servers."""

    MAIN = 0
    BACKUP = 1
    FALLBACK = 2


def _address(value: Address, field: str) -> bytes:
    try:
        return ip.parse_address(value)
    except ValueError as error:
        raise InvalidParams(f"{field}: {error}") from None


def _interface(value: Address | IPv4Interface, netmask: Address | None) -> tuple[bytes, bytes]:
    """(ip, mask); the mask may come with the address, as in "192.168.5.100/24"."""
    if isinstance(value, IPv4Interface):
        value = str(value)
    if isinstance(value, str) and "/" in value:
        try:
            address, mask = ip.parse_prefix(value)
        except ValueError as error:
            raise InvalidParams(f"IpInfo.ip: {error}") from None
        if netmask is not None and _mask(netmask) not in (mask, bytes(4)):
            raise InvalidParams(f"IpInfo.netmask: {value!r} names another netmask than {netmask!r}; give one of them")
        return address, mask
    return _address(value, "IpInfo.ip"), bytes(4) if netmask is None else _mask(netmask)


def _mask(value: Address) -> bytes:
    mask = _address(value, "IpInfo.netmask")
    try:
        ip.prefix_length_of(mask)
    except ValueError:
        text = ip.format_address(mask)
        raise InvalidParams(f"IpInfo.netmask: {text} has ones after a zero; write it as in 255.255.255.0") from None
    return mask


def _check_host(address: IPv4Address, network: IPv4Network) -> None:
    """Whether an interface may bear this address (RFC 1122 3.2.1.3)."""
    if address.is_multicast or address.is_reserved or address.is_loopback or address.packed[0] == 0:
        raise InvalidParams(f"IpInfo.ip: {address} cannot be an interface's address; take one as in 192.168.5.100")
    if not network.prefixlen:
        raise InvalidParams(f"IpInfo.netmask: {address} needs a netmask; write ip='{address}/24'")
    if network.prefixlen < 31:  # RFC 3021: a /31 has neither
        if address == network.network_address:
            raise InvalidParams(f"IpInfo.ip: {address} is the address of the network {network}; take one inside")
        if address == network.broadcast_address:
            raise InvalidParams(f"IpInfo.ip: {address} is the broadcast address of {network}; take one inside")


def _check_gateway(gateway: IPv4Address, address: IPv4Address, network: IPv4Network) -> None:
    if not int(address):
        raise InvalidParams(f"IpInfo.gw: gateway {gateway} without an address; give ip= too")
    if network.prefixlen < 32 and gateway not in network:
        raise InvalidParams(f"IpInfo.gw: gateway {gateway} is not within {network}")
    if gateway == address:
        raise InvalidParams(f"IpInfo.gw: gateway {gateway} is the interface's own address")


@attrs.frozen(init=False, eq=False, repr=False)
class IpInfo(Value):
    """An IPv4 address with its netmask and gateway; false while there is no address."""

    ip: IPv4Address
    netmask: IPv4Address
    gw: IPv4Address

    def __init__(
        self,
        ip: Address | IPv4Interface = "0.0.0.0",
        netmask: Address | None = None,
        gw: Address | None = None,
    ) -> None:
        """`ip` may bear its prefix length, as in "192.168.5.100/24"."""
        packed, mask = _interface(ip, netmask)
        address, gateway = IPv4Address(packed), IPv4Address(bytes(4) if gw is None else _address(gw, "IpInfo.gw"))
        network = IPv4Network((int.from_bytes(packed, "big") & int.from_bytes(mask, "big"), _length(mask)))
        if int(address):
            _check_host(address, network)
        if int(gateway):
            _check_gateway(gateway, address, network)
        self.__attrs_init__(address, IPv4Address(mask), gateway)

    def __bool__(self) -> bool:
        return self.ip.packed != b"\0\0\0\0"

    def __str__(self) -> str:
        return f"{self.ip}/{_length(self.netmask.packed)}" if self else "no address"

    def __repr__(self) -> str:
        via = f" via {self.gw}" if int(self.gw) else ""
        return f"<IpInfo {self}{via}>"

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """(ip, netmask, gateway), four bytes each."""
        return self.ip.packed, self.netmask.packed, self.gw.packed


def _length(mask: bytes) -> int:
    return int.from_bytes(mask, "big").bit_count()


def _server(value: Address) -> IPv4Address:
    return IPv4Address(_address(value, "DnsInfo.ip"))


@attrs.frozen(eq=False, repr=False)
class DnsInfo(Value):
    """One name server."""

    ip: IPv4Address = attrs.field(converter=_server)


def _mac(value: str | bytes | None) -> bytes | None:
    if value is None:
        return None
    try:
        mac = ethernet.parse_mac(value) if isinstance(value, str) else bytes(value)
    except (TypeError, ValueError) as error:
        raise InvalidParams(f"InherentConfig.mac: {error}") from None
    if len(mac) != 6:
        raise InvalidParams(f"InherentConfig.mac: {mac!r} has {len(mac)} bytes; a MAC address has six")
    if mac[0] & 1:
        raise InvalidParams(f"InherentConfig.mac: {mac.hex(':')} is a group's address; clear the first byte's last bit")
    return mac if any(mac) else None


def _ip_info(value: IpInfo | str | None) -> IpInfo:
    if value is None:
        return IpInfo()
    return value if isinstance(value, IpInfo) else IpInfo(value)


def check_mtu(mtu: int) -> int:
    """`mtu` if a link may have it."""
    if not isinstance(mtu, int) or not MTU_MIN <= mtu <= MTU_MAX:
        raise InvalidParams(f"InherentConfig.mtu: {mtu!r} is out of range; take {MTU_MIN} to {MTU_MAX} bytes")
    return mtu


def check_hostname(name: str) -> str:
    """`name` if a host may bear it; "" is no name."""
    if not isinstance(name, str):
        raise InvalidArg(f"InherentConfig.hostname: {name!r} is no text; give one such as 'kitchen-light'")
    if len(name.encode()) > HOSTNAME_MAX:
        length = len(name.encode())
        raise InvalidParams(f"InherentConfig.hostname: {name!r} has {length} bytes; {HOSTNAME_MAX} are the most")
    if not _HOSTNAME.fullmatch(name):
        raise InvalidParams(f"InherentConfig.hostname: {name!r} has more than letters, digits, '-', '_' and '.'")
    return name


def _check_key(_instance: object, _field: object, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidParams(f"InherentConfig.if_key: {value!r} is no key; give a unique text such as 'ETH_DEF'")


def _check_flags(_instance: object, _field: object, value: Flags) -> None:
    if value & Flags.DHCP_CLIENT and value & Flags.DHCP_SERVER:
        raise InvalidParams("InherentConfig.flags: DHCP_CLIENT and DHCP_SERVER exclude each other; keep one")
    if value & NOT_HERE:
        names = " and ".join(str(flag.name) for flag in Flags if flag & value & NOT_HERE)
        raise NotSupported(f"InherentConfig.flags: {names} is not supported here; leave it out")
    if value > _ALL:
        raise InvalidParams(f"InherentConfig.flags: {int(value):#x} has bits that no flag has; combine netif.Flags")


def _flags(value: Any) -> Flags:
    if not isinstance(value, int):
        raise InvalidParams(f"InherentConfig.flags: {value!r} is no flag; combine netif.Flags, as in Flags.AUTOUP")
    return Flags(value)


def _check_prio(_instance: object, _field: object, value: Any) -> None:
    if not isinstance(value, int):
        raise InvalidParams(f"InherentConfig.route_prio: {value!r} is no whole number; the highest wins")


def _check_mtu(_instance: object, _field: object, value: int) -> None:
    if value != 0:
        check_mtu(value)


def _check_hostname(_instance: object, _field: object, value: str) -> None:
    check_hostname(value)


def _check_delay(_instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, (int, float)) or not 0 <= value <= DELAY_MAX:
        raise InvalidParams(f"InherentConfig.{field.name}: {value!r} is out of range; take 0 to {DELAY_MAX} seconds")


def _check_count(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidParams(f"{type(instance).__name__}.{field.name}: {value!r} is no count; give a number from 1 on")


@attrs.frozen(eq=False, repr=False)
class BridgeConfig(Value):
    """bridgeif_config_t: how much a bridge holds."""

    max_fdb_dyn_entries: int = attrs.field(default=1024, validator=_check_count)  # stations that it learns
    max_fdb_sta_entries: int = attrs.field(default=256, validator=_check_count)  # stations that it is given
    max_ports: int = attrs.field(default=64, validator=_check_count)


def _check_bridge(instance: Any, _field: object, value: Any) -> None:
    if value is None and instance.flags & Flags.IS_BRIDGE:
        raise InvalidParams("InherentConfig.bridge_info: IS_BRIDGE wants one; give BridgeConfig()")
    if value is not None and not isinstance(value, BridgeConfig):
        raise InvalidParams(f"InherentConfig.bridge_info: {value!r} is none; give BridgeConfig()")


@attrs.frozen(eq=False, repr=False)
class InherentConfig(Value):
    """What an interface is by itself, whatever drives it."""

    if_key: str = attrs.field(validator=_check_key)  # unique among the interfaces of one stack
    flags: Flags = attrs.field(default=Flags(0), converter=_flags, validator=_check_flags)
    mac: bytes | None = attrs.field(default=None, converter=_mac)  # None: derived, see netif/mac.py
    ip_info: IpInfo = attrs.field(default=None, converter=_ip_info)
    if_desc: str = ""
    route_prio: int = attrs.field(default=0, validator=_check_prio)  # the highest is the default interface
    mtu: int = attrs.field(default=0, validator=_check_mtu)  # bytes of an IP packet; 0: the medium's 1500
    get_ip_event: Any = None  # GotIp.event_id and LostIp.event_id of this interface
    lost_ip_event: Any = None
    hostname: str = attrs.field(default="", validator=_check_hostname)  # sent with DHCP
    lost_ip_delay: float = attrs.field(default=120.0, validator=_check_delay)  # seconds to LostIp; 0: at once
    bridge_info: BridgeConfig | None = attrs.field(default=None, validator=_check_bridge)  # with IS_BRIDGE


def _check_transmit(_instance: object, _field: object, value: Any) -> None:
    if value is not None and not callable(value):
        raise InvalidParams(f"DriverIfconfig.transmit: {value!r} is no function; give one such as tapio_output")


def _check_filter(_instance: object, _field: object, value: Any) -> None:
    if value is not None and not callable(value):
        raise InvalidParams(f"DriverIfconfig.set_mac_filter: {value!r} is no function (handle, mac, add)")


@attrs.frozen(eq=False, repr=False)
class DriverIfconfig(Value):
    """What moves the frames.

    A handle with `receive` is a `link.Driver`, and `transmit` is its own or takes (handle, buffers, offload). Any other
    handle pushes its frames by `netif_receive`, and `transmit(handle, frame)` gets one finished `bytes` of one segment.
    `set_mac_filter(handle, mac, add)` is told which group MACs are wanted; what was wanted already, after each start.
    """

    handle: Any = None
    transmit: Callable[..., Any] | None = attrs.field(default=None, validator=_check_transmit)
    set_mac_filter: Callable[[Any, bytes, bool], object] | None = attrs.field(default=None, validator=_check_filter)


def _check_function(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not callable(value):
        raise InvalidParams(f"{type(instance).__name__}.{field.name}: {value!r} cannot be called; give a function")


@attrs.frozen(eq=False, repr=False)
class NetstackConfig(Value):
    """The two functions by which a Netif reaches a stack.

    `init_fn(netif)` returns the stack's `link.StackInterface`; it is called with the gate free and only makes the
    interface, which joins its stack at `link_up`. `input_fn(interface, frame, offload)` takes one frame;
    `StackInterface.input` stands for the interface's own.
    """

    init_fn: Callable[[Any], Any] = attrs.field(validator=_check_function)
    input_fn: Callable[..., Any] = attrs.field(validator=_check_function)


def _check_base(_instance: object, _field: object, value: Any) -> None:
    if not isinstance(value, InherentConfig):
        raise InvalidParams(f"NetifConfig.base: {value!r} is no InherentConfig; give one with at least if_key=")


def _check_driver(_instance: object, _field: object, value: Any) -> None:
    if value is not None and not isinstance(value, DriverIfconfig):
        raise InvalidParams(f"NetifConfig.driver: {value!r} is no DriverIfconfig; give handle= and transmit= in one")


def _check_stack(_instance: object, _field: object, value: Any) -> None:
    if not isinstance(value, NetstackConfig):
        raise InvalidParams(f"NetifConfig.stack: {value!r} is no NetstackConfig; give init_fn= and input_fn= in one")


@attrs.frozen(eq=False, repr=False)
class NetifConfig(Value):
    """The three parts together. The driver may come later, from `post_attach` or with `netif_attach`."""

    base: InherentConfig = attrs.field(default=None, validator=_check_base)
    driver: DriverIfconfig | None = attrs.field(default=None, validator=_check_driver)
    stack: NetstackConfig = attrs.field(default=None, validator=_check_stack)
