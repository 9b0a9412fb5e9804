"""Two ways in for a datagram, one truth: what the fast path takes, drops and counts is what the plain one does.

The same frames go to two hosts. In front of one somebody looks at all that comes, so it has no fast path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netif.link import NONE, PARTIAL, VALID, Medium, Offload
from netif.wire import ethernet, ip
from stack.limits import LITTLE, Limits
from stack.raw import RawEndpoint
from stack.udp import UdpEndpoint
from tests.stack.rig import MASK, OTHER_MAC, PEER, US, Rig, address, datagram

ANY = bytes(4)
ALIAS = address("10.0.0.9")
OFFLOADS = (None, Offload(VALID), Offload(PARTIAL, 34, 6), Offload(NONE, 0, 0, 20), Offload(PARTIAL, 34, 6, 20))


class Hosts:
    """One with a fast path, one without, and the same sockets on both."""

    def __init__(self, **settings: Any) -> None:
        self.rigs = [Rig(**settings), Rig(**settings)]
        self.fast, plain = self.rigs
        plain.stack.overhear("a test", True)
        self.sockets: list[list[UdpEndpoint]] = [[], []]
        for rig in self.rigs:
            rig.interface.add_address(ALIAS, MASK)
            rig.knows_peer()

    def bind(self, port: int = 7, where: bytes = ANY, *, reuse: bool = False) -> None:
        for rig, sockets in zip(self.rigs, self.sockets, strict=True):
            socket = UdpEndpoint(rig.stack)
            socket.reuse = reuse
            try:
                socket.bind(where, port)
            except OSError:
                continue
            sockets.append(socket)

    def each(self, number: int, act: Callable[[UdpEndpoint], object]) -> None:
        for sockets in self.sockets:
            if sockets:
                try:
                    act(sockets[number % len(sockets)])
                except OSError:
                    pass

    def on_both(self, act: Callable[[Rig], object]) -> None:
        for rig in self.rigs:
            act(rig)

    def get(self, *frames: bytes, offload: Offload | None = None) -> None:
        for rig in self.rigs:
            rig.gets(*frames, offload=offload)
        assert self.look(0) == self.look(1)

    def look(self, which: int) -> tuple[Any, ...]:
        """All that can be seen of one host, but for what waits in its queues."""
        stack = self.rigs[which].stack
        return stack.stats.counters, stack.memory.held, self.rigs[which].frames(), bool(stack.runtime.touched)

    def agree(self) -> list[list[Any]]:
        """Both have the same in their queues, which are read."""
        read = [[list(drain(socket)) for socket in sockets] for sockets in self.sockets]
        assert read[0] == read[1]
        assert self.look(0) == self.look(1)
        return read[0]

    @property
    def taken(self) -> int:
        """Frames that took the fast path."""
        assert self.rigs[1].stack.udp.fast_in == 0
        return self.fast.stack.udp.fast_in


def drain(socket: UdpEndpoint) -> Any:
    while not socket.closed and (item := socket.take()) is not None:
        data, source, origin = item
        yield data, source, origin and (origin[0], origin[1].name)


def test_the_second_of_a_flow_takes_the_fast_path():
    hosts = Hosts()
    hosts.bind()
    hosts.get(*(datagram(bytes([n])) for n in range(10)))
    assert hosts.agree() == [[(bytes([n]), (PEER, 5000), None) for n in range(10)]]
    assert hosts.taken == 9


@pytest.mark.parametrize("offload", OFFLOADS)
def test_what_the_wire_vouches_for_is_believed_and_what_it_joined_is_taken_apart(offload: Offload | None):
    hosts = Hosts()
    hosts.bind()
    hosts.get(datagram(bytes(50)), datagram(bytes(50)), offload=offload)
    hosts.get(datagram(bytes(20)), datagram(b""), offload=offload)
    hosts.agree()


def checksum_wrong(frame: bytes) -> bytes:
    return frame[:40] + bytes((frame[40] ^ 1,)) + frame[41:]


def no_checksum(frame: bytes) -> bytes:
    return frame[:40] + bytes(2) + frame[42:]


def header_checksum_wrong(frame: bytes) -> bytes:
    return frame[:24] + bytes((frame[24] ^ 0x80,)) + frame[25:]


def cut_off(frame: bytes) -> bytes:
    return frame[:-1]


def far_too_short(frame: bytes) -> bytes:
    return frame[:41]


def padded(frame: bytes) -> bytes:
    return frame + bytes(7)


def version_five(frame: bytes) -> bytes:
    """Its header's checksum is right."""
    checksum = (int.from_bytes(frame[24:26], "big") - 0x1000) % 65535
    return frame[:14] + b"\x55" + frame[15:24] + checksum.to_bytes(2, "big") + frame[26:]


