"""The bridge around the device: does the port forward, do the MTUs agree, has each station a MAC and an IP of its own?

IEEE 802.1D's port states as linux/if_bridge.h numbers them. A frame too long for a port is dropped without a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from components.host.checks.facts import DISABLED, FORWARDING, LEARNING, LISTENING, STATES, Facts, Link
from components.host.checks.finding import Finding, fault, hint, warning


def port_forwards(facts: Facts) -> Iterator[Finding]:
    """Spanning tree keeps a port shut for two forward delays after it comes up: 30 s, longer than DHCP waits."""
    link = facts.end
    bridge = facts.find(link.master) if link is not None else None
    if link is None or bridge is None or bridge.kind != "bridge":
        return
    off = f"ip link set dev {bridge.name} type bridge stp_state 0"
    shut = link.port_state != FORWARDING and link.up and link.carrier
    if shut and bridge.stp and link.port_state in (DISABLED, LISTENING, LEARNING):
        why = f"spanning tree opens it after {2 * bridge.forward_delay:g} s, and nothing passes before"
        now = f"{off} && bridge link set dev {link.name} state {FORWARDING}"
        yield warning(f"port {link.name} of {bridge.name} is {STATES[link.port_state]}", why, now)
    elif shut:
        what = f"port {link.name} of {bridge.name} is {STATES[link.port_state]}"
        yield fault(what, "nothing passes", f"bridge link set dev {link.name} state {FORWARDING}")
    elif bridge.stp and bridge.forward_delay:
        why = f"{link.name} is shut for {2 * bridge.forward_delay:g} s whenever a program opens it"
        yield hint(f"{bridge.name} speaks spanning tree", why, off)


def mtus_agree(facts: Facts) -> Iterator[Finding]:
    """One remedy a bridge: its largest ports down to the smallest."""
    for bridge in (link for link in facts.links if link.kind == "bridge"):
        sizes = {port.name: port.mtu for port in facts.ports(bridge.name)}
        if not sizes:
            continue
        least = min(sizes.values())
        for name, mtu in sizes.items():
            if mtu > least:
                smallest = min(sizes, key=lambda port: sizes[port])
                why = f"its packets over {least} bytes vanish on {smallest} (MTU {least}), both ports of {bridge.name}"
                yield warning(f"{name} has an MTU of {mtu}", why, f"ip link set dev {name} mtu {least}")


def macs_differ(facts: Facts) -> Iterator[Finding]:
    """A bridge sends frames for a MAC one way alone. A bridge bears a port's MAC by right, and so does the TAP's."""
    for bridge in (link for link in facts.links if link.kind == "bridge"):
        at: dict[str, list[Link]] = defaultdict(list)
        for port in facts.ports(bridge.name):
            at[port.mac].append(port)
            other = facts.find(port.peer)
            if other is not None:
                at[other.mac].append(other)
        for mac, ports in at.items():
            if len(ports) > 1:
                names = " and ".join(port.name for port in ports)
                fresh = f"02:{':'.join(mac.split(':')[1:5])}:{ports[-1].index & 255:02x}"
                why = f"{bridge.name} sends what is meant for one to the other"
                yield warning(f"{names} share {mac}", why, f"ip link set dev {ports[-1].name} address {fresh}")


def one_answers_arp(facts: Facts) -> Iterator[Finding]:
    """Our end of a veth pair is the kernel's as well: it answers there for all addresses of this machine."""
    link = facts.link
    other = facts.find(link.peer) if link is not None else None
    if link is None or other is None or not other.master or facts.kind not in ("packet", "pcap"):
        return
    values = [facts.sysctl(f"net/ipv4/conf/{name}/arp_ignore") for name in ("all", link.name)]
    if max(values) == "0":
        why = f"whoever asks on {other.master} for an address of this machine gets two answers, one of them from there"
        command = f"sysctl -w net.ipv4.conf.{link.name}.arp_ignore=1"
        yield warning(f"{link.name} answers ARP for this machine", why, command)


def address_is_ours(facts: Facts) -> Iterator[Finding]:
    """Our host's address must not be the kernel's as well."""
    for link in facts.links:
        for address in link.addresses:
            if facts.ip is not None and address.ip == facts.ip:
                why = "the kernel answers for it, and our host is never asked"
                yield fault(f"{address.ip} is {link.name}'s", why, f"ip address del {address} dev {link.name}")


def somebody_is_there(facts: Facts) -> Iterator[Finding]:
    """The kernel's end of a TAP, or of our veth, speaks IP only with an address, or a route to us."""
    end = facts.end
    if end is None or end.master or end.addresses:
        return
    if not any(route.device == end.name for route in facts.routes):
        why = "this machine does not speak IP there, and our host finds no gateway"
        yield warning(f"{end.name} has no address", why, f"ip address add 192.168.5.1/24 dev {end.name}")


def one_network_one_device(facts: Facts) -> Iterator[Finding]:
    """Two devices in one network: the kernel answers our host over whichever route is first."""
    link = facts.end
    if link is None:
        return
    for address in link.addresses:
        for other in facts.links:
            clash = any(route.device == other.name and route.network == address.network for route in facts.routes)
            if other is not link and clash and address.network.prefixlen < 32:
                what = f"{address.network} is on {link.name} and on {other.name}"
                why = f"what is meant for {link.name} may leave by {other.name}"
                yield warning(what, why, f"ip address del {address} dev {link.name}")


CHECKS = (
    port_forwards,
    mtus_agree,
    macs_differ,
    one_answers_arp,
    address_is_ours,
    somebody_is_there,
    one_network_one_device,
)
