"""What a Pcap hears, sends and refuses, at one end of a veth pair."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys

import pytest

from netif.link import VALID, LinkCaps, Medium, Offload
from netif.wire.ethernet import parse_mac
from netif.wire.segment import cut
from tapio import Pcap, vnet
from tapio.wire import WireError
from tests.conftest import ROOT
from tests.host.namespaces import wait_until
from tests.tapio import conftest
from tests.tapio.ports import FakePort, FakeRuntime

pytest.importorskip("cypcap", reason="libpcap's binding is not installed: docs/pcap.md")
pytestmark = pytest.mark.host

MAC = parse_mac("02:00:00:00:00:64")
PLAIN = ("tx", "off", "tso", "off", "gso", "off", "gro", "off")
RING = 1 << 24

frames = conftest.frames  # a fixture


@pytest.fixture
def pcap(ends):
    """pcap(interface="v0", **options): a driver of our end without a stack, and its port."""
    made = []

    def pcap(interface="v0", ns=None, **options):
        made.append(Pcap(interface, netns=(ns or ends[0]).name, **{"buffer_size": RING, **options}))
        return made[-1], FakePort(FakeRuntime())

    yield pcap
    for driver in made:
        driver.close()


def want(mac=MAC, **changes):
    return LinkCaps(mac=mac, **{"mtu": 1500, "gso_max": 65535, "tx_checksum": True, "rx_checksum": True, **changes})


def set_offloads(ns, *words):
    ns.exec("ethtool", "-K", "v0", *words)


def send_raw(interface, frame):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        s.send(frame)


def send_super(interface, buffers, offload):
    """As a kernel's stack hands it to a device: by PACKET_VNET_HDR."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.setsockopt(263, 15, 1)
        s.bind((interface, 0))
        s.send(b"".join((vnet.SuperHeaders().of(buffers[0], offload), *buffers)))


