"""Words of a host command read strictly: device names, addresses, owners. A Complaint names the option and mends it."""

from __future__ import annotations

import ipaddress

from components.command import Complaint
from components.host.privilege import caller, find_group, find_user


def device_name(name: str) -> str:
    """Fifteen bytes that the kernel takes, and nothing that would be read as something else elsewhere."""
    bad = name.startswith("-") or name in ("", ".", "..") or any(c in "/:%," or c.isspace() for c in name)
    if bad or len(name.encode()) > 15:
        raise Complaint(f"{name!r} cannot name a device: up to 15 letters and digits, such as tap0")
    return name


def kernels_address(text: str) -> str:
    """`--addr`: an IPv4 address with a prefix that leaves room for somebody else."""
    try:
        interface = ipaddress.IPv4Interface(text)
    except ValueError:
        raise Complaint(f"--addr {text} should be an address and its length, such as 192.168.5.1/24") from None
    if "/" not in text or interface.network.prefixlen > 30:
        raise Complaint(f"--addr {text} leaves no room for a host: add a prefix length up to 30, such as /24")
    network = interface.network
    if interface.ip in (network.network_address, network.broadcast_address):
        raise Complaint(f"--addr {text} names {network} as a whole: choose an address within it, such as {network[1]}")
    if interface.ip.is_multicast or interface.ip.is_loopback or interface.ip.is_unspecified:
        raise Complaint(f"--addr {text} is no address for a host: choose one such as 192.168.5.1/24")
    return str(interface)


def owners(user: str | None, group: str | None) -> tuple[int | None, int | None]:
    """uid and gid of a TAP's owners; nobody named: the caller's."""
    uid = find_user(user) if user else None
    gid = find_group(group) if group else None
    if user and uid is None:
        raise Complaint(f"--user {user}: there is no such user")
    if group and gid is None:
        raise Complaint(f"--group {group}: there is no such group")
    return (caller(), None) if uid is None and gid is None else (uid, gid)