def to_a_group(frame: bytes) -> bytes:
    return ethernet.BROADCAST + frame[6:]


def to_another(frame: bytes) -> bytes:
    return OTHER_MAC + frame[6:]


def as_it_is(frame: bytes) -> bytes:
    return frame


def length_field(change: int) -> Callable[[bytes], bytes]:
    def changed(frame: bytes) -> bytes:
        length = int.from_bytes(frame[38:40], "big") + change
        return frame[:38] + max(length, 0).to_bytes(2, "big") + bytes(2) + frame[42:]

    return changed


def beyond_the_packet(frame: bytes) -> bytes:
    """The UDP length reaches into what stands behind the IP packet."""
    return length_field(1)(frame) + b"x"


def without_a_whole_header(frame: bytes) -> bytes:
    return header_of()(frame[:38] + b"\0\7\0") + bytes(18)


def header_of(**fields: Any) -> Callable[[bytes], bytes]:
    """The same datagram behind another IP header."""

    def changed(frame: bytes) -> bytes:
        body = frame[34:]
        header = ip.emit(frame[26:30], frame[30:34], ip.UDP, len(body), **{"ident": 1, **fields})
        return frame[:14] + header + body

    return changed


CHANGES = (
    as_it_is,
    as_it_is,
    as_it_is,
    checksum_wrong,
    no_checksum,
    header_checksum_wrong,
    cut_off,
    far_too_short,
    padded,
    version_five,
    to_a_group,
    to_another,
    length_field(-1),
    length_field(1),
    length_field(-1000),
    beyond_the_packet,
    without_a_whole_header,
    header_of(tos=0xFF, ttl=1, fragment=0),
    header_of(options=b"\1\1\1\0"),
    header_of(fragment=ip.MF),
    header_of(fragment=0x8000),
)


@pytest.mark.parametrize("offload", [None, Offload(VALID)])
@pytest.mark.parametrize("change", CHANGES)
def test_a_frame_of_a_known_flow_is_judged_as_any(change: Callable[[bytes], bytes], offload: Offload | None):
    hosts = Hosts()
    hosts.bind()
    hosts.get(datagram(b"known"), datagram(b"known"))
    hosts.get(change(datagram(b"even")), change(datagram(b"odd")), datagram(b"after"), offload=offload)
    hosts.get(memoryview(change(datagram(b"a view"))), offload=offload)
    hosts.agree()


def known() -> Hosts:
    """Two hosts with a socket that shares its port and has had two datagrams."""
    hosts = Hosts()
    hosts.bind(reuse=True)
    hosts.get(datagram(b"a"), datagram(b"b"))
    assert hosts.taken == 1
    return hosts


def test_a_socket_that_fits_better_has_what_comes_next():
    hosts = known()
    hosts.bind(where=US, reuse=True)
    hosts.get(datagram(b"c"), datagram(b"d"))
    assert [[data for data, _, _ in read] for read in hosts.agree()] == [[b"a", b"b"], [b"c", b"d"]]


def test_a_socket_that_is_connected_since_has_what_comes_next():
    hosts = known()
    hosts.bind(where=US, reuse=True)
    hosts.each(1, lambda socket: socket.connect(PEER, 5000))
    hosts.get(datagram(b"c"), datagram(b"d"), datagram(b"e", sport=5001))
    hosts.each(1, lambda socket: socket.disconnect())
    hosts.get(datagram(b"f"), datagram(b"g"))
    hosts.agree()


