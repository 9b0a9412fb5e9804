"""What every driver owes the runtime: the wires that need no rights."""

from __future__ import annotations

import io
import socket

import pytest

from tapio import (
    Hook,
    Impair,
    NamedPort,
    PcapngWriter,
    QemuDgram,
    QemuStream,
    Sniff,
    Switch,
    UnixWire,
    Vlan,
    Wrapper,
    drop,
    pair,
)
from tapio.capture import Comments
from tests.tapio.contract import DriverContract

WIRES = {}


def wire(make):
    WIRES[make.__name__.replace("_", " ")] = make
    return make


@wire
def an_end_of_a_pair(tmp_path):
    return pair()


@wire
def a_port_of_a_switch(tmp_path):
    switch = Switch()
    return switch.port(), switch.port()


@wire
def a_trunk_of_a_switch_with_vlans(tmp_path):
    switch = Switch()
    switch.port(vlan=10)
    return switch.port(trunk=[20], native=10), switch.port(vlan=10)


@wire
def a_port_of_a_named_switch(tmp_path):
    return NamedPort(str(tmp_path)), NamedPort(str(tmp_path))


@wire
def a_wrapper(tmp_path):
    near, far = pair()
    return Wrapper(near), far


@wire
def an_impaired_end(tmp_path):
    near, far = pair()
    return Impair(near, loss=1e-12, script=drop("1000000th frame")), far


@wire
def a_sniffed_end(tmp_path):
    near, far = pair()
    return Sniff(near, PcapngWriter(io.BytesIO())), far


@wire
def an_end_whose_capture_has_comments(tmp_path):
    near, far = pair()
    return Sniff(near, Comments(PcapngWriter(io.BytesIO()))), far


@wire
def a_sniffed_impaired_port(tmp_path):
    switch = Switch()
    return Sniff(Impair(switch.port(), delay=(0, 1e-9))), switch.port()


@wire
def a_hooked_end(tmp_path):
    near, far = pair()
    return Hook(near, lambda direction, frame: None), far


@wire
def a_hook_around_an_impaired_port(tmp_path):
    switch = Switch()
    return Hook(Impair(switch.port(), delay=(0, 1e-9)), lambda direction, frame: frame), switch.port()


@wire
def a_vlan_of_an_end(tmp_path):
    near, far = pair()
    return Vlan(near, 10), Vlan(far, 10, priority=7)


@wire
def a_vlan_within_a_vlan(tmp_path):
    near, far = pair()
    return Vlan(Vlan(near, 100), 10), Vlan(Vlan(far, 100), 10)


@wire
def a_vlan_of_a_trunk(tmp_path):
    switch = Switch()
    return Vlan(switch.port(trunk=[10]), 10), switch.port(vlan=10)


@wire
def the_first_on_a_unix_wire(tmp_path):
    first = UnixWire(tmp_path / "lan")
    return first, UnixWire(tmp_path / "lan")


@wire
def a_later_one_on_a_unix_wire(tmp_path):
    first = UnixWire(tmp_path / "lan")
    return UnixWire(tmp_path / "lan"), first


@wire
def who_listens_for_qemu(tmp_path):
    listening = QemuStream(str(tmp_path / "qemu"), listen=True)
    return listening, QemuStream(str(tmp_path / "qemu"))


@wire
def who_connects_to_qemu(tmp_path):
    listening = QemuStream("127.0.0.1:0", listen=True)
    return QemuStream(listening.address), listening


@wire
def an_end_of_datagrams_by_udp(tmp_path):
    """Both on one port, each on an address of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one, other = f"127.0.0.2:{port}", f"127.0.0.3:{port}"
    return QemuDgram(one, other), QemuDgram(other, one)


@pytest.fixture(params=WIRES, ids=lambda name: name)
def wire(request, tmp_path):
    return lambda: WIRES[request.param](tmp_path)


class TestAnyDriver(DriverContract):
    """Each row of WIRES."""
