"""ioctl(2), which asks a device, and flock(2), which locks a directory; where a system has neither, one line says so.

Modules that want them can be imported on every system. Knows no request.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, NoReturn

from tapio.wire import WireError


def _not_here(*_: object) -> NoReturn:
    raise WireError(errno.ENOSYS, "this system has neither ioctl nor flock: take pair:, replay: or pcap:")


try:
    import fcntl
except ImportError:  # Windows
    ioctl: Callable[..., Any] = _not_here
    flock: Callable[..., Any] = _not_here
    LOCK_EX, LOCK_NB = 2, 4
else:
    ioctl, flock, LOCK_EX, LOCK_NB = fcntl.ioctl, fcntl.flock, fcntl.LOCK_EX, fcntl.LOCK_NB
