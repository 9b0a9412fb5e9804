"""Real clients get their address from our server, over a TAP: dhclient, udhcpc and dhcpcd.

Each tells a script what it has understood; the script writes that down and sets the address, as theirs do. The device
has no address before. udhcpc and dhclient leave nothing behind; dhcpcd's directories are hidden from the machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from components.lease_file import LeaseFile
from netif import Netif, Stack, Tap, ThreadedRuntime
from netif.dhcp import DhcpsConfig
from netif.events import AssignedIp
from tests.host.namespaces import Namespace, end, namespace, run, wait_until

pytestmark = pytest.mark.host

TAP = "tap0"
SCRIPT = """#!/bin/sh
# called with what was obtained: by dhclient and dhcpcd in new_*, by udhcpc in plain names
address=${new_ip_address:-$ip}
{
    echo "event=${reason:-$1}"
    echo "address=$address"
    echo "mask=${new_subnet_mask:-$subnet}"
    echo "router=${new_routers:-$router}"
    echo "dns=${new_domain_name_servers:-$dns}"
    echo "domain=${new_domain_name:-$domain}"
    echo "lease=${new_dhcp_lease_time:-$lease}"
    echo
} >> DIRECTORY/told
case ${reason:-$1} in
    bound|BOUND|REBOOT) ip address add "$address/24" dev tap0 ;;
    deconfig|RELEASE) ip address flush dev tap0 ;;
esac
exit 0
"""


class Wire:
    """A namespace whose `tap0` has no address yet; our server is at the other end."""

    netif: Netif

    def __init__(self, ns: Namespace, directory: Path) -> None:
        self.ns = ns
        self.directory = directory
        self.given: list[tuple[str, str]] = []
        self.script = directory / "script"
        self.script.write_text(SCRIPT.replace("DIRECTORY", str(directory)))
        self.script.chmod(0o755)

    def assigned(self, event: AssignedIp) -> None:
        self.given.append((event.mac.hex(":"), str(event.ip)))

    def told(self) -> list[dict[str, str]]:
        """What the client's script was called with, each time."""
        file = self.directory / "told"
        calls = file.read_text().split("\n\n")[:-1] if file.exists() else []
        return [dict(line.split("=", 1) for line in call.splitlines()) for call in calls]

    def bound(self) -> list[dict[str, str]]:
        return [call for call in self.told() if call["address"]]

    def counted(self, name: str) -> int:
        return int(self.netif.interface.stack.stats[name])

    def leased(self) -> str:
        """To the client's MAC now."""
        (address,) = self.netif.dhcps_clients_by_mac([self.ns.mac(TAP)]).values()
        return str(address)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """`wire(lease_time=...)`: a server of ours at 10.77.0.1 on a new TAP."""
    with ExitStack() as closing:

        def make(**configured: Any) -> Wire:
            ns = closing.enter_context(namespace())
            closing.callback(end_all_in, ns)
            ns.exec("ip", "tuntap", "add", "dev", TAP, "mode", "tap")
            ns.ip("link", "set", TAP, "up")
            made = Wire(ns, tmp_path)
            runtime = ThreadedRuntime(strict=True)
            closing.callback(runtime.close)
            closing.callback(runtime.check)
            stack = closing.enter_context(Stack("server", runtime=runtime))
            driver = ns.call(lambda: Tap(TAP))
            made.netif = closing.enter_context(Netif(driver, stack=stack, ip="10.77.0.1/24"))
            made.netif.subscribe(AssignedIp, made.assigned)
            made.netif.dhcps_config = DhcpsConfig(
                start="10.77.0.100", end="10.77.0.120", dns=["10.77.0.1", "9.9.9.9"], domain="lab.test", **configured
            )
            made.netif.dhcps_start()
            ns.settle(TAP)
            return made

        yield make


def end_all_in(ns: Namespace) -> None:
    """dhcpcd is several processes, of which the first ends the others, if it is let."""
    for pid in run("ip", "netns", "pids", ns.name).split():
        os.kill(int(pid), signal.SIGKILL)


def dhclient(wire: Wire, *options: str) -> list[str]:
    files = ("-lf", str(wire.directory / "dhclient.leases"), "-pf", str(wire.directory / "dhclient.pid"))
    return ["dhclient", "-d", "-v", *options, "-sf", str(wire.script), *files, TAP]


def udhcpc(wire: Wire, *options: str) -> list[str]:
    return ["udhcpc", "-i", TAP, "-f", "-t", "4", "-T", "1", "-s", str(wire.script), *options]


def dhcpcd(wire: Wire, *options: str) -> list[str]:
    """Where it keeps leases and its pid is covered by file systems of its own: `ip netns exec` has unshared mounts."""
    hide = "mount -t tmpfs none /run; mount -t tmpfs none /var/lib; mkdir /run/dhcpcd /var/lib/dhcpcd; "
    program = ["dhcpcd", "-B", "-4", "-t", "10", "-c", str(wire.script), *options, TAP]
    return ["sh", "-c", hide + 'exec "$@"', "sh", *program]


