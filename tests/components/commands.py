"""A command of ours as a person runs it: to its end, or in the background while the test watches what it says."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


class Command:
    """A finished command: `.status`, `.out`, `.err`."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self) -> str:
        return f"status {self.status}\n--- stdout\n{self.out}--- stderr\n{self.err}"

    def complains(self, says: str, *, status: int = 2, prefix: str = "netif") -> None:
        """One line on stderr, nothing else there, and this status."""
        assert self.status == status, self
        assert re.fullmatch(rf"{prefix}: [^\n]*{says}[^\n]*\n", self.err), self


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NETIF_")}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "error::ResourceWarning", **more}


class Running:
    """A command in the background."""

    def __init__(self, line: list[str], **more: str) -> None:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(line, env=environment(**more), cwd=CHECKOUT, bufsize=0, **pipes)
        self.said = ""  # on stdout

    def until(self, pattern: str, seconds: float = 15.0) -> str:
        """What it has said on stdout, once that matches."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.said):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{pattern!r} did not come in {seconds} s: {self.said}"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"ended before {pattern!r}: {self.said}{self.process.stderr.read().decode()}"
            self.said += data.decode()
        return self.said

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self, seconds: float = 15.0) -> tuple[int, str, str]:
        """(status, stdout, stderr), when it has ended by itself."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, self.said + (out or b"").decode(), err.decode()

    def close_stdout(self) -> tuple[int, str, str]:
        self.process.stdout.close()
        self.process.stdout = None
        return self.finish()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
