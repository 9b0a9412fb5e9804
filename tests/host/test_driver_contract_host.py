"""What every driver owes the runtime: the wires that take root, each in a namespace of its own."""

from __future__ import annotations

import pytest

from netif.link import Medium
from tapio import Packet, Pcap, Tap, Tun, Vlan
from tests.host.far_end import FarEnd
from tests.host.namespaces import namespace
from tests.tapio.conftest import frames, frames_of, make_port, runtime, want  # noqa: F401 - fixtures
from tests.tapio.contract import DriverContract

pytestmark = pytest.mark.host

WIRES = {}


def wire_of(make):
    """A row: called with the namespace below, as often as a test wants a near and a far driver."""
    WIRES[make.__name__.replace("_", " ")] = make
    return make


@wire_of
def a_tap_that_is_bridged_with_another(ns):
    drivers = Tap("tap0", netns=ns.name), Tap("tap1", netns=ns.name)
    ns.settle("tap0"), ns.settle("tap1")
    return drivers


@wire_of
def a_plain_tap_that_is_bridged_with_another(ns):
    drivers = Tap("tap0", netns=ns.name, offload=False), Tap("tap1", netns=ns.name)
    ns.settle("tap0"), ns.settle("tap1")
    return drivers


@wire_of
def a_vlan_of_a_tap_that_is_bridged_with_another(ns):
    near, far = a_tap_that_is_bridged_with_another(ns)
    return Vlan(near, 10), Vlan(far, 10)


@wire_of
def a_vlan_of_a_packet_socket(ns):
    return Vlan(Packet("v0", netns=ns.name), 10), Vlan(Packet("v1", netns=ns.name, offload=False), 10)


@wire_of
def pcap_on_both_ends_of_a_veth(ns):
    pytest.importorskip("cypcap")
    return Pcap("v0", netns=ns.name, buffer_size=1 << 24), Pcap("v1", netns=ns.name, buffer_size=1 << 24)


@wire_of
def a_packet_socket_on_a_veth_end(ns):
    return Packet("v0", netns=ns.name), Packet("v1", netns=ns.name)


@wire_of
def a_plain_packet_socket_on_a_veth_end(ns):
    return Packet("v0", netns=ns.name, offload=False), Packet("v1", netns=ns.name)


@wire_of
def a_packet_socket_across_from_a_plain_one(ns):
    return Packet("v0", netns=ns.name), Packet("v1", netns=ns.name, offload=False)


@pytest.fixture(scope="module")
def bridged():
    """A namespace whose tap0 and tap1 are ports of one bridge, and v0 and v1 the ends of one veth pair."""
    with namespace() as ns:
        ns.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")  # which reports groups of its own
        ns.ip("link", "set", "br0", "up")
        for name in ("tap0", "tap1"):
            ns.exec("ip", "tuntap", "add", "dev", name, "mode", "tap")
            ns.ip("link", "set", name, "mtu", "65521", "txqueuelen", "250")  # the most that a TAP may have
            ns.ip("link", "set", name, "master", "br0", "up")
        ns.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        for name in ("v0", "v1"):
            ns.ip("link", "set", name, "up")
        yield ns


@pytest.fixture(params=WIRES, ids=lambda name: name)
def wire(request, bridged):
    return lambda: WIRES[request.param](bridged)


class TestAnyDriver(DriverContract):
    """Each row of WIRES."""

    patience = 0.02


@pytest.fixture(scope="module")
def routed():
    """A namespace with a TUN, and no addresses: nobody but the test speaks there."""
    with namespace() as ns:
        ns.exec("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
        ns.ip("link", "set", "tun0", "mtu", "65535", "up")
        yield ns


class TestAnyTun(DriverContract):
    """Of bare packets; the far end is a packet socket on the kernel's side of the device."""

    patience = 0.02

    @pytest.fixture
    def frames(self):
        return frames_of(Medium.POINT_TO_POINT)

    @pytest.fixture(params=[True, False], ids=["a tun", "a plain tun"])
    def wire(self, request, routed):
        def make():
            driver = Tun("tun0", netns=routed.name, offload=request.param)
            routed.settle("tun0")
            return driver, FarEnd("tun0", netns=routed.name)

        return make


@pytest.fixture(scope="module")
def looped():
    """A namespace with nothing but its loopback device."""
    with namespace() as ns:
        yield ns


class TestPcapOnALoopback(DriverContract):
    """Of bare packets, each of which comes back to its sender too."""

    patience = 0.02

    @pytest.fixture
    def frames(self):
        return frames_of(Medium.POINT_TO_POINT)

    @pytest.fixture
    def wire(self, looped):
        pytest.importorskip("cypcap")
        return lambda: (Pcap("lo", netns=looped.name), Pcap("lo", netns=looped.name))
