"""pytest's side of `components.testing`: the fixtures netif_lan and netif_pair, their options and marker.

Every pytest of an environment with netif in it imports this module, and nothing else of ours but the doorway until a
test asks for a fixture: what it costs is small, and a project may have a `stack` or `components` of its own. What is
known of Lans is in components/pytest_plugin, `making` and `telling`. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys

import pytest

from netif import check_room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from components.pytest_plugin.making import Pair
    from components.testing import Lab

DRIVERS = ("pair", "tap", "packet", "qemu")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("netif", "networks in the test process (netif)")
    group.addoption("--netif-driver", choices=DRIVERS, default="pair", help="the wire of netif_lan and netif_pair")
    group.addoption("--netif-seed", type=int, metavar="N", help="the seed of netif_lan and netif_pair (0)")
    group.addoption("--netif-seeds", type=int, metavar="N", help="run each test that uses them under so many seeds")
    group.addoption("--netif-artifacts", metavar="DIR", help="where the captures of tests that fail are kept")
    parser.addini("netif_artifacts", "as --netif-artifacts; a path relative to the rootdir", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "netif(seed=, clock=, loss=, ...): how netif_lan and netif_pair are made (docs/testing.md of netif)"
    )
    seeds = config.getoption("netif_seeds")
    if seeds is not None and seeds < 1:
        raise pytest.UsageError(f"--netif-seeds {seeds}: at least 1")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = metafunc.config.getoption("netif_seeds")
    if count is None or "netif_seed" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("netif")
    if marker is None or "seed" not in marker.kwargs:
        first = metafunc.config.getoption("netif_seed") or 0
        seeds = range(first, first + count)
        metafunc.parametrize("netif_seed", seeds, ids=[f"seed{n}" for n in seeds], indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def] # noqa: ANN201
    report = yield
    is_made = "components.pytest_plugin.making" in sys.modules
    if is_made and "netif_seed" in getattr(item, "fixturenames", ()):
        from components.pytest_plugin.telling import tell

        tell(item, call, report)
    return report


def _making() -> ModuleType:
    """`making`; where the project has a room's name itself, the test fails by one line."""
    try:
        for room in ("stack", "tapio", "components"):
            check_room(room)
    except ImportError as error:
        pytest.fail(str(error), pytrace=False)
    from components.pytest_plugin import making

    return making


@pytest.fixture
def netif_seed(request: pytest.FixtureRequest) -> int:
    """The number that seeds this test's Lan: the marker's, or --netif-seed's."""
    seed: int = _making().seed_of(request)
    return seed


@pytest.fixture
def netif_lan(request: pytest.FixtureRequest, netif_seed: int) -> Iterator[Lab]:
    """A `components.testing.Lab` without hosts; it ends with the test, which fails by whatever its crank caught."""
    yield from _making().lan(request, netif_seed)


@pytest.fixture
def netif_pair(request: pytest.FixtureRequest, netif_seed: int) -> Iterator[Pair]:
    """`client` and `server`, two hosts of `lan`; `trace`, `drop`, `run` ... are the Lan's."""
    yield from _making().pair(request, netif_seed)
