"""CPython's own network tests pass on a Stack's sockets, but for what is left out with a reason."""

from __future__ import annotations

import importlib.util

import pytest

from tests.cpython import left_out
from tests.cpython.run import Outcome, run

BRIEF = [
    *("BasicTCPTest", "BasicUDPTest", "NonBlockingTCPTests", "TCPTimeoutTest", "UDPTimeoutTest", "TCPCloserTest"),
    *("FileObjectClassTestCase", "UnbufferedFileObjectClassTestCase", "BufferIOTest", "SendfileUsingSendTest"),
    *("NetworkConnectionAttributesTest", "CreateServerFunctionalTest", "ContextManagersTest", "InheritanceTest"),
    *("RecvmsgTCPTest", "RecvmsgIntoTCPTest", "SendmsgTCPTest", "RecvmsgUDPTest", "RecvmsgIntoUDPTest"),
]  # of test_socket

needs_them = pytest.mark.skipif(
    importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_socket") is None,
    reason="this interpreter came without its tests",
)


def complaints(outcomes: list[Outcome], entries: list[left_out.Entry]) -> list[str]:
    """What is not as the list says."""
    listed = {entry.case: entry for entry in entries}
    found: list[str] = []
    for each in outcomes:
        entry = listed.pop(each.case, None)
        went_wrong = each.outcome == "failed" or bool(each.kernels)
        if went_wrong and entry is None:
            found.append(f"{each.case}: {each.outcome} {' '.join(each.kernels)}\n{each.detail}")
        if entry is not None and not went_wrong and not entry.either and each.outcome == "passed":
            found.append(f"{each.case}: passes, and is on the list: take it off")
    return found + [f"{entry.case}: is on the list, and is no case" for entry in listed.values() if not entry.hangs]


@needs_them
@pytest.mark.slow
@pytest.mark.parametrize("module", left_out.MODULES)
def test_a_module_passes_but_for_what_is_left_out(module):
    entries = left_out.entries(module)
    outcomes = run(module, but=[entry.case for entry in entries if entry.hangs])
    found = complaints(outcomes, entries)
    assert not found, "\n\n".join(found)
    passed = [each for each in outcomes if each.outcome == "passed"]
    assert len(passed) >= left_out.counts()[module][1]
    assert sum(each.ours for each in passed) > len(passed) // 4  # some cases do without a socket


@needs_them
def test_a_part_passes_in_every_run():
    entries = [each for each in left_out.entries("test_socket") if each.case.split(".")[0] in BRIEF]
    outcomes = run("test_socket", only=BRIEF, but=[each.case for each in entries if each.hangs])
    found = complaints(outcomes, entries)
    assert not found, "\n\n".join(found)
    assert sum(each.outcome == "passed" for each in outcomes) > 140
    assert sum(each.ours for each in outcomes) > 350


@pytest.mark.parametrize("module", left_out.MODULES)
def test_what_is_left_out_does_not_grow(module):
    assert len(left_out.lines(module)) == left_out.counts()[module][0]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("module", left_out.MODULES)
def test_every_line_gives_a_reason(module, version):
    cases = [entry.case for entry in left_out.entries(module, version)]
    assert len(cases) == len(set(cases))


def test_no_list_is_forgotten():
    assert {path.stem for path in left_out.LISTS.glob("*.txt")} <= {*left_out.MODULES, "counts"}


def test_complaints_are_made_of_what_fails_passes_by_chance_or_runs_on_the_kernel():
    def came(case, outcome, *kernels):
        return Outcome(case, outcome, "because", 0.0, 1, list(kernels))

    def listed(case, how=""):
        return left_out.Entry(case, "kernel", how == "hangs", how == "either")

    assert complaints([came("C.a", "passed"), came("C.b", "skipped"), came("C.c", "failed")], [listed("C.c")]) == []
    assert complaints([came("C.a", "failed")], []) == ["C.a: failed \nbecause"]
    assert complaints([came("C.a", "passed", "made one")], []) == ["C.a: passed made one\nbecause"]
    assert complaints([came("C.a", "passed", "made one")], [listed("C.a")]) == []
    assert complaints([came("C.a", "passed")], [listed("C.a")]) == ["C.a: passes, and is on the list: take it off"]
    assert complaints([came("C.a", "skipped")], [listed("C.a")]) == []
    assert complaints([came("C.a", "passed")], [listed("C.a", "either")]) == []
    assert complaints([], [listed("C.a"), listed("C.b", "hangs")]) == ["C.a: is on the list, and is no case"]
