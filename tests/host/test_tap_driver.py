"""The TAP driver against the kernel that it is written for."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct
import sys

import pytest

from netif.link import NONE, PARTIAL, VALID, LinkCaps, Offload
from netif.wire import checksum, ethernet, ip, tcp, udp
from netif.wire.ethernet import parse_mac
from tapio import tundev
from tapio.tap import Tap, tapio_create, tapio_output
from tapio.tundev import TapError
from tests.conftest import ROOT
from tests.host.namespaces import wait_until
from tests.tapio.ports import FakePort, FakeRuntime

pytestmark = pytest.mark.host

MAC, KERNEL, OURS = parse_mac("02:00:00:00:00:64"), ip.parse_address("192.168.5.1"), ip.parse_address("192.168.5.100")
WANT = LinkCaps(mac=MAC, mtu=1500, gso_max=65535, tx_checksum=True, rx_checksum=True)
LEAST = LinkCaps(mac=MAC)
UDP_SEGMENT = 103


@pytest.fixture
def tap(ns):
    """`tap(**options)` opens the namespace's TAP; whatever is left is closed."""
    made = []

    def tap(name="tap0", **options):
        made.append(ns.call(lambda: Tap(name, **options)))
        if not options.get("create"):
            ns.settle(name)
        return made[-1]

    yield tap
    for driver in made:
        driver.close()


@pytest.fixture
def port():
    return FakePort(FakeRuntime())


@pytest.fixture
def sink(ns):
    """A kernel UDP socket that hears what we send, and knows where we are."""
    ns.ip("neigh", "replace", "192.168.5.100", "lladdr", "02:00:00:00:00:64", "dev", "tap0")
    with ns.socket(socket.SOCK_DGRAM, timeout=5) as made:
        made.bind(("192.168.5.1", 7))
        yield made


def frame_to(ns, payload, *, offload=None, field=None):
    """A UDP datagram from us to the kernel's port 7."""
    kernel = parse_mac(ns.mac("tap0"))
    header = udp.emit(OURS, KERNEL, 7000, 7, payload, partial=offload is not None)
    if field is not None:
        header = header[:6] + field.to_bytes(2, "big")
    packet = ip.emit(OURS, KERNEL, ip.UDP, 8 + len(payload), ident=1)
    return ethernet.emit(kernel, MAC, ethernet.IP) + packet + header, payload


def heard(driver, count=1, protocol=ip.UDP):
    """The next frames of that protocol to us, with their offloads."""
    found = []

    def all_there():
        while (item := driver.receive()) is not None:
            if item[0][12:14] == b"\x08\0" and item[0][23] == protocol:
                found.append(item)
        return len(found) >= count

    wait_until(all_there, what=f"{count} frames")
    return found


class TestBatches:
    """What several reads at once bring, and when only one is made."""

    def datagrams(self, sink, *payloads):
        for payload in payloads:
            sink.sendto(payload, ("192.168.5.100", 7))

    def batch(self, driver, most=16, room=1 << 18):
        return [frame[42:] for frame, _ in driver.receive_batch(most, room)[0]]

    @pytest.fixture
    def driver(self, tap, port, sink):
        """Open, in silence."""
        driver = tap()
        driver.open(WANT, port)
        self.datagrams(sink, b"first")
        heard(driver)
        return driver

    def test_what_waits_comes_at_once_and_in_order(self, driver, sink):
        self.datagrams(sink, b"1", b"2", b"3")
        assert self.batch(driver) == [b"1", b"2", b"3"]
        assert self.batch(driver) == []

    def test_no_more_than_so_many_and_none_beyond_so_many_bytes(self, driver, sink):
        self.datagrams(sink, b"1", b"2", b"3", b"4", b"5")
        assert [self.batch(driver, 2), self.batch(driver, 16, 44), self.batch(driver)] == [
            [b"1", b"2"],
            [b"3", b"4"],
            [b"5"],
        ]

    def test_a_conversation_is_read_a_frame_at_a_time_but_now_and_then(self, driver, sink):
        for _ in range(100):
            self.datagrams(sink, b"ping")
            assert self.batch(driver) == [b"ping"]
        lengths = []
        while sum(lengths) < 34:
            self.datagrams(sink, b"1", b"2")
            lengths.append(len(self.batch(driver)))
        assert lengths[0] == 1  # the poll tells of the other
        assert max(lengths) >= 2  # found in time, and from then on all of them
        self.datagrams(sink, *[b"more"] * 16)
        assert len(self.batch(driver)) == 16


