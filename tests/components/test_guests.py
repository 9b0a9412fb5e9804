"""A guest's place on a Lan."""

from __future__ import annotations

import os
from typing import Any

import pytest

from components.lan import Lan
from components.ping import ping
from netif import Netif, Stack
from tapio import QemuStream


def path_in(words: list[str]) -> str:
    return words[1].partition("addr.path=")[2]


def test_the_words_are_qemus_and_what_connects_is_on_the_lan():
    with Lan(clock="real") as lan:
        one = lan.host("one")
        words = lan.qemu_args("board", mac="52:54:00:00:00:01")
        path = path_in(words)
        assert words == [
            "-netdev",
            f"stream,id=board,server=off,addr.type=unix,addr.path={path}",
            "-device",
            "virtio-net-pci,netdev=board,mac=52:54:00:00:00:01",
        ]
        for _ in range(2):  # a guest may be started again
            with Stack("guest") as guest, Netif(QemuStream(path), stack=guest, ip="10.0.0.50/24"):
                assert ping(guest, one.ip, count=1, timeout=5, say=len).answers
    assert not os.path.exists(os.path.dirname(path))


def test_its_mac_is_derived_and_its_card_may_be_another():
    with Lan(clock="real", seed=7) as lan:
        words = lan.qemu_args(device="e1000")
        assert words[3] == f"e1000,netdev=guest,mac={lan.guests['guest'].mac}"


@pytest.mark.parametrize(
    ("clock", "name", "said"),
    [("virtual", "guest", "real clock"), ("real", "a b", "no name for QEMU"), ("real", "one", "on this Lan already")],
)
def test_what_cannot_be_is_said(clock: Any, name: str, said: str):
    with Lan(clock=clock) as lan:
        lan.host("one")
        with pytest.raises(ValueError, match=said):
            lan.qemu_args(name)
