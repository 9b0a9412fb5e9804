"""Programs and packages that a recipe or a wire wants, and daemons that think the device is theirs.

Knows where NetworkManager and systemd-networkd note which devices they manage, and the package managers' words.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec

from components.host.checks.facts import Facts
from components.host.checks.finding import Finding, fault, hint, warning

INSTALLERS = {"apt-get": "apt-get install -y", "dnf": "dnf install -y", "apk": "apk add", "pacman": "pacman -S"}
PROGRAMS = {
    "nft": ("nftables", "netif host nat writes its rules with it"),
    "dnsmasq": ("dnsmasq-base", "netif host isolated and nat give addresses by it; without it ours does"),
    "ethtool": ("ethtool", "it turns a veth's offloads off, for pcap:"),
}
PCAP_BINDINGS = ("cypcap", "pcapy", "pcapyplus")


def programs(facts: Facts) -> Iterator[Finding]:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    for name in missing:
        package, why = PROGRAMS[name]
        yield hint(f"{name} is not installed", why, f"{installer()} {package}")


def installer() -> str:
    return next((words for program, words in INSTALLERS.items() if shutil.which(program)), "apt-get install -y")


def pcap_extra(facts: Facts) -> Iterator[Finding]:
    if facts.kind == "pcap" and not any(find_spec(name) for name in PCAP_BINDINGS):
        yield fault("libpcap's binding is not installed", "pcap: captures through it", "pip install 'netif[pcap]'")


def managed(facts: Facts) -> Iterator[Finding]:
    """A daemon that manages the device may readdress it, or take it down."""
    link = facts.link
    if link is None or facts.netns is not None:  # the daemons look after the first namespace
        return
    why = "it may take its addresses away, or the device down"
    if "managed=true" in facts.read(f"run/NetworkManager/devices/{link.index}").splitlines():
        yield warning(f"NetworkManager manages {link.name}", why, f"nmcli device set {link.name} managed no")
    state = facts.read(f"run/systemd/netif/links/{link.index}").splitlines()
    if any(line in state for line in ("ADMIN_STATE=configured", "ADMIN_STATE=configuring", "ADMIN_STATE=pending")):
        path = f"/etc/systemd/network/05-{link.name}.network"
        text = rf"[Match]\nName={link.name}\n[Link]\nUnmanaged=yes\n"
        yield warning(f"networkd manages {link.name}", why, f"printf '{text}' > {path} && networkctl reload")


CHECKS = (programs, pcap_extra, managed)
