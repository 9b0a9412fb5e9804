"""A second stack, of a few dozen lines, answers ARP and ping and echoes UDP: netif/ knows TCP/IP by contract alone."""

from __future__ import annotations

import socket as posix

import pytest

from netif import Flags, GotIp, Netif, NetstackConfig, Stack, VirtualRuntime, pair
from netif.errors import NotSupported
from netif.wire import arp, ethernet, icmp, ip


class TinyInterface:
    """What `init_fn` returns. Its tables are one address, and whoever wrote last."""

    index, impl_name = 1, "ty1"

    def __init__(self, stack, netif):
        self.stack, self.netif = stack, netif
        self.address = self.mac = b""

    def input(self, frame, offload=None):
        dst, src, ethertype = frame[:6], bytes(frame[6:12]), int.from_bytes(frame[12:14], "big")
        if ethertype == ethernet.ARP:
            operation, sha, spa, _, tpa = arp.parse(frame, 14)
            if operation == arp.REQUEST and tpa == self.address:
                self.send(src, ethernet.ARP, arp.emit(arp.REPLY, self.mac, tpa, sha, spa))
        elif ethertype == ethernet.IP and dst == self.mac:
            header_len, total_len, _, _, _, protocol, source, target, _ = ip.parse(frame, 14)
            body = bytes(frame[14 + header_len : 14 + total_len])
            answer = self.stack.answer(protocol, source, target, body) if target == self.address else None
            if answer:
                packet = ip.emit(target, source, protocol, len(answer), ident=0) + answer
                self.send(src, ethernet.IP, packet)

    def send(self, to, ethertype, packet):
        self.netif.transmit((ethernet.emit(to, self.mac, ethertype) + packet,), None)

    def link_up(self, caps):
        self.mac = caps.mac

    def set_addresses(self, ip, mask, gateway):
        self.address = ip

    def link_down(self): ...
    def withdraw(self): ...
    def writable(self): ...
    def detach(self): ...
    def set_dns(self, servers, search): ...
    def set_routes(self, routes): ...
    def announce_every(self, seconds): ...
    def set_mac(self, mac): ...
    def set_mtu(self, mtu): ...
    def finish(self, waiter): ...


class TinyStack:
    """A NetStack without timers and without anything to flush."""

    def __init__(self, name, runtime):
        self.name, self.runtime = name, runtime
        self.netstack_config = NetstackConfig(lambda netif: TinyInterface(self, netif), TinyInterface.input)
        runtime.add_stack(self)

    def answer(self, protocol, source, target, body):
        if protocol == ip.ICMP and body[0] == icmp.ECHO:
            return icmp.emit(icmp.ECHO_REPLY, 0, int.from_bytes(body[4:8], "big"), body[8:])
        if protocol == ip.UDP:
            sport, dport = body[0:2], body[2:4]
            return dport + sport + body[4:6] + bytes(2) + body[8:]  # RFC 768: a checksum of 0 is none
        return None

    def receive(self, interface, frame, offload):
        interface.input(frame, offload)

    def next_deadline(self): ...
    def advance(self, now): ...
    def flush(self, now): ...
    def abort_current(self, error): ...
    def set_default(self, interface, dns): ...

    def pending(self):
        return False

    def close(self, linger=1.0):
        self.runtime.remove_stack(self)


@pytest.fixture
def runtime():
    runtime = VirtualRuntime(seed=1)
    yield runtime
    runtime.close()


@pytest.fixture
def both(runtime):
    """(our host, the tiny one's netif), on a pair."""
    ours, theirs = pair()
    host, tiny = Stack("ours", runtime=runtime), TinyStack("tiny", runtime)
    with (
        Netif(ours, stack=host, ip="10.0.0.1/24"),
        Netif(theirs, stack=tiny, ip="10.0.0.2/24") as netif,
    ):
        yield host, netif
    host.close()
    tiny.close()


def run(runtime, fn):
    task = runtime.spawn(fn)
    runtime.run_until(task.done, timeout=60)
    return task.result()


def test_it_echoes_datagrams(runtime, both):
    host, netif = both

    def ask():
        with host.socket(posix.AF_INET, posix.SOCK_DGRAM) as s:
            s.sendto(b"hello", ("10.0.0.2", 7))
            return s.recvfrom(100)

    assert run(runtime, ask) == (b"hello", ("10.0.0.2", 7))
    assert netif.counters.rx_frames == netif.counters.tx_frames == 2, "ARP, and the datagram"


def test_it_answers_ping(runtime, both):
    host, _ = both

    def ask():
        with host.socket(posix.AF_INET, posix.SOCK_DGRAM, posix.IPPROTO_ICMP) as s:
            s.sendto(icmp.emit(icmp.ECHO, 0, 1, b"are you there?"), ("10.0.0.2", 0))
            return s.recvfrom(100)

    answer, (address, _) = run(runtime, ask)
    assert address == "10.0.0.2"
    assert answer[0] == icmp.ECHO_REPLY
    assert answer[8:] == b"are you there?"


def test_it_has_the_same_lifecycle_and_events(runtime, both):
    _, netif = both
    assert netif.wait_for(GotIp).ip_info == netif.ip_info
    netif.disconnected()
    assert not netif.is_up
    netif.connected()
    netif.stop()
    netif.start()
    assert (netif.impl_index, netif.impl_name) == (1, "ty1")
    netif.set_ip_info("10.0.0.9/24")
    assert netif.interface.address == b"\x0a\0\0\x09"


def test_what_it_cannot_do_is_named(both):
    _, netif = both
    for verb in (netif.dhcpc_start, netif.dhcps_start, lambda: netif.join_group("224.0.0.9")):
        with pytest.raises(NotSupported):
            verb()


def test_it_may_be_unplugged_and_lose_its_address(runtime, both):
    _, netif = both
    netif.unplug()
    runtime.run_for(121)
    assert netif.interface.address == bytes(4)
    netif.replug()
    assert netif.interface.address == b"\x0a\0\0\x02"
    assert Flags.AUTOUP in netif.flags
