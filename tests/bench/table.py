"""Samples as Markdown, aligned so that a terminal can show it too, and a document's section replaced."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench.rows import ITSELF, Row, Samples
from tests.bench.systems import BARE, KERNEL, OURS, Sample

BEGIN, END = "<!-- begin: python -m tests.bench -->", "<!-- end: python -m tests.bench -->"
COLUMNS = (KERNEL, OURS, BARE)

Results = dict[str, tuple[Row, Samples]]


def speeds(results: Results) -> list[str]:
    """What each row reached, and of what that is how much."""
    lines = [["", "kernel (veth)", "ours", "bare", "ours/kernel", "ours/bare", "held against", "is", "must", "goal",
              "met"]]  # fmt: skip
    for row, samples in results.values():
        value = {name: median(row.value, found) for name, found in samples.items()}
        kernel, ours, bare = (value.get(name) for name in COLUMNS)
        against, reached = standing(row, results)
        shown = figure(reached) if against == ITSELF else ratio(reached, 1.0)
        lines.append([
            row.title, figure(kernel), figure(ours), figure(bare), ratio(ours, kernel), ratio(ours, bare),
            against, shown, f"{row.must:,g}", f"{row.goal:,g}", met(reached, row.must, row.goal, row.less),
        ])  # fmt: skip
    return table(lines)


def standing(row: Row, results: Results) -> tuple[str, float | None]:
    """Against what our figure is held, in words, and how much of that it is."""
    ours = median(row.value, results[row.name][1].get(OURS, []))
    if row.against == ITSELF:
        return ITSELF, ours
    if row.against in COLUMNS:
        other, words = median(row.value, results[row.name][1].get(row.against, [])), row.against
    elif row.against in results:
        of, samples = results[row.against]
        other, words = median(of.value, samples.get(OURS, [])), "ours, one"
    else:
        other, words = None, "ours, one"
    return words, ours / other if ours is not None and other else None


def processor(results: Results) -> list[str]:
    """The server's CPU time: user and system."""
    lines = [["CPU time of the server, us", "for a", "kernel", "ours", "bare", "above bare", "must", "goal", "met",
              "ours, s/GB"]]  # fmt: skip
    for row, samples in results.values():
        cpu = {name: median(lambda s: s.server_cpu * 1e6 / row.units(s), found) for name, found in samples.items()}  # noqa: B023
        kernel, ours, bare = (cpu.get(name) for name in COLUMNS)
        above = ours - bare if ours is not None and bare is not None else None
        must, goal = (row.above, row.above / 2) if row.above else (None, None)
        lines.append([
            without_unit(row.title), row.unit, figure(kernel), figure(ours), figure(bare), figure(above),
            "" if must is None else f"{must:g}", "" if goal is None else f"{goal:g}",
            "" if must is None or goal is None else met(above, must, goal, less=True),
            figure(ours / 65536 * 1000) if ours is not None and row.unit == "64 KiB" else "",
        ])  # fmt: skip
    return table(lines)


def latencies(results: Results) -> list[str]:
    shown = [(row, samples) for row, samples in results.values() if row.latency]
    if not shown:
        return []
    lines = [["latency, us", *(f"{part} {name}" for part in ("p50", "p99") for name in COLUMNS)]]
    for row, samples in shown:
        cells = [without_unit(row.title)]
        for of in (lambda s: s.p50 * 1e6, lambda s: s.p99 * 1e6):
            cells += [figure(median(of, samples.get(name, []))) for name in COLUMNS]
        lines.append(cells)
    return table(lines)


def notes(results: Results) -> list[str]:
    """What does not fit a column."""
    lines = []
    for name in (name for name in ("udp-in", "udp-out") if name in results):
        row, samples = results[name]
        tell = datagrams_in if name == "udp-in" else datagrams_out
        lines += [f"{row.title}: {column}: {tell(found)}" for column, found in samples.items() if found]
    if "from-kernel" in results:
        most = ((column, max(s.unacknowledged for s in found)) for column, found in results["from-kernel"][1].items())
        told = ", ".join(f"{column} {number / 1e6:.1f} MB" for column, number in most)
        lines.append(f"largest number of bytes left unacknowledged, by the client's TCP_INFO in bulk: {told}")
    return lines


def datagrams_in(samples: list[Sample]) -> str:
    offered = median(lambda s: s.offered / s.seconds, samples)
    delivered = median(lambda s: s.times / s.seconds, samples)
    dropped = median(lambda s: (s.offered - s.times) / s.seconds, samples)
    counted = median(lambda s: 100 * s.counted / max(1, s.offered - s.times), samples)
    told = f"{figure(offered)} offered, {figure(delivered)} delivered, {figure(dropped)} dropped"
    return f"{told}, {counted:.0f} % of them counted" if dropped else told


def datagrams_out(samples: list[Sample]) -> str:
    sent = median(lambda s: s.offered / s.seconds, samples)
    return f"{figure(sent)} sent, {figure(median(lambda s: s.times / s.seconds, samples))} arrived"


def median(of: Callable[[Sample], float], samples: list[Sample]) -> float | None:
    return statistics.median(map(of, samples)) if samples else None


def met(value: float | None, must: float, goal: float, less: bool = False) -> str:
    if value is None:
        return "-"
    if less:
        value, must, goal = -value, -must, -goal
    return "goal" if value >= goal else "yes" if value >= must else "no"


def without_unit(title: str) -> str:
    return title.removesuffix(", MB/s").removesuffix(", /s").removesuffix(", us")


def figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def ratio(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f}" if one is not None and other else "-"


def table(lines: list[list[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = "|" + "|".join("-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)) + "|"
    text = [aligned(line, widths) for line in lines]
    return [text[0], rule, *text[1:]]


def aligned(line: Iterable[str], widths: list[int]) -> str:
    first, *others = zip(line, widths, strict=True)
    return " | ".join(["| " + first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"


def write(path: Path, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Put `text` between the document's markers; at its end, where it has none."""
    section = f"{begin}\n{text}\n{end}"
    old = path.read_text() if path.exists() else f"# Performance\n\n{begin}\n{end}\n"
    before, found, rest = old.partition(begin)
    if not found:
        path.write_text(f"{old.rstrip()}\n\n{section}\n")
        return
    path.write_text(before + section + rest.partition(end)[2])