class TestOpening:
    def test_everything_is_granted_with_the_header(self, tap, port):
        driver = tap()
        assert driver.open(WANT, port) == WANT
        assert driver.offload_bits in (0x6F, 0x67, 0x7)

    def test_switched_off_it_grants_one_plain_segment(self, tap, port):
        assert tap(offload=False).open(WANT, port) == LinkCaps(mac=MAC)

    def test_who_wants_nothing_gets_complete_segments(self, tap, port):
        driver = tap()
        assert driver.open(LEAST, port) == LEAST
        assert driver.offload_bits == 0

    def test_the_mtu_is_at_most_the_kernels(self, tap, port, ns):
        ns.ip("link", "set", "tap0", "mtu", "1400")
        assert tap().open(WANT, port).mtu == 1400

    def test_the_kernels_own_mac_is_refused(self, tap, port, ns):
        with pytest.raises(ValueError, match="kernel's own"):
            tap().open(LinkCaps(mac=parse_mac(ns.mac("tap0"))), port)

    def test_a_device_that_is_down_is_refused_with_the_remedy(self, tap, port, ns):
        ns.ip("link", "set", "tap0", "down")
        with pytest.raises(TapError, match="ip link set tap0 up") as caught:
            tap().open(WANT, port)
        assert caught.value.errno == errno.ENETDOWN

    def test_create_makes_it_up_and_gone_at_close(self, tap, port, ns):
        driver = tap("tap7", create=True)
        driver.open(WANT, port)
        assert "UP" in ns.ip("link", "show", "tap7")
        driver.close()
        assert "tap7" not in ns.ip("link")

    def test_the_port_style_names_open_and_send(self, ns, port, sink):
        driver = ns.call(lambda: tapio_create("tap0"))
        driver.open(WANT, port)
        assert tapio_output(driver, frame_to(ns, b"hello"))
        driver.close()
        assert sink.recv(100) == b"hello"


class TestRefusals:
    """From a person: one line that names the device and the remedy."""

    def refused(self, ns, name, code, *words, **options):
        with pytest.raises(TapError) as caught:
            ns.call(lambda: Tap(name, **options))
        message = str(caught.value)
        assert caught.value.errno == code
        assert "\n" not in message
        for word in (name, *words):
            assert word in message

    def test_a_missing_name_is_not_silently_made(self, ns):
        self.refused(ns, "tap9", errno.ENODEV, "make_tap_netif tap9")
        assert "tap9" not in ns.ip("link")

    def test_a_device_in_use(self, ns, tap):
        tap()
        self.refused(ns, "tap0", errno.EBUSY, "another program")

    def test_a_tun(self, ns):
        ns.exec("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
        self.refused(ns, "tun0", errno.EINVAL, "is a TUN")

    def test_a_veth(self, ns):
        ns.ip("link", "add", "v7", "type", "veth", "peer", "name", "v8")
        self.refused(ns, "v7", errno.EINVAL, "kind veth")

    def test_the_loopback(self, ns):
        self.refused(ns, "lo", errno.EINVAL, "no TAP")

    def test_a_multi_queue_tap(self, ns, tap, port):
        ns.exec("ip", "tuntap", "add", "dev", "mq0", "mode", "tap", "multi_queue")
        self.refused(ns, "mq0", errno.EINVAL, "multi-queue")
        ns.ip("link", "set", "mq0", "up")
        assert tap("mq0", multi_queue=True).open(WANT, port) == WANT

    def test_a_name_the_kernel_could_not_have(self, ns):
        for name in ("", "a-name-of-sixteen", "two words", "tap%d", "a/b", "a:b", ".."):
            self.refused(ns, name, errno.EINVAL, "no device name", create=True)

    def test_multi_queue_asked_of_a_single_queue_tap_is_content_with_one(self, tap, port):
        assert tap(multi_queue=True).open(WANT, port) == WANT

    def test_a_device_of_another_user(self, ns, as_nobody):
        ns.exec("ip", "tuntap", "add", "dev", "own0", "mode", "tap", "user", "0")
        said = "EPERM own0 may not be opened by uid 65534: make_tap_netif own0 --user NAME gives it to a user"
        assert as_nobody("own0") == said

    def test_making_one_without_permission(self, as_nobody):
        assert as_nobody("tap9") == "EPERM making tap9 takes root: sudo make_tap_netif tap9 makes it for you to open"

    def test_a_node_that_only_root_may_open(self, as_nobody):
        assert as_nobody("tap0", mode=0o600).startswith("EACCES no permission to open /dev/net/tun: chmod 666")

    @pytest.fixture
    def as_nobody(self, ns, tmp_path):
        """`as_nobody(name)`: what a user without rights is told, where /dev/net/tun has this mode."""
        node, program = tmp_path / "tun", tmp_path / "program.py"
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(10, 200))
        program.write_text(OPEN_AS_NOBODY)

        def as_nobody(name, mode=0o666):
            node.chmod(mode)
            # The program's mount namespace is its own, as `ip netns exec` arranges.
            shell = f"mount --bind {node} /dev/net/tun && exec {sys.executable} {program} {name}"
            return ns.exec("sh", "-c", shell).stdout.strip()

        return as_nobody


