"""`netif host nat` and `forward` carry a kernel's packets: pings and connections, past what other rules drop."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.components.commands import CHECKOUT, environment
from tests.host.namespaces import namespace, wait_until
from tests.host.recipes import guest, on_a_lan

pytestmark = pytest.mark.host

ROUTER, MACHINE, LAN_GUEST = "10.0.0.1", "10.0.0.2", "10.0.0.50"
INSIDE, GUEST = "192.168.5.1", "192.168.5.100"
VETH = ("v0", "--veth", "v1")


@pytest.fixture
def lan(tmp_path):
    with on_a_lan(tmp_path / "state") as both:
        yield both


def pings(ns, address, patience=2.0):
    return ns.exec("ping", "-c1", f"-W{patience}", address, check=False).returncode == 0


def connection(client, server, address):
    """(the client's address as the server sees it, what came across) of one connection."""
    with server.listen() as listener, client.connect((address, listener.getsockname()[1])) as out:
        accepted, source = listener.accept()
        with accepted:
            out.sendall(b"through")
            return source[0], accepted.recv(64)


@pytest.mark.parametrize("rules", ["", "iptables -P FORWARD DROP", "iptables-legacy -P FORWARD DROP"])
def test_nat_reaches_out_with_this_hosts_address(lan, rules):
    machine, router = lan
    if rules:
        machine.namespace.exec(*rules.split())
    before = machine.kernels_state()
    machine.perform("nat", *VETH)
    with guest(machine, "v1", f"{GUEST}/24", INSIDE) as behind:
        assert pings(behind, ROUTER)
        assert connection(behind, router, ROUTER) == (MACHINE, b"through")
        assert not pings(router, GUEST)  # which has no way to it
    machine.perform("nat", "v0", "--down")
    assert [line for line in machine.kernels_state() if "[" not in line] == [line for line in before if "[" not in line]


@pytest.mark.parametrize(
    ("wire", "dhcp"),
    [
        (("tap0",), ("--dhcp",)),
        (VETH, ()),
        pytest.param(("tap0",), (), marks=pytest.mark.slow),
        pytest.param(VETH, ("--dhcp",), marks=pytest.mark.slow),
    ],
)
def test_the_command_that_nat_names_fetches_a_page_from_outside(lan, tmp_path, wire, dhcp):
    machine, router = lan
    (tmp_path / "index.html").write_text("from outside")
    router.start(sys.executable, "-m", "http.server", "80", "--directory", str(tmp_path), stderr=subprocess.DEVNULL)
    wait_until(lambda: ":80 " in router.exec("ss", "-Hlnt").stdout, what="the server's start")
    then = machine.perform("nat", *wire, *dhcp)[-1].partition("then: ")[2].replace("example.com", ROUTER)
    before, _, words = then.partition("netif ")
    line = [*before.split(), sys.executable, "-m", "netif", *words.split()]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=30)
    assert done.stdout == "from outside", done.stderr
    machine.perform("nat", wire[0], "--down")


def test_nat_for_what_is_there_names_no_command_on_the_kernels_end(lan):
    machine, _router = lan
    machine.namespace.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    assert not any("then:" in line for line in machine.perform("nat", "v0"))


def test_nat_goes_by_the_bridge_when_the_card_is_a_port_of_one(lan):
    machine, router = lan
    machine.perform("bridge", "br0", "--nic", "eth0")
    said = machine.perform("nat", *VETH, "--via", "eth0")
    assert any("leaves by br0" in line for line in said)
    with guest(machine, "v1", f"{GUEST}/24", INSIDE) as behind:
        assert connection(behind, router, ROUTER) == (MACHINE, b"through")


def test_a_drop_that_no_rule_of_ours_overrules_is_named_with_what_mends_it(lan):
    machine, _router = lan
    ns = machine.namespace
    ns.exec("nft", "table inet wall { chain fw { type filter hook forward priority 0; policy drop; }; }")
    said = machine.perform("nat", *VETH)
    assert said[0].startswith("v0: warning: nft's chain inet wall fw drops what is forwarded; let v0 pass: ")
    with guest(machine, "v1", f"{GUEST}/24", INSIDE) as behind:
        assert not pings(behind, ROUTER, 0.3)
        ns.exec("sh", "-e", "-c", said[0].partition("let v0 pass: ")[2])
        assert pings(behind, ROUTER)


def test_forward_leads_to_a_subnet_behind_this_host(lan):
    machine, router = lan
    said = machine.perform("forward", *VETH)
    line = said[-1].partition("know the way: ")[2]
    assert line == f"ip route add 192.168.5.0/24 via {MACHINE}"
    router.exec(*line.split())
    with guest(machine, "v1", f"{GUEST}/24", INSIDE) as behind:
        assert pings(behind, ROUTER)
        assert connection(router, behind, GUEST) == (ROUTER, b"through")


