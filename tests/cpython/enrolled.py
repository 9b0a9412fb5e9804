"""A process that runs cases of CPython's own tests on the sockets of one Stack: started by `run.py`, for one module.

    python -m tests.cpython.enrolled test_socket [--only Class.test ...] [--but Class.test ...] [--after Class.test]

The whole process is in a scope of `netif.use`, from before the first of the tests' modules is imported. One line of
JSON for each case as it begins, and as it ends. An audit hook sees every socket that is made: ours are counted, and a
kernel's of a network, which no case may have, is told with its case. The support modules of the tests are untouched.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import socket
import sys
import tempfile
import time
import traceback
import unittest
from _socket import socket as kernel_socket
from collections.abc import Iterator
from socket import AF_INET, AF_INET6
from typing import Any

from netif import use
from stack.stack import Stack

_NETWORKS = (AF_INET, AF_INET6)


class Seen:
    """What the audit hook has seen since it was last asked."""

    def __init__(self) -> None:
        self.ours = 0
        self.kernels: list[str] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not event.startswith("socket."):
            return
        if event == "socket.__new__":
            made, family = arguments[:2]
            if not issubclass(type(made), kernel_socket):  # whatever it says of itself, as our TLS sockets do
                self.ours += 1
            elif family in _NETWORKS and sys._getframe(1).f_locals.get("fileno") is None:  # made, not adopted
                self.kernels.append(f"made one of family {family}")
        elif event in ("socket.bind", "socket.connect", "socket.sendto"):
            who, address = arguments
            if issubclass(type(who), kernel_socket) and who.family in _NETWORKS:
                self.kernels.append(f"{event} {address}")

    def told(self) -> dict[str, Any]:
        told = {"ours": self.ours, "kernels": self.kernels}
        self.ours, self.kernels = 0, []
        return told


class Telling(unittest.TestResult):
    """Says each case's beginning and end; a case ends the process that takes longer than it may."""

    def __init__(self, seen: Seen, seconds: float, out: int) -> None:
        super().__init__()
        self._seen, self._seconds, self._out = seen, seconds, out
        self._begun = 0.0
        self._running: unittest.TestCase | None = None
        self._worst: tuple[str, str] | None = None

    def say(self, **what: Any) -> None:
        os.write(self._out, json.dumps(what).encode() + b"\n")

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        faulthandler.dump_traceback_later(self._seconds, exit=True)
        self._running, self._worst, self._begun = test, None, time.monotonic()
        self.say(begins=short(test))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        if test is not self._running:
            return
        faulthandler.cancel_dump_traceback_later()
        outcome, detail = self._worst or ("passed", "")
        seconds = round(time.monotonic() - self._begun, 3)
        self._running = None
        self.say(case=short(test), outcome=outcome, detail=detail, seconds=seconds, **self._seen.told())

    def _note(self, test: unittest.TestCase, outcome: str, detail: str) -> None:
        if test is not self._running:  # of a class, or one that some interpreters skip without a beginning
            case = short(test) if isinstance(test, unittest.TestCase) else str(test)
            self.say(case=case, outcome=outcome, detail=detail, seconds=0.0, **self._seen.told())
        elif self._worst is None or self._worst[0] != "failed":
            self._worst = outcome, detail

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, "failed", trace(err))

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, "failed", trace(err))

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._note(test, "failed", f"{subtest}\n{trace(err)}")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._note(test, "skipped", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, "skipped", "an expected failure")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, "failed", "an unexpected success")


def trace(err: Any) -> str:
    return "".join(traceback.format_exception(*err, limit=-12))


def short(test: unittest.TestCase) -> str:
    return ".".join(test.id().split(".")[-2:])


def cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from cases(each)
        else:
            yield each


def load(module: str) -> unittest.TestSuite:
    """All of a module's. test_selectors makes its pairs of sockets of TCP where there is no `socketpair`, which would
    make the kernel's: so there is none."""
    kernels = socket.socketpair
    if module == "test_selectors":
        del socket.socketpair
    try:
        return unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    finally:
        socket.socketpair = kernels


def chosen(module: str, only: list[str], but: list[str], after: str) -> unittest.TestSuite:
    """Its cases in their order: all, or those whose `Class` or `Class.test` is named; from behind `after` on."""
    found = list(cases(load(module)))
    names = [short(each) for each in found]
    if after:
        del found[: names.index(after) + 1]
    if only:
        found = [each for each in found if short(each) in only or short(each).split(".")[0] in only]
    return unittest.TestSuite(each for each in found if short(each) not in but)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--but", nargs="*", default=[])
    parser.add_argument("--after", default="")
    parser.add_argument("--seconds", type=float, default=60.0, help="that a case may take")
    arguments = parser.parse_args()
    out = os.dup(1)
    os.dup2(2, 1)  # what the cases print is for people
    seen = Seen()
    host = Stack("localhost")
    host.hosts = {"localhost": "127.0.0.1"}
    with use(host), tempfile.TemporaryDirectory() as place:
        os.chdir(place)  # where the tests put their files
        sys.addaudithook(seen.hook)
        from test import support

        support.use_resources = ["cpu", "network", "walltime"]  # "urlfetch" would be the Internet
        result = Telling(seen, arguments.seconds, out)
        suite = chosen(arguments.module, arguments.only, arguments.but, arguments.after)
        gc.freeze()  # many a case collects, several times, and need not look at all that was imported
        suite.run(result)
        result.say(drops=host.stats.counters)
        os.chdir("/")
    os._exit(0)  # threads that cases have left behind do not matter


if __name__ == "__main__":
    main()
