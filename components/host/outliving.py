"""A piece of work that goes on when the terminal it was asked for on is gone: an SSH session may hang on the very
network card that is being moved.

The work runs in a child of its own session, deaf to SIGHUP; the parent waits, and hands on Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType


def detached(body: Callable[[], int]) -> int:
    """The status of `body`, which runs in a child. Called before there are threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 70  # EX_SOFTWARE: `body` told nothing
        try:
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            status = body()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(status)

    def hand_on(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hand_on)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def say(line: str) -> None:
    """To whoever still listens."""
    with contextlib.suppress(OSError):
        print(line, flush=True)