def open_tun(name):
    """The descriptor of whoever is at the other end of a TUN."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
    return fd


def items(driver):
    got = []
    while (item := driver.receive()) is not None:
        got.append(item)
    return got


def items_all_valid(driver, sent):
    got = items(driver)
    return len(got) == len(sent) and all(said == Offload(VALID) for _, said in got)


def heard(driver):
    got = []
    while (item := driver.receive()) is not None:
        got.append(bytes(item[0]))
    return got


class TestHearing:
    def test_on_a_loopback_packets_travel_and_ours_that_come_back_are_dropped_once(self, ends, pcap, frames):
        one, port = pcap("lo")
        granted = one.open(want(), port)
        assert (granted.mac, granted.medium, granted.mtu) == (b"", Medium.POINT_TO_POINT, 1500)
        other, its_port = pcap("lo")
        other.open(want(), its_port)
        packet = frames.udp(b"round we go")[14:]
        one.transmit((packet[:20], packet[20:]), None)
        got = []
        wait_until(lambda: got.extend(heard(other)) or got, what="the packet")
        assert got == [packet]
        assert heard(one) == []
        assert (one.echoed, other.echoed) == (1, 0)
        ends[0].call(lambda: send_raw("lo", bytes(12) + b"\x08\0" + packet))  # the same, from somebody else
        wait_until(lambda: got.extend(heard(one)) or len(got) == 2, what="the packet of somebody else")
        assert (got, one.echoed) == ([packet] * 2, 1)

    def test_where_there_is_no_link_header_packets_travel(self, ends, pcap, frames):
        near, _ = ends
        near.exec("ip", "tuntap", "add", "dev", "tun7", "mode", "tun")
        near.ip("link", "set", "tun7", "up")
        tun = near.call(lambda: open_tun("tun7"))
        with open(tun, "r+b", buffering=0) as far:
            driver, port = pcap("tun7")
            assert driver.open(want(), port).medium is Medium.POINT_TO_POINT
            buffers, offload = frames.tcp(bytes(3000), gso=1460)
            bare = (buffers[0][14:], *buffers[1:])
            assert driver.transmit(bare, offload._replace(start=20))
            segments = [far.read(2000) for _ in range(3)]
            assert segments == [segment[14:] for segment in cut(buffers, offload)]
            far.write(segments[0])
            got = []
            wait_until(lambda: got.extend(items(driver)) or got, what="a packet")
            assert [(bytes(packet), said) for packet, said in got] == [(segments[0], Offload(VALID))]

    def test_what_the_kernel_sends_on_the_interface_is_not_heard(self, ends, pcap, frames):
        near, far = ends
        driver, port = pcap()
        driver.open(want(b""), port)
        frame = frames.plain
        near.call(lambda: send_raw("v0", frame(b"sent here")))
        far.call(lambda: send_raw("v0", frame(b"sent there")))
        got = []
        wait_until(lambda: got.extend(heard(driver)) or got, what="a frame")
        assert got == [frame(b"sent there")]

    def test_frames_to_others_are_not_heard_but_on_a_trunk(self, ends, pcap, frames):
        _, far = ends
        frame = frames.plain
        ours, others = frame(b"ours", dst=MAC), frame(b"others", dst=parse_mac("02:00:00:00:00:99"))
        groups = frame(b"groups", dst=parse_mac("01:00:5e:00:00:fb"))
        for mac, expected in ((MAC, [ours, groups]), (b"", [ours, others, groups])):
            driver, port = pcap()
            driver.open(want(mac), port)
            for one in (ours, others, groups):
                far.call(lambda: send_raw("v0", one))  # noqa: B023
            got = []
            wait_until(lambda: got.extend(heard(driver)) or len(got) >= len(expected), what="frames")  # noqa: B023
            assert got == expected

    def test_a_filter_that_is_none_is_told_in_libpcaps_words(self, pcap):
        with pytest.raises(WireError, match=r"^v0: 'tcp prot 80' is no filter: .*syntax error") as told:
            pcap(bpf="tcp prot 80")
        assert "\n" not in str(told.value)
        with pytest.raises(WireError, match="is no filter"):
            pcap(bpf="tcp) or (udp")


class TestWhatIsGranted:
    def test_the_kernels_own_mac_is_refused_unless_it_is_shared(self, ends, pcap):
        mac = parse_mac(ends[0].mac("v0"))
        driver, port = pcap()
        with pytest.raises(ValueError, match="kernel's own MAC address on v0: choose another, or share it"):
            driver.open(want(mac), port)
        driver, port = pcap(shared_mac=True)
        assert driver.open(want(), port).mac == mac
        with pytest.raises(ValueError, match="as long as it is shared"):
            driver.set_mac(MAC)
        with pytest.raises(ValueError, match="a wire for one host"):
            driver.open(want(b""), port)

    def test_an_interface_with_the_hosts_address_is_warned_of_once(self, ends, pcap, caplog):
        ends[0].ip("address", "add", "10.77.0.9/24", "dev", "v0")
        driver, port = pcap()
        driver.open(want(), port)
        driver.open(want(), port)
        assert caplog.text.count("v0 has this host's address 10.77.0.9: others on its wire reach us, this host") == 1

    def test_with_another_mac_others_frames_are_heard(self, ends, pcap, frames):
        _, far = ends
        driver, port = pcap()
        driver.open(want(), port)
        other = parse_mac("02:00:00:00:00:99")
        driver.set_mac(other)
        for mac in (MAC, other):
            far.call(lambda: send_raw("v0", frames.plain(mac, dst=mac)))  # noqa: B023
        got = []
        wait_until(lambda: got.extend(heard(driver)) or got, what="a frame")
        assert got == [frames.plain(other, dst=other)]

    def test_an_interface_too_narrow_for_ip_is_refused(self, ends, pcap):
        ends[0].ip("link", "set", "v0", "mtu", "500")
        driver, port = pcap()
        with pytest.raises(WireError, match="v0 takes 500 bytes at once, and IP wants 576"):
            driver.open(want(), port)

    def test_a_port_that_takes_no_offload_gets_finished_segments(self, ends, pcap, frames):
        _, far = ends
        driver, port = pcap()
        granted = driver.open(want(gso_max=1500, tx_checksum=False, rx_checksum=False), port)
        assert (granted.gso_max, granted.tx_checksum, granted.rx_checksum) == (1500, False, False)
        buffers, offload = frames.tcp(bytes(range(250)) * 40, gso=1460, dst=MAC)
        far.call(lambda: send_super("v0", buffers, offload))
        got = []
        wait_until(lambda: got.extend(items(driver)) or len(got) == 7, what="the segments")
        assert all(said is None and len(frame) <= 1514 for frame, said in got)
        other = Pcap("v0", netns=far.name, buffer_size=RING)
        other.open(want(b""), FakePort(FakeRuntime()))
        for frame, _ in got:
            driver.transmit((frame,), None)
        wait_until(lambda: got and items_all_valid(other, got), what="what the other end finds right")
        other.close()

    def test_slots_that_are_too_small_for_what_the_peer_sends_are_told_of(self, ends, pcap, frames, caplog):
        near, far = ends
        set_offloads(near, *PLAIN)
        driver, port = pcap()
        driver.open(want(), port)
        buffers, offload = frames.tcp(bytes(10_000), gso=1460, dst=MAC)
        far.call(lambda: send_super("v0", buffers, offload))
        wait_until(lambda: heard(driver) == [] and driver.truncated == 1, what="what is left of it")
        assert "ethtool -K v0 gro on" in caplog.text

    def test_a_super_frame_that_is_sent_is_cut_and_finished(self, ends, pcap, frames):
        _, far = ends
        driver, port = pcap()
        driver.open(want(), port)
        other, its_port = pcap(ns=far)
        other.open(want(b""), its_port)
        buffers, offload = frames.tcp(bytes(range(250)) * 160, gso=1448)
        assert driver.transmit(buffers, offload)
        got = []
        wait_until(lambda: got.extend(items(other)) or len(got) == 28, what="the segments")
        assert {said for _, said in got} == {Offload(VALID)}

    def test_what_is_too_long_for_the_interface_is_counted(self, pcap, frames):
        driver, port = pcap()
        driver.open(want(), port)
        assert driver.transmit((frames.plain(bytes(2000)),), None)
        assert driver.refused == 1

    def test_the_mtu_is_at_most_the_interfaces(self, ends, pcap):
        ends[0].ip("link", "set", "v0", "mtu", "1400")
        driver, port = pcap()
        assert driver.open(want(), port).mtu == 1400

    def test_what_comes_while_the_ring_is_full_is_counted(self, ends, pcap, frames):
        _, far = ends
        driver, port = pcap(buffer_size=1 << 20)
        driver.open(want(), port)
        frame = frames.plain(bytes(1000), dst=MAC)

        def flood():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
                s.bind(("v0", 0))
                for _ in range(2000):
                    s.send(frame)

        far.call(flood)
        wait_until(lambda: driver.dropped, what="drops")
        arrived, dropped = len(heard(driver)), driver.dropped
        assert arrived + dropped == 2000
        driver.close()
        assert driver.dropped == dropped


class TestFailure:
    def test_one_that_is_down_is_refused_with_the_remedy(self, ends, pcap):
        driver, port = pcap()
        ends[0].ip("link", "set", "v0", "down")
        with pytest.raises(WireError, match=r"^v0 is down: ip link set v0 up$") as told:
            pcap()
        assert told.value.errno == errno.ENETDOWN
        with pytest.raises(WireError, match=r"^v0 is down: ip link set v0 up$"):
            driver.open(want(), port)

    @pytest.mark.parametrize("name", ["nosuch0", "", "v0\0", "x" * 40, "a/b", "\ud800"])
    def test_a_name_that_is_none_lists_those_that_are(self, pcap, name):
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(WireError, match=r"^there is no interface .* to capture on: .*\bv0\b") as told:
            pcap(name)
        assert told.value.errno == errno.ENODEV
        assert "\n" not in str(told.value)
        assert len(os.listdir("/proc/self/fd")) == before

    def test_frames_that_are_no_ethernets_are_refused(self, pcap):
        with pytest.raises(
            WireError, match=r"any has neither Ethernet frames nor IP packets, but .*; name one interface"
        ):
            pcap("any")

    def test_without_rights_the_remedy_is_said(self, ends):
        program = "from tapio import Pcap\ntry: Pcap('v0')\nexcept OSError as error: print(error.errno, error)"
        unprivileged = ("setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all")
        done = ends[0].exec(*unprivileged, sys.executable, "-c", f"import sys; sys.path.insert(0, {ROOT!r})\n{program}")
        assert done.stdout.startswith(f"{errno.EPERM} v0 may not be captured on without rights: run under sudo")
        assert "setcap cap_net_raw" in done.stdout
