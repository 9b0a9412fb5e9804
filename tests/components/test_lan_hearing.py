"""A broadcast looked at once at the switch changes nothing that a host does."""

from __future__ import annotations

import io
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.lan import Lan
from netif import Netif, Stack
from netif.bare import BareStack
from netif.link import LinkCaps
from netif.runtime.virtual import VirtualRuntime
from netif.wire import arp, ethernet, ip, udp
from tapio import Switch

MAC = b"\x02\0\0\0\0\x99"
OURS, OTHER, TAKEN, STRANGER = (ip.parse_address(f"10.0.0.{n}") for n in (2, 3, 4, 5))


def what_happens(scene, *, selective):
    """What was sent, frame by frame with its time, and what each host knows in the end."""
    written = io.BytesIO()
    with Lan(seed=5, dhcp=True, pcapng=written) as lan:
        lan.switch.selective = selective
        scene(lan)
        known = {
            host.name: (
                host.ip,
                {entry.address: entry.mac for entry in host.netif.interface.arp.entries.values()},
                {name: host.stack.stats[name] for name in ("arp_conflict", "arp_defended", "arp_claim_lost")},
            )
            for host in lan
        }
    return SimpleNamespace(sent=written.getvalue(), known=known)


def leases(lan):
    hosts = [lan.host(f"host{n}") for n in range(8)]
    lan.run_until(lambda: all(host.netif.ip_info for host in hosts))
    lan.run_for(20)


def conversations(lan):
    leases(lan)
    one, other = lan.hosts["host1"], lan.hosts["host5"]

    def serve():
        with other.create_server(("", 7)) as listener:
            listener.accept()[0].close()

    def ask():
        one.create_connection((other.ip, 7)).close()

    served, asked = other.spawn(serve), one.spawn(ask)
    lan.run_until(lambda: served.done() and asked.done())
    lan.run_for(100)


def a_conflict(lan):
    """Somebody takes an address that is in use, again and again (RFC 5227 2.4)."""
    leases(lan)
    victim = lan.hosts["host3"]
    thief = Stack("thief", runtime=lan.runtime)
    with Netif(lan.switch.port(), stack=thief, ip=f"{victim.ip}/24", mac=MAC):
        lan.run_for(30)
    thief.close()


def power_fails(lan):
    leases(lan)
    host = lan.hosts["host2"]
    host.netif.power_off()
    lan.run_for(5)
    host.netif.reboot()
    lan.run_for(20)


@pytest.mark.parametrize("scene", [leases, conversations, a_conflict, power_fails])
def test_a_scene_is_the_same_with_it_and_without(scene):
    looked_at_once, by_every_host = (what_happens(scene, selective=selective) for selective in (True, False))
    assert looked_at_once.known == by_every_host.known
    assert looked_at_once.sent == by_every_host.sent


class TestWhatAHostSaysThatItCouldUse:
    @pytest.fixture
    def lone(self):
        """A host on a switch, and a port from which anything may be sent to it."""
        runtime, switch = VirtualRuntime(seed=1), Switch()
        with Stack("host", runtime=runtime) as stack, Netif(switch.port(), stack=stack, ip="10.0.0.2/24") as netif:
            runtime.run_for(5)
            port, sender = netif.driver, Sender(runtime, switch)

            def reaches(frame):
                before = port.frames
                sender.send(frame)
                runtime.run_for(0)
                return port.frames > before

            yield SimpleNamespace(stack=stack, netif=netif, runtime=runtime, reaches=reaches)
        runtime.close()

    def test_arp_for_its_own_addresses_old_and_new(self, lone):
        assert lone.reaches(who_has(OTHER, OURS))
        assert lone.reaches(who_has(OURS, OTHER))
        assert not lone.reaches(who_has(STRANGER, TAKEN))
        lone.netif.add_address("10.0.0.4/24")
        assert lone.reaches(who_has(STRANGER, TAKEN))
        lone.netif.remove_address("10.0.0.4")
        assert not lone.reaches(who_has(bytes(4), TAKEN))

    def test_arp_from_neighbours_that_it_knows_or_looks_for(self, lone):
        assert not lone.reaches(who_has(OTHER, TAKEN))
        with lone.stack.socket(type=2) as s:
            s.sendto(b"hello", ("10.0.0.3", 7))
            assert lone.reaches(who_has(OTHER, TAKEN))
        assert not lone.reaches(who_has(OTHER, TAKEN))  # that is known
        assert lone.reaches(who_has(OTHER, TAKEN, sha=b"\2\0\0\0\0\7"))
        lone.runtime.run_for(700)  # forgotten
        assert not lone.reaches(who_has(OTHER, TAKEN, sha=b"\2\0\0\0\0\x08"))

    def test_arp_about_addresses_that_it_would_like_to_have(self, lone):  # RFC 5227 2.1.1
        told = []
        lone.runtime.enter()
        lone.netif.interface.claim_address(TAKEN, b"\xff\xff\xff\0", told.append)
        lone.runtime.leave()
        assert lone.reaches(who_has(bytes(4), TAKEN))
        assert told == [MAC]
        assert not lone.reaches(who_has(bytes(4), TAKEN))

    def test_broadcasts_to_ports_that_are_bound(self, lone):
        assert not lone.reaches(datagram(4000))
        with lone.stack.socket(type=2) as s:
            s.bind(("", 4000))
            assert lone.reaches(datagram(4000))
            assert s.recvfrom(100)[0] == b"hello"
        assert not lone.reaches(datagram(4000))

    def test_groups_that_it_joined_and_its_own_mac(self, lone):
        group = b"\x01\0\x5e\x01\x02\x03"
        assert not lone.reaches(datagram(7, mac=group))
        lone.netif.join_group("239.1.2.3")
        assert lone.reaches(datagram(7, mac=group))
        lone.netif.leave_group("239.1.2.3")
        assert not lone.reaches(datagram(7, mac=group))
        lone.netif.set_mac(b"\x02\0\0\0\0\x42")
        assert lone.reaches(datagram(7, mac=b"\x02\0\0\0\0\x42"))

    def test_everything_while_somebody_looks_at_raw_frames_or_packets(self, lone):
        odd = ethernet.emit(ethernet.BROADCAST, MAC, 0x88B5) + bytes(40)
        assert not lone.reaches(odd)
        lone.stack.forward = lambda *_frame: False
        assert lone.reaches(odd)
        lone.stack.forward = None
        assert not lone.reaches(odd)
        with lone.stack.socket(type=3, proto=17):
            assert lone.reaches(datagram(4001))
        assert not lone.reaches(datagram(4001))

    def test_nothing_once_its_power_failed_and_all_of_it_again_afterwards(self, lone):
        lone.netif.power_off()
        assert not lone.reaches(who_has(OTHER, OURS))
        lone.netif.reboot()
        lone.runtime.run_for(5)
        assert lone.reaches(who_has(OTHER, OURS))
        assert not lone.reaches(who_has(STRANGER, TAKEN))

    def test_the_same_after_its_cable_was_pulled(self, lone):
        lone.netif.unplug()
        lone.netif.replug()
        lone.runtime.run_for(5)
        assert lone.reaches(who_has(OTHER, OURS))
        assert not lone.reaches(who_has(STRANGER, TAKEN))


