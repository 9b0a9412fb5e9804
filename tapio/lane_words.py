"""What befell one frame on an impaired wire, in words for a person, from the counts before and after it."""

from __future__ import annotations

from collections.abc import Mapping

from tapio.faults import Faults

_WORDS = {
    "dropped": "lost: by the script",
    "cut_off": "lost: the wire was down",
    "tail_dropped": "lost: the queue was full",
    "duplicated": "duplicated",
    "corrupted": "corrupted: one bit turned",
    "reordered": "went ahead of others",
    "marked": "marked: congestion experienced",
}


def explain(
    faults: Faults, before: Mapping[str, int], after: Mapping[str, int], frames: int, later: float
) -> tuple[str, ...]:
    """`frames` go on in its place, the first of them `later` seconds than it came."""
    found = []
    if after["lost"] != before["lost"]:
        rules = [f"{faults.loss.p * 100:g} % loss"] if faults.loss else []
        rules += ["in bursts"] if faults.burst is not None else []
        found.append(f"lost: {' and '.join(rules)}")
    found += [text for name, text in _WORDS.items() if after[name] != before[name]]
    if frames > 1 and "duplicated" not in found:
        found.append("duplicated by the script")
    if later > 0:
        found.append(f"delayed {later * 1000:.3f} ms")
    return tuple(found)
