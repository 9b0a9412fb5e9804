"""Raw Ethernet between a host of ours and the kernel's packet sockets, over a TAP."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from netif import Netif, Stack, Tap
from tests.host.namespaces import Namespace

pytestmark = pytest.mark.host

TEST = 0x88B5  # IEEE 802, local experimental


@pytest.mark.parametrize("ethertype", [TEST, 0], ids=["ethertype", "length"])
def test_frames_pass_both_ways(ns: Namespace, ethertype: int):
    raw: Any = ns.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    field = (ethertype or 38).to_bytes(2, "big")
    with raw, Stack() as stack, Netif(Tap("tap0", netns=ns.name), stack=stack, ip="192.168.5.100/24") as netif:
        ns.settle("tap0")
        raw.bind(("tap0", ethertype or 4))  # ETH_P_802_2
        raw.settimeout(5)
        kernel = bytes.fromhex(ns.mac("tap0").replace(":", ""))
        with stack.l2tap(netif, ethertype) as s:
            s.settimeout(5)
            for dst in (netif.mac, b"\xff" * 6):
                asked = dst + kernel + field + b"\xaa\xaa\x03" + bytes(35)
                raw.send(asked)
                assert s.recv(2000) == asked
            answer = kernel + netif.mac + field + b"\xaa\xaa\x03" + b"answer" + bytes(40)
            s.send(answer)
            assert raw.recv(2000) == answer
        ns.exec("ping", "-c", "1", "-W", "2", "192.168.5.100")
