"""What all suites share: the seed of a run, the rotating sample of the slow half, and who may talk to the kernel.

Every run prints its seed; `--seed N` repeats it: the same sample of slow tests, and the same numbers in every test that
takes the `seed` fixture. `--slow` runs the slow half whole, and nothing else.
"""

from __future__ import annotations

import os
import random
import sys
import zlib
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)  # so that plain `pytest` finds tests.host.namespaces, as `python -m pytest` does

SAMPLE = 8  # one slow test in so many runs with the fast ones
RUN_SEED = pytest.StashKey[int]()

pytest.register_assert_rewrite("tests.tapio.contract")

hypothesis.settings.register_profile("netif", deadline=None)  # how long an example takes is the machine's affair
hypothesis.settings.load_profile("netif")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("netif")
    group.addoption("--slow", action="store_true", help="the slow half, whole, and nothing else")
    group.addoption("--plain", action="store_true", help="TCP by the plain path alone, unless a test says otherwise")
    group.addoption("--seed", type=int, metavar="N", help="repeat the run that printed this seed")


def pytest_configure(config: pytest.Config) -> None:
    given = config.getoption("--seed")
    if given is None:  # pytest-xdist's workers take the seed of the run that started them
        given = getattr(config, "workerinput", {}).get("seed")
    if config.getoption("--plain"):
        from stack.tcp.config import TcpConfig

        TcpConfig.__init__.__kwdefaults__["fast_path"] = False  # what attrs made of the field's default
    config.stash[RUN_SEED] = random.SystemRandom().randrange(1_000_000_000) if given is None else given


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist is about to start a worker."""
    node.workerinput["seed"] = node.config.stash[RUN_SEED]


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[RUN_SEED]} (--seed repeats it)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    obstacle = kernel_obstacle()
    if obstacle:
        for item in items:
            if item.get_closest_marker("host"):
                item.add_marker(pytest.mark.skip(reason=obstacle))
    chosen = selected(config, items)
    left_out = [item for item in items if item not in chosen]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item in chosen]


def selected(config: pytest.Config, items: list[pytest.Item]) -> set[pytest.Item]:
    """All fast tests and a sample of the slow ones, unless somebody asked by name, by marker, or for `--slow`."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    if config.getoption("--slow"):
        return set(slow)
    if "slow" in config.option.markexpr or any("::" in argument for argument in config.args):
        return set(items)
    count = -(-len(slow) // SAMPLE)
    sample = random.Random(config.stash[RUN_SEED]).sample(sorted(slow, key=lambda item: item.nodeid), count)
    return set(items) - set(slow) | set(sample)


def kernel_obstacle() -> str | None:
    """Why the host tests cannot run here; None: they can."""
    if os.geteuid() != 0:
        return "talks to the real kernel in namespaces of its own, which takes root"
    if not os.path.exists("/dev/net/tun"):
        return "this kernel offers no /dev/net/tun"
    return None


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number for this test in this run; pytest shows it with a failure."""
    number = request.config.stash[RUN_SEED] ^ zlib.crc32(request.node.nodeid.encode())
    print(f"seed of this test: {number} (of the run: {request.config.stash[RUN_SEED]})")
    return number
