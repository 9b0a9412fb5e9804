"""How the fixtures make a Lan of what was asked for, and what is asked of it at its end.

Knows options, marker and names of tests; a test's seed follows from --netif-seed and its name, so that two tests do
not throw the same dice. Refuses to know what is said of a failure (`telling`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from components.lan import Host
from components.testing import Lab

OF_LAN = frozenset(("clock", "subnet", "dhcp", "strict", "trace", "uplink"))  # of the marker's words; the rest a host's
PLACE = pytest.StashKey["Place"]()
FAILED = pytest.StashKey[bool]()
CUT_SHORT = pytest.StashKey[bool]()  # it failed, expectedly or not, or skipped the rest


@attrs.define
class Place:
    """One test's Lan, and what is to be said of it."""

    lan: Lab
    seed: int
    is_marked: bool  # the seed is the marker's
    capture: Path


@attrs.frozen(repr=False)
class Pair:
    """What `netif_pair` is. Whatever a Lan has, it has too: `run`, `run_until`, `drop`, `trace` ..."""

    lan: Lab
    client: Host
    server: Host

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lan, name)

    def __repr__(self) -> str:
        return f"<Pair {self.client!r}, {self.server!r}>"


def seed_of(request: pytest.FixtureRequest) -> int:
    words = _marked(request)
    given = words.get("seed", getattr(request, "param", None))
    if given is None:
        given = request.config.getoption("netif_seed") or 0
    if not isinstance(given, int):
        raise pytest.UsageError(f"{request.node.nodeid}: seed={given!r} of the marker is no number")
    return given


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The marker's words, the nearest first."""
    words: dict[str, Any] = {}
    for marker in request.node.iter_markers("netif"):
        if marker.args:
            raise pytest.UsageError(f"{request.node.nodeid}: netif{marker.args}: write netif(seed=7, loss='5%')")
        words = {**marker.kwargs, **words}
    return words


def plain(text: str, seed: int) -> str:
    """A test's name or id, without what --netif-seeds puts into it."""
    return re.sub(rf"(?<=[\[-])seed{seed}-|-seed{seed}(?=[\]-])|\[seed{seed}\]$", "", text)


def dice(request: pytest.FixtureRequest, seed: int) -> str:
    """What seeds the Lan: the same in a run of one seed and of many, and from whatever folder pytest was started."""
    owner = f"{request.cls.__name__}." if request.cls is not None else ""
    return f"{seed}/{request.path.name}/{owner}{plain(request.node.name, seed)}"


def lan(request: pytest.FixtureRequest, seed: int) -> Iterator[Lab]:
    """A Lab for the test, ended behind it."""
    __tracebackhide__ = True
    words = _marked(request)
    host = {name: value for name, value in words.items() if name not in OF_LAN and name != "seed"}
    yield from _lan(request, seed, words, host)


def pair(request: pytest.FixtureRequest, seed: int) -> Iterator[Pair]:
    """The marker's faults are those of the client's cable: a frame meets them once."""
    __tracebackhide__ = True
    words = _marked(request)
    host = {name: value for name, value in words.items() if name not in OF_LAN and name != "seed"}
    making = _lan(request, seed, words, {})
    made = next(making)
    try:
        yield Pair(made, server=made.host("server"), client=made.host("client", **host))
    finally:
        for _ in making:
            pass


def _lan(request: pytest.FixtureRequest, seed: int, words: dict[str, Any], host: dict[str, Any]) -> Iterator[Lab]:
    __tracebackhide__ = True
    if PLACE in request.node.stash:
        raise pytest.UsageError(f"{request.node.nodeid}: netif_lan or netif_pair, not both: the pair's Lan is its .lan")
    capture = _capture(request)
    made = _made(request, dice(request, seed), words, host, capture)
    request.node.stash[PLACE] = Place(made, seed, "seed" in words, capture)
    is_well = False
    try:
        yield made
        _end(request, made)
        is_well = not request.node.stash.get(FAILED, False)
    finally:
        made.close(0)
        if is_well:
            capture.unlink(missing_ok=True)


def _end(request: pytest.FixtureRequest, made: Lab) -> None:
    """In order, if the test got to its end; then what went wrong unseen is its failure."""
    __tracebackhide__ = True
    if request.node.stash.get(CUT_SHORT, False):
        made.close(0)
        return
    made.close()
    made.runtime.check()
    made.check_faults()


def _made(request: pytest.FixtureRequest, seed: str, words: dict[str, Any], host: dict[str, Any], capture: Path) -> Lab:
    driver = request.config.getoption("netif_driver")
    options = {name: value for name, value in words.items() if name in OF_LAN}
    if options.get("clock") == "asyncio":
        raise pytest.UsageError(
            'a fixture has no running loop: in the test, async with Lab(netif_seed, clock="asyncio")'
        )
    if driver != "pair":
        if options.get("clock") == "virtual":
            pytest.skip(f"--netif-driver {driver} lives by a real clock, and the test asks for a virtual one")
        options.setdefault("clock", "real")
    try:
        return Lab(seed, host=host, wire=driver, pcapng=capture, comments=True, **options)
    except OSError as error:
        if driver == "pair":
            raise
        pytest.skip(f"--netif-driver {driver}: {error.strerror or error}")


def _capture(request: pytest.FixtureRequest) -> Path:
    """The file for the test's frames: in the folder for artifacts, else in pytest's own."""
    config = request.config
    name = re.sub(r"[^\w.\[\]=-]+", "_", request.node.nodeid.replace("::", "."))[-150:]
    given, told = config.getoption("netif_artifacts"), config.getini("netif_artifacts")
    if not given and not told:
        factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        return factory.mktemp("netif") / f"{name}.pcapng"
    folder = Path(given).absolute() if given else config.rootpath / told
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"--netif-artifacts {folder}: {error.strerror}: name a directory that can be made and written"
        ) from None
    return folder / f"{name}.pcapng"
