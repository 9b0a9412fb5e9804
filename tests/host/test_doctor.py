"""`netif host doctor`: each fault is made, found, mended by the very command that it names, and gone."""

from __future__ import annotations

import json
import os
import stat
import sys
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from attrs import evolve

from components.host.checks import bridge, device, passage, programs, rights
from components.host.checks.facts import BLOCKING, Facts, Link, look
from components.host.checks.finding import Severity
from components.host.doctor import examine
from tests.components.commands import environment
from tests.host.namespaces import Namespace, namespace, wait_until

pytestmark = pytest.mark.host

TAP, OURS = "tap0", "192.168.5.100"


class Patient:
    """A namespace, and what the doctor says of one wire in it."""

    def __init__(self, ns: Namespace) -> None:
        self.ns = ns

    def sh(self, commands: str) -> None:
        self.ns.exec("sh", "-ec", commands)

    def found(self, check, wire: str = "tap:tap0", ip: str | None = OURS):
        kind, _, name = wire.partition(":")
        asked = {"kind": kind, "device": name, "ip": IPv4Address(ip) if ip else None}
        return self.ns.call(lambda: examine(look(**asked), [check]))

    def mends(self, check, what: str, *, wire: str = "tap:tap0", severity: Severity = Severity.WARNING):
        """It is found, and alone; its command mends it."""
        (finding,) = self.found(check, wire)
        assert (finding.what, finding.severity) == (what, severity)
        self.sh(finding.command)
        assert self.found(check, wire) == []
        return finding


@pytest.fixture
def patient():
    """A TAP, its kernel's end addressed and up: nothing is wrong."""
    with namespace() as ns:
        ns.add_tap(TAP, "192.168.5.1/24")
        yield Patient(ns)


@pytest.fixture
def bridged(patient):
    """The same with br0, whose ports are the TAP and one end of a veth pair, v0-v1."""
    patient.sh("""
        ip address flush dev tap0; ip link add br0 type bridge; ip address add 192.168.5.1/24 dev br0
        ip link add v0 type veth peer name v1
        for port in tap0 v0; do ip link set $port master br0; done
        for each in br0 v0 v1; do ip link set $each up; done""")
    return patient


FAULT, HINT = Severity.FAULT, Severity.HINT


def test_a_device_that_is_not_there(patient):
    (finding,) = patient.found(device.exists, "tap:tap1")
    assert finding.why == "did you mean tap0?"
    assert finding.command == "make_tap_netif tap1"
    patient.mends(device.exists, "there is no device v7", wire="packet:v7", severity=FAULT)
    patient.mends(device.exists, "there is no device tun7", wire="tun:tun7", severity=FAULT)


def test_a_tun_where_a_tap_is_wanted(patient):
    patient.sh("ip tuntap add dev tun0 mode tun")
    patient.sh("ip link add v0 type veth peer name v1")
    (finding,) = patient.found(device.right_kind, "tap:tun0")
    assert finding.command == "ip tuntap del dev tun0 mode tun && make_tap_netif tun0"
    patient.mends(device.right_kind, "tap0 is a TAP", wire="tun:tap0", severity=FAULT)
    (finding,) = patient.found(device.right_kind, "tap:v0")
    assert (finding.what, finding.command) == ("v0 is a veth", "netif ping -i packet:v0")


def test_a_device_that_is_down(bridged):
    bridged.sh("ip link set tap0 down")
    bridged.mends(device.is_up, "tap0 is down", severity=FAULT)
    bridged.sh("ip link set br0 down")
    bridged.mends(device.is_up, "br0 is down", severity=FAULT)
    bridged.sh("ip link set v0 down")
    bridged.mends(device.is_up, "v0 is down", wire="packet:v1", severity=FAULT)


def test_a_veth_whose_other_end_is_elsewhere_and_down(patient):
    with namespace() as other:
        patient.sh(f"ip link add v0 type veth peer name v1 netns {other.name}; ip link set v0 up")
        (finding,) = patient.found(device.has_carrier, "packet:v0")
        assert finding.what == "v0 has no carrier"
        other.ip("link", "set", "v1", "up")
        assert patient.found(device.has_carrier, "packet:v0") == []


