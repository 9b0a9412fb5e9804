"""Commands run as a person would run them, and namespaces to run them in."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components.commands import CHECKOUT, Command, Running, environment
from tests.tapio.conftest import frames as frames


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
def start() -> Iterator[Callable[..., Running]]:
    """start(*words, **environment): a command in the background, ended with the test."""
    running: list[Running] = []

    def run(*words: str, module: str = "netif", before: tuple[str, ...] = (), **more: str) -> Running:
        running.append(Running([*before, sys.executable, "-u", "-m", module, *words], **more))
        return running[-1]

    yield run
    for one in running:
        one.end()


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace of the test's own; for tests that are marked `host`."""
    name = f"netif-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
