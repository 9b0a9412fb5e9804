"""The Python style of configuring: a Netif's keyword arguments as the NetifConfig that the port style writes out."""

from __future__ import annotations

from typing import TypedDict

from netif.config import Address, Flags, InherentConfig, IpInfo, NetifConfig, NetstackConfig, check_mtu
from netif.errors import InvalidParams
from netif.link import NetStack
from netif.registry import registry_of


class Arguments(TypedDict):
    ip: IpInfo | Address | None
    gateway: Address | None
    netmask: Address | None
    mac: str | bytes | None
    mtu: int | None
    if_key: str | None
    flags: Flags | None
    route_prio: int | None
    dhcp: bool | None


def configuration(stack: NetStack | None, config: NetifConfig | None, given: Arguments) -> NetifConfig:
    """`config` as it is, or one made of the other arguments; both together are a mistake."""
    if config is not None:
        double = [name for name, value in given.items() if value is not None]
        if double:
            raise InvalidParams(f"Netif has config= and {double[0]}= too; put it into the NetifConfig")
        return config
    ip, if_key, flags = given["ip"], given["if_key"], given["flags"]
    if stack is None:
        raise InvalidParams("Netif needs stack=, as in Netif(driver, stack=host), or config=")
    if given["dhcp"] and ip:
        raise InvalidParams(f"Netif has dhcp= and ip={ip!r} too; the address comes from a server, so leave out ip=")
    base = InherentConfig(
        if_key=registry_of(stack).free_key() if if_key is None else if_key,
        flags=(Flags.AUTOUP if flags is None else flags) | (Flags.DHCP_CLIENT if given["dhcp"] else 0),
        mac=given["mac"],
        ip_info=ip if isinstance(ip, IpInfo) else IpInfo(ip or "0.0.0.0", given["netmask"], given["gateway"]),
        route_prio=given["route_prio"] or 0,
        mtu=0 if given["mtu"] is None else check_mtu(given["mtu"]),
    )
    return NetifConfig(base=base, stack=netstack_config(stack))


def netstack_config(stack: NetStack) -> NetstackConfig:
    """By which functions a Netif reaches `stack`."""
    config = getattr(stack, "netstack_config", None)
    if not isinstance(config, NetstackConfig):
        raise InvalidParams(f"{stack!r} has no netstack_config: give config=NetifConfig(base=..., stack=...)")
    return config