def test_a_tap_that_another_program_has_open(patient):
    holding = "import time; from tapio import Tap; tap = Tap('tap0'); print('open', flush=True); time.sleep(60)"
    patient.ns.start(sys.executable, "-c", holding, env=environment())
    wait_until(lambda: patient.found(device.is_free), what="the other program's opening")
    (finding,) = patient.found(device.is_free)
    assert finding.what == "tap0 is busy"
    patient.sh(finding.command)
    wait_until(lambda: not patient.found(device.is_free), what="its end")


def test_a_veth_that_leaves_checksums_to_its_other_end(bridged):
    finding = bridged.mends(device.checksums_are_whole, "v0 leaves checksums to v1", wire="pcap:v1", severity=HINT)
    assert finding.command == "ethtool -K v0 tx off"
    assert bridged.found(device.checksums_are_whole, "packet:v1") == []


def test_a_port_that_spanning_tree_keeps_shut(bridged):
    bridged.sh("ip link set v0 nomaster; ip link set br0 type bridge stp_state 1; ip link set v0 master br0")
    finding = bridged.mends(bridge.port_forwards, "port v0 of br0 is listening", wire="packet:v1")
    assert "after 30 s" in finding.why
    port = Link(name=TAP, index=2, kind="tap", master="br0", port_state=BLOCKING)
    (finding,) = bridge.port_forwards(Facts(device=TAP, links=(port, Link(name="br0", index=3, kind="bridge"))))
    assert (finding.severity, finding.command) == (FAULT, "bridge link set dev tap0 state 3")


def test_ports_of_one_bridge_with_different_mtus(bridged):
    bridged.sh("ip link set v0 mtu 9000; ip link set br0 mtu 1500")
    bridged.mends(bridge.mtus_agree, "v0 has an MTU of 9000")


def test_two_stations_with_one_mac(bridged):
    bridged.sh("ip link set v1 address 02:00:00:00:00:07; ip link set tap0 address 02:00:00:00:00:07")
    bridged.mends(bridge.macs_differ, "tap0 and v1 share 02:00:00:00:00:07")


def test_a_veths_end_that_answers_for_the_machine(bridged):
    bridged.mends(bridge.one_answers_arp, "v1 answers ARP for this machine", wire="packet:v1")


def test_an_address_of_ours_that_is_the_machines(patient):
    patient.sh(f"ip address add {OURS}/24 dev tap0")
    patient.mends(bridge.address_is_ours, f"{OURS} is tap0's", severity=FAULT)


def test_an_end_without_an_address(patient):
    patient.sh("ip address flush dev tap0")
    patient.mends(bridge.somebody_is_there, "tap0 has no address")
    patient.sh("ip address flush dev tap0; ip route add 10.20.0.50/32 dev tap0")
    assert patient.found(bridge.somebody_is_there) == []
    patient.sh("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up")
    patient.mends(bridge.somebody_is_there, "v0 has no address", wire="packet:v1")


def test_the_machines_own_card_and_one_without_a_wire(tmp_path):
    addresses = (IPv4Interface("10.20.0.2/24"),)
    card = machine(tmp_path, kind="pcap", device="wlan0", links=(Link(name="wlan0", index=2, addresses=addresses),))
    (finding,) = device.is_no_card_of_ours(card)
    assert (finding.severity, finding.what) == (HINT, "wlan0 is this machine's own card")
    (tmp_path / "proc/thread-self/net").mkdir(parents=True)
    (tmp_path / "proc/thread-self/net/wireless").write_text("Inter-| sta-\n face | tus\n wlan0: 0000\n")
    assert next(one.what for one in device.is_no_card_of_ours(card)) == "wlan0 is wireless"


def test_one_network_on_two_devices(patient):
    patient.sh("ip link add v0 type veth peer name v1; ip address add 192.168.5.9/24 dev v0; ip link set v0 up")
    patient.mends(bridge.one_network_one_device, "192.168.5.0/24 is on tap0 and on v0")


def test_forwarding_that_is_off(patient):
    patient.mends(passage.forwarding, "net.ipv4.ip_forward is 0", severity=HINT)
    patient.sh("sysctl -w net.ipv4.conf.tap0.forwarding=0")
    patient.mends(passage.forwarding, "net.ipv4.conf.tap0.forwarding is 0")
    patient.sh("sysctl -w net.ipv4.ip_forward=0 net.ipv4.conf.tap0.proxy_arp=1")
    patient.mends(passage.forwarding, "net.ipv4.ip_forward is 0")


