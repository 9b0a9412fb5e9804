"""Runs of pytest within pytest, with the plugin that is in this checkout."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

for module in (  # a run in this process forgets what it imported, and would have it twice
    "components.pytest_plugin.telling",
    "components.testing.raw",
    "components.testing.wires",
    "netif.runtime.threaded",
    "netif.runtime.virtual_loop",
    "netif.runtime.aio",
    "stack.socket.aio",
    "stack.socket.transports",
):
    import_module(module)
ROOT = Path(__file__).resolve().parent.parent.parent.parent
OTHERS = ("randomly", "asyncio", "anyio", "xdist", "timeout")
TALK = """
def talk(client, server, lan):
    def serve():
        with server.create_server(("", 7)) as listener:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(connection.recv(100))

    def ask():
        with client.create_connection(("server", 7)) as connection:
            connection.sendall(b"hello")
            return connection.recv(100)

    server.spawn(serve)
    asked = client.spawn(ask)
    lan.run_until(asked.done)
    return asked.result()
"""


@pytest.fixture
def run_plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """`run_plugin(*options, beside=(), apart=False)`: pytest with the plugin on what lies there, in this process or in
    one of its own. `beside`: which of OTHERS are loaded."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    is_installed = any(entry.value == "netif.pytest_plugin" for entry in entry_points(group="pytest11"))
    ours = () if is_installed else ("-p", "netif.pytest_plugin")

    def run(*options: str, beside: tuple[str, ...] = (), apart: bool = False) -> pytest.RunResult:
        others = [word for name in OTHERS if name not in beside for word in ("-p", f"no:{name}")]
        start = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return start(*ours, *others, "-p", "no:cacheprovider", *options)

    return run


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """The path of an environment that has this checkout as a distribution with its entry point."""
    place = tmp_path / "site"
    info = place / "netif-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: netif\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[pytest11]\nnetif = netif.pytest_plugin\n")
    return f"{place}{os.pathsep}{ROOT}"


@pytest.fixture
def project(pytester: pytest.Pytester, run_plugin):
    """`project(source, *options)`: the result of pytest on a file that begins with `talk`."""

    def run(source: str, *options: str, ini: str = "", beside: tuple[str, ...] = ()) -> pytest.RunResult:
        pytester.makepyfile(test_it=f"import pytest\n{TALK}\n{source}")
        pytester.makeini(f"[pytest]\n{ini}")
        return run_plugin(*options, beside=beside)

    return run
