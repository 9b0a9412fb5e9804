"""What needs no Linux runs without it: ordinary tests again, by an interpreter that lacks what Linux alone has."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.anywhere.left_out import ROOT, listed

MODULES = """
import importlib, pathlib, sys
from tests.anywhere.hide import hide
hide(*sys.argv[1:])
rooms = [pathlib.Path(room) for room in ("netif", "tapio", "stack", "components")]
paths = [path for room in rooms for path in sorted(room.rglob("*.py"))]
names = [".".join(path.with_suffix("").parts) for path in paths if path.stem not in ("__init__", "__main__")]
for name in names:
    if name != "tapio.scapy_view":  # scapy asks sys.platform, and wants of Linux what is not here
        importlib.import_module(name)
print(len(names))
"""
LINUX_WIRES = """
from tests.anywhere.hide import hide
hide()
from netif import Packet, Tap, Tun, open_wire
for make in (Tap, Tun, Packet, lambda name: open_wire("tap:" + name)):
    try:
        make("lo")
    except OSError as error:
        print(error)
"""
FEW = {
    "": ["tests/netif/runtime/test_contract.py", "tests/netif/runtime/test_aio.py", "tests/stack/socket/test_tls.py"],
    "--darwin": ["tests/stack/test_multicast_sockets.py", "tests/stack/socket/test_descriptor_threads.py"],
}
WIDE = {
    "sockets": ["tests/stack/socket", *(f"--ignore=tests/stack/socket/{part}" for part in ("transports", "use"))],
    "transports": ["tests/stack/socket/transports", "tests/stack/test_multicast_sockets.py"],
    "scopes": ["tests/stack/socket/use"],
    "the netif": [f"tests/netif/test_{name}.py" for name in ("netif", "port_style", "python_style", "push", "startup")],
    "its runtimes": ["tests/netif/runtime"],
    "LANs": [
        "tests/components/test_lan.py",
        "tests/components/test_lan_hearing.py",
        "tests/components/test_lan_replay.py",
    ],
    "the gateway": ["tests/components/gateway"],
    "pytest's plugin": ["tests/components/pytest_plugin/test_fixtures.py", "tests/components/testing"],
    "samples": [
        "tests/components/test_samples.py",
        "tests/components/test_http_server.py",
        "tests/components/wires/test_page.py",
    ],
    "wires in memory": [
        f"tests/tapio/test_{name}.py" for name in ("memory", "switch", "switch_vlan", "impairment", "hook")
    ],
    "captures": [f"tests/tapio/test_{name}.py" for name in ("capture", "capture_outlets", "capture_reader", "replay")],
    "runs in virtual time": ["tests/sim/test_replay.py", "tests/sim/test_ends.py", "tests/sim/test_lifetimes.py"],
}
OF_LINUX_NUMBERS = ["tests/stack/socket/test_options.py", "tests/stack/socket/test_multicast_options.py"]


def python(*arguments: str, timeout: float = 120.0) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("platform", [[], pytest.param(["darwin"], marks=pytest.mark.slow)], ids=["", "darwin"])
def test_every_module_can_be_imported(platform):
    assert int(python("-c", MODULES, *platform)) > 300


def test_what_is_linuxs_says_so_in_one_line():
    told = python("-c", LINUX_WIRES).splitlines()
    assert [line.partition(":")[0] for line in told] == [
        "TAP devices are Linux's", "TUN devices are Linux's", "packet sockets are Linux's", "TAP devices are Linux's"
    ]  # fmt: skip


@pytest.mark.parametrize("platform", FEW)
def test_a_few_of_the_ordinary_tests_pass(platform, request):
    again(platform, FEW[platform])


@pytest.mark.slow
@pytest.mark.parametrize("part", WIDE)
@pytest.mark.parametrize("platform", FEW)
def test_the_ordinary_tests_pass(platform, part):
    ignored = [f"--ignore={path}" for path in OF_LINUX_NUMBERS] if platform else []
    again(platform, [*ignored, *WIDE[part]])


def again(platform: str, words: list[str]) -> None:
    told = python("-m", "tests.anywhere", *filter(None, [platform]), "-q", *words, timeout=400.0)
    assert " passed" in told.splitlines()[-1]


@pytest.mark.parametrize("node", listed())
def test_what_is_left_out_is_there(node):
    path, *names = node.partition("[")[0].split("::")
    assert (ROOT / path).exists()
    text = (ROOT / path).read_text() if names else ""
    assert all(f"def {name}(" in text or f"class {name}" in text for name in names)
