"""Two ways to answer a ping, one truth: what the fast path sends, drops and counts is what the plain one does.

The same frames go to two hosts. In front of one somebody looks at all that comes, so it has no fast path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netif.link import Offload
from netif.wire import ethernet, icmp, ip
from stack.raw import RawEndpoint
from tests.stack.rig import MASK, OTHER_MAC, PEER, US, Rig, address, answers, echo

ANY = bytes(4)
ALIAS = address("10.0.0.9")


class Hosts:
    def __init__(self) -> None:
        self.rigs = [Rig(), Rig()]
        self.rigs[1].stack.overhear("a test", True)
        for rig in self.rigs:
            rig.interface.add_address(ALIAS, MASK)
            rig.knows_peer()

    def get(self, *frames: Any, offload: Offload | None = None) -> list[bytes]:
        """What both answer."""
        for rig in self.rigs:
            rig.gets(*frames, offload=offload)
        fast, plain = (rig.frames() for rig in self.rigs)
        assert fast == plain
        assert self.rigs[0].stack.stats.counters == self.rigs[1].stack.stats.counters
        return fast

    def on_both(self, act: Callable[[Rig], object]) -> None:
        for rig in self.rigs:
            act(rig)


def known() -> Hosts:
    """They have been asked before."""
    hosts = Hosts()
    assert len(hosts.get(echo(b"a"), echo(b"b", sequence=2))) == 2
    return hosts


def changed(at: int, by: int) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:at] + bytes((frame[at] ^ by,)) + frame[at + 1 :]


def header_of(**fields: Any) -> Callable[[bytes], bytes]:
    """The same message behind another IP header."""

    def made(frame: bytes) -> bytes:
        body = frame[34:]
        header = ip.emit(frame[26:30], frame[30:34], ip.ICMP, len(body), **{"ident": 1, **fields})
        return frame[:14] + header + body

    return made


def of_kind(kind: int, code: int = 0) -> Callable[[bytes], bytes]:
    def made(frame: bytes) -> bytes:
        message = icmp.emit(kind, code, int.from_bytes(frame[38:42], "big"), frame[42:])
        return header_of()(frame[:34] + message)

    return made


def version_five(frame: bytes) -> bytes:
    """Its header's checksum is right."""
    checksum = (int.from_bytes(frame[24:26], "big") - 0x1000) % 65535
    return frame[:14] + b"\x55" + frame[15:24] + checksum.to_bytes(2, "big") + frame[26:]


def seven_bytes(frame: bytes) -> bytes:
    """Their checksum is right."""
    return header_of()(frame[:34] + icmp.emit(icmp.ECHO, 0, 0, b"")[:7]) + bytes(9)


CHANGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda frame: frame,
    changed(36, 1),  # its checksum
    changed(24, 0x80),  # the IP header's
    lambda frame: frame[:-1],
    lambda frame: frame[:41],
    lambda frame: frame + bytes(9),
    lambda frame: ethernet.BROADCAST + frame[6:],
    lambda frame: OTHER_MAC + frame[6:],
    version_five,
    seven_bytes,
    of_kind(icmp.ECHO, 5),
    of_kind(icmp.ECHO_REPLY),
    of_kind(icmp.TIMESTAMP),
    of_kind(icmp.UNREACHABLE),
    header_of(tos=0xFF, ttl=1, fragment=0),
    header_of(options=b"\1\1\1\0"),
    header_of(options=b"\7\7\4\0\0\0\0\0"),
    header_of(fragment=ip.MF),
    header_of(fragment=0x8000),
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_from_who_asked_before_is_judged_as_any(change: Callable[[bytes], bytes]):
    hosts = known()
    hosts.get(change(echo(bytes(20))), change(echo(bytes(21))), echo(b"after"))
    hosts.get(memoryview(change(echo(b"a view"))))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=1472), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 255))
def test_every_reply_says_what_was_asked(payload: bytes, ident: int, sequence: int, tos: int):
    hosts = known()
    frame = header_of(tos=tos)(echo(payload, ident=ident, sequence=sequence))
    (reply,) = hosts.get(frame)
    assert icmp.parse(reply, 34, len(reply)) == (icmp.ECHO_REPLY, 0, ident << 16 | sequence, 42)
    assert (reply[42:], reply[15]) == (payload, tos & 0xFC)


def test_an_address_that_is_ours_no_longer_answers_no_more():
    hosts = Hosts()
    assert len(hosts.get(echo(dst=ALIAS), echo(dst=ALIAS))) == 2
    hosts.on_both(lambda rig: rig.interface.remove_address(ALIAS))
    assert hosts.get(echo(dst=ALIAS)) == []
    hosts.on_both(lambda rig: rig.interface.set_addresses(address("10.0.0.7"), MASK, ANY))
    hosts.get(echo(), echo(dst=address("10.0.0.7")))


def test_who_moved_is_answered_where_it_is_now():
    hosts = known()
    hosts.on_both(lambda rig: rig.after(30.0))
    hosts.get(answers(PEER, US, OTHER_MAC))
    (reply,) = hosts.get(echo())
    assert reply[:6] == OTHER_MAC


def test_a_full_driver_s_frames_wait():
    hosts = known()
    hosts.on_both(lambda rig: setattr(rig.netif, "room", 1))
    assert len(hosts.get(echo(), echo(), echo())) == 1
    hosts.on_both(lambda rig: (setattr(rig.netif, "room", None), rig.interface.writable()))
    assert len(hosts.get()) == 2


def test_what_is_larger_than_the_link_comes_and_goes_in_fragments():
    hosts = known()
    whole = echo(bytes(2000))
    body = whole[34:]
    for _ in range(2):
        frames = []
        for at, fragment in ((0, ip.MF), (1480, 1480 // 8)):
            piece = body[at : at + 1480]
            header = ip.emit(PEER, US, ip.ICMP, len(piece), ident=9, fragment=fragment)
            frames.append(whole[:14] + header + piece)
        assert len(hosts.get(*frames)) == 2
    hosts.on_both(lambda rig: rig.interface.set_mtu(600))
    assert len(hosts.get(echo(bytes(1000)), echo(bytes(1000)))) == 4


def test_a_raw_socket_has_its_copy_of_what_is_answered():
    rig = known().rigs[0]
    raw = RawEndpoint(rig.stack, ip.ICMP)
    rig.gets(echo(b"seen"))
    assert raw.receive()[0][28:] == b"seen"
    assert len(rig.frames()) == 1
    raw.close()


def test_strangers_without_end_are_forgotten():
    rig = Rig()
    for number in range(3000):
        rig.gets(echo(src=address(f"10.1.{number >> 8}.{number & 255}")))
    assert len(rig.stack.icmp.ways_back) <= 1024
