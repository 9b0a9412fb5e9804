"""UDP_SEGMENT of udp(7): many datagrams in one call, in one frame where the link takes that."""

from __future__ import annotations

from errno import EINVAL, EMSGSIZE
from socket import IPPROTO_UDP

import pytest

from netif.link import PARTIAL, Offload
from netif.wire import ip
from netif.wire.segment import cut
from stack.path_mtu import DONT
from stack.socket.datagram import UDP_SEGMENT, Datagram
from stack.udp import UdpEndpoint
from tests.stack.rig import MASK, PEER, PEER_MAC, US, Rig, address

ANY = bytes(4)
DATA = bytes(range(256)) * 8


def sender(rig: Rig, segment: int = 100) -> UdpEndpoint:
    rig.knows_peer()
    endpoint = UdpEndpoint(rig.stack)
    endpoint.bind(ANY, 7)
    endpoint.segment = segment
    return endpoint


def one_by_one(data: bytes, segment: int) -> list[bytes]:
    """What a socket sends that is told so by its application."""
    rig = Rig()
    endpoint = sender(rig, 0)
    for at in range(0, len(data), segment):
        endpoint.send_to(data[at : at + segment], (PEER, 9))
    return rig.frames()


def anonymous(frame: bytes) -> tuple[bytes, ...]:
    """Without the IP ident, which means nothing in an atomic datagram (RFC 6864 4.1), and the checksum over it."""
    ip.parse(frame, 14)
    return frame[:18], frame[20:24], frame[26:]


@pytest.mark.parametrize("segment", [3, 64, 100, 256, 1472])
def test_one_frame_is_what_one_by_one_would_have_been(segment: int):
    rig = Rig(gso_max=65535, tx_checksum=True)
    data = (DATA * 4)[: 100 * segment]
    assert sender(rig, segment).send_to(data, (PEER, 9)) == len(data)
    ((buffers, offload),) = rig.netif.sent
    assert offload == Offload(PARTIAL, 34, 6, segment)
    pieces, single = cut(buffers, offload), one_by_one(data, segment)
    assert [anonymous(frame) for frame in pieces] == [anonymous(frame) for frame in single]


@pytest.mark.parametrize("size", [99, 100, 101, 300, 2048])
def test_without_offload_they_go_one_by_one(size: int):
    rig = Rig()
    assert sender(rig).send_to(DATA[:size], (PEER, 9)) == size
    assert rig.frames() == one_by_one(DATA[:size], 100)


def test_small_ones_have_complete_checksums():
    rig = Rig(gso_max=65535, tx_checksum=True)
    sender(rig).send_to(DATA[:201], (PEER, 9))
    assert rig.frames() == one_by_one(DATA[:201], 100)


def test_the_other_end_has_them_one_by_one():
    rig, other = Rig(gso_max=65535, tx_checksum=True), Rig(addressed=False)
    other.interface.set_mac(PEER_MAC)
    other.interface.set_addresses(PEER, MASK, ANY)
    listening = UdpEndpoint(other.stack)
    listening.bind(ANY, 9)
    endpoint = sender(rig)
    for _ in range(2):
        endpoint.send_to(DATA[:450], (PEER, 9))
        ((buffers, offload),), rig.netif.sent = rig.netif.sent, []
        other.gets(b"".join(buffers), offload=offload)
    for _ in range(2):
        for at in range(0, 450, 100):
            assert listening.receive() == (DATA[at : min(at + 100, 450)], (US, 7))
    assert listening.receive() is None


def test_what_linux_refuses_is_refused(met: Rig):
    endpoint = sender(met)

    def refused(number: int, data: bytes, to: bytes = PEER) -> None:
        with pytest.raises(OSError) as caught:
            endpoint.send_to(data, (to, 9))
        assert caught.value.errno == number
        assert met.frames() == []

    refused(EINVAL, bytes(100 * 128 + 1))
    refused(EINVAL, bytes(101), address("224.0.0.99"))
    endpoint.segment = 1473
    refused(EMSGSIZE, bytes(1474))
    endpoint.segment, endpoint.no_checksum = 100, True
    refused(EINVAL, bytes(101))
    endpoint.no_checksum, endpoint.options = False, b"\x94\4\0\0"
    refused(EINVAL, bytes(101))


def test_who_lets_routers_cut_has_no_df_in_any_of_them():
    rig = Rig(gso_max=65535, tx_checksum=True)
    endpoint = sender(rig)
    endpoint.discover = DONT
    endpoint.send_to(DATA, (PEER, 9))
    frames = rig.frames()
    assert len(frames) == 21
    assert {frame[20] & 0x40 for frame in frames} == {0}


def test_the_option_is_linux_s(met: Rig):
    socket = Datagram(met.stack)
    socket.bind(("", 7))
    assert socket.send_to(DATA[:150], ("10.0.0.2", 9)) == 150
    assert socket.get_option(IPPROTO_UDP, UDP_SEGMENT) == 0
    socket.set_option(IPPROTO_UDP, UDP_SEGMENT, 100)
    assert socket.get_option(IPPROTO_UDP, UDP_SEGMENT) == 100
    assert socket.send_to(DATA[:150], ("10.0.0.2", 9)) == 150
    socket.set_option(IPPROTO_UDP, UDP_SEGMENT, 0)
    assert socket.send_to(DATA[:150], ("10.0.0.2", 9)) == 150
    met.sends(*(f"10.0.0.1.7 > 10.0.0.2.9: udp ({size})" for size in (150, 100, 50, 150)))
    for wrong in (-1, 65536):
        with pytest.raises(OSError):
            socket.set_option(IPPROTO_UDP, UDP_SEGMENT, wrong)
    socket.close()
