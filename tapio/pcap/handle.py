"""libpcap's handle of one interface: opened, filtered, and refused in one line with the remedy. Knows no frames.

Immediate mode, since libpcap otherwise gathers frames until its time-out; not blocking, since in immediate mode it
ignores that time-out. pcap(3), pcap_set_immediate_mode(3), pcap-filter(7).
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from importlib import import_module
from typing import Any

from netif.wire import ethernet
from tapio.wire import FRAME_MAX, WireError

EN10MB, RAW = 1, 12
_COOKED = "frames without their link header, which cannot be sent"
_LINK_TYPES = {  # https://www.tcpdump.org/linktypes.html: what else may turn up
    0: "frames of a BSD loopback",
    105: "802.11 frames",
    108: "frames of a BSD loopback",
    113: _COOKED,
    127: "802.11 frames",
    276: _COOKED,
}
_SHOWN = 12  # interfaces in a message


def load() -> Any:
    """cypcap. WireError where it is not installed."""
    try:
        return import_module("cypcap")
    except ModuleNotFoundError:
        message = "libpcap's binding is not installed: pip install 'netif[pcap]'"
        raise WireError(errno.ENOENT, message) from None
    except ImportError as error:
        raise WireError(errno.ENOENT, f"cypcap cannot be loaded ({error}): apt install libpcap0.8") from None


def activate(interface: str, *, promiscuous: bool, buffer_size: int) -> Any:
    """A live handle that hears what comes in, not blocking."""
    cypcap = load()
    if not interface or "\0" in interface:
        raise _no_such(cypcap, interface)
    try:
        handle = cypcap.create(interface)
    except (cypcap.Error, ValueError):
        raise _no_such(cypcap, interface) from None
    try:
        handle.set_pre_config(
            snaplen=FRAME_MAX, promisc=promiscuous, immediate_mode=True, buffer_size=buffer_size, timeout=0.001
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what has no promiscuous mode
            handle.activate()
        handle.setnonblock(True)
    except BaseException as error:
        handle.close()
        if isinstance(error, cypcap.Error):
            raise _refused(cypcap, interface, error) from None
        raise
    return handle


def link_type(handle: Any, interface: str) -> int:
    """EN10MB or RAW. WireError for others."""
    found = int(handle.datalink())
    if found not in (EN10MB, RAW):
        described = _LINK_TYPES.get(found, f"frames of link type {found}")
        remedy = "; name one interface, not all" if interface == "any" else ""
        raise WireError(
            errno.EPROTONOSUPPORT, f"{interface} has neither Ethernet frames nor IP packets, but {described}{remedy}"
        )
    return found


def selectable(handle: Any, interface: str) -> int:
    """The descriptor to wait on and to write to, not blocking."""
    fd = int(handle.get_selectable_fd())
    if fd < 0 or handle.get_required_select_timeout() is not None:
        raise WireError(errno.EOPNOTSUPP, f"{interface} cannot be waited for, only asked again and again")
    os.set_blocking(fd, False)
    return fd


def hears_own(handle: Any) -> bool:
    """Whether frames sent are heard too, after asking that they be not."""
    cypcap = load()
    try:
        handle.setdirection(cypcap.Direction.IN)
    except cypcap.Error:
        return True
    return False


def compile_filter(handle: Any, interface: str, expression: str) -> Any:
    """The program of a pcap-filter(7) expression; libpcap's own words if it is none."""
    cypcap = load()
    try:
        return handle.compile(expression, netmask=cypcap.NETMASK_UNKNOWN)
    except (cypcap.Error, ValueError) as error:
        said = getattr(error, "msg", str(error))
        raise WireError(errno.EINVAL, f"{interface}: {expression!r} is no filter: {one_line(said)}") from None


def expression_for(mac: bytes, bpf: str) -> str:
    """Frames to `mac` and to groups, of those the user's `bpf`; without a MAC address all of them."""
    own = f"ether dst {ethernet.format_mac(mac)} or ether multicast" if mac else ""
    return f"({own}) and ({bpf})" if own and bpf else own or bpf


def interfaces() -> list[tuple[str, str]]:
    """(name, description or "") of what can be opened, as libpcap lists it."""
    cypcap = load()
    try:
        return [(found.name, found.description or "") for found in cypcap.findalldevs()]
    except cypcap.Error:
        return []


def one_line(text: str) -> str:
    return " ".join(text.split())


def _no_such(cypcap: Any, interface: str) -> WireError:
    found = [f"{name} ({described})" if described else name for name, described in interfaces()]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    listed = ", ".join(found[:_SHOWN]) + more or "none"
    return WireError(errno.ENODEV, f"there is no interface {interface or repr(interface)} to capture on: {listed}")


def _refused(cypcap: Any, interface: str, error: Any) -> WireError:
    codes, code, said = cypcap.ErrorCode, error.code, one_line(error.msg)
    if code == codes.NO_SUCH_DEVICE:
        return _no_such(cypcap, interface)
    if code in (codes.PERM_DENIED, codes.PROMISC_PERM_DENIED):
        return WireError(errno.EPERM, f"{interface} may not be captured on without rights: {_rights()}")
    if code == codes.IFACE_NOT_UP:
        return WireError(errno.ENETDOWN, f"{interface} is down: ip link set {interface} up")
    return WireError(errno.EIO, f"{interface} cannot be captured on: {said}")


def _rights() -> str:
    if sys.platform == "linux":
        python = os.path.realpath(sys.executable)
        return f"run under sudo (--user NAME drops them again), or sudo setcap cap_net_raw+ep {python}"
    return "run under sudo (--user NAME drops them again), or let your group read and write /dev/bpf*"
