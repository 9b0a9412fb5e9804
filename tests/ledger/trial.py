"""Tries mutations: each in a forked child that imports the mutated module in place of the file's, and runs one test.

The parent has pytest in memory and nothing of the project, so that a trial costs an import of the project and no more.
Nothing is written to the tree. A child that does not end in time, or grows too large, has failed its test as well.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import resource
import selectors
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType

import attrs
import pytest

from tests.ledger.mutation import compiled, module_of
from tests.ledger.rows import ROOT, LedgerError, Row

PATIENCE = 20.0  # seconds for one test
MEMORY = 2 << 30  # bytes of address space for one child
_PRELOADED = ("hypothesis", "scapy.layers.inet", "scapy.layers.l2", "ipaddress", "asyncio")  # imported once for all
_NOT_THE_CLAUSE = (NameError, ImportError, AttributeError, TypeError, SyntaxError)  # mistakes of the mutation itself


@attrs.frozen
class Verdict:
    ok: bool
    words: str
    seconds: float = 0.0


class _Imported(MetaPathFinder):
    """Finds one module, whose code is already compiled."""

    def __init__(self, file: str, code: CodeType) -> None:
        self.name = module_of(file)
        self.path = str(ROOT / file)
        self.code = code

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        loader = SourceFileLoader(name, self.path)
        loader.get_code = lambda fullname: self.code  # type: ignore[method-assign, assignment]
        return importlib.util.spec_from_file_location(name, self.path, loader=loader)


class _Witness:
    """What pytest saw."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.unrelated = False

    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo[None], report: object) -> None:
        if call.excinfo is not None:
            self.errors.append(call.excinfo.type.__name__)
            self.unrelated |= issubclass(call.excinfo.type, _NOT_THE_CLAUSE)


@attrs.define
class _Child:
    row: Row | None
    pid: int
    output: tempfile._TemporaryFileWrapper[bytes]
    started: float
    deadline: float


def _in_child(row: Row | None, tests: list[str], said: int, output: int) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    if row is not None and row.mutation is not None:
        sys.meta_path.insert(0, _Imported(row.mutation.file, compiled(row)))
    witness = _Witness()
    chosen = ["-x"] if row is not None else []
    quiet = ["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:junitxml", "--seed", "1"]
    arguments = [*tests, *chosen, *quiet, "--plain"]  # the clauses stand on the plain path
    code = int(pytest.main(arguments, plugins=[witness]))
    sys.stdout.flush()
    os.write(said, json.dumps({"code": code, "errors": witness.errors, "unrelated": witness.unrelated}).encode())


def _begin(row: Row | None, tests: list[str], patience: float) -> tuple[int, _Child]:
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child has ended
    heard, said = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(heard)
            _in_child(row, tests, said, output.fileno())
        finally:
            os._exit(0)
    os.close(said)
    now = time.monotonic()
    return heard, _Child(row, pid, output, now, now + patience)


@cache
def _prepare() -> tempfile.TemporaryDirectory[str]:
    """What all children share: modules in memory, and a place for compiled files that ends with this process."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    compiled_files = tempfile.TemporaryDirectory(prefix="rfc_ledger")
    sys.pycache_prefix = compiled_files.name
    sys.dont_write_bytecode = False
    for name in _PRELOADED:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
    known = [name for name in sys.modules if name.partition(".")[0] in ("netif", "tapio", "stack", "components")]
    assert not known, f"a trial must import these afresh: {known}"
    gc.freeze()
    return compiled_files


def _end(child: _Child, answer: bytes, judge: Callable[[Row | None, bytes, str], Verdict]) -> Verdict:
    if not answer:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os.waitpid(child.pid, 0)
    child.output.seek(0)
    verdict = judge(child.row, answer, child.output.read().decode(errors="replace"))
    child.output.close()
    return attrs.evolve(verdict, seconds=time.monotonic() - child.started)


def _judge(row: Row | None, answer: bytes, output: str) -> Verdict:
    """Did the test fail, and for the clause's sake?"""
    if not answer:
        return Verdict(True, "fails: it did not end")
    seen = json.loads(answer)
    if seen["code"] == 0:
        return Verdict(False, "SURVIVES: the test passes all the same; write another mutation, or a better test")
    why = ", ".join(dict.fromkeys(seen["errors"])) or f"pytest says {seen['code']}"
    if seen["code"] != 1 or seen["unrelated"]:
        return Verdict(False, f"BROKEN: the mutated code does not run ({why}), which shows nothing\n{output[-600:]}")
    return Verdict(True, f"fails: {why}")


def _judge_unchanged(row: Row | None, answer: bytes, output: str) -> Verdict:
    if answer and json.loads(answer)["code"] == 0:
        return Verdict(True, "all pass")
    return Verdict(False, f"FAIL without any mutation:\n{output[-4000:]}")


def unchanged(rows: Iterable[Row]) -> Verdict:
    """The tests of these rows pass on the code as it is."""
    _prepare()
    tests = list(dict.fromkeys(row.test for row in rows if row.test is not None))
    if not tests:
        return Verdict(True, "no tests")
    heard, child = _begin(None, tests, PATIENCE * len(tests))
    selector = selectors.DefaultSelector()
    selector.register(heard, selectors.EVENT_READ)
    answer = os.read(heard, 1 << 16) if selector.select(PATIENCE * len(tests)) else b""
    selector.close()
    os.close(heard)
    return _end(child, answer, _judge_unchanged)


def try_all(rows: Iterable[Row], jobs: int) -> Iterator[tuple[Row, Verdict]]:
    """Each row's mutation with its test, `jobs` at a time, in the order in which they end."""
    _prepare()
    waiting = [row for row in rows if row.mutation is not None]
    waiting.reverse()
    running = selectors.DefaultSelector()
    while waiting or running.get_map():
        while waiting and len(running.get_map()) < jobs:
            row = waiting.pop()
            assert row.test is not None
            try:
                compiled(row)
            except LedgerError as mistake:
                yield row, Verdict(False, f"BROKEN: {mistake}")
                continue
            heard, child = _begin(row, [row.test], PATIENCE)
            running.register(heard, selectors.EVENT_READ, child)
        if not running.get_map():
            continue
        children = [key.data for key in running.get_map().values()]
        nearest = min(child.deadline for child in children)
        ready = {key.fd for key, _ in running.select(max(0.0, nearest - time.monotonic()))}
        now = time.monotonic()
        for key in list(running.get_map().values()):
            if key.fd in ready or key.data.deadline <= now:
                answer = os.read(key.fd, 1 << 16) if key.fd in ready else b""
                running.unregister(key.fd)
                os.close(key.fd)
                yield key.data.row, _end(key.data, answer, _judge)
    running.close()
