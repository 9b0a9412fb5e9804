"""The kernel of one network namespace: rtnetlink through pyroute2, /proc/sys, and programs run inside.

Knows how a thread enters a namespace and comes back, and what an errno means to a person; knows no recipe. pyroute2 is
imported when needed. netlink(7), network_namespaces(7); SO_NETNS_COOKIE tells two namespaces apart by more than a name.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.command import Complaint, one_line

SO_NETNS_COOKIE = 71  # asm-generic/socket.h, Linux 5.14
TUN_DEVICE = "/dev/net/tun"
PROGRAM_PATIENCE = 30.0  # seconds


class Refused(Exception):  # noqa: N818 - the kernel's or a program's answer
    """A program in the namespace said no: its own words."""


class Host:
    """One namespace, while `kernel` is in it."""

    def __init__(self, ipr: Any, netns: str | None) -> None:
        self.ipr = ipr
        self.netns = netns

    def index(self, name: str) -> int | None:
        indexes = self.ipr.link_lookup(ifname=name)
        return int(indexes[0]) if indexes else None

    def device(self, name: str) -> int:
        """The index of a device that must be there."""
        index = self.index(name)
        if index is None:
            raise OSError(19, os.strerror(19), name)
        return index

    def names(self) -> dict[int, str]:
        return {link["index"]: link.get_attr("IFLA_IFNAME") for link in self.ipr.get_links()}

    def run(self, *argv: str) -> str:
        """A program's stdout; Refused with its words where it fails, FileNotFoundError where it is missing."""
        nothing, patience = subprocess.DEVNULL, PROGRAM_PATIENCE
        try:
            done = subprocess.run(argv, stdin=nothing, capture_output=True, text=True, timeout=patience)
        except subprocess.TimeoutExpired:
            raise Refused(f"{argv[0]} has not ended within {PROGRAM_PATIENCE:g} s") from None
        if done.returncode:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Refused(one_line(words[0]) if words else f"{argv[0]} failed ({done.returncode})")
        return done.stdout

    def read_sysctl(self, path: str) -> str | None:
        """`path` as below /proc/sys, "net/ipv4/ip_forward"; None: this kernel has no such thing."""
        try:
            return Path("/proc/sys", path).read_text().strip()
        except FileNotFoundError:
            return None

    def write_sysctl(self, path: str, value: str) -> None:
        Path("/proc/sys", path).write_text(f"{value}\n")

    def identity(self) -> str:
        """Of the namespace, for as long as the machine is up; no second one gets the same."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                cookie = probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
                return f"cookie {int.from_bytes(cookie, sys.byteorder)}"
            except OSError:
                return f"inode {os.stat('/proc/thread-self/ns/net').st_ino}"


@contextmanager
def kernel(netns: str | None) -> Iterator[Host]:
    """The namespace asked for, seen from inside; this thread is back in its own afterwards."""
    try:
        from pyroute2 import IPRoute  # type: ignore[import-untyped]
        from pyroute2 import netns as namespaces
    except ImportError as error:
        raise Complaint(f"pyroute2 is missing for {sys.executable} ({error}): pip install pyroute2") from None
    if netns is None:
        with IPRoute() as ipr:
            yield Host(ipr, None)
        return
    namespaces.pushns()
    try:
        try:
            namespaces.setns(netns, flags=0)  # its default would create the namespace
        except OSError as error:
            remedy = f"ip netns add {netns}" if isinstance(error, FileNotFoundError) else "are you root?"
            raise Complaint(f"cannot enter the namespace {netns}: {error.strerror} ({remedy})") from None
        with IPRoute() as ipr:
            yield Host(ipr, netns)
    finally:
        namespaces.popns()


def boot() -> str:
    """Which start of the machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def ip(netns: str | None, words: str) -> str:
    """An `ip` command as a person would type it."""
    return (f"ip -n {shlex.quote(netns)} " if netns else "ip ") + words


def inside(netns: str | None, argv: Sequence[str]) -> str:
    """Any other program's."""
    return (f"ip netns exec {shlex.quote(netns)} " if netns else "") + shlex.join(argv)


def code_of(error: BaseException) -> int | None:
    """The errno: NetlinkError is no OSError, and bears it as `code`."""
    code = getattr(error, "errno", None) or getattr(error, "code", None)
    return code if isinstance(code, int) else None


@contextmanager
def content_with(*codes: int) -> Iterator[None]:
    """These errnos mean that what is wished is so already."""
    try:
        yield
    except Exception as error:
        if code_of(error) not in codes:
            raise


def reason(error: BaseException) -> str:
    """Why something was refused, and how to mend it where that is known."""
    code = code_of(error)
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return f"{TUN_DEVICE} is missing: modprobe tun"
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} is missing"
    if isinstance(error, PermissionError) or code == 1:
        return "no permission: it takes CAP_NET_ADMIN, in a container too"
    if code == 16:
        return "busy: a program has it open; end that first"
    return os.strerror(code) if code is not None else one_line(error)
