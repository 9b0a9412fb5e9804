"""Ports for drivers to open, and frames to send."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from netif.link import PARTIAL, VALID, Driver, LinkCaps, Medium, Offload
from netif.wire import checksum, ethernet, ip, tcp, udp
from tests.tapio.ports import FakePort, FakeRuntime

OURS, THEIRS = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def make_port(runtime: FakeRuntime) -> Callable[..., FakePort]:
    """make_port(runtime=None, seed=1)"""
    return lambda other=None, seed=1: FakePort(other or runtime, seed)


@pytest.fixture
def want() -> Callable[..., LinkCaps]:
    """want(mac=..., ...): what a stack asks for, everything unless told otherwise."""

    def want(mac: bytes = OURS, **changes: Any) -> LinkCaps:
        asked: dict[str, Any] = {"mtu": 1500, "gso_max": 65535, "tx_checksum": True, "rx_checksum": True, **changes}
        return LinkCaps(mac=mac, **asked)

    return want


@pytest.fixture
def opened(make_port: Callable[..., FakePort], want: Callable[..., LinkCaps]) -> Callable[..., FakePort]:
    """opened(driver, mac=..., ...): the port with which the driver has been opened, for what `want` says."""

    def opened(driver: Driver, mac: bytes = OURS, **changes: Any) -> FakePort:
        port = make_port()
        driver.open(want(mac, **changes), port)
        return port

    return opened


@pytest.fixture
def frames() -> SimpleNamespace:
    """Ethernet frames; see `frames_of`."""
    return frames_of(Medium.ETHERNET)


def frames_of(medium: Medium) -> SimpleNamespace:
    """Frames from 10.0.0.1 to 10.0.0.2: .plain(payload), .udp(payload), and .tcp(payload) with its offload; .link bytes
    stand before an IP packet, and .payload(frame) is what a plain one bears."""
    here, there = ip.parse_address("10.0.0.1"), ip.parse_address("10.0.0.2")
    link = 14 if medium is Medium.ETHERNET else 0

    def packet(protocol: int, length: int, dst: bytes, src: bytes) -> bytes:
        return ethernet.emit(dst, src, ethernet.IP)[:link] + ip.emit(here, there, protocol, length, ident=7)

    def plain(payload: bytes = b"hello", dst: bytes = THEIRS, src: bytes = OURS) -> bytes:
        if medium is Medium.ETHERNET:
            return ethernet.emit(dst, src, 0x88B5) + payload
        return packet(253, len(payload), dst, src) + payload  # RFC 3692: for experiments

    def payload_of(frame: bytes) -> bytes:
        return bytes(frame[link or 20 :])

    def segment(
        payload: bytes = b"", flags: int = tcp.ACK, gso: int = 0, dst: bytes = THEIRS, src: bytes = OURS, seq: int = 1
    ) -> tuple[tuple[bytes, ...], Offload]:
        """(headers, payload) and VALID when small, else PARTIAL."""
        length = 20 + len(payload)
        front = packet(ip.TCP, length, dst, src)
        if length <= 200:
            pseudo = checksum.pseudo_header(here, there, ip.TCP, 0)
            header = tcp.emit_complete(1000, 7, seq, 1, flags, 512, payload=(payload,), pseudo=pseudo)
            return (front + header, payload), Offload(VALID)
        pseudo = checksum.pseudo_header(here, there, ip.TCP, length)
        header = tcp.emit(1000, 7, seq, 1, flags, 512, checksum=pseudo)
        return (front + header, payload), Offload(PARTIAL, link + 20, 16, gso)

    def datagram(payload: bytes = b"", dst: bytes = THEIRS, src: bytes = OURS) -> bytes:
        return packet(ip.UDP, 8 + len(payload), dst, src) + udp.emit(here, there, 1000, 7, payload) + payload

    return SimpleNamespace(
        medium=medium, link=link, plain=plain, payload=payload_of, tcp=segment, udp=datagram, OURS=OURS, THEIRS=THEIRS
    )
