"""Programs that run in the background for a recipe, known by the file that bears their process id.

Knows how to start one, whether it runs still, and how to end exactly that one: a process counts only when its command
line names the file, for process ids are used again. Knows nothing of what they serve.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from pathlib import Path

import attrs

from components.host.kernel import Host, Refused, inside

PATIENCE = 5.0  # seconds until a program is killed that was asked to end


@attrs.frozen(kw_only=True)
class StartServer:
    """A program that goes to the background by itself, once it serves, and writes `pidfile`."""

    argv: tuple[str, ...]
    pidfile: str  # named in argv

    def line(self, netns: str | None) -> str:
        return inside(netns, self.argv)

    def apply(self, host: Host) -> None:
        if running(self.pidfile) is None:
            host.run(*self.argv)


@attrs.frozen(kw_only=True)
class StopServer:
    """And remove the files that it leaves."""

    pidfile: str
    leaves: tuple[str, ...] = ()

    def line(self, netns: str | None) -> str:
        files = shlex.join([self.pidfile, *self.leaves])
        return f"kill $(cat {shlex.quote(self.pidfile)}); rm -f {files}"

    def apply(self, host: Host) -> None:
        process = running(self.pidfile)
        if process is not None:
            end(process, self.pidfile)
        for path in (self.pidfile, *self.leaves):
            Path(path).unlink(missing_ok=True)


def running(pidfile: str) -> int | None:
    """The id of the process that wrote it, if that lives."""
    try:
        process = int(Path(pidfile).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return process if pidfile in command_of(process) else None


def command_of(process: int) -> str:
    """Its command line, words parted by spaces; "": there is none, or it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def end(process: int, mark: str) -> None:
    """SIGTERM, and SIGKILL to one that does not heed it; `mark` is in its command line."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        deadline = time.monotonic() + PATIENCE
        while mark in command_of(process):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        else:
            return
    raise Refused(f"process {process} does not end")
