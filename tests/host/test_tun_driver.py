"""The TUN driver, and what it shares with the TAP's: descriptors of others, and what a person is told."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
import subprocess
import sys

import pytest

from netif import open_wire
from netif.link import LinkCaps, Medium
from tapio import Tap, Tun, tundev
from tapio.tundev import IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_TUN, IFF_VNET_HDR, TapError
from tests.conftest import ROOT
from tests.host.namespaces import namespace
from tests.tapio.ports import FakePort, FakeRuntime

pytestmark = pytest.mark.host

WANT = LinkCaps(mac=bytes(6), mtu=65535, gso_max=65535, tx_checksum=True, rx_checksum=True)
FIT = IFF_NO_PI | IFF_VNET_HDR


@pytest.fixture
def tuns():
    """A namespace with a TUN, tun0, and a TAP, tap0, both up."""
    with namespace() as ns:
        for mode in ("tun", "tap"):
            ns.exec("ip", "tuntap", "add", "dev", f"{mode}0", "mode", mode, "user", "65534")
            ns.ip("link", "set", f"{mode}0", "up")
        yield ns


@pytest.fixture
def port():
    return FakePort(FakeRuntime())


def opened(ns, name, flags):
    """As somebody with rights opens one."""

    def attach():
        fd = os.open(tundev.NODE, os.O_RDWR)
        fcntl.ioctl(fd, tundev.TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        return fd

    return ns.call(attach)


def refusal(code, make):
    before = os.listdir("/proc/self/fd")
    with pytest.raises(TapError) as caught:
        make()
    assert os.listdir("/proc/self/fd") == before
    assert (caught.value.errno, "\n" in str(caught.value)) == (code, False)
    return str(caught.value)


class TestTun:
    def test_all_of_its_mtu_and_offload_is_granted(self, tuns, port):
        for mtu in (576, 1500, 65000, 65535):
            tuns.ip("link", "set", "tun0", "mtu", str(mtu))
            driver = Tun("tun0", netns=tuns.name)
            granted = driver.open(WANT, port)
            assert (granted.mtu, granted.gso_max, granted.mac) == (mtu, 65535, b"")
            assert granted.medium is Medium.POINT_TO_POINT
            assert repr(driver).startswith("<Tun tun0 offload 0x6") or mtu == 65535
            driver.close()

    def test_refusals_name_the_device_and_the_remedy(self, tuns):
        tuns.ip("link", "add", "v7", "type", "veth", "peer", "name", "v8")
        tuns.exec("ip", "tuntap", "add", "dev", "mq0", "mode", "tun", "multi_queue")
        for name, code, said in (
            ("tap0", errno.EINVAL, "tap0 is a TAP, which carries Ethernet: ip tuntap del tap0 mode tap; "),
            (
                "v7",
                errno.EINVAL,
                "v7 is no TUN but a device of kind veth: "
                "packet:v7 takes it as it is, or make a TUN (ip tuntap add dev tun0 mode tun)",
            ),
            ("mq0", errno.EINVAL, "mq0 is a multi-queue TUN: "),
            ("tun9", errno.ENODEV, "there is no network device tun9: make it with ip tuntap add dev tun9 mode tun"),
            ("a-name-of-sixteen", errno.EINVAL, "'a-name-of-sixteen' is no device name: "),
            ("", errno.EINVAL, "'' is no device name: "),
            ("tun\0", errno.EINVAL, "'tun\\x00' is no device name: "),
        ):
            assert refusal(code, lambda name=name: Tun(name, netns=tuns.name)).startswith(said)
        with_it = Tun("tun0", netns=tuns.name)
        said = refusal(errno.EBUSY, lambda: Tun("tun0", netns=tuns.name))
        assert said.endswith("make another TUN (ip tuntap add dev tun1 mode tun)")
        with_it.close()

    def test_a_device_that_is_down_is_refused(self, tuns, port):
        tuns.ip("link", "set", "tun0", "down")
        driver = Tun("tun0", netns=tuns.name)
        with pytest.raises(TapError, match="tun0 is down: ip link set tun0 up"):
            driver.open(WANT, port)
        driver.close()

    def test_create_makes_it_up_and_gone_at_close(self, tuns, port):
        driver = Tun("tun7", create=True, netns=tuns.name)
        driver.open(WANT, port)
        assert "UP" in tuns.ip("link", "show", "tun7")
        driver.close()
        assert "tun7" not in tuns.ip("link")


class TestDescriptors:
    """`fd`: attached by somebody with rights, its name and flags asked of the kernel."""

    def test_its_name_is_found(self, tuns, port):
        for make, name, mode in ((Tap, "tap0", IFF_TAP), (Tun, "tun0", IFF_TUN)):
            driver = make(fd=opened(tuns, name, mode | FIT))
            assert driver.name == name
            assert not os.get_blocking(driver.fileno())
            granted = driver.open(WANT, port)
            assert granted.tx_checksum
            assert granted.mtu == 1500  # asked of the namespace that the device is in
            driver.close()

    def test_offload_may_be_declined_whatever_it_was_opened_with(self, tuns, port):
        for flags in (IFF_NO_PI, FIT):
            driver = Tun(fd=opened(tuns, "tun0", IFF_TUN | flags), offload=False)
            granted = driver.open(WANT, port)
            assert (granted.tx_checksum, granted.rx_checksum, granted.gso_max) == (False, False, 1500)
            driver.close()

    @pytest.mark.parametrize(
        ("make", "name", "flags", "said"),
        [
            (Tap, "tun0", IFF_TUN | FIT, "is of tun0, a TUN and no TAP: take Tun(fd="),
            (Tun, "tap0", IFF_TAP | FIT, "is of tap0, a TAP and no TUN: take Tap(fd="),
            (Tun, "tun0", IFF_TUN | IFF_VNET_HDR, "is of tun0, opened with packet information: open it with IFF_NO_PI"),
            (Tap, "tap0", IFF_TAP | IFF_NO_PI, "is of tap0, opened without virtio-net headers: "),
            (Tap, "mq0", IFF_TAP | FIT | IFF_MULTI_QUEUE, "is of mq0, one queue of several: "),
        ],
    )
    def test_one_that_was_opened_otherwise_is_left_alone(self, tuns, make, name, flags, said):
        fd = opened(tuns, name, flags)
        assert refusal(errno.EINVAL, lambda: make(fd=fd)).startswith(f"descriptor {fd} {said}")
        assert os.get_blocking(fd)
        os.close(fd)

    def test_a_name_beside_it_must_be_its_own(self, tuns):
        fd = opened(tuns, "tap0", IFF_TAP | FIT)
        assert "is of tap0, not of tap7" in refusal(errno.ENODEV, lambda: Tap("tap7", fd=fd))
        Tap("tap0", fd=fd).close()

    def test_what_is_no_descriptor_of_a_tap(self):
        fresh = os.open(tundev.NODE, os.O_RDWR)
        file = os.open("/dev/null", os.O_RDWR)
        with socket.socket() as other:
            assert "is attached to no device" in refusal(errno.EBADFD, lambda: Tap(fd=fresh))
            for fd in (file, other.fileno()):
                with pytest.raises(TapError, match=f"descriptor {fd} is no TAP's or TUN's"):
                    Tap(fd=fd)
        os.close(fresh), os.close(file)
        for fd in (file, -1, 1 << 40):
            assert refusal(errno.EBADF, lambda fd=fd: Tap(fd=fd)).startswith(f"descriptor {fd} is not open")

    def test_there_is_nothing_to_create(self):
        assert "leave out create" in refusal(errno.EINVAL, lambda: Tap(fd=0, create=True))

    def test_one_whose_device_has_gone(self, tuns):
        fd = opened(tuns, "tap0", IFF_TAP | FIT)
        tuns.ip("link", "delete", "tap0")
        assert "is attached to no device" in refusal(errno.EBADFD, lambda: Tap(fd=fd))
        os.close(fd)

    def test_a_program_without_rights_uses_one_of_another_namespace(self, tuns):
        """What slirp and rootless containers do: it can ask nothing of the device, and takes it as it is wanted."""
        fd = opened(tuns, "tun0", IFF_TUN | FIT)
        said = subprocess.run(
            [sys.executable, "-c", WITHOUT_RIGHTS, str(fd)], pass_fds=[fd], capture_output=True, text=True
        )
        assert (said.stdout.strip(), said.stderr) == ("tun0 9000", "")
        os.close(fd)


class TestNames:
    """As a command is told."""

    def test_tun_and_tap(self, tuns):
        for text, made in ((f"tun:tun0,netns={tuns.name}", Tun), (f"tap:tap0,plain,netns={tuns.name}", Tap)):
            driver = open_wire(text)
            assert type(driver) is made
            driver.close()
        with pytest.raises(OSError, match="there is no network namespace no-such"):
            open_wire("tun:tun0,netns=no-such")

    def test_a_descriptor_is_of_whichever_it_is(self, tuns):
        for made, name, mode in ((Tap, "tap0", IFF_TAP), (Tun, "tun0", IFF_TUN)):
            driver = open_wire(f"fd:{opened(tuns, name, mode | FIT)}")
            assert (type(driver), driver.name) == (made, name)
            driver.close()

    def test_what_is_no_descriptors_number(self):
        for word in ("three", "-1", "3x", "99999999999"):
            with pytest.raises(ValueError, match="wants the number of a descriptor, as in fd:3"):
                open_wire(f"fd:{word}")
        with pytest.raises(OSError, match="descriptor 987654 is not open"):
            open_wire("fd:987654")


class TestWithoutRoot:
    def test_a_device_of_ones_own(self, tuns, tmp_path):
        node, program = tmp_path / "tun", tmp_path / "program.py"
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(10, 200))
        node.chmod(0o666)  # as most systems have it; here it may be root's alone
        program.write_text(OF_ONES_OWN)
        shell = f"mount --bind {node} /dev/net/tun && exec {sys.executable} {program}"
        assert tuns.exec("sh", "-c", shell).stdout == "tap0 1500\ntun0 1500\n"


START = f"""
import os, sys
sys.path.insert(0, {ROOT!r})
from netif.link import LinkCaps
from tapio import Tap, Tun
from tests.tapio.ports import FakePort, FakeRuntime
os.setgroups([]); os.setgid(65534); os.setuid(65534)
want = LinkCaps(mac=bytes(6), mtu=9000, gso_max=65535, tx_checksum=True, rx_checksum=True)
def tell(driver):
    granted = driver.open(want, FakePort(FakeRuntime()))
    assert granted.tx_checksum and granted.rx_checksum
    print(driver.name, granted.mtu)
    driver.close()
"""
WITHOUT_RIGHTS = START + "tell(Tun(fd=int(sys.argv[1])))"
OF_ONES_OWN = START + "tell(Tap('tap0')); tell(Tun('tun0'))"
