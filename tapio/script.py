"""What is to happen to which frame, said in words: `drop("3rd SYN")`, `late("2nd out data", 0.05)`.

A script is any callable (direction, frame, index) -> verdict, `index` counting the frames of that direction from 1; a
`Rule` is one written as text: [in|out] [every] [Nth | first N] FRAMES. Without a number it holds for all; both
directions are counted unless one is named. FRAMES are one of `filter`'s kinds, or any filter: `drop("2nd tcp")`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import attrs

from netif.link import Buffer
from netif.wire.ethernet import HEADER_LENGTH
from tapio.amounts import seconds as parse_seconds
from tapio.filter import KINDS, Filter, filter_of, look


class Fate(enum.Enum):
    """What a script may decide; loss does not come into it then."""

    DROP = "drop"
    PASS = "pass"
    DUPLICATE = "duplicate"


DROP, PASS, DUPLICATE = Fate.DROP, Fate.PASS, Fate.DUPLICATE

Direction: TypeAlias = Literal["in", "out"]
Verdict: TypeAlias = Fate | float | bytes | None
"""None: nothing said, loss and delay apply; a number: that many seconds later than its time; bytes: these instead."""
Script: TypeAlias = Callable[[Direction, bytes, int], Verdict]

_RULE = re.compile(
    r"(?:(in|out)\s+)?(every\s+)?(?:(\d+)(?:st|nd|rd|th)\s+)?(?:(in|out)\s+)?(?:first\s+(\d+)\s+)?(.+)", re.IGNORECASE
)


def kinds_of(frame: Buffer) -> tuple[str, ...]:
    """Which of KINDS a frame is."""
    return look(frame).kinds


@attrs.frozen
class Rule:
    """A verdict and the frames it is for. What has been counted belongs to the wire, not to the rule."""

    verdict: Fate | float
    frames: Filter
    direction: str | None = None
    every: bool = False
    nth: int = 0  # 0: all
    first: int = 0  # so many, and no more; 0: all

    def begin(self, link: int = HEADER_LENGTH) -> Script:
        """The rule as a script that has seen nothing yet, for frames with so many bytes in front of IP."""
        seen = 0

        def script(direction: Direction, frame: bytes, index: int) -> Verdict:
            nonlocal seen
            if self.direction not in (None, direction) or not self.frames.holds(look(frame, link)):
                return None
            seen += 1
            if self.nth and (seen % self.nth if self.every else seen != self.nth):
                return None
            if self.first and seen > self.first:
                return None
            return self.verdict

        return script


def rule(verdict: Fate | float, text: str) -> Rule:
    """The rule that `text` describes."""
    match = _RULE.fullmatch(text.strip())
    why = ""
    try:
        frames = filter_of(match[6]) if match else None
    except ValueError as error:
        frames, why = None, f"{error}; "
    if match is None or frames is None or _contradicts(match):
        raise ValueError(
            f"{text!r} names no frames: {why}write [in|out] [every] [Nth] KIND, as in '3rd SYN', 'first 3 SYN' or 'out"
            f" every 2nd data'; KIND is one of {' '.join(KINDS)}, or a filter such as 'tcp port 80'"
        )
    direction = match[1] or match[4]
    nth, first = int(match[3] or 0), int(match[5] or 0)
    return Rule(verdict, frames, direction.lower() if direction else None, bool(match[2]), nth, first)


def _contradicts(match: re.Match[str]) -> bool:
    """Two directions, `every` without a number, two numbers, or a zeroth frame."""
    before, every, nth, behind, first, _ = match.groups()
    numbers = [int(number) for number in (nth, first) if number]
    return bool((before and behind) or (every and not nth) or len(numbers) > 1 or 0 in numbers)


def drop(text: str) -> Rule:
    """These frames are lost."""
    return rule(DROP, text)


def duplicate(text: str) -> Rule:
    """These frames come twice."""
    return rule(DUPLICATE, text)


def late(text: str, seconds: float) -> Rule:
    """These frames come later than their time, so that those behind overtake them."""
    return rule(float(seconds), text)


FATES: dict[str, Fate] = {fate.value: fate for fate in Fate}
_TOLD = re.compile(r"(?:(drop|pass|duplicate)|late\s+(\S+))\s+(.+)", re.IGNORECASE)


def script_from_data(data: Any) -> list[Rule]:
    """The rules in plain values, as JSON and TOML have them: "drop 3rd SYN", "late 50ms 2nd out data", or
    {"drop": "3rd SYN"}, {"late": "2nd out data", "by": "50ms"}; one of them or a list. ValueError names the entry."""
    entries = data if isinstance(data, list) else [data]
    return [_entry(number, one) for number, one in enumerate(entries, 1)]


def _entry(number: int, entry: Any) -> Rule:
    try:
        if isinstance(entry, str):
            return _from_text(entry)
        if isinstance(entry, Mapping):
            return _from_mapping(dict(entry))
    except ValueError as error:
        raise ValueError(f"script: entry {number}: {error}") from None
    raise ValueError(f"script: entry {number}: {entry!r} is no rule: write 'drop 3rd SYN' or {{'drop': '3rd SYN'}}")


def _from_text(text: str) -> Rule:
    match = _TOLD.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no rule: write drop, pass, duplicate or late TIME before the frames")
    fate, by, frames = match.groups()
    return rule(FATES[fate.lower()] if fate else parse_seconds("late", by), frames)


def _from_mapping(entry: dict[Any, Any]) -> Rule:
    by = entry.pop("by", None)
    if len(entry) != 1:
        raise ValueError(f"{entry!r} is no rule: one of drop, pass, duplicate or late is its key, and frames its value")
    ((word, frames),) = entry.items()
    if not isinstance(frames, str) or word not in (*FATES, "late") or (by is None) is (word == "late"):
        raise ValueError(f"{entry!r} is no rule: write {{'drop': '3rd SYN'}} or {{'late': '2nd data', 'by': '50ms'}}")
    return rule(parse_seconds("by", by) if word == "late" else FATES[word], frames)
