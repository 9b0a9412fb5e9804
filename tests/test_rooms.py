"""Which room may import which, and what the stack's core may not know: read from the source, with `ast`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "netif": {"netif"},
    "tapio": {"tapio", "netif"},
    "stack": {"stack", "netif"},
    "components": {"components", "tapio", "stack", "netif"},
}
DOORWAYS = {"netif/__init__.py", "netif/__main__.py", "netif/pytest_plugin.py"}
IMPURE = {"time", "random", "os", "threading", "asyncio", "socket", "select"}
DEPENDENCIES = {  # and where; the last two within functions alone
    "attrs": {""},
    "h11": {"components/http_"},
    "cypcap": {"tapio/pcap/"},
    "pyroute2": {"components/"},
    "scapy": {"tapio/scapy_view.py"},  # the extra
    "pytest": {"netif/pytest_plugin.py", "components/pytest_plugin/"},  # which pytest itself imports
}
LEAF = {"netif.wire", "netif.link"}


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt | ast.expr]]:
    """Every module that is imported, wherever it stands: TYPE_CHECKING, functions, and import_module("name")."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or ""), node
            else:
                module = node.module or ""
                yield module, node
                for alias in node.names:
                    yield f"{module}.{alias.name}", node
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value, node


def violations(path: str, source: str) -> list[str]:
    """What this file may not import; `path` is relative to the checkout."""
    tree = ast.parse(source)
    lazy = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    found = []
    for module, node in imports(tree):
        top = module.partition(".")[0]
        if complaint := complaint_about(path, top, id(node) in lazy):
            found.append(f"{path}:{node.lineno} imports {module}: {complaint}")
    return found


def complaint_about(path: str, top: str, is_lazy: bool) -> str | None:
    room = path.partition("/")[0]
    if not top:
        return "write it absolutely"
    if top in MAY_IMPORT:
        allowed = top in MAY_IMPORT[room] or path in DOORWAYS
        return None if allowed else f"{room} may not import {top}"
    if top in IMPURE and path.startswith("stack/") and not path.startswith("stack/socket/"):
        return "the stack's core knows no clock, thread, file, socket or dice"
    if top in sys.stdlib_module_names:
        return None
    if not any(path.startswith(place) for place in DEPENDENCIES.get(top, ())):
        return "not a dependency of this room"
    if top in ("cypcap", "pyroute2") and not is_lazy:
        return "only within a function: not every system has it"
    return None


def sources() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", sources())
def test_imports_keep_to_the_rooms(path):
    assert violations(path, (ROOT / path).read_text()) == []


def test_formats_are_a_leaf():
    for path in (ROOT / "netif" / "wire").rglob("*.py"):
        for module, _ in imports(ast.parse(path.read_text())):
            if module.startswith("netif."):
                assert any((module + ".").startswith(leaf + ".") for leaf in LEAF), f"{path.name} imports {module}"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("netif/netif.py", "import stack"),
        ("netif/netif.py", "from tapio.tap import Tap"),
        ("netif/esp/lifecycle.py", "def f():\n    from stack import Stack"),
        ("netif/runtime/crank.py", "import components.lan as lan"),
        ("netif/events.py", "if TYPE_CHECKING:\n    from stack import Stack"),
        ("netif/mac.py", "importlib.import_module('stack.tcp')"),
        ("netif/link.py", "from . import wire"),
        ("tapio/tap.py", "import stack.ip"),
        ("tapio/tap.py", "from components import lan"),
        ("stack/ip.py", "from tapio import pair"),
        ("stack/ip.py", "from components.lan import Lan"),
        ("stack/ip.py", "import time"),
        ("stack/tcp/rtt.py", "from random import random"),
        ("stack/stack.py", "def now():\n    import time"),
        ("stack/stack.py", "if TYPE_CHECKING:\n    import asyncio.events"),
        ("stack/stack.py", "import os.path"),
        ("components/lan.py", "import scapy.all"),
        ("components/lan.py", "def f():\n    from scapy.all import Ether"),
        ("tapio/hook.py", "def f():\n    from scapy.all import Ether"),
        ("components/host/tap.py", "import pyroute2"),
        ("tapio/tap.py", "def f():\n    import pyroute2"),
        ("netif/config.py", "import numpy"),
        ("netif/config.py", "import pytest"),
    ],
)
def test_forbidden_import_is_seen(path, source):
    assert violations(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("netif/__init__.py", "from stack import Stack"),
        ("netif/__main__.py", "from components.cli import main"),
        ("netif/pytest_plugin.py", "import pytest\ndef f():\n    from components.pytest_plugin import making"),
        ("tapio/tap.py", "import os, time\nfrom netif.link import Port"),
        ("stack/ip.py", "import attrs\nfrom netif.wire import ip\nimport stack.routing"),
        ("stack/socket/stream.py", "import time, socket, asyncio"),
        ("components/lan.py", "import stack, tapio, netif"),
        ("components/host/tap.py", "def make():\n    from pyroute2 import IPRoute"),
    ],
)
def test_allowed_import_passes(path, source):
    assert violations(path, source) == []


def test_scapy_is_met_in_tests_and_in_its_one_extra_alone():
    for path in (path for path in sources() if path not in DEPENDENCIES["scapy"]):
        assert all(module.partition(".")[0] != "scapy" for module, _ in imports(ast.parse((ROOT / path).read_text())))
