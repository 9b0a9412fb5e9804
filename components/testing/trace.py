"""Claims about a conversation: `expect` these frames in this order, `never` that one, so many (`count`).

What is claimed is said in `patterns`; what was said is a `Record`. A claim that does not hold is an AssertionError
that shows what came instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from components.testing.patterns import Pattern, pattern
from netif.runtime import Deadlock
from tapio.amounts import Amount, duration

if TYPE_CHECKING:
    from components.testing.record import Record, Seen

    Since: TypeAlias = "Seen | float | None"  # behind this frame, or from this time on; None: from the beginning

SHOWN = 20  # frames at most


class Trace:
    """The frames of a Lan, oldest first. `run_until` lets it go on while something is waited for."""

    def __init__(
        self, record: Record, hosts: Callable[[], Sequence[str]], run_until: Callable[[Callable[[], bool], float], None]
    ) -> None:
        self._record = record
        self._hosts = hosts
        self._run_until = run_until

    def __iter__(self) -> Iterator[Seen]:
        return iter(self._record)

    def __len__(self) -> int:
        return len(self._record)

    def expect(self, *patterns: str, within: Amount | None = None, after: Since = None) -> list[Seen]:
        """The first frames that fit these, in this order; others may lie between. `within`: at most so many seconds,
        or "20ms", pass from the first to the last of them; and what has not come yet is waited for so long, where the
        test is what runs the Lan. AssertionError: they did not come. ValueError, TypeError: these are no patterns."""
        __tracebackhide__ = True
        wanted = self._read(patterns)
        most = None if within is None else duration("within", within)
        found = self._find(wanted, most, after)
        if found is None and most is not None:
            found = self._wait(wanted, most, after)
        if found is None:
            raise AssertionError(self._missed(wanted, most, after))
        return found

    def never(self, *patterns: str, after: Since = None) -> None:
        """No frame fits any of these. AssertionError: one does, or so much came that not all is remembered."""
        __tracebackhide__ = True
        wanted = self._read(patterns)
        self._check_whole()
        frames = self._since(after)
        for at, seen in enumerate(frames):
            for one in wanted:
                if one.fits(seen):
                    before = _lines(frames[max(0, at - SHOWN) : at])
                    raise AssertionError(f"never {one.text!r}, but it came:\n  {seen}\nbehind:\n{before}")

    def count(self, what: str, *, after: Since = None) -> int:
        """How many frames fit."""
        (wanted,) = self._read((what,))
        self._check_whole()
        return sum(wanted.fits(seen) for seen in self._since(after))

    def tail(self, count: int = SHOWN) -> str:
        """The last frames, a line each."""
        return _lines(list(self)[-count:])

    # how it looks

    def _read(self, patterns: Sequence[str]) -> list[Pattern]:
        if not patterns:
            raise ValueError("which frames? Write them as in 'client > S'")
        return [pattern(text, self._hosts) for text in patterns]

    def _check_whole(self) -> None:
        forgotten = self._record.forgotten
        assert not forgotten, f"the first {forgotten} frames are forgotten: look earlier, or make fewer"

    def _since(self, after: Since) -> list[Seen]:
        frames = list(self)
        if after is None:
            return frames
        if isinstance(after, (int, float)):
            return [seen for seen in frames if seen.time >= after]
        return frames[next((at for at, seen in enumerate(frames, 1) if seen is after), 0) :]

    def _find(self, wanted: list[Pattern], within: float | None, after: Since) -> list[Seen] | None:
        frames, most = self._since(after), inf if within is None else within
        for at, seen in enumerate(frames):
            if wanted[0].fits(seen):
                found = follow(wanted, frames[at:])
                if len(found) < len(wanted):
                    return None  # behind a later first one there is no more
                if found[-1].time - seen.time <= most:
                    return found
        return None

    def _wait(self, wanted: list[Pattern], within: float, after: Since) -> list[Seen] | None:
        looked, found = len(self), None

        def came() -> bool:
            nonlocal looked, found
            if self._record.count == looked:
                return False
            looked, found = self._record.count, self._find(wanted, within, after)
            return found is not None

        try:
            self._run_until(came, within)
        except (TimeoutError, Deadlock):
            return None
        return found

    def _missed(self, wanted: list[Pattern], within: float | None, after: Since) -> str:
        frames = self._since(after)
        found = follow(wanted, frames)
        limit = "" if within is None else f" within {within:g} s"
        if len(found) == len(wanted):
            took = found[-1].time - found[0].time
            return f"these came, but in {took:.6f} s, not{limit}:\n{_lines(found)}"
        last = frames.index(found[-1]) + 1 if found else 0
        behind = f" behind {found[-1].text.partition(' <')[0]!r}" if found else ""
        rest = frames[last:]
        instead = _lines(rest[:SHOWN]) + (f"\n  and {len(rest) - SHOWN} more" if len(rest) > SHOWN else "")
        done = f"\nuntil then:\n{_lines(found)}" if found else ""
        return f"{wanted[len(found)].text!r} did not come{behind}{limit}{done}\nwhat came instead:\n{instead}"

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} frames>"


def follow(wanted: Sequence[Pattern], frames: Sequence[Any]) -> list[Seen]:
    """The first frames that fit, one after another, as far as they go."""
    found: list[Seen] = []
    for seen in frames:
        if len(found) < len(wanted) and wanted[len(found)].fits(seen):
            found.append(seen)
    return found


def _lines(frames: Sequence[Seen]) -> str:
    return "\n".join(f"  {seen}" for seen in frames) or "  nothing"
