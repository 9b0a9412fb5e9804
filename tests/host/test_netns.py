"""Opening what is in another network namespace (setns(2))."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading

import pytest

from tapio import Tap
from tapio.netns import in_netns
from tapio.wire import WireError
from tests.conftest import ROOT

pytestmark = pytest.mark.host


def refusal(netns, code):
    with pytest.raises(WireError) as caught:
        in_netns(netns, lambda: None)
    assert caught.value.errno == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_by_name_and_by_path(ns):
    for netns in (ns.name, f"/run/netns/{ns.name}"):
        assert in_netns(netns, lambda: socket.if_nametoindex("tap0")) > 0
    with pytest.raises(OSError):
        socket.if_nametoindex("tap0")


def test_without_a_namespace_it_runs_here():
    assert in_netns(None, threading.current_thread) is threading.current_thread()


def test_what_it_raises_comes_out(ns):
    with pytest.raises(ZeroDivisionError):
        in_netns(ns.name, lambda: 1 // 0)


def test_a_namespace_that_does_not_exist():
    for netns in ("no-such", "/run/netns/no-such", "", "..", "/proc/self/comm/x", "nul\0"):
        assert "ip netns add" in refusal(netns, errno.ENOENT)


def test_what_is_no_namespace(tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")  # which nobody will ever write to
    for path in (str(tmp_path / "file"), str(tmp_path / "fifo"), "/proc/self/ns/uts"):
        assert refusal(path, errno.EINVAL).startswith(f"{path} is no network namespace")


def test_entering_one_takes_rights(ns):
    program = (
        f"import os, sys; sys.path.insert(0, {ROOT!r})\n"
        "import ctypes; from tapio import Tap\n"  # all that it imports: root's own interpreter is nobody else's to read
        "os.setuid(65534)\n"
        "try: Tap('tap0', netns=sys.argv[1])\n"
        "except OSError as error: print(error.errno, error)"
    )
    said = ns.exec(sys.executable, "-c", program, ns.name).stdout.strip()
    assert said.startswith(f"{errno.EPERM} entering the network namespace {ns.name} takes root")


def test_nothing_is_left_behind(ns):
    before = os.listdir("/proc/self/fd"), threading.active_count()
    Tap("tap0", netns=ns.name).close()
    for netns in (ns.name, "no-such"):
        with pytest.raises(WireError):
            Tap("tap9", netns=netns)
    assert (os.listdir("/proc/self/fd"), threading.active_count()) == before


def test_a_tap_of_another_namespace_works_from_here(ns):
    from netif import Netif, Stack

    with Stack() as host, Netif(Tap("tap0", netns=ns.name), stack=host, ip="192.168.5.100/24"):
        ns.settle("tap0")
        with ns.listen("192.168.5.1", 3333), host.create_connection(("192.168.5.1", 3333), timeout=5):
            pass