def test_nobody_has_what_comes_after_close():
    hosts = known()
    hosts.each(0, lambda socket: socket.close())
    hosts.get(datagram(b"c"))
    assert hosts.fast.stack.stats["udp_no_socket"] == 1


def test_an_address_that_is_ours_no_longer_is_not_answered_for():
    hosts = Hosts()
    hosts.bind()
    hosts.get(datagram(b"a", dst=ALIAS), datagram(b"b", dst=ALIAS))
    hosts.on_both(lambda rig: rig.interface.remove_address(ALIAS))
    hosts.get(datagram(b"c", dst=ALIAS))
    assert hosts.fast.stack.stats["ip_not_for_us"] == 1
    hosts.agree()


def test_what_recvmsg_is_to_tell_counts_from_the_next_datagram_on():
    hosts = known()
    hosts.each(0, lambda socket: setattr(socket, "wants", 1))
    hosts.get(datagram(b"c"))
    ((_, _, last),) = hosts.agree()
    assert last[2] is not None


def test_a_socket_of_one_link_hears_nothing_by_another():
    hosts = Hosts()
    hosts.on_both(lambda rig: rig.link("eth1", OTHER_MAC))
    hosts.bind()
    hosts.each(0, lambda socket: socket.bind_device(socket.stack.interface("eth0")))
    for _ in range(2):
        for rig in hosts.rigs:
            rig.gets(datagram(b"by eth0"), datagram(b"by eth0"))
            rig.gets(datagram(b"by eth1", to=OTHER_MAC), by=rig.stack.interface("eth1"))
        hosts.each(0, lambda socket: socket.bind_device(None))
    hosts.get(datagram(b"now by any"), datagram(b"now by any"))
    hosts.each(0, lambda socket: socket.bind_device(socket.stack.interface("eth1")))
    hosts.get(datagram(b"by eth0"))
    assert [data for data, _, _ in hosts.agree()[0]].count(b"by eth1") == 1


def test_what_we_say_to_ourselves_nobody_else_can_say():
    home = address("127.0.0.1")
    hosts = Hosts()
    hosts.bind()
    for sockets in hosts.sockets:
        for _ in range(2):
            sockets[0].send_to(b"to myself", (home, 7))
        sockets[0].stack.flush(1000.0)
    hosts.get(datagram(b"forged", sport=7, src=home, dst=home))
    assert [data for data, _, _ in hosts.agree()[0]] == [b"to myself"] * 2


CALLS: tuple[Callable[[Hosts, int], None], ...] = (
    lambda hosts, n: hosts.bind(7, reuse=True),
    lambda hosts, n: hosts.bind(7, US, reuse=True),
    lambda hosts, n: hosts.bind(7),
    lambda hosts, n: hosts.bind(8, ALIAS),
    lambda hosts, n: hosts.each(n, lambda socket: socket.connect(PEER, 5000)),
    lambda hosts, n: hosts.each(n, lambda socket: socket.disconnect()),
    lambda hosts, n: hosts.each(n, lambda socket: socket.bind_device(socket.stack.interfaces[0])),
    lambda hosts, n: hosts.each(n, lambda socket: socket.bind_device(None)),
    lambda hosts, n: hosts.each(n, lambda socket: setattr(socket, "wants", n % 16)),
    lambda hosts, n: hosts.each(n, lambda socket: setattr(socket, "queue_limit", 100 + 400 * n)),
    lambda hosts, n: hosts.each(n, lambda socket: socket.close()),
    lambda hosts, n: hosts.each(n, lambda socket: socket.take()),
    lambda hosts, n: hosts.on_both(lambda rig: ALIAS in rig.interface.aliases and rig.interface.remove_address(ALIAS)),
    lambda hosts, n: hosts.on_both(lambda rig: rig.interface.set_addresses((US, ALIAS)[n % 2], MASK, ANY)),
    lambda hosts, n: hosts.on_both(lambda rig: rig.stack.memory.charge((1, -1)[n % 2] * 200_000)),
)  # fmt: skip
FRAMES = st.tuples(
    st.sampled_from(CHANGES),
    st.builds(
        datagram,
        st.binary(max_size=40),
        sport=st.sampled_from((5000, 5001)),
        dport=st.sampled_from((7, 8)),
        src=st.sampled_from((PEER, address("10.0.0.3"), US, address("127.0.0.1"), address("224.0.0.1"))),
        dst=st.sampled_from((US, ALIAS, address("10.0.0.255"), address("10.0.0.44"))),
    ),
    st.sampled_from(OFFLOADS),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.one_of(FRAMES, st.tuples(st.sampled_from(CALLS), st.integers(0, 15))), max_size=30))
