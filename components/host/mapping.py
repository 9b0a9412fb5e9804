"""A port of this host that leads to one behind its masquerading: as it is written, as rules of nft and of iptables."""

from __future__ import annotations

import ipaddress

import attrs

from components.command import Complaint


@attrs.frozen(kw_only=True)
class Mapping:
    """`port` of this host's leads to `to_port` of `address`."""

    protocol: str  # "tcp", "udp"
    port: int
    address: str
    to_port: int

    def nft(self, via: str) -> str:
        """As `nft list` words it."""
        return f'iifname "{via}" {self.protocol} dport {self.port} dnat to {self.address}:{self.to_port};'

    def iptables(self, via: str) -> tuple[str, ...]:
        met = ("-i", via, "-p", self.protocol, "--dport", str(self.port))
        return (*met, "-j", "DNAT", "--to-destination", f"{self.address}:{self.to_port}")


def parse(text: str, subnet: str) -> Mapping:
    """ "8080:192.168.5.100:80", with /udp behind it for UDP."""
    ports, _, protocol = text.partition("/")
    try:
        port, address, to_port = ports.split(":")
        found = Mapping(protocol=protocol or "tcp", port=int(port), address=address, to_port=int(to_port))
        inside = ipaddress.IPv4Address(address) in ipaddress.IPv4Network(subnet)
    except ValueError:
        raise Complaint(f"--map {text} should be PORT:ADDRESS:PORT, such as 8080:192.168.5.100:80") from None
    ports_are_ports = 0 < found.port < 65536 and 0 < found.to_port < 65536
    if not inside or found.protocol not in ("tcp", "udp") or not ports_are_ports:
        raise Complaint(f"--map {text} should lead to a port, 1 to 65535, of an address in {subnet}; /udp ends UDP's")
    return found
