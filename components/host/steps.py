"""What a recipe is made of: steps from what is there to what is wished, done in order and undone in reverse.

A step is written into the record, with what takes it back, before it is done: whoever is killed between two leaves a
record from which `take_down` restores. Knows nothing of devices or rules; those are the operations'. A failed step has
changed nothing itself: an operation is one request to the kernel, or cleans up when it fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

from components.command import Complaint
from components.host.kernel import Host, reason
from components.host.operations import Operation
from components.host.state import Entry, Record

Say: TypeAlias = Callable[[str], None]
Check: TypeAlias = Callable[[Host, Say], str]  # "": good, else why all is to be undone


@attrs.frozen(kw_only=True)
class Step:
    """One thing that is wished; `undo` goes by what was found, and is content where there is nothing to undo."""

    do: Operation
    undo: tuple[Operation, ...] = ()
    report: str = ""  # "": its line says it
    there: bool = False  # as wished already


class InjectedFailure(Exception):  # noqa: N818 - of tests
    """A failure that was asked for by `fail_before`."""


def bring_up(
    host: Host,
    steps: Sequence[Step],
    record: Record,
    *,
    say: Say,
    check: Check | None = None,
    fail_before: int | None = None,
) -> bool:
    """Do what is missing; False: nothing was. A Complaint, with all of this run undone, when a step or `check` fails.

    `fail_before`: fail before the missing step of this number, from 0 on, for tests of that.
    """
    missing = [step for step in steps if not step.there]
    record.needs = list(dict.fromkeys([*record.needs, *(step.do.line(host.netns) for step in steps)]))
    done: list[Entry] = []
    for number, step in enumerate(missing):
        entry = Entry(step.do.line(host.netns), step.undo, time.monotonic())
        try:
            if number == fail_before:
                raise InjectedFailure("a failure that was asked for")
            if record.add(entry):
                done.append(entry)
            step.do.apply(host)
        except Exception as error:
            done = [one for one in done if one is not entry]
            record.drop(entry)
            raise Complaint(failure(record, entry, error, len(done), undo(host, done, record, say))) from error
        except BaseException:  # Ctrl-C: whether it was done nobody knows
            undo(host, done, record, say)
            raise
        say(f"{record.name}: {step.report or entry.line}")
    record.save()
    if missing and check is not None:
        checked(host, check, record, done, say)
    return bool(missing)


def checked(host: Host, check: Check, record: Record, done: Sequence[Entry], say: Say) -> None:
    try:
        problem = check(host, say)
    except BaseException:
        undo(host, done, record, say)
        raise
    if problem:
        left = undo(host, done, record, say)
        after = f"not undone: {'; '.join(left)}" if left else "all is undone"
        raise Complaint(f"{record.name}: {problem}; {after}")


def failure(record: Record, entry: Entry, error: Exception, undone: int, left: Sequence[str]) -> str:
    after = f"; not undone: {'; '.join(left)}" if left else "; what was done before is undone" if undone else ""
    return f"{record.name}: {entry.line}: {reason(error)}{after}"


def undo(host: Host, entries: Sequence[Entry], record: Record, say: Say) -> list[str]:
    """Take entries back, the latest first; what could not be, in words. That stays in the record."""
    left = []
    for entry in reversed(entries):
        try:
            for operation in entry.undo:
                operation.apply(host)
                say(f"{record.name}: {operation.line(host.netns)}")
        except Exception as error:
            left.append(f"{operation.line(host.netns)}: {reason(error)}")
        else:
            record.drop(entry)
    return left


def take_down(host: Host, record: Record, others: Sequence[Record], *, say: Say) -> bool:
    """Undo all of the record but what another one needs, which that takes over; False: there was nothing."""
    anything = bool(record.done)
    for entry in reversed(list(record.done)):
        if (heir := heir_of(entry, others)) is not None:
            heir.inherit(entry)
            record.drop(entry)
            say(f"{record.name}: kept for {heir.title}, which needs it: {entry.line}")
    left = undo(host, list(record.done), record, say)
    if left:
        raise Complaint(f"{record.name}: not undone: {'; '.join(left)} (mend that, and --down again)")
    record.discard()
    return anything


def heir_of(entry: Entry, others: Sequence[Record]) -> Record | None:
    return next((other for other in others if entry.line in other.needs), None)


def lines_up(steps: Sequence[Step], netns: str | None) -> list[str]:
    return [step.do.line(netns) for step in steps if not step.there]


def lines_down(record: Record, others: Sequence[Record]) -> list[str]:
    mine = [entry for entry in reversed(record.done) if heir_of(entry, others) is None]
    return [operation.line(record.netns) for entry in mine for operation in entry.undo]