def test_a_strict_reverse_path_filter_without_a_way_back(patient):
    patient.sh("sysctl -w net.ipv4.conf.tap0.rp_filter=1")
    assert patient.found(passage.reverse_path) == []
    assert patient.found(passage.reverse_path, ip=None) == []
    patient.sh("ip address flush dev tap0")
    patient.mends(passage.reverse_path, "net.ipv4.conf.tap0.rp_filter is strict")
    patient.sh("ip link add v0 type veth peer name v1; sysctl -w net.ipv4.conf.v0.rp_filter=1")
    patient.mends(passage.reverse_path, "net.ipv4.conf.v0.rp_filter is strict", wire="packet:v1")


def test_a_forward_policy_of_drop_as_docker_sets_it(patient):
    patient.sh("sysctl -w net.ipv4.ip_forward=1; iptables -P FORWARD DROP; iptables -A FORWARD -i docker0 -j ACCEPT")
    finding = patient.mends(passage.rules_drop, "chain ip filter FORWARD drops what comes by tap0")
    assert finding.command.startswith("nft 'insert rule ip filter FORWARD iifname tap0 accept;")


def test_bridged_frames_that_iptables_drops(bridged):
    bridged.sh("iptables -P FORWARD DROP; sysctl -w net.bridge.bridge-nf-call-iptables=1")
    assert len(bridged.found(passage.rules_drop, "packet:v1")) == 1
    bridged.mends(passage.rules_drop, "net.bridge.bridge-nf-call-iptables is 1")


def test_rules_that_drop_in_other_words(patient):
    patient.sh("""nft add table inet fw
        nft 'add chain inet fw in { type filter hook input priority 0; }'
        nft 'add rule inet fw in ct state established accept'
        nft 'add rule inet fw in iifname != { lo, "eth*" } counter reject'""")
    patient.mends(passage.rules_drop, "chain inet fw in drops what comes by tap0")


def test_rules_in_a_chain_that_is_called(patient):
    patient.sh("""sysctl -w net.ipv4.ip_forward=1; iptables -P FORWARD DROP; iptables -N OURS; iptables -N EMPTY
        iptables -A FORWARD -j EMPTY; iptables -A FORWARD -j OURS; iptables -A OURS -i tap0 -j ACCEPT""")
    assert patient.found(passage.rules_drop) == []
    patient.sh("iptables -I OURS -j RETURN")
    patient.mends(passage.rules_drop, "chain ip filter FORWARD drops what comes by tap0")


def test_a_rule_about_another_device_is_none_of_ours(patient):
    patient.sh("iptables -A INPUT -i eth0 -j DROP; iptables -A INPUT -p tcp --dport 22 -j DROP")
    assert patient.found(passage.rules_drop) == []


def test_in_order_the_doctor_says_so_and_the_status_is_0(patient):
    done = patient.ns.exec(sys.executable, "-m", "netif", "host", "doctor", "-i", TAP, "--ip", OURS)
    assert "net.ipv4.ip_forward is 0" in done.stdout
    patient.sh("sysctl -w net.ipv4.ip_forward=1")
    done = patient.ns.exec(sys.executable, "-m", "netif", "host", "doctor", "-i", TAP, "--ip", OURS)
    assert done.stdout == "nothing is missing, and nothing in the way\n"


def test_the_command_mends_another_namespace_from_outside(patient):
    patient.sh("ip link set tap0 down; sysctl -w net.ipv4.ip_forward=1")
    words = ("netif", "host", "doctor", "--netns", patient.ns.name, "-i", "tap:tap0")
    with namespace() as elsewhere:
        done = elsewhere.exec(sys.executable, "-m", *words, "--json", check=False)
        (finding,) = json.loads(done.stdout)
        assert (done.returncode, finding["severity"], finding["what"]) == (1, "fault", "tap0 is down")
        elsewhere.exec(*finding["command"].split())
        done = elsewhere.exec(sys.executable, "-m", *words)
        assert done.stdout == "nothing is missing, and nothing in the way\n"


def machine(root: Path, **facts) -> Facts:
    """One that is not there: a tree of files."""
    return Facts(**{"kind": "tap", "device": TAP, "root": root, **facts})


