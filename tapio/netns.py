"""Opening what is in another network namespace: a callable, run in a short-lived thread that has moved there.

What it opens (a TAP, a socket) stays in that namespace and works from any thread afterwards. Knows names as
`ip netns` has them and paths as in /proc/PID/ns/net. setns(2); ip-netns(8).
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from tapio.wire import WireError

NAMED = "/run/netns"  # where `ip netns add` puts them
CLONE_NEWNET = 0x40000000

Result = TypeVar("Result")


def in_netns(netns: str | None, fn: Callable[[], Result]) -> Result:
    """`fn()` in the namespace of that name or path, or right here for None. WireError: it cannot be entered."""
    if netns is None:
        return fn()
    fd = _opened(netns)
    outcome: list[Any] = []

    def body() -> None:
        try:
            _enter(netns, fd)
            outcome.append((True, fn()))
        except BaseException as error:  # handed to the caller, whatever it is
            outcome.append((False, error))

    try:
        thread = threading.Thread(target=body, name=f"in {netns}")
        thread.start()
        thread.join()
    finally:
        os.close(fd)
    succeeded, value = outcome[0]
    if not succeeded:
        raise value
    return value  # type: ignore[no-any-return]


def _opened(netns: str) -> int:
    path = netns if "/" in netns else f"{NAMED}/{netns}"
    try:
        if netns in ("", ".", ".."):
            raise FileNotFoundError
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block
    except (FileNotFoundError, NotADirectoryError, ValueError):
        remedy = "`ip netns add NAME` makes one, `ip netns` lists them; of a process it is /proc/PID/ns/net"
        raise WireError(errno.ENOENT, f"there is no network namespace {netns or repr(netns)}: {remedy}") from None
    except OSError as error:
        code = error.errno or errno.EIO
        raise WireError(code, f"the network namespace {netns} cannot be opened: {os.strerror(code)}") from None


def _enter(netns: str, fd: int) -> None:
    """Move the calling thread there."""
    import ctypes  # most stay in the namespace where they are

    setns = getattr(ctypes.CDLL(None, use_errno=True), "setns", None)  # Python has os.setns from 3.12 on only
    if setns is None:
        raise WireError(errno.ENOSYS, f"the network namespace {netns} cannot be entered: only Linux has them")
    if setns(fd, CLONE_NEWNET) == 0:
        return
    code = ctypes.get_errno()
    if code == errno.EPERM:
        message = f"entering the network namespace {netns} takes root: run under sudo, or `ip netns exec {netns} ...`"
    elif code == errno.EINVAL:
        message = f"{netns} is no network namespace: name one of `ip netns`, or a path such as /proc/PID/ns/net"
    else:
        message = f"the network namespace {netns} cannot be entered: {os.strerror(code)}"
    raise WireError(code, message)