CLIENTS = {"dhclient": (dhclient, "-1"), "udhcpc": (udhcpc, "-q"), "dhcpcd": (dhcpcd, "-1")}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_gets_an_address_and_understands_the_rest(wire, name):
    made = wire(lease_time=3600)
    command, once = CLIENTS[name]
    process = made.ns.start(*command(made, once), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(made.bound, 15, f"{name}'s lease")
    (told, *_) = made.bound()
    assert told["event"] in ("bound", "BOUND")
    assert told["address"] == "10.77.0.100"
    assert told["mask"] in ("255.255.255.0", "24")
    assert told["router"] == "10.77.0.1"
    assert told["dns"] == "10.77.0.1 9.9.9.9"
    assert told["domain"] == "lab.test"
    assert told["lease"] == "3600"
    wait_until(lambda: made.given == [(made.ns.mac(TAP), "10.77.0.100")], what="who was told of the client")
    assert made.leased() == "10.77.0.100"
    assert made.counted("dhcps_refused") == 0
    end(process)


def test_dhclient_renews_by_the_times_that_it_was_told(wire):
    """Unicast, with the address that it has by then; T1 is a second."""
    made = wire(lease_time=2)
    process = made.ns.start(*dhclient(made), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "RENEW" in [call["event"] for call in made.told()], 20, "dhclient's renewal")
    assert made.leased() == "10.77.0.100"
    assert made.given == [(made.ns.mac(TAP), "10.77.0.100")]
    end(process)


def renews_after(process: subprocess.Popen[Any], made: Wire) -> bool:
    """dhcpcd is deaf while it runs its script, so that it is told once more."""
    process.send_signal(signal.SIGUSR1)
    try:
        wait_until(lambda: "RENEW" in [call["event"] for call in made.told()], 1)
    except AssertionError:
        return False
    return True


def test_dhcpcd_renews_and_releases_when_it_is_told_to(wire):
    made = wire()
    process = made.ns.start(*dhcpcd(made, "--noarp"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(made.bound, 15, "dhcpcd's lease")
    wait_until(lambda: renews_after(process, made), 15, "dhcpcd's renewal")
    assert made.leased() == "10.77.0.100"
    made.ns.exec("ping", "-c", "1", "-W", "5", "10.77.0.1")
    process.send_signal(signal.SIGALRM)
    wait_until(lambda: made.leased() == "None", 15, "dhcpcd's release")
    end(process)


def test_udhcpc_renews_and_releases_when_it_is_told_to(wire):
    made = wire()
    process = made.ns.start(*udhcpc(made), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(made.bound, 15, "udhcpc's lease")
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: "renew" in [call["event"] for call in made.told()], 15, "udhcpc's renewal")
    assert made.leased() == "10.77.0.100"
    process.send_signal(signal.SIGUSR2)
    wait_until(lambda: made.leased() == "None", 15, "udhcpc's release")
    end(process)


def written_down(wire: Wire) -> bool:
    """dhclient has written its lease to its file, which it does after it has told its script."""
    file = wire.directory / "dhclient.leases"
    return file.exists() and "renew " in file.read_text()


def test_dhclient_reboots_with_the_lease_that_it_has_written_down(wire, tmp_path):
    """INIT-REBOOT, at a server that has forgotten everything but its file."""
    made = wire(store=LeaseFile(tmp_path / "leases"))
    process = made.ns.start(*dhclient(made), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: written_down(made), 15, "dhclient's lease")
    end(process, signal.SIGKILL)
    made.netif.dhcps_stop()
    made.netif.stack.dhcp_leases.clear()
    made.netif.dhcps_start()
    assert made.leased() == "10.77.0.100"
    process = made.ns.start(*dhclient(made), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "REBOOT" in [call["event"] for call in made.told()], 15, "dhclient's reboot")
    wait_until(lambda: made.given == [(made.ns.mac(TAP), "10.77.0.100")] * 2, what="who was told of the client twice")
    end(process)


def test_dhclient_gives_its_lease_back(wire):
    made = wire()
    process = made.ns.start(*dhclient(made), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: written_down(made), 15, "dhclient's lease")
    made.ns.exec("ping", "-c", "1", "-W", "5", "10.77.0.1")  # lest the one message be lost with a search for our MAC
    made.ns.exec(*dhclient(made, "-r"), timeout=20)
    wait_until(lambda: made.leased() == "None", 15, "dhclient's release")
    end(process)


def test_an_address_that_somebody_has_already_is_not_offered(wire):
    """Another interface of the kernel's answers our probe, by a MAC of its own."""
    made = wire()
    made.ns.exec("ip", "link", "add", "link", TAP, "name", "other0", "type", "macvlan")
    made.ns.ip("address", "add", "10.77.0.100/24", "dev", "other0")
    made.ns.ip("link", "set", "other0", "up")
    made.ns.sysctl(f"net/ipv4/conf/{TAP}/arp_ignore", 1)
    process = made.ns.start(*udhcpc(made, "-q"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(made.bound, 15, "udhcpc's lease")
    assert made.bound()[0]["address"] == "10.77.0.101"
    assert made.counted("dhcps_declined") == 1
    end(process)
