"""Commands run as a person would run them, and namespaces to run them in."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def command() -> Callable[..., Command]:
    """command(*words, module="netif", before=(), python=(), cwd=CHECKOUT, **environment): run it to its end."""

    def run(
        *words: str,
        module: str = "netif",
        before: tuple[str, ...] = (),
        python: tuple[str, ...] = (),
        cwd: Path = CHECKOUT,
        **more: str,
    ) -> Command:
        line = [*before, sys.executable, *python, "-m", module, *words]
        how = {"capture_output": True, "text": True, "timeout": 30}
        return Command(subprocess.run(line, env=environment(**more), cwd=cwd, **how))

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """start(*words, **environment): a command in the background, ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def run(*words: str, module: str = "netif", before: tuple[str, ...] = (), **more: str) -> subprocess.Popen[str]:
        line = [*before, sys.executable, "-u", "-m", module, *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(subprocess.Popen(line, text=True, env=environment(**more), cwd=CHECKOUT, **pipes))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces take root")
    name = f"netif-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
