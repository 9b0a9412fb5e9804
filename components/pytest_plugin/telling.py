"""What is said of a test that failed: its seed and how to repeat it in one line, the last frames, and the capture."""

from __future__ import annotations

import os
import shlex

import pytest

from components.pytest_plugin.making import CUT_SHORT, FAILED, PLACE, Place, plain

FRAMES = 20


def tell(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Add a section to the report of a failure; remember that there was one, or that the test was cut short."""
    place = item.stash.get(PLACE, None)
    if report.when == "setup":
        item.stash[FAILED] = item.stash[CUT_SHORT] = False
    if call.excinfo is not None:
        item.stash[CUT_SHORT] = True
    if report.failed:
        item.stash[FAILED] = True
        if place is not None:
            report.sections.append(("netif", section(item, place)))
    if report.when == "teardown" and place is not None:
        del item.stash[PLACE]  # the Lan goes with the test


def section(item: pytest.Item, place: Place) -> str:
    count, frames = len(place.lan.trace), place.lan.trace.tail(FRAMES)
    which = f"the last {FRAMES} of {count} frames" if count > FRAMES else f"frames, {count} in all"
    return f"seed {place.seed}; to repeat: {command(item, place)}\n{which}:\n{frames}\ncapture: {place.capture}"


def command(item: pytest.Item, place: Place) -> str:
    """What repeats the test as it was, from the folder where pytest was started."""
    words = ["pytest", plain(_from_here(item), place.seed)]
    option = item.config.getoption
    if option("netif_driver") != "pair":
        words += ["--netif-driver", option("netif_driver")]
    if not place.is_marked:
        words += ["--netif-seed", str(place.seed)]
    return shlex.join(words)


def _from_here(item: pytest.Item) -> str:
    """Its id, which counts from the rootdir. (What Config.cwd_relative_nodeid takes depends on pytest's version.)"""
    name, colons, rest = item.nodeid.partition("::")
    path, here = item.config.rootpath / name, item.config.invocation_params.dir
    return (os.path.relpath(path, here) if path.drive == here.drive else str(path)) + colons + rest
