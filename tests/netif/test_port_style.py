"""The port-style program, over a wire in memory, with our own stack; and how its connections end."""

from __future__ import annotations

import errno
import gc
import os
import threading
from functools import partial

import pytest

import stack.socket as socket
from netif import (
    DriverFailed,
    DriverIfconfig,
    Flags,
    GotIp,
    InherentConfig,
    IpInfo,
    Netif,
    NetifConfig,
    NetstackConfig,
    Stack,
    ThreadedRuntime,
    default_stack,
    ethif_init,
    ethif_input,
    netif_action_connected,
    netif_action_disconnected,
    netif_action_start,
    netif_attach,
    netif_deinit,
    netif_destroy,
    netif_get_handle_from_ifkey,
    netif_get_ip_info,
    netif_init,
    netif_new,
    netif_set_ip_info,
    pair,
    tapio_output,
)

ADDRESS = IpInfo("192.168.5.100", "255.255.255.0", "192.168.5.1")
SERVER = ("192.168.5.1", 3333)
PATIENCE = 10  # seconds


class Peer:
    """The other end of the wire: a host that echoes, one connection after the other, and notes how each ended."""

    def __init__(self, host):
        self.ended = []
        self.all_ended = threading.Event()
        self.listener = host.create_server(("", 3333))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with self.listener:
            while True:
                try:
                    connection, _ = self.listener.accept()
                except OSError:  # the host is closed
                    return
                self.ended.append(self.echo(connection))
                self.all_ended.set()

    def echo(self, connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError as error:
                return type(error).__name__
        return "in order"


@pytest.fixture(autouse=True)
def _process():
    netif_init()
    yield
    netif_deinit()


@pytest.fixture
def wire():
    """(our end, its peer)"""
    ours, theirs = pair()
    with Stack("peer") as host, Netif(theirs, stack=host, ip="192.168.5.1/24"):
        peer = Peer(host)
        yield ours, peer
    peer.thread.join(PATIENCE)
    assert not peer.thread.is_alive()


def config(handle, flags=Flags.AUTOUP, init_fn=ethif_init, if_key="TAP"):
    return NetifConfig(
        base=InherentConfig(if_key=if_key, flags=flags, ip_info=ADDRESS, route_prio=100),
        driver=DriverIfconfig(handle=handle, transmit=tapio_output),
        stack=NetstackConfig(init_fn=init_fn, input_fn=ethif_input),
    )


@pytest.fixture
def tap_netif(wire):
    tap, _ = wire
    netif = netif_new(config(tap))
    netif_attach(netif, tap)
    yield netif
    netif_destroy(netif)


def talk(s):
    s.settimeout(PATIENCE)
    s.connect(SERVER)
    s.sendall(b"hello")
    return s.recv(100)


def test_the_port_style_program(wire):
    tap, _ = wire
    tap_netif = netif_new(config(tap))
    netif_attach(tap_netif, tap)
    assert netif_get_ip_info(tap_netif) == ADDRESS
    assert tap_netif.wait_for(GotIp, timeout=PATIENCE).ip_info == ADDRESS
    assert tap_netif.stack is default_stack()
    s = socket.socket()
    s.connect(SERVER)
    s.sendall(b"hello")
    assert s.recv(100) == b"hello"
    s.close()
    netif_destroy(tap_netif)


def test_actions_instead_of_autoup(wire):
    tap, _ = wire
    tap_netif = netif_new(config(tap, flags=Flags(0)))
    netif_attach(tap_netif, tap)
    netif_action_start(tap_netif)
    assert not tap_netif.is_up
    netif_action_connected(tap_netif)
    with socket.socket() as s:
        assert talk(s) == b"hello"


def test_another_stack_by_partial(wire):
    tap, _ = wire
    with Stack("named") as host:
        tap_netif = netif_new(config(tap, init_fn=partial(ethif_init, stack=host)))
        netif_attach(tap_netif, tap)
        assert tap_netif.stack is host
        assert list(host.registry) == [tap_netif]
        with host.socket() as s:
            assert talk(s) == b"hello"


def test_destroy_ends_connections_in_order(wire, tap_netif):
    _, peer = wire
    with socket.socket() as s:
        assert talk(s) == b"hello"
        netif_destroy(tap_netif)
        assert peer.all_ended.wait(PATIENCE)
        assert peer.ended == ["in order"]


def test_deinit_ends_connections_in_order():
    ours, theirs = pair()
    runtime = ThreadedRuntime()  # of the peer's own would be no wire between them: they share the one of this host
    with Stack("peer", runtime=runtime) as host, Netif(theirs, stack=host, ip="192.168.5.1/24"):
        peer = Peer(host)
        with Stack("ours", runtime=runtime) as here:
            tap_netif = netif_new(config(ours, init_fn=partial(ethif_init, stack=here)))
            netif_attach(tap_netif, ours)
            with here.socket() as s:
                assert talk(s) == b"hello"
                netif_deinit()
                assert peer.all_ended.wait(PATIENCE)
                assert peer.ended == ["in order"]
    peer.thread.join(PATIENCE)
    runtime.close()


def test_dead_driver_ends_connections_with_enetdown(tap_netif):
    with socket.socket() as s:
        assert talk(s) == b"hello"
        tap_netif.runtime.enter()
        tap_netif.port.failed(OSError(errno.ENODEV, "the device is gone"))
        tap_netif.runtime.leave()
        with pytest.raises(OSError) as caught:
            s.recv(1)
        assert caught.value.errno == errno.ENETDOWN
        assert tap_netif.wait_for(DriverFailed, timeout=PATIENCE).error.errno == errno.ENODEV


def test_connections_outlive_an_unplugged_wire(tap_netif):
    with socket.socket() as s:
        assert talk(s) == b"hello"
        netif_action_disconnected(tap_netif)
        netif_action_connected(tap_netif)
        s.sendall(b"again")
        assert s.recv(100) == b"again"


def test_lost_address_ends_connections(tap_netif):
    with socket.socket() as s:
        assert talk(s) == b"hello"
        netif_set_ip_info(tap_netif, IpInfo())
        with pytest.raises(OSError):
            s.recv(1)


def test_wire_of_another_runtime_is_refused_and_nothing_is_left():
    ours, theirs = pair()
    runtime = ThreadedRuntime()
    with Stack("peer", runtime=runtime) as host, Netif(theirs, stack=host, ip="192.168.5.1/24"):
        tap_netif = netif_new(config(ours))
        with pytest.raises(ValueError, match="runtime"):
            netif_attach(tap_netif, ours)
        assert default_stack().interfaces == []
        netif_destroy(tap_netif)
        assert netif_get_handle_from_ifkey("TAP") is None
    runtime.close()


def test_init_may_follow_deinit():
    stacks = []
    for _ in range(3):
        ours, theirs = pair()
        with Stack("peer") as host, Netif(theirs, stack=host, ip="192.168.5.1/24"):
            netif_init()
            tap_netif = netif_new(config(ours))
            netif_attach(tap_netif, ours)
            stacks.append(default_stack())
            assert tap_netif.is_up
            netif_deinit()
            assert not tap_netif.is_up
            assert netif_get_handle_from_ifkey("TAP") is None
    assert len(set(map(id, stacks))) == 3


def test_a_hundred_cycles_leave_nothing():
    def cycle():
        ours, theirs = pair()
        with Stack("peer") as host, Netif(theirs, stack=host, ip="192.168.5.1/24"):
            netif_init()
            tap_netif = netif_new(config(ours))
            netif_attach(tap_netif, ours)
            netif_deinit()

    def census():
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd")), len(gc.get_objects())

    cycle()
    threads, descriptors, objects = census()
    for _ in range(100):
        cycle()
    left = census()
    assert left[:2] == (threads, descriptors)
    assert left[2] - objects < 100  # less than one a cycle
