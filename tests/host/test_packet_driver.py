"""The packet driver on one end of a veth pair, the kernel or raw frames on the other."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys

import pytest

from netif.link import PARTIAL, LinkCaps, Medium, Offload
from netif.wire import checksum, ethernet, ip, tcp, udp
from netif.wire.ethernet import BROADCAST, parse_mac
from tapio import Packet, WireError
from tests.conftest import ROOT
from tests.host.namespaces import wait_until
from tests.tapio.ports import FakePort, FakeRuntime

pytestmark = pytest.mark.host

MAC, STRANGER = parse_mac("02:00:00:00:00:64"), parse_mac("02:00:00:00:00:65")
KERNEL, OURS = ip.parse_address("10.77.0.2"), ip.parse_address("10.77.0.100")
WANT = LinkCaps(mac=MAC, mtu=1500, gso_max=65535, tx_checksum=True, rx_checksum=True)
LEAST = LinkCaps(mac=MAC)
UDP_SEGMENT = 103


@pytest.fixture
def ends(ends):
    """In the far one the kernel knows where we are: 10.77.0.100."""
    ends[1].ip("neigh", "replace", "10.77.0.100", "lladdr", ethernet.format_mac(MAC), "dev", "v0")
    return ends


@pytest.fixture
def packet(ends):
    """`packet(**options)` is a socket on the near end; whatever is left is closed."""
    made = []

    def packet(interface="v0", end=ends[0], **options):
        made.append(Packet(interface, netns=end.name, **options))
        return made[-1]

    yield packet
    for driver in made:
        driver.close()


@pytest.fixture
def port():
    return FakePort(FakeRuntime())


@pytest.fixture
def sink(ends):
    with ends[1].socket(socket.SOCK_DGRAM, timeout=5) as made:
        made.bind(("10.77.0.2", 7))
        yield made


@pytest.fixture
def raw(ends):
    """`raw(frame)` goes out of the far end as it is."""
    with ends[1].call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as made:
        made.bind(("v0", 0))
        yield made.send


def plain(payload, dst=MAC, src=STRANGER):
    return ethernet.emit(dst, src, 0x88B5) + payload.ljust(46, b"\0")


def heard(driver, count=1, claim=lambda frame: True):
    """The next frames of which that is true, with their offloads."""
    found = []

    def all_there():
        while (item := driver.receive()) is not None:
            if claim(item[0]):
                found.append(item)
        return len(found) >= count

    wait_until(all_there, what=f"{count} frames")
    return found


def payloads(driver, count):
    """Of `plain` frames, without their padding."""
    found = heard(driver, count, lambda frame: frame[12:14] == b"\x88\xb5")
    return [bytes(frame[14:]).rstrip(b"\0") for frame, _ in found]


def is_udp(frame):
    return frame[12:14] == b"\x08\0" and frame[23] == ip.UDP


class TestOpening:
    def test_everything_is_granted(self, packet, port):
        assert packet().open(WANT, port) == WANT

    def test_switched_off_it_grants_one_plain_segment(self, packet, port):
        assert packet(offload=False).open(WANT, port) == LEAST

    def test_who_wants_nothing_gets_complete_segments(self, packet, port):
        assert packet().open(LEAST, port) == LEAST

    def test_the_mtu_is_at_most_the_devices(self, packet, port, ends):
        for end in ends:
            end.ip("link", "set", "v0", "mtu", "9000")
        driver = packet()
        assert driver.open(WANT, port).mtu == 1500
        assert driver.open(LinkCaps(mac=MAC, mtu=16000), port).mtu == 9000

    def test_a_device_too_small_for_ip_is_refused(self, packet, port, ends):
        ends[0].ip("link", "set", "v0", "mtu", "500")
        with pytest.raises(WireError, match=r"v0 takes 500 bytes.*ip link set v0 mtu 1500"):
            packet().open(WANT, port)

    def test_the_devices_own_mac_is_refused_unless_it_is_shared(self, packet, port, ends):
        device = parse_mac(ends[0].mac("v0"))
        with pytest.raises(ValueError, match=r"kernel's own MAC.*shared_mac"):
            packet().open(LinkCaps(mac=device), port)
        assert packet(shared_mac=True).open(WANT, port).mac == device

    def test_a_shared_mac_is_for_one_host(self, packet, port):
        with pytest.raises(ValueError, match="one host"):
            packet(shared_mac=True).open(LinkCaps(mac=b""), port)

    def test_a_device_that_is_down_is_refused_with_the_remedy(self, packet, port, ends):
        ends[0].ip("link", "set", "v0", "down")
        with pytest.raises(WireError, match="v0 is down: ip link set v0 up") as caught:
            packet().open(WANT, port)
        assert caught.value.errno == errno.ENETDOWN

    def test_the_device_is_promiscuous_as_long_as_our_mac_is_our_own(self, packet, port, ends):
        def is_promiscuous():
            return "promiscuity 1" in ends[0].ip("-d", "link", "show", "v0")

        packet(shared_mac=True).open(WANT, port)
        assert not is_promiscuous()
        assert "allmulti 1" in ends[0].ip("-d", "link", "show", "v0")
        driver = packet()
        driver.open(WANT, port)
        driver.open(WANT, port)
        assert is_promiscuous()
        driver.close()
        assert not is_promiscuous()


class TestRefusals:
    """From a person: one line that names the device and the remedy."""

    def refused(self, ends, name, code, *words):
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(WireError) as caught:
            Packet(name, netns=ends[0].name)
        assert caught.value.errno == code
        assert "\n" not in str(caught.value)
        for word in words:
            assert word in str(caught.value)
        assert len(os.listdir("/proc/self/fd")) == before

    def test_a_name_that_is_none_is_answered_with_what_is_near(self, ends):
        self.refused(ends, "vv0", errno.ENODEV, "no network device vv0 here, but v0")
        for name in ("", "a-name-of-sixteen", "nul\0l", "x" * 300):
            self.refused(ends, name, errno.ENODEV, "lo, v0")

    def test_a_tun_carries_no_ethernet(self, ends):
        ends[0].exec("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
        self.refused(ends, "tun0", errno.EINVAL, "tun0 carries no Ethernet: tun:tun0")

    def test_without_the_right_it_is_named(self, ends):
        said = ends[0].exec(sys.executable, "-c", AS_NOBODY.format(early="drop()", late="")).stdout
        assert said.startswith("EPERM v0: a packet socket takes the right CAP_NET_RAW: run as root")
        assert "sudo setcap cap_net_raw+ep /" in said

    def test_after_the_constructor_no_right_is_needed_any_more(self, ends):
        said = ends[0].exec(sys.executable, "-c", AS_NOBODY.format(early="", late="drop()")).stdout
        assert said == "1500 True True\n"


AS_NOBODY = f"""
import errno, os, sys
sys.path.insert(0, {ROOT!r})
from netif.link import LinkCaps
from tapio import Packet, WireError
from tests.tapio.ports import FakePort, FakeRuntime

