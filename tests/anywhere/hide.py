"""A system that is not Linux, as far as Python can tell: what Linux alone has is taken out of the stdlib.

To be called before anything imports `socket`, `selectors` or `random`: those look once at what there is. Nothing of it
can be undone, so it is for processes of its own. Windows lacks more (`fork`, AF_UNIX, MSG_DONTWAIT), and is not played.
"""

from __future__ import annotations

import importlib
import re
import sys
import sysconfig
from types import ModuleType
from typing import Any

LINUX = {  # what Linux alone has, by the module that has the names first
    "_socket": (
        "AF_PACKET AF_NETLINK AF_VSOCK AF_CAN AF_ALG AF_TIPC AF_QIPCRTR AF_RDS "
        "SO_BINDTODEVICE SO_DOMAIN SO_PROTOCOL SO_MARK SO_PRIORITY SO_PASSCRED SO_PEERCRED SO_PASSSEC SO_PEERSEC "
        "SO_INCOMING_CPU SOCK_CLOEXEC SOCK_NONBLOCK MSG_MORE MSG_FASTOPEN MSG_ERRQUEUE MSG_CONFIRM MSG_CMSG_CLOEXEC "
        "MSG_NOSIGNAL IP_TRANSPARENT IP_BIND_ADDRESS_NO_PORT IP_RECVTTL TCP_CONGESTION TCP_CORK TCP_DEFER_ACCEPT "
        "TCP_INFO TCP_KEEPIDLE TCP_LINGER2 TCP_QUICKACK TCP_SYNCNT TCP_USER_TIMEOUT TCP_WINDOW_CLAMP"
    ),
    "select": (
        "epoll EPOLLIN EPOLLOUT EPOLLERR EPOLLHUP EPOLLET EPOLLONESHOT EPOLLRDHUP EPOLLPRI EPOLLEXCLUSIVE EPOLLMSG "
        "EPOLLRDBAND EPOLLRDNORM EPOLLWRBAND EPOLLWRNORM EPOLL_CLOEXEC"
    ),
    "posix": (
        "eventfd eventfd_read eventfd_write EFD_CLOEXEC EFD_NONBLOCK EFD_SEMAPHORE splice pipe2 setns unshare "
        "memfd_create pidfd_open sched_setaffinity sched_getaffinity getresuid getresgid"
    ),
    "_signal": "sigtimedwait sigwaitinfo SIGPWR SIGPOLL SIGSTKFLT",
    "time": "CLOCK_BOOTTIME CLOCK_TAI CLOCK_MONOTONIC_RAW pthread_getcpuclockid",
}
UNIX = {  # what macOS has as well, and not every system
    "posix": "sendfile fork forkpty register_at_fork",
    "_signal": "pthread_kill pthread_sigmask sigwait sigpending",
}
MACOS = {  # the numbers of <netinet/in.h> and <netinet/tcp.h> there; only sockets of ours are asked for them
    "IP_OPTIONS": 1, "IP_HDRINCL": 2, "IP_TOS": 3, "IP_TTL": 4, "IP_RECVOPTS": 5, "IP_RECVRETOPTS": 6, "IP_RETOPTS": 8,
    "IP_MULTICAST_IF": 9, "IP_MULTICAST_TTL": 10, "IP_MULTICAST_LOOP": 11, "IP_ADD_MEMBERSHIP": 12,
    "IP_DROP_MEMBERSHIP": 13, "IP_RECVTTL": 24, "IP_RECVTOS": 27, "IP_ADD_SOURCE_MEMBERSHIP": 70,
    "IP_DROP_SOURCE_MEMBERSHIP": 71, "IP_BLOCK_SOURCE": 72, "IP_UNBLOCK_SOURCE": 73, "TCP_KEEPALIVE": 0x10,
    "TCP_KEEPINTVL": 0x101, "TCP_KEEPCNT": 0x102, "TCP_FASTOPEN": 0x105, "TCP_NOTSENT_LOWAT": 0x201,
}  # fmt: skip
HIDDEN_FILES = re.compile(r"/(proc(?!/self/)|sys|dev/net|dev/kvm)(/|$)")  # tests count in /proc/self what is open


def hide(platform: str | None = None) -> None:
    """Take out what Linux alone has, and what every Unix has too; with `platform`, "darwin", the latter stays, numbers
    are macOS', and `sys.platform` says so."""
    early = {"socket", "selectors", "random", "asyncio", "netif", "tapio", "stack", "components"} & set(sys.modules)
    if early:
        raise RuntimeError(f"{', '.join(sorted(early))} have looked at this system already: hide before importing them")
    _take_out(LINUX)
    sys.modules["fcntl"] = None  # type: ignore[assignment] # the import system's own way to say: there is none
    sys.addaudithook(_no_such_file)
    if platform is None:
        _take_out(UNIX)
    else:
        vars(sys.modules["_socket"]).update(MACOS)
        sysconfig.get_config_vars()  # once: they are in a file that is named for this system
        sys.platform = platform
        sys.modules["_scproxy"] = _no_proxies()


def _take_out(names: dict[str, str]) -> None:
    for module, hidden in names.items():
        for name in hidden.split():
            vars(importlib.import_module(module)).pop(name, None)
            if module == "posix":
                vars(sys.modules["os"]).pop(name, None)  # a copy


def _no_such_file(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir"):
        path = arguments[0]
        if isinstance(path, str) and HIDDEN_FILES.match(path):
            raise FileNotFoundError(2, "No such file or directory", path)


def _no_proxies() -> ModuleType:
    """What urllib asks on macOS, without any answers."""
    made = ModuleType("_scproxy")
    vars(made).update(_get_proxies=dict, _get_proxy_settings=dict)
    return made
