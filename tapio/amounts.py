"""How a person writes an amount: "5%", "20ms", "10Mbit", "64KiB". One line says what is wrong with anything else.

Decimal prefixes are powers of 1000 and binary ones (Ki, Mi) of 1024; a bare number has the unit that its rule names.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

import attrs

Amount: TypeAlias = float | str

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}
_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "ki": 1024.0, "mi": 1024.0**2, "gi": 1024.0**3}
_NUMBER = r"\s*(\d+\.?\d*|\.\d+)\s*"
_TIME = re.compile(_NUMBER + r"(us|ms|s|)\s*")
_RATE = re.compile(_NUMBER + r"(?:(k|m|g|ki|mi|gi|)bit(?:/s)?)?\s*", re.IGNORECASE)
_DEPTH = re.compile(r"\s*(\d+\.?\d*)\s*(?:(k|m|g|ki|mi|gi|)(B)|frames?|packets?|p|)\s*", re.IGNORECASE)


@attrs.frozen
class Chance:
    """How likely something is for each frame; with `correlation`, the last frame's outcome is this one's so often."""

    p: float = 0.0
    correlation: float = 0.0

    def __bool__(self) -> bool:
        return self.p > 0


@attrs.frozen
class Depth:
    """So many frames or so many bytes; the other is None."""

    frames: int | None = None
    bytes: int | None = None


@attrs.frozen
class Burst:
    """Gilbert and Elliott's two states: from good to bad with `p` a frame, back with `r`; the share lost in each."""

    p: float
    r: float
    bad: float = 1.0
    good: float = 0.0


def fraction(name: str, amount: object) -> float:
    """0.05 of 0.05 or "5%"."""
    value = -1.0
    try:
        if isinstance(amount, str) and amount.strip().endswith("%"):
            value = float(amount.strip()[:-1]) / 100
        elif isinstance(amount, (str, int, float)):
            value = float(amount)
    except ValueError:
        pass
    if 0 <= value <= 1:
        return value
    raise ValueError(f"{name}: {amount!r} is not from 0 to 1: write 0.05 or '5%', or a pair (out, in)")


def chance(name: str, amount: object) -> Chance:
    """0.05, "5%", or "5% 25%" with a correlation."""
    if isinstance(amount, Chance):
        return amount
    words = amount.split() if isinstance(amount, str) else []
    if len(words) == 2:
        return Chance(fraction(name, words[0]), fraction(f"{name}'s correlation", words[1]))
    return Chance(fraction(name, amount))


@attrs.frozen
class Length:
    """So many frames a burst has on average; how many bursts there are follows from the loss."""

    frames: float

    def of(self, loss: Chance) -> Burst:
        """The burst loss by which the share `loss` is lost: p / (p + r) of all frames, 1 / r at a time."""
        r = 1 / self.frames
        p = r * loss.p / (1 - loss.p) if loss.p < 1 else 2.0
        if not 0 < p <= 1:
            most = self.frames / (self.frames + 1)
            raise ValueError(
                f"burst: in bursts of {self.frames:g} a loss can come that is more than 0 and at most {most:.0%}"
            )
        return Burst(p, r)


def burst(name: str, amount: object) -> Burst | Length | None:
    """None; "1% 30%", "1% 30% 90%", "1% 30% 90% 0.1%": p, r, lost in the bad state, lost in the good one; or 4, "4":
    how many frames a burst of the loss has on average."""
    if not amount:
        return None
    if isinstance(amount, (Burst, Length)):
        return amount
    words = str(amount).split() if isinstance(amount, (str, int, float)) else []
    if len(words) == 1 and re.fullmatch(_NUMBER, words[0]) and 1 <= float(words[0]) <= 1e6:
        return Length(float(words[0]))
    if not 2 <= len(words) <= 4:
        raise ValueError(
            f"{name}: {amount!r} is no burst loss: write 'p r [bad [good]]', such as '1% 30%', or a length"
        )
    return Burst(*(fraction(name, word) for word in words))


def _time(amount: object) -> float:
    """In seconds; -1: it is none."""
    if isinstance(amount, (int, float)):
        return float(amount)
    match = _TIME.fullmatch(amount) if isinstance(amount, str) else None
    return float(match[1]) * _SECONDS[match[2]] if match else -1.0


def seconds(name: str, amount: object) -> float:
    """0.02 of 0.02, "20ms", "20000us" or "0.02s"."""
    value = _time(amount)
    if 0 <= value <= 3600:
        return value
    raise ValueError(f"{name}: {amount!r} is not from 0 to an hour: write 0.02 or '20ms', or a pair (out, in)")


def duration(name: str, amount: object) -> float:
    """As `seconds`, however long."""
    value = _time(amount)
    if value >= 0:
        return value
    raise ValueError(f"{name}={amount!r} is no duration: write 0.02 or '20ms'")


def bits_per_second(name: str, amount: object) -> float:
    """1e7 of 1e7, "10Mbit" or "10 Mbit/s"; 0: as fast as the wire."""
    value = -1.0
    if isinstance(amount, (int, float)):
        value = float(amount)
    elif isinstance(amount, str) and (match := _RATE.fullmatch(amount)):
        value = float(match[1]) * _PREFIXES[(match[2] or "").lower()]
    if value == 0 or 1 <= value < math.inf:
        return value
    raise ValueError(f"{name}: {amount!r} is no rate in bits a second: write 1e7 or '10Mbit', or a pair (out, in)")


def depth(name: str, amount: object) -> Depth | None:
    """None; frames of 100, "100" or "100p"; bytes of "64KiB", "150kB" or "1500B"."""
    if amount is None or isinstance(amount, Depth):
        return amount
    text = str(amount) if isinstance(amount, (int, str)) and not isinstance(amount, bool) else ""
    match = _DEPTH.fullmatch(text)
    if match and match[3]:
        size = int(float(match[1]) * _PREFIXES[(match[2] or "").lower()])
        if size > 0:
            return Depth(bytes=size)
    elif match and match[1].isdigit() and int(match[1]) > 0:
        return Depth(frames=int(match[1]))
    raise ValueError(f"{name}: {amount!r} is no depth of a queue: write 100 for frames, '64KiB' for bytes, or a pair")
