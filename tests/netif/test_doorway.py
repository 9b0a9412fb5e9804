"""`import netif` is enough, costs little, and says whose file stands in the way."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import netif

ROOT = Path(netif.__file__).resolve().parent.parent


def python(*arguments, cwd=None, **environment):
    """Run Python beside the checkout; PYTHONPATH has it last, as an installed netif would be."""
    path = os.pathsep.join([str(cwd or ROOT), str(ROOT)])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": path, **environment},
        check=False,
    )


@pytest.mark.parametrize("name", sorted(netif.__all__))
def test_every_name_is_there(name):
    value = getattr(netif, name)
    assert name in dir(netif)
    assert getattr(netif, name) is value


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = netif.no_such_name


def test_names_are_mirrored_for_type_checkers():
    tree = ast.parse(Path(netif.__file__).read_text())
    mirror = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in mirror.body if isinstance(node, ast.ImportFrom)]
    named = {(alias.asname, node.module) for node in imports for alias in node.names if alias.name != "*"}
    whole = {node.module for node in imports if node.names[0].name == "*"}
    homes = {(name, home) for name, home in netif._HOME.items() if home not in whole} | {("esp", "netif")}
    assert named == homes
    for module in whole:
        public = set(importlib.import_module(module).__all__)
        assert {name for name, home in netif._HOME.items() if home == module} <= public


def test_port_style_names_are_all_at_the_door():
    from netif import esp

    assert set(esp.__all__) <= set(netif.__all__)


def test_import_loads_no_room():
    costly = ("attr", "attrs", "asyncio", "components", "netif", "stack", "tapio", "threading", "typing")
    code = f"import sys, netif; print([name for name in sys.modules if name.partition('.')[0] in {costly}])"
    assert python("-S", "-c", code).stdout.strip() == "['netif']"


def test_host_loads_no_dhcp_dns_or_http_before_they_are_used():
    code = """
import sys
from netif import Netif, Stack, pair
with Stack() as host, Netif(pair()[0], stack=host, ip="10.0.0.1/24"):
    host.create_server(("", 7)).close()
found = [name for name in sys.modules if "dhcp" in name.partition(".")[2] or "dns" in name or "h11" in name]
print(sorted(found))
"""
    # the table of hosts, which any name is looked up in first
    assert python("-c", code).stdout.strip() == "['stack.dns', 'stack.dns.hosts']"


@pytest.mark.parametrize(("room", "name"), [("stack", "Stack"), ("tapio", "Tap"), ("components", "Lan")])
@pytest.mark.parametrize("shape", ["module", "package", "folder"])
def test_somebody_elses_file_is_named(tmp_path, room, name, shape):
    if shape == "module":
        theirs = tmp_path / f"{room}.py"
        theirs.write_text("raise SystemExit('ran a stranger')")
    else:
        (tmp_path / room).mkdir()
        theirs = tmp_path / room
        if shape == "package":
            (theirs / "__init__.py").write_text("raise SystemExit('ran a stranger')")
        else:
            (theirs / "lan.py").write_text("raise SystemExit('ran a stranger')")
    ran = python("-c", f"import netif; netif.{name}", cwd=tmp_path)
    if shape == "folder":  # a folder without __init__.py gives way to the package that comes later
        assert ran.returncode == 0, ran.stderr
        return
    last = ran.stderr.strip().splitlines()[-1]
    assert ran.returncode == 1
    assert last.startswith("ImportError")
    assert str(theirs) in last
    assert "rename" in last


def test_stranger_that_is_loaded_already_is_named(tmp_path):
    (tmp_path / "stack.py").write_text("")
    ran = python("-c", "import stack, netif; netif.Stack", cwd=tmp_path)
    assert str(tmp_path / "stack.py") in ran.stderr.splitlines()[-1]


def test_missing_room_is_named():
    with pytest.raises(ImportError, match="no_such_room"):
        netif.check_room("no_such_room")


def test_python_m_netif_names_the_stranger_in_one_line(tmp_path):
    (tmp_path / "components").mkdir()
    (tmp_path / "components" / "__init__.py").write_text("")
    ran = python("-m", "netif", "--help", cwd=tmp_path)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert str(tmp_path / "components") in ran.stderr
