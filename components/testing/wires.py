"""Real wires between the hosts of a Lab and its switch, so that the same test runs over them: TAPs, veth pairs, QEMU's.

"tap": each host has a TAP, "packet": one end of a veth pair; a packet socket at the other side leads to the switch.
Both live in a network namespace of the Lab's own, which has no name and goes with it; root is needed. "qemu": QEMU's
framing over a Unix socket. Knows how they are made and ended; unshare(2), network_namespaces(7), veth(4).
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.patch import Patch
from tapio.netns import CLONE_NEWNET, in_netns
from tapio.wire import WireError

if TYPE_CHECKING:
    from netif.link import Driver, Runtime

KINDS = ("tap", "packet", "qemu")


def obstacle(kind: str) -> str | None:
    """Why this wire cannot be had here; None: it can."""
    if kind == "qemu":
        return None
    if sys.platform != "linux":
        return f"a {kind} wire needs Linux"
    if os.geteuid() != 0:
        return f"a {kind} wire makes a network namespace, which takes root"
    if kind == "tap" and not os.path.exists("/dev/net/tun"):
        return "this kernel offers no /dev/net/tun"
    return None


class Wires:
    """Of one Lab. ValueError: there is no such kind, or the clock is virtual. OSError: it cannot be had."""

    def __init__(self, kind: str, clock: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"wire={kind!r}: write pair, {', '.join(KINDS)}")
        if clock == "virtual":
            raise ValueError(f'a {kind} wire lives by a real clock: clock="real" or clock="asyncio"')
        reason = obstacle(kind)
        if reason is not None:
            raise WireError(errno.EPERM, reason)
        self.kind = kind
        self._patches: list[Patch] = []
        self._space = Namespace() if kind != "qemu" else None
        self._folder = tempfile.mkdtemp(prefix="netif-") if kind == "qemu" else None

    def plug(self, name: str, port: Driver, runtime: Runtime) -> Driver:
        """The driver for a host, whose frames come to `port`."""
        number = len(self._patches)
        near, far = self._qemu(number) if self._space is None else self._kernels(self._space, number)
        try:
            self._patches.append(Patch(port, far, runtime=runtime, name=f"{name}'s wire"))
        except BaseException:
            near.close()
            far.close()
            raise
        return near

    def _qemu(self, number: int) -> tuple[Driver, Driver]:
        from tapio.stream import QemuStream

        assert self._folder is not None
        path = os.path.join(self._folder, str(number))
        far = QemuStream(path, listen=True)
        try:
            return QemuStream(path), far
        except BaseException:
            far.close()
            raise

    def _kernels(self, space: Namespace, number: int) -> tuple[Driver, Driver]:
        from tapio.packet import Packet
        from tapio.tap import Tap

        ours, theirs = f"t{number}", f"s{number}"
        near: Driver
        if self.kind == "tap":
            space.call(lambda: _add_tap(ours))
            near, theirs = Tap(ours, netns=space.path), ours
        else:
            space.call(lambda: _add_veth(ours, theirs))
            near = Packet(ours, netns=space.path)
        try:
            space.call(lambda: _set_up(theirs))
            return near, Packet(theirs, netns=space.path)
        except BaseException:
            near.close()
            raise

    def close(self) -> None:
        for patch in self._patches:
            patch.close()
        if self._space is not None:
            self._space.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class Namespace:
    """A network namespace without a name: it lasts as long as its descriptor, and devices in it. OSError."""

    def __init__(self) -> None:
        self._fd = -1
        failed: list[BaseException] = []

        def make() -> None:
            try:
                self._fd = _unshared()
            except BaseException as error:  # handed to the caller, whatever it is
                failed.append(error)

        thread = threading.Thread(target=make, name="making a network namespace")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self._fd}"

    def call(self, fn: Callable[[], object]) -> None:
        """Run `fn` in it."""
        in_netns(self.path, fn)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _unshared() -> int:
    """The calling thread moves into a namespace of its own: its descriptor."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise WireError(code, f"a network namespace cannot be made: {os.strerror(code)}")
    for scope in ("all", "default"):
        with contextlib.suppress(OSError):  # there is no IPv6: it says nothing of itself then
            Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1\n")
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _route() -> Any:
    pyroute2: Any = importlib.import_module("pyroute2")
    return pyroute2.IPRoute()


def _add_tap(device: str) -> None:
    with _route() as route:
        route.link("add", ifname=device, kind="tuntap", mode="tap")  # it outlasts who opens it


def _add_veth(one: str, other: str) -> None:
    with _route() as route:
        route.link("add", ifname=one, kind="veth", peer={"ifname": other})
    _set_up(one)
    _set_up(other)


def _set_up(device: str) -> None:
    with _route() as route:
        index = route.link_lookup(ifname=device)[0]
        route.link("set", index=index, state="up")