def test_a_device_node_that_is_missing_or_closed(patient, tmp_path):
    (finding,) = rights.node(machine(tmp_path))
    assert finding.what == f"{tmp_path}/dev/net/tun is missing"
    patient.sh(finding.command)
    found = (tmp_path / "dev/net/tun").stat()
    assert (stat.S_ISCHR(found.st_mode), os.major(found.st_rdev), os.minor(found.st_rdev)) == (True, 10, 200)
    somebody = machine(tmp_path, uid=65534, gids=(65534,))
    (tmp_path / "dev/net/tun").chmod(0o600)
    (finding,) = rights.node(somebody)
    patient.sh(finding.command)
    assert list(rights.node(somebody)) == []
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/misc").write_text("130 watchdog\n")
    (finding,) = rights.node(machine(tmp_path))
    assert finding.command == "modprobe tun"


@pytest.mark.parametrize(
    ("mark", "text", "remedy"),
    [
        (".dockerenv", "", "docker run --device /dev/net/tun --cap-add NET_ADMIN ..."),
        ("run/.containerenv", "", "podman run --device /dev/net/tun --cap-add NET_ADMIN ..."),
        (
            "proc/1/cgroup",
            "0::/system.slice/libpod-1.scope",
            "podman run --device /dev/net/tun --cap-add NET_ADMIN ...",
        ),
        ("proc/1/environ", "TERM=x\0container=lxc\0", "docker run --device /dev/net/tun --cap-add NET_ADMIN ..., or"),
    ],
)
def test_in_a_container_the_flags_it_was_started_without(tmp_path, mark, text, remedy):
    (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mark).write_text(text)
    (missing,) = rights.node(machine(tmp_path))
    assert missing.command.startswith(remedy)
    (lacking,) = rights.capabilities(machine(tmp_path, capabilities=0))
    assert lacking.command.startswith(remedy)
    (lacking,) = rights.capabilities(machine(tmp_path, capabilities=0, kind="pcap"))
    assert "--cap-add NET_RAW ..." in lacking.command


def test_rights_that_are_missing(tmp_path):
    bare = machine(tmp_path, capabilities=0, uid=1000, gids=(1000,))
    (finding,) = rights.capabilities(bare)
    assert (finding.what, finding.command) == ("CAP_NET_ADMIN is missing", "sudo make_tap_netif tap0")
    for owner, group, count in ((1000, None, 0), (None, 1000, 0), (1001, None, 1), (1000, 4, 1), (None, None, 1)):
        link = Link(name=TAP, index=2, kind="tap", owner=owner, group=group)
        assert len(list(rights.capabilities(evolve(bare, links=(link,))))) == count
    (finding,) = rights.capabilities(evolve(bare, kind="packet", device="v0"))
    assert finding.what == "CAP_NET_RAW is missing"
    assert "sudo env" in finding.command


def test_a_process_without_rights_is_told_so(patient):
    words = ["--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    line = ("setpriv", *words, sys.executable, "-m", "netif", "host", "doctor", "-i", "packet:tap0")
    done = patient.ns.exec(*line, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("fault: CAP_NET_RAW is missing: packet: opens a packet socket.")


def test_a_daemon_that_manages_the_device(tmp_path):
    facts = machine(tmp_path, links=(Link(name=TAP, index=5, kind="tap"),))
    for path, text in (
        ("NetworkManager/devices/5", "[device]\nmanaged=true"),
        ("systemd/netif/links/5", "ADMIN_STATE=configured"),
    ):
        (tmp_path / "run" / path).parent.mkdir(parents=True)
        (tmp_path / "run" / path).write_text(f"{text}\n")
    network_manager, networkd = programs.managed(facts)
    assert network_manager.command == "nmcli device set tap0 managed no"
    assert "Unmanaged=yes" in networkd.command
    assert list(programs.managed(evolve(facts, netns="lab"))) == []


def test_a_command_for_a_namespace_is_one_command():
    facts = Facts(kind="tap", device=TAP, netns="lab", links=(Link(name=TAP, index=2, kind="tun"),))
    (finding,) = examine(facts, [device.right_kind])
    assert finding.command.startswith(
        "ip netns exec lab sh -c 'ip tuntap del dev tap0 mode tun && make_tap_netif tap0'"
    )
