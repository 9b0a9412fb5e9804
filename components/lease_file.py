"""The file in which a DHCP server's leases outlive its process: a `netif.dhcp.LeaseStore`.

Each save writes all of them beside the file and then takes its place, so that whoever is killed in between leaves the
former one whole. Times in it are seconds since 1970. A file that cannot be read is set aside, and told of.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from math import inf
from pathlib import Path
from typing import Any

from netif.dhcp import GivenLease
from netif.wire import ethernet

logger = logging.getLogger(__name__)


class LeaseFile:
    """`DhcpsConfig(store=LeaseFile("/var/lib/netif/leases"))`; one server each."""

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        """ValueError where the path's directory is none."""
        self.path = Path(path)
        self.clock = clock
        if not self.path.parent.is_dir():
            raise ValueError(f"LeaseFile: {self.path.parent} is no directory; make it, or give another path")

    def __repr__(self) -> str:
        return f"<LeaseFile {self.path}>"

    def load(self, now: float) -> list[GivenLease]:
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return []
        ahead = now - self.clock()
        try:
            return [_read(lease, ahead) for lease in json.loads(text)["leases"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            aside = self.path.with_name(self.path.name + ".damaged")
            self.path.replace(aside)
            logger.warning("%s is damaged (%s): it is %s now, and no lease is known", self.path, error, aside.name)
            return []

    def save(self, leases: Iterable[GivenLease], now: float) -> None:
        ahead = now - self.clock()
        text = json.dumps({"leases": [_written(lease, ahead) for lease in leases]}, indent=1)
        beside = self.path.with_name(self.path.name + ".new")
        with open(beside, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _written(lease: GivenLease, ahead: float) -> dict[str, Any]:
    return {
        "ip": str(lease.ip),
        "mac": ethernet.format_mac(lease.mac),
        "client": lease.client.hex(),
        "expires": None if lease.expires == inf else round(lease.expires - ahead, 3),
        "hostname": lease.hostname,
    }


def _read(lease: dict[str, Any], ahead: float) -> GivenLease:
    expires = lease["expires"]
    return GivenLease(
        client=bytes.fromhex(lease["client"]),
        mac=ethernet.parse_mac(lease["mac"]),
        ip=IPv4Address(lease["ip"]),
        expires=inf if expires is None else float(expires) + ahead,
        hostname=str(lease["hostname"]),
    )
