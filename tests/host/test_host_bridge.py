"""`netif host bridge --nic`: a network card moves into a bridge under the feet of whoever uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from components.host.clients import StopClient, find, processes
from tests.components.commands import environment
from tests.host.namespaces import in_netns, wait_until
from tests.host.recipes import guest, on_a_lan

pytestmark = pytest.mark.host

ROUTER, MACHINE = "10.0.0.1", "10.0.0.2"
NIC = ("bridge", "br0", "--nic", "eth0")


@pytest.fixture
def lan(tmp_path):
    with on_a_lan(tmp_path / "state") as both:
        yield both


@pytest.fixture
def deaf_bridge(lan):
    """A bridge that listens for a minute before it forwards (IEEE 802.1D), so that the gateway is lost behind it."""
    machine, _router = lan
    slow = ("address", "02:00:00:00:00:0b", "type", "bridge", "stp_state", "1", "forward_delay", "3000")
    machine.namespace.ip("link", "add", "br0", *slow)
    machine.namespace.ip("link", "set", "br0", "up")
    return machine


def test_addresses_and_routes_of_every_table_move_and_come_back(lan):
    machine, _router = lan
    ns = machine.namespace
    ns.ip("address", "add", "10.0.0.3/24", "dev", "eth0", "label", "eth0:1")
    ns.ip("address", "add", "172.16.0.9/16", "metric", "50", "noprefixroute", "dev", "eth0")
    ns.ip("route", "add", "172.16.0.0/16", "dev", "eth0", "proto", "kernel", "scope", "link", "metric", "50")
    ns.ip("route", "add", "10.7.0.0/16", "via", ROUTER, "table", "100", "metric", "7", "mtu", "1400")
    ns.ip("route", "add", "default", "via", "10.0.0.9", "metric", "900", "src", "10.0.0.3")
    ns.sysctl("net/ipv6/conf/eth0/disable_ipv6", 0)
    ns.ip("address", "add", "2001:db8::2/64", "nodad", "dev", "eth0")
    ns.ip("-6", "route", "add", "default", "via", "2001:db8::1", "dev", "eth0")
    ns.sysctl("net/ipv6/conf/default/disable_ipv6", 0)
    routes = [route for route in ns.ip("route", "show", "table", "all").splitlines() if "dev eth0" in route]
    before = machine.kernels_state()
    machine.perform(*NIC)
    moved = ns.ip("route", "show", "table", "all").splitlines()
    assert {route.replace("dev eth0", "dev br0") for route in routes} <= set(moved)
    links_own = ("fe80::/64", "local fe80::", "multicast ff00::/8")
    assert not [route for route in moved if "dev eth0" in route and not route.startswith(links_own)]
    assert "2001:db8::2/64" in ns.ip("address", "show", "dev", "br0")
    machine.perform(*NIC, "--down")
    ours = [line for line in machine.kernels_state() if "fe80" not in line]
    assert ours == [line for line in before if "fe80" not in line]


def test_a_connection_through_the_card_survives_there_and_back(lan):
    machine, router = lan
    with machine.namespace.listen() as listener, router.connect((MACHINE, listener.getsockname()[1])) as far:
        near, _ = listener.accept()
        with near:
            for words in (NIC, (*NIC, "--down")):
                machine.perform(*words)
                far.sendall(b"still there?")
                assert near.recv(64) == b"still there?"
                near.sendall(b"yes")
                assert far.recv(64) == b"yes"


def test_whoever_is_behind_the_bridge_is_on_the_lan(lan):
    machine, router = lan
    machine.perform(*NIC, "--veth", "v0", "v1")
    with guest(machine, "v1", "10.0.0.60/24", ROUTER) as behind:
        assert behind.exec("ping", "-c1", "-W2", ROUTER).returncode == 0
        with router.listen() as listener, behind.connect((ROUTER, listener.getsockname()[1])):
            accepted, source = listener.accept()
            accepted.close()
            assert source[0] == "10.0.0.60"


def test_a_lost_gateway_undoes_all(deaf_bridge):
    before = deaf_bridge.kernels_state()
    told = deaf_bridge.command(*NIC, "--rollback-after", "1")
    told.complains("the gateway 10.0.0.1 has not answered through it for 1 s; all is undone")
    assert deaf_bridge.kernels_state() == before
    assert deaf_bridge.records() == []


def test_a_terminal_that_hangs_up_leaves_the_guard_alone(deaf_bridge):
    before = deaf_bridge.kernels_state()
    line = [sys.executable, "-m", "netif", "host", *deaf_bridge.words(*NIC, "--rollback-after", "1")]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen(line, env=environment(), **how) as command:
        while "eth0 has 10.0.0.2/24 no more" not in (said := command.stdout.readline()):
            assert said
        os.killpg(command.pid, signal.SIGHUP)
    assert command.returncode == -signal.SIGHUP
    wait_until(lambda: deaf_bridge.records() == [], 10.0, "the roll-back")
    assert deaf_bridge.kernels_state() == before


def test_a_gateway_that_was_silent_before_is_not_waited_for(lan):
    machine, router = lan
    router.ip("address", "delete", "10.0.0.1/24", "dev", "lan0")
    said = machine.perform(*NIC)
    assert said[0] == "br0: warning: the gateway 10.0.0.1 does not answer ARP on eth0 now: it is not watched"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("NetworkManager", "eth0 is looked after by NetworkManager: nmcli connection add type bridge con-name br0"),
        ("systemd-networkd", "eth0 is looked after by systemd-networkd: printf '[NetDev]"),
        ("dhcpcd", "eth0 is looked after by dhcpcd: dhcpcd --persistent --exit eth0"),
    ],
)
def test_a_card_that_somebody_looks_after_is_left_to_them(lan, tmp_path, name, says):
    machine, _router = lan
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    title = f"{name}: eth0 [ip4]" if name == "dhcpcd" else name  # as dhcpcd calls itself
    python = "import sys, os; os.execv(sys.argv[1], [sys.argv[2], '60'])"
    machine.namespace.start(sys.executable, "-c", python, str(program), title)
    manager = name[:15]  # comm(5): TASK_COMM_LEN
    wait_until(lambda: manager in [one.name for one in in_netns(machine.namespace.name, processes)], what="its start")
    assert says in machine.refuses(*NIC)
    assert machine.records() == []
    machine.perform(*NIC, "--force")


def test_its_dhcp_client_moves_with_it(lan, tmp_path):
    machine, router = lan
    script, leases = tmp_path / "script", tmp_path / "leases"
    script.write_text('#!/bin/sh\n[ "$1" != bound ] || ip address replace $ip/$mask dev $interface\n')
    script.chmod(0o755)
    words = "--no-daemon -C /dev/null --port=0 --interface=lan0 --bind-dynamic --pid-file= --no-ping"
    pool = "--dhcp-range=10.0.0.77,10.0.0.78,2m"
    router.start("dnsmasq", *words.split(), pool, f"--dhcp-leasefile={leases}", stderr=subprocess.DEVNULL)
    argv = ("udhcpc", "-f", "-i", "eth0", "-s", str(script))
    client = machine.namespace.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "10.0.0.7" in machine.namespace.ip("address", "show", "dev", "eth0"), 10.0, "the lease")
    moved = tuple("br0" if word == "eth0" else word for word in argv)
    machine.perform(*NIC)
    assert client.wait(5) == -signal.SIGKILL
    assert in_netns(machine.namespace.name, lambda: find(moved))
    assert "10.0.0.7" in machine.namespace.ip("address", "show", "dev", "br0")
    machine.perform(*NIC, "--down")
    assert not in_netns(machine.namespace.name, lambda: find(moved))
    assert in_netns(machine.namespace.name, lambda: find(argv))
    in_netns(machine.namespace.name, lambda: StopClient(argv=argv).apply(None))
    assert "10.0.0.7" in machine.namespace.ip("address", "show", "dev", "eth0")


def test_dockers_trap_is_named_with_what_opens_it(lan):
    machine, _router = lan
    machine.namespace.exec("iptables", "-P", "FORWARD", "DROP")
    said = machine.perform("bridge", "br0", "--tap", "tap0")
    assert said[0] == (
        "br0: warning: iptables's policy of FORWARD drops what is bridged too (br_netfilter, as Docker sets it): "
        "iptables -I FORWARD -i br0 -o br0 -j ACCEPT"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--nic", "eth7"), "--nic eth7: there is no such device"),
        (("--nic", "lo"), "--nic lo: the loopback cannot be a bridge's port"),
        (("--tap", "eth0"), "eth0 is there and is a veth, not a TAP"),
        (("--addr", "10.0.0.9/24"), "eth0 has 10.0.0.2/24 already"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_done(lan, words, says):
    machine, _router = lan
    before = machine.kernels_state()
    assert says in machine.refuses("bridge", "br0", *words)
    assert machine.kernels_state() == before


def test_a_port_has_no_address_and_what_has_one_is_no_port(lan):
    machine, _router = lan
    machine.perform("isolated", "tap0")
    assert "tap0 has 192.168.5.1/24, and a bridge's port is deaf to it" in machine.refuses(
        "bridge", "br0", "--tap", "tap0"
    )
    machine.perform("bridge", "br0", "--tap", "tap1")
    for recipe in ("isolated", "forward", "nat"):
        assert "tap1 is in br0, and a port is deaf" in machine.refuses(recipe, "tap1", "--addr", "192.168.6.1/24")
    machine.perform("bridge", "br0", "--tap", "tap1")
    assert machine.said == ["br0: as asked, nothing to do"]


def test_the_wall_around_another_tap_is_none_across_a_bridge(lan):
    machine, _router = lan
    machine.perform("nat", "tap0", "--firewall", "nft")
    assert not any("warning" in line for line in machine.perform("bridge", "br0", "--tap", "tap1"))


def test_a_route_with_several_ways_is_not_moved(lan):
    machine, _router = lan
    hops = ("nexthop", "via", "10.0.0.8", "nexthop", "via", "10.0.0.9")
    machine.namespace.ip("route", "add", "10.5.0.0/16", *hops)
    assert "--nic eth0: the route to 10.5.0.0/16 has several ways" in machine.refuses(*NIC)