def test_whatever_happens_both_paths_agree(steps: list[tuple[Any, ...]]):
    hosts = Hosts(limits=Limits(socket_memory=100_000))
    hosts.bind(7, reuse=True)
    hosts.bind(8)
    for step in steps:
        if len(step) == 2:
            step[0](hosts, step[1])
        else:
            change, frame, offload = step
            hosts.get(change(frame), change(frame), offload=offload)
    hosts.agree()


def test_a_raw_socket_has_its_copy():
    hosts = Hosts()
    hosts.bind()
    hosts.get(datagram(b"a"), datagram(b"b"))
    raw = RawEndpoint(hosts.fast.stack, ip.UDP)
    hosts.fast.gets(datagram(b"c"))
    assert raw.receive()[0][28:] == b"c"
    raw.close()
    hosts.fast.gets(datagram(b"d"))
    assert [data for data, _, _ in drain(hosts.sockets[0][0])] == [b"a", b"b", b"c", b"d"]
    assert hosts.taken == 2


def test_a_router_s_hook_sees_the_frames_of_known_flows():
    hosts = Hosts()
    hosts.bind()
    hosts.get(datagram(b"a"), datagram(b"b"))
    seen: list[bytes] = []
    hosts.fast.stack.forward = lambda interface, frame, offload: bool(seen.append(bytes(frame)))
    hosts.fast.gets(datagram(b"c"))
    assert seen == [datagram(b"c")]


def test_what_is_full_and_what_is_short_of_memory_counts_its_drops():
    hosts = Hosts(limits=Limits(socket_memory=100_000))
    hosts.bind()
    hosts.each(0, lambda socket: setattr(socket, "queue_limit", 1000))
    hosts.get(*[datagram(bytes(100))] * 10)
    assert hosts.fast.stack.stats["udp_queue_full"] == 8
    hosts.each(0, lambda socket: setattr(socket, "queue_limit", 1 << 20))
    hosts.on_both(lambda rig: rig.stack.memory.charge(100_000))
    hosts.get(*[datagram(bytes(1000))] * 30)
    assert hosts.fast.stack.stats["socket_memory_full"] == 30 - (LITTLE - 2 * 356) // 1256
    hosts.agree()
    assert hosts.taken == 39


def test_flows_without_end_are_forgotten():
    hosts = Hosts()
    hosts.bind()
    hosts.get(*(datagram(b"", sport=port) for port in range(1, 5000)))
    assert len(hosts.fast.stack.udp.flows) <= 1024
    hosts.agree()


def test_a_link_of_bare_packets_has_the_same_two_ways():
    hosts = [Rig(medium=Medium.POINT_TO_POINT), Rig(medium=Medium.POINT_TO_POINT)]
    hosts[1].stack.overhear("a test", True)
    seen = []
    for rig in hosts:
        socket = UdpEndpoint(rig.stack)
        socket.bind(ANY, 7)
        frames = [change(datagram(b"x"))[14:] for change in (as_it_is, as_it_is, *CHANGES)]
        rig.gets(*frames)
        seen.append((list(drain(socket)), rig.stack.stats.counters, rig.frames()))
    assert seen[0] == seen[1]
    assert [rig.stack.udp.fast_in > 0 for rig in hosts] == [True, False]