OPEN_AS_NOBODY = f"""
import errno, os, sys
sys.path.insert(0, {ROOT!r})
from tapio.tap import Tap
from tapio.tundev import TapError
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    Tap(sys.argv[1], create=True)
except TapError as error:
    print(errno.errorcode[error.errno], error)
"""


class TestFramesFromTheKernel:
    def test_a_datagram_comes_with_a_partial_checksum(self, tap, port, sink):
        driver = tap()
        driver.open(WANT, port)
        sink.sendto(b"hello", ("192.168.5.100", 9))
        ((frame, offload),) = heard(driver)
        assert offload == Offload(PARTIAL, 34, 6)
        assert frame.endswith(b"hello")

    @pytest.mark.parametrize("options", [{"offload": False}, {}], ids=["plain", "nothing wanted"])
    def test_without_offload_it_is_complete_and_to_be_verified(self, tap, port, sink, options):
        driver = tap(**options)
        driver.open(LEAST, port)
        sink.sendto(b"hello", ("192.168.5.100", 9))
        ((frame, offload),) = heard(driver)
        assert offload is None
        assert checksum.verify(frame, 34, len(frame), checksum.pseudo_header(KERNEL, OURS, ip.UDP, len(frame) - 34))

    def test_a_super_frame_comes_whole_and_stays_as_it_is_while_it_is_held(self, tap, port, sink):
        driver = tap()
        driver.open(WANT, port)
        sink.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1400)
        payloads = [bytes([n]) * (1400 * n) for n in range(1, 41)]
        for payload in payloads:
            sink.sendto(payload, ("192.168.5.100", 9))
        held = heard(driver, len(payloads))
        assert [bytes(frame[42:]) for frame, _ in held] == payloads
        assert {offload.gso_size for _, offload in held} == {0, 1400}

    def test_buffers_are_used_again_once_nobody_holds_them(self, tap, port, sink):
        driver = tap()
        driver.open(WANT, port)
        sink.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1400)
        seen = set()
        for _ in range(50):
            sink.sendto(bytes(56_000), ("192.168.5.100", 9))
            ((frame, _),) = heard(driver)
            seen.add(id(frame.obj))
            del frame
        assert len(seen) <= 3

    def test_nothing_more_now(self, tap, port):
        driver = tap()
        driver.open(WANT, port)
        while driver.receive() is not None:
            pass
        assert driver.receive() is None


class TestFramesToTheKernel:
    @pytest.mark.parametrize("options", [{}, {"offload": False}], ids=["offload", "plain"])
    def test_a_complete_frame_arrives(self, tap, port, ns, sink, options):
        driver = tap(**options)
        driver.open(WANT, port)
        assert driver.transmit(frame_to(ns, b"hello"), Offload(VALID))
        assert driver.transmit(frame_to(ns, b"again"), None)
        assert (sink.recv(100), sink.recv(100)) == (b"hello", b"again")

    @pytest.mark.parametrize("options", [{}, {"offload": False}], ids=["offload", "plain"])
    def test_a_partial_frame_arrives(self, tap, port, ns, sink, options):
        """On a plain TAP too: whoever hands it over has not looked at what was granted."""
        driver = tap(**options)
        driver.open(WANT, port)
        partial = Offload(PARTIAL, 34, 6)
        driver.transmit(frame_to(ns, b"x" * 500, offload=partial), partial)
        assert sink.recv(1000) == b"x" * 500

    def test_a_wrong_checksum_does_not_arrive(self, tap, port, ns, sink):
        driver = tap()
        driver.open(WANT, port)
        driver.transmit(frame_to(ns, b"wrong", field=0x1234), Offload(VALID))
        driver.transmit(frame_to(ns, b"right"), Offload(VALID))
        assert sink.recv(100) == b"right"

    @pytest.mark.parametrize("options", [{}, {"offload": False}], ids=["offload", "plain"])
    def test_a_super_frame_of_datagrams_arrives_as_its_datagrams(self, tap, port, ns, sink, options):
        driver = tap(**options)
        driver.open(WANT, port)
        payload = bytes(range(250)) * 20
        offload = Offload(PARTIAL, 34, 6, 1400)
        driver.transmit(frame_to(ns, payload, offload=offload), offload)
        assert [sink.recv(5000) for _ in range(4)] == [payload[at : at + 1400] for at in range(0, 5000, 1400)]

    def test_a_super_segment_is_taken(self, tap, port, ns):
        """Nobody listens: a reset that acknowledges the whole of it proves that it got through."""
        driver = tap()
        driver.open(WANT, port)
        ns.ip("neigh", "replace", "192.168.5.100", "lladdr", "02:00:00:00:00:64", "dev", "tap0")
        payload = bytes(60_000)
        length = 20 + len(payload)
        pseudo = checksum.pseudo_header(OURS, KERNEL, ip.TCP, length)
        headers = (
            ethernet.emit(parse_mac(ns.mac("tap0")), MAC, ethernet.IP)
            + ip.emit(OURS, KERNEL, ip.TCP, length, ident=1)
            + tcp.emit(1000, 9999, 5, 0, 0, 512, checksum=pseudo)
        )
        assert driver.transmit((headers, payload), Offload(PARTIAL, 34, 16, 1460))
        assert driver.refused == 0
        ((frame, _),) = heard(driver, protocol=ip.TCP)
        sport, _, _, ack, _, flags, _, _ = tcp.parse(frame, 34, len(frame))
        assert (sport, ack, flags) == (9999, 5 + len(payload), tcp.RST | tcp.ACK)

    def test_a_frame_the_kernel_finds_invalid_is_counted_and_no_more(self, tap, port, ns, sink):
        driver = tap()
        driver.open(WANT, port)
        assert driver.transmit((b"runt",), None)
        assert driver.transmit((b"runt",), Offload(PARTIAL, 34, 16, 1460))
        assert driver.transmit((bytes(60),), Offload(PARTIAL, 400, 16))
        assert driver.transmit((bytes(3000),), Offload(NONE, 0, 0, 1000))
        assert driver.refused == 4
        driver.transmit(frame_to(ns, b"hello"), None)
        assert sink.recv(100) == b"hello"

    def test_more_buffers_than_one_writev_takes(self, tap, port, ns, sink):
        driver = tap()
        driver.open(WANT, port)
        headers, payload = frame_to(ns, bytes(range(200)) * 7)
        driver.transmit((headers, *(payload[at : at + 1] for at in range(1400))), None)
        assert sink.recv(2000) == payload