class Sender:
    """A port without a host."""

    def __init__(self, runtime, switch):
        self.if_key, self.mac, self.mtu, self.route_prio = "sender", b"", 1500, 0
        self.driver, self.runtime, self.heard = switch.port(), runtime, []
        runtime.enter()
        self.driver.open(LinkCaps(mac=b""), runtime.add(BareStack("sender", runtime), self))
        runtime.leave()

    def send(self, frame):
        self.runtime.enter()
        self.driver.transmit((frame,), None)
        self.runtime.leave()

    def receive(self, frame, offload):
        self.heard.append(bytes(frame))


def who_has(spa, tpa, operation=arp.REQUEST, sha=MAC):
    return ethernet.emit(ethernet.BROADCAST, sha, ethernet.ARP) + arp.emit(operation, sha, spa, bytes(6), tpa)


def datagram(dport, mac=ethernet.BROADCAST, src=OTHER, dst=ip.BROADCAST, fragment=0):
    body = udp.emit(src, dst, 1000, dport, b"hello") + b"hello"
    return (
        ethernet.emit(mac, MAC, ethernet.IP) + ip.emit(src, dst, ip.UDP, len(body), ident=1, fragment=fragment) + body
    )


ADDRESSES = st.sampled_from([OURS, OTHER, TAKEN, bytes(4), ip.BROADCAST, ip.parse_address("10.0.0.255")])
FRAMES = st.one_of(
    st.builds(
        who_has,
        ADDRESSES,
        ADDRESSES,
        st.sampled_from([arp.REQUEST, arp.REPLY, 3]),
        st.sampled_from([MAC, ethernet.BROADCAST, bytes(6)]),
    ),
    st.builds(
        datagram,
        st.sampled_from([7, 67, 68, 5353]),
        st.sampled_from([ethernet.BROADCAST, b"\x01\0\x5e\0\0\x01", b"\x01\0\x5e\0\0\xfb", b"\x02\0\0\0\0\x42"]),
        ADDRESSES,
        ADDRESSES,
        st.sampled_from([0, 0, 0, ip.MF, 1]),
    ),
    st.binary(max_size=60).map(lambda data: ethernet.emit(ethernet.BROADCAST, MAC, ethernet.ARP) + data),
    st.binary(max_size=60).map(lambda data: ethernet.emit(ethernet.BROADCAST, MAC, ethernet.IP) + data),
    st.builds(lambda kind: ethernet.emit(ethernet.BROADCAST, MAC, kind) + bytes(46), st.sampled_from([0x88B5, 0x86DD])),
)


@settings(max_examples=40)
@given(st.lists(FRAMES, max_size=12))
def test_whatever_comes_a_host_answers_as_if_it_had_heard_all(frames):
    answers = []
    for selective in (True, False):
        runtime, switch = VirtualRuntime(seed=1), Switch(selective=selective)
        with (
            Stack("host", runtime=runtime) as stack,
            Netif(switch.port(), stack=stack, ip="10.0.0.2/24"),
            stack.socket(type=2) as bound,
            stack.socket(type=2) as asks,
        ):
            bound.bind(("", 7))
            asks.sendto(b"who is that?", ("10.0.0.3", 7))
            sender = Sender(runtime, switch)
            for frame in frames:
                sender.send(frame)
                runtime.run_for(0.3)
            runtime.run_for(5)
            bound.setblocking(False)
            heard = []
            with suppress(BlockingIOError):
                while True:
                    heard.append(bound.recvfrom(100))
            answers.append((sender.heard, heard))
        runtime.close()
    assert answers[0] == answers[1]
