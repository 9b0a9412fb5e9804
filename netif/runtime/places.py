"""Where a program stands: the line of its own that waits, for people who ask what everybody waits for.

Knows which packages are not the program's. Refuses to know what is waited for.
"""

from __future__ import annotations

import sys
from os.path import basename
from types import FrameType

from netif.runtime.baton import Strand

NOT_THE_PROGRAMS = frozenset(
    {
        *("netif", "tapio", "stack", "components"),
        *("asyncio", "concurrent", "contextlib", "queue", "selectors", "socket", "socketserver", "threading"),
    }
)


def is_programs(frame: FrameType) -> bool:
    module: str = frame.f_globals.get("__name__", "")
    return module.partition(".")[0] not in NOT_THE_PROGRAMS


def place(function: str, frame: FrameType) -> str:
    return f" at {function} ({basename(frame.f_code.co_filename)}:{frame.f_lineno})"


def where(strand: Strand) -> str:
    """The innermost line of the program in the thread of `strand`; nothing, where all of it is ours."""
    frame = sys._current_frames().get(strand.ident)
    while frame is not None and not is_programs(frame):
        frame = frame.f_back
    return "" if frame is None else place(frame.f_code.co_name, frame)