def test_forward_answers_for_addresses_of_the_lan(lan):  # RFC 1027
    machine, router = lan
    machine.namespace.exec("iptables", "-P", "FORWARD", "DROP")
    machine.perform("forward", *VETH, "--host", LAN_GUEST)
    with guest(machine, "v1", f"{LAN_GUEST}/24", ROUTER) as behind:
        assert pings(router, LAN_GUEST)
        assert connection(router, behind, LAN_GUEST) == (ROUTER, b"through")
        assert connection(behind, router, ROUTER) == (LAN_GUEST, b"through")
        assert connection(behind, machine.namespace, MACHINE) == (LAN_GUEST, b"through")


@pytest.mark.parametrize("more", [(), ("--own",)])
def test_isolated_gives_addresses(lan, more):
    machine, _router = lan
    machine.perform("isolated", *VETH, "--dhcp", "--pool", "192.168.5.7-192.168.5.7", *more)
    with namespace() as behind:
        machine.namespace.ip("link", "set", "v1", "netns", behind.name)
        behind.ip("link", "set", "v1", "up")
        heard = behind.exec("busybox", "udhcpc", "-f", "-n", "-q", "-i", "v1", "-s", "/bin/true")
        assert "lease of 192.168.5.7 obtained" in heard.stdout + heard.stderr


def test_an_ordinary_user_may_read_the_lines_and_is_told_where_root_is_needed(lan):
    machine, _router = lan
    ns = machine.namespace
    user = ("unshare", "--user", "--map-user=1000", "--", "env", f"PYTHONPATH={CHECKOUT}", "PATH=/usr/sbin:/sbin")
    told = ns.exec(*user, sys.executable, "-m", "netif", "host", "nat", "tap0", "--dry-run")
    assert told.stdout.splitlines()[-1].startswith("nft 'table ip netif_tap0 ")
    asked = ns.exec(*user, sys.executable, "-m", "netif", "host", "nat", "tap0", check=False)
    assert asked.returncode == 2
    assert "`netif host nat tap0 --dry-run` tells what to ask one for" in asked.stderr


@pytest.mark.parametrize("kind", ["nft", "iptables"])
def test_recipes_on_one_host_go_in_any_order(lan, kind):
    machine, _router = lan
    before = machine.kernels_state()
    for first in (0, 1):
        names = ("tap0", "tap1")
        machine.perform("nat", "tap0", "--firewall", kind)
        machine.perform("nat", "tap1", "--addr", "192.168.6.1/24", "--firewall", kind)
        machine.perform("forward", "tap1", "--firewall", kind)
        machine.perform("nat", names[first], "--down")
        assert machine.namespace.exec("sysctl", "-n", "net.ipv4.ip_forward").stdout == "1\n"
        machine.perform("nat", names[1 - first], "--down")
        machine.perform("forward", "tap1", "--down")
        assert machine.kernels_state() == before
        assert machine.records() == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nat", "tap0", "--via", "eth7"), "--via eth7: there is no such device"),
        (("nat", "eth0"), "--via eth0: that is the inside already"),
        (("nat", "tap0", "--addr", "10.0.0.9/24"), "--addr 10.0.0.9/24: eth0 has 10.0.0.2/24 already"),
        (("forward", "tap0", "--host", "10.0.0.2"), "--host 10.0.0.2: that is this host's own, on eth0"),
        (("forward", "tap0", "--host", "10.0.0.1"), "--host 10.0.0.1: that is a gateway of this host, by eth0"),
        (("forward", "tap0", "--host", "10.0.0.255"), "--host 10.0.0.255 names 10.0.0.0/24 as a whole"),
        (("nat", "tap0", "--addr", "10.1.1.0/24"), "--addr 10.1.1.0/24 names 10.1.1.0/24 as a whole"),
        (("nat", "tap0", "--addr", "10.1.1.255/24"), "--addr 10.1.1.255/24 names 10.1.1.0/24 as a whole"),
        (("isolated", "tap0", "--addr", "127.0.5.1/24"), "--addr 127.0.5.1/24 is no address for a host"),
        (("isolated", "lo"), "lo is there and is a loopback, not a TAP"),
        (("forward", "tap0", "--host", "10.8.0.2"), "--host 10.8.0.2: no device here has a subnet with it"),
        (("forward", "tap0", "--host", "here"), "--host here should be an address of the LAN's subnet"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_done(lan, words, says):
    machine, _router = lan
    before = machine.kernels_state()
    assert says in machine.refuses(*words)
    assert machine.kernels_state() == before
    assert machine.records() == []
