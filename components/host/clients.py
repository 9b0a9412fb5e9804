"""Who else looks after a network card: NetworkManager, systemd-networkd, dhcpcd, or a DHCP client of its own.

Knows how to see them, by the processes of this namespace and by what they leave in /run, and the commands by which each
is asked to make a bridge. A dhclient or udhcpc that serves the one card can be moved; the others would undo what is
done behind their backs.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from pathlib import Path

import attrs

from components.host.kernel import Host, Refused, inside
from components.host.servers import PATIENCE, command_of

MOVABLE = ("dhclient", "udhcpc")


@attrs.frozen
class Process:
    id: int
    name: str
    argv: tuple[str, ...]


def processes() -> list[Process]:
    """Of the network namespace that this thread is in."""
    own = os.stat("/proc/thread-self/ns/net").st_ino
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (directory / "ns/net").stat().st_ino == own:
                argv = (directory / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
                found.append(Process(int(directory.name), (directory / "comm").read_text().strip(), tuple(argv)))
    return found


def manager_of(host: Host, card: str, bridge: str) -> tuple[str, str] | None:
    """(who, the commands that make the bridge there), if somebody would undo what is done to `card`."""
    running = processes()
    names = {one.name for one in running}
    if "NetworkManager" in names and nmcli_says_managed(host, card):
        return "NetworkManager", (
            f"nmcli connection add type bridge con-name {bridge} ifname {bridge} bridge.stp no && "
            f"nmcli connection add type ethernet con-name {bridge}-{card} ifname {card} master {bridge} && "
            f"nmcli connection up {bridge}-{card}"
        )
    if "systemd-network" in names and networkd_manages(host, card):
        directory = "/etc/systemd/network"
        return "systemd-networkd", (
            f"printf '[NetDev]\\nName={bridge}\\nKind=bridge\\n' >{directory}/{bridge}.netdev && "
            f"printf '[Match]\\nName={card}\\n[Network]\\nBridge={bridge}\\n' >{directory}/05-{card}.network && "
            f"printf '[Match]\\nName={bridge}\\n[Network]\\nDHCP=yes\\n' >{directory}/{bridge}.network && "
            "networkctl reload"
        )
    if any(one.name == "dhcpcd" and concerns(one, card) for one in running):
        return "dhcpcd", f"dhcpcd --persistent --exit {card}, this command again, and dhcpcd {bridge}"
    return None


def concerns(process: Process, card: str) -> bool:
    """dhcpcd names its card in its title, "dhcpcd: eth0 [ip4]"; a [manager] has them all."""
    title = " ".join(process.argv).split()
    return card in title or "[manager]" in title


def nmcli_says_managed(host: Host, card: str) -> bool:
    try:
        return host.run("nmcli", "-g", "GENERAL.NM-MANAGED", "device", "show", card).strip() != "no"
    except (OSError, Refused):
        return True  # it runs, and cannot be asked


def networkd_manages(host: Host, card: str) -> bool:
    try:
        return "ADMIN_STATE=unmanaged" not in Path(f"/run/systemd/netif/links/{host.index(card)}").read_text()
    except OSError:
        return True


def client_of(card: str) -> Process | None:
    """A DHCP client that serves this card alone."""
    return next((one for one in processes() if one.name in MOVABLE and card in one.argv[1:]), None)


@attrs.frozen(kw_only=True)
class StartClient:
    """A DHCP client, as it was called. It goes to the background when it has a lease, or stays: nobody waits for it."""

    argv: tuple[str, ...]

    def line(self, netns: str | None) -> str:
        return f"{inside(netns, self.argv)} &"

    def apply(self, host: Host) -> None:
        if find(self.argv) is None:
            host.run("sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", *self.argv)


@attrs.frozen(kw_only=True)
class StopClient:
    """Without a word to the server or the card: the lease and the address stay."""

    argv: tuple[str, ...]

    def line(self, netns: str | None) -> str:
        return inside(netns, ["pkill", "-9", "-x", "-f", shlex.join(self.argv)])

    def apply(self, host: Host) -> None:
        process = find(self.argv)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.id, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while command_of(process.id):
            if time.monotonic() > deadline:
                raise Refused(f"process {process.id} does not end")
            time.sleep(0.01)


def find(argv: tuple[str, ...]) -> Process | None:
    return next((one for one in processes() if one.argv == argv), None)