def drop():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

{{early}}
try:
    driver = Packet("v0")
    {{late}}
    for _ in range(2):
        granted = driver.open(LinkCaps(mac=bytes(5) + b"2", gso_max=65535, tx_checksum=True), FakePort(FakeRuntime()))
    while driver.receive() is not None: pass
    print(granted.mtu, granted.tx_checksum, driver.transmit((bytes(60),), None))
    driver.close()
except WireError as error:
    print(errno.errorcode[error.errno], error)
"""


class TestWhoIsHeard:
    def test_what_is_for_us_and_for_all(self, packet, port, raw):
        driver = packet()
        driver.open(WANT, port)
        for dst in (STRANGER, MAC, BROADCAST, parse_mac("01:00:5e:00:00:01"), MAC[:5] + b"\x65", b"\x06" + MAC[1:]):
            raw(plain(ethernet.format_mac(dst).encode(), dst))
        raw(plain(b"last"))
        assert payloads(driver, 4) == [b"02:00:00:00:00:64", b"ff:ff:ff:ff:ff:ff", b"01:00:5e:00:00:01", b"last"]

    def test_who_has_no_mac_hears_everything(self, packet, port, raw):
        driver = packet()
        assert driver.open(LinkCaps(mac=b""), port).mac == b""
        raw(plain(b"not for us", STRANGER))
        assert payloads(driver, 1) == [b"not for us"]

    def test_another_mac_moves_the_filter(self, packet, port, raw):
        driver = packet()
        driver.open(WANT, port)
        driver.set_mac(STRANGER)
        raw(plain(b"old"))
        raw(plain(b"fresh", STRANGER))
        assert payloads(driver, 1) == [b"fresh"]

    def test_a_shared_mac_does_not_move(self, packet, port):
        driver = packet(shared_mac=True)
        driver.open(WANT, port)
        with pytest.raises(ValueError, match="the device's"):
            driver.set_mac(MAC)

    def test_what_this_host_sends_there_is_not_heard(self, packet, port, ends, raw):
        driver = packet()
        driver.open(LinkCaps(mac=b""), port)
        with ends[0].call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as other:
            other.bind(("v0", 0))
            other.send(plain(b"from here"))
        raw(plain(b"from there"))
        assert payloads(driver, 1) == [b"from there"]

    def test_what_came_before_it_was_opened_again_is_gone(self, packet, port, raw, ends):
        driver = packet()
        driver.open(WANT, port)
        raw(plain(b"before"))
        ends[0].ip("link", "set", "v0", "down")
        ends[0].ip("link", "set", "v0", "up")
        driver.open(WANT, port)
        raw(plain(b"after"))
        assert payloads(driver, 1) == [b"after"]

    def test_what_found_no_room_is_counted(self, packet, port, ends):
        driver, far = packet(), packet(end=ends[1])
        driver.open(WANT, port)
        far.open(want_of(STRANGER), port)
        buffers, offload = super_frame(STRANGER, MAC)
        for _ in range(400):
            assert far.transmit(buffers, offload)
        kept = 0
        while driver.receive() is not None:
            kept += 1
        assert kept >= 50
        assert driver.dropped == 400 - kept
        driver.close()
        assert driver.dropped == 400 - kept


def want_of(mac):
    return LinkCaps(mac=mac, gso_max=65535, tx_checksum=True, rx_checksum=True)


def super_frame(src, dst, tag=b"", size=60_000):
    """A TCP segment of `size` bytes, to be cut into 1448."""
    length = 20 + size
    pseudo = checksum.pseudo_header(OURS, KERNEL, ip.TCP, length)
    link = dst + src + tag + b"\x08\0"
    headers = link + ip.emit(OURS, KERNEL, ip.TCP, length, ident=1) + tcp.emit(9, 7, 5, 0, 0, 512, checksum=pseudo)
    return (headers, bytes(range(250)) * (size // 250)), Offload(PARTIAL, len(link) + 20, 16, 1448)


class TestFramesFromTheOtherEnd:
    def test_a_datagram_comes_with_a_partial_checksum(self, packet, port, sink):
        driver = packet()
        driver.open(WANT, port)
        sink.sendto(b"hello", ("10.77.0.100", 9))
        ((frame, offload),) = heard(driver, 1, is_udp)
        assert offload == Offload(PARTIAL, 34, 6)
        assert frame.endswith(b"hello")

    @pytest.mark.parametrize("options", [{"offload": False}, {}], ids=["plain", "nothing wanted"])
    def test_without_offload_it_is_complete_and_to_be_verified(self, packet, port, sink, options):
        driver = packet(**options)
        driver.open(LEAST, port)
        sink.sendto(b"hello", ("10.77.0.100", 9))
        ((frame, offload),) = heard(driver, 1, is_udp)
        assert offload is None
        assert checksum.verify(frame, 34, len(frame), checksum.pseudo_header(KERNEL, OURS, ip.UDP, len(frame) - 34))

    def test_datagrams_in_one_frame_come_whole_or_as_they_were(self, packet, port, sink):
        whole, cut = packet(), packet(offload=False)
        for driver in (whole, cut):
            driver.open(WANT, port)
        sink.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1400)
        payload = bytes(range(250)) * 56
        sink.sendto(payload, ("10.77.0.100", 9))
        ((frame, offload),) = heard(whole, 1, is_udp)
        assert (frame[42:], offload) == (payload, Offload(PARTIAL, 34, 6, 1400))
        assert [bytes(piece[42:]) for piece, _ in heard(cut, 10, is_udp)] == [
            payload[at : at + 1400] for at in range(0, 14_000, 1400)
        ]

    def test_a_tag_is_put_back_in_its_place(self, packet, port, ends):
        """The kernel takes it out of every frame that it hands to a packet socket (IEEE 802.1Q 9.3)."""
        driver, far = packet(), packet(end=ends[1])
        driver.open(WANT, port)
        far.open(want_of(b""), port)
        tag = b"\x81\0\x60\x0a"
        frame = MAC + STRANGER + tag + b"\x88\xb5" + b"tagged".ljust(46)
        outer = MAC + STRANGER + b"\x88\xa8\0\x07" + tag + b"\x88\xb5" + b"twice".ljust(46)
        buffers, offload = super_frame(STRANGER, MAC, tag)
        assert far.transmit((frame,), None)
        assert far.transmit((outer,), None)
        assert far.transmit(buffers, offload)
        found = heard(driver, 3, lambda frame: frame[6:12] == STRANGER)
        assert found == [(frame, None), (outer, None), (b"".join(buffers), offload)]
        assert far.refused == 0

    def test_a_tagged_super_frame_is_cut_too(self, packet, port, ends):
        driver, far = packet(offload=False), packet(end=ends[1])
        driver.open(WANT, port)
        far.open(want_of(b""), port)
        buffers, offload = super_frame(STRANGER, MAC, b"\x81\0\0\x0a", 14_000)
        far.transmit(buffers, offload)
        pieces = heard(driver, 10, lambda frame: frame[6:12] == STRANGER)
        assert b"".join(bytes(piece[58:]) for piece, _ in pieces) == buffers[1]
        assert {bytes(piece[12:18]) for piece, _ in pieces} == {b"\x81\0\0\x0a\x08\0"}


class TestFramesToTheKernel:
    def frame_to(self, ends, payload, partial=False):
        kernel = parse_mac(ends[1].mac("v0"))
        packet = ip.emit(OURS, KERNEL, ip.UDP, 8 + len(payload), ident=1)
        header = udp.emit(OURS, KERNEL, 7000, 7, payload, partial=partial)
        return ethernet.emit(kernel, MAC, ethernet.IP) + packet + header, payload

    @pytest.mark.parametrize("options", [{}, {"offload": False}], ids=["offload", "plain"])
    def test_frames_arrive_complete_or_not_whole_or_not(self, packet, port, ends, sink, options):
        driver = packet(**options)
        driver.open(WANT, port)
        payload = bytes(range(250)) * 20
        assert driver.transmit(self.frame_to(ends, b"complete"), None)
        assert driver.transmit(self.frame_to(ends, b"x" * 500, partial=True), Offload(PARTIAL, 34, 6))
        assert driver.transmit(self.frame_to(ends, payload, partial=True), Offload(PARTIAL, 34, 6, 1400))
        assert [sink.recv(5000) for _ in range(2)] == [b"complete", b"x" * 500]
        assert [sink.recv(5000) for _ in range(4)] == [payload[at : at + 1400] for at in range(0, 5000, 1400)]

    def test_what_the_device_does_not_take_is_counted_and_no_more(self, packet, port, ends, sink):
        driver = packet()
        driver.open(WANT, port)
        for frame in (b"runt", bytes(1515)):
            assert driver.transmit((frame,), None)
        assert driver.refused == 2
        driver.transmit(self.frame_to(ends, b"hello"), None)
        assert sink.recv(100) == b"hello"


class TestAQueueThatIsFull:
    """A rate of 80 Mbit/s: the queueing discipline (tc-tbf(8)) holds what we send, up to its limit."""

    def queue(self, ends, limit):
        ends[0].exec("tc", "qdisc", "add", "dev", "v0", "root", *f"tbf rate 80mbit burst 70k limit {limit}".split())

    def test_when_our_send_buffer_is_full_the_frame_waits_for_room(self, packet, port, ends):
        self.queue(ends, "4m")
        driver = packet()
        driver.open(WANT, port)
        buffers, offload = super_frame(MAC, STRANGER)
        answers = [driver.transmit(buffers, offload)]
        while answers[-1] and len(answers) < 100:
            answers.append(driver.transmit(buffers, offload))
        assert answers[-1] is False
        assert (driver.wants_write(), port.watched, driver.refused) == (True, 1, 0)
        wait_until(lambda: select.select([], [driver.fileno()], [], 1)[1], what="room")
        driver.advance(0.0)
        assert (driver.wants_write(), port.room) == (False, 1)
        assert driver.transmit(buffers, offload)

    def test_what_the_queue_has_no_room_for_is_lost_and_counted(self, packet, port, ends):
        """Nobody would say when there is room again; TCP takes the loss for what it is."""
        self.queue(ends, "80k")
        driver = packet()
        driver.open(WANT, port)
        buffers, offload = super_frame(MAC, STRANGER)
        assert all(driver.transmit(buffers, offload) for _ in range(10))
        assert driver.refused >= 1
        assert not driver.wants_write()


class TestLoopback:
    """Every frame is seen twice there, going out and coming in, and both addresses are zeros."""

    def test_bare_packets_pass_and_our_own_do_not_come_back(self, packet, port, ends):
        one, other = packet("lo"), packet("lo")
        granted = one.open(WANT, port)
        assert (granted.mac, granted.medium, granted.gso_max) == (b"", Medium.POINT_TO_POINT, 65535)
        other.open(want_of(STRANGER), port)
        small = ip.emit(OURS, KERNEL, 253, 4, ident=1) + b"bare"
        assert one.transmit((small,), None)
        (headers, payload), offload = super_frame(bytes(6), bytes(6))
        bare = offload._replace(start=20)
        assert one.transmit((headers[14:], payload), bare)
        assert heard(other, 2) == [(small, None), (headers[14:] + payload, bare)]
        assert one.receive() is None
        assert one.refused == 0


class TestTheEnd:
    def failure(self, driver, code, words):
        def failed():
            try:
                driver.receive()
            except WireError as error:
                caught.append(error)
            return caught

        caught = []
        wait_until(failed, what="the driver's failure")
        assert caught[0].errno == code
        assert words in str(caught[0])

    def test_a_device_that_goes_down(self, packet, port, ends):
        driver = packet()
        driver.open(WANT, port)
        ends[0].ip("link", "set", "v0", "down")
        self.failure(driver, errno.ENETDOWN, "v0 is down: ip link set v0 up")
        assert driver.receive() is None
        with pytest.raises(WireError, match="v0 is down"):
            driver.transmit((bytes(60),), None)

    def test_one_that_was_down_for_a_moment_goes_on(self, packet, port, ends, raw):
        driver = packet()
        driver.open(WANT, port)
        ends[0].ip("link", "set", "v0", "down")
        ends[0].ip("link", "set", "v0", "up")
        assert driver.receive() is None
        raw(plain(b"here again"))
        assert payloads(driver, 1) == [b"here again"]

    def test_a_device_that_is_deleted_or_moved(self, packet, port, ends):
        driver = packet()
        driver.open(WANT, port)
        ends[0].ip("link", "set", "v0", "name", "v1", "netns", ends[1].name)
        self.failure(driver, errno.ENODEV, "v0 is gone")
        with pytest.raises(WireError, match="v0 is gone"):
            driver.transmit((bytes(60),), None)

    def test_one_that_came_back_under_its_name_is_opened_again(self, packet, port, ends):
        near, far = ends
        driver = packet()
        driver.open(WANT, port)
        near.ip("link", "delete", "v0")
        with pytest.raises(WireError, match="gone"):
            driver.open(WANT, port)
        near.ip("link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", far.name)
        near.ip("link", "set", "v0", "up")
        far.ip("link", "set", "v0", "up")
        assert driver.open(WANT, port) == WANT
        other = packet(end=far)
        other.open(want_of(STRANGER), port)
        other.transmit((plain(b"here again"),), None)
        assert payloads(driver, 1) == [b"here again"]

    def test_closing_is_idempotent_and_silent_afterwards(self, packet, port):
        driver = packet()
        driver.open(WANT, port)
        before = len(os.listdir("/proc/self/fd"))
        driver.close()
        driver.close()
        assert len(os.listdir("/proc/self/fd")) == before - 2
        assert driver.fileno() is None
        assert driver.receive() is None
        assert driver.transmit((bytes(60),), None)
        assert repr(driver) == "<Packet v0 closed>"