class TestTheEnd:
    def test_a_device_that_goes_down_is_a_failure_with_the_remedy(self, tap, port, ns):
        driver = tap()
        driver.open(WANT, port)
        ns.ip("link", "set", "tap0", "down")
        with pytest.raises(TapError, match="ip link set tap0 up") as caught:
            driver.transmit((bytes(60),), None)
        assert caught.value.errno == errno.ENETDOWN

    def test_a_device_that_is_deleted_is_a_failure(self, tap, port, ns):
        driver = tap()
        driver.open(WANT, port)
        ns.ip("link", "delete", "tap0")
        with pytest.raises(TapError, match="gone"):
            driver.receive()
        with pytest.raises(TapError, match="gone"):
            driver.transmit((bytes(60),), None)

    def test_offload_and_header_size_are_put_back(self, tap, port, ns, sink):
        def opened():
            fd = os.open(tundev.NODE, os.O_RDWR | os.O_NONBLOCK)
            flags = tundev.IFF_TAP | tundev.IFF_NO_PI | tundev.IFF_VNET_HDR
            fcntl.ioctl(fd, tundev.TUNSETIFF, struct.pack("16sH22x", b"tap0", flags))
            return fd

        fd = ns.call(opened)
        tundev.set_int(fd, tundev.TUNSETVNETHDRSZ, 12)
        os.close(fd)
        driver = tap()
        driver.open(WANT, port)
        sink.sendto(b"hello", ("192.168.5.100", 9))
        assert heard(driver)[0][1] == Offload(PARTIAL, 34, 6)
        driver.close()
        fd = ns.call(opened)
        try:
            assert tundev.get_int(fd, tundev.TUNGETVNETHDRSZ) == 12
            sink.sendto(b"hello", ("192.168.5.100", 9))
            read = []

            def arrived():
                with contextlib.suppress(BlockingIOError):
                    read.append(os.read(fd, 2000))
                return read and read[-1][24:26] == b"\x08\0"

            wait_until(arrived)
            assert read[-1][:12] == bytes(12)
        finally:
            os.close(fd)

    def test_closing_is_idempotent_and_silent_afterwards(self, tap, port):
        driver = tap()
        driver.open(WANT, port)
        before = len(os.listdir("/proc/self/fd"))
        driver.close()
        driver.close()
        assert len(os.listdir("/proc/self/fd")) == before - 3  # the device, and two to ask about it
        assert driver.fileno() is None
        assert driver.receive() is None
        assert driver.transmit((bytes(60),), None)

    def test_a_refused_constructor_leaves_no_descriptor(self, ns, tap):
        tap()
        before = len(os.listdir("/proc/self/fd"))
        for name in ("tap0", "lo", "tap9", ""):
            with pytest.raises(TapError):
                ns.call(lambda name=name: Tap(name))
        assert len(os.listdir("/proc/self/fd")) == before
