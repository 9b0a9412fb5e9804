"""The RFC ledger: which requirement is shown by which test, and what breaks it. `scripts/rfc_ledger --help`."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator

from tests.ledger.page import page
from tests.ledger.rows import HERE, ROOT, LedgerError, Row, Table, tables

SAMPLE = 30


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/rfc_ledger",
        description="Every requirement of the RFCs: the test that shows it, and a mutation of one line of the code "
        "under which that test fails; or why it does not hold. Without options: prints it.",
    )
    parser.add_argument("only", nargs="*", metavar="RFC|ID", help='print these alone: 9293, "9293 MUST-12", MUST-12')
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run", nargs="+", metavar="RFC|ID", help="try the mutations of these: each test must fail")
    which.add_argument("--all", action="store_true", help="try every mutation")
    which.add_argument("--sample", type=int, nargs="?", const=SAMPLE, metavar="N", help=f"try N of them ({SAMPLE})")
    parser.add_argument("--seed", type=int, metavar="S", help="which N; left out: drawn by the commit's hash")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="at a time")
    parser.add_argument("--counts", action="store_true", help="print the counts alone")
    parser.add_argument("--page", action="store_true", help="print docs/rfc-ledger.md")
    return parser


def seed_of_commit() -> int:
    """By the hash of the commit; where there is no git, by what the ledger says."""
    try:
        told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        return int(told.stdout.strip(), 16) & 0xFFFFFFFF
    except (OSError, subprocess.CalledProcessError, ValueError):
        return zlib.crc32(b"".join(path.read_bytes() for path in sorted(HERE.glob("rfc*.toml"))))


def matches(row: Row, words: list[str]) -> bool:
    return any(word in (row.rfc, row.id, row.name) or row.name.startswith(word + "-") for word in words)


def report(table: Table, rows: list[Row]) -> None:
    counts = Counter(row.status for row in table.rows)
    told = ", ".join(f"{counts[status]} {status}" for status in ("held", "deviates", "n/a") if counts[status])
    print(f"\n{table.rfc}  {table.title}: {told}")
    for row in rows:
        print(f"  {row.id:<14} {row.level:<11} {row.status:<8}  {row.clause}")
        for line in details(row):
            print(f"{'':<38}{line}")


def details(row: Row) -> Iterator[str]:
    if row.mutation is not None:
        yield f"{row.test}"
        yield f"{row.mutation.file}: `{row.mutation.line}` -> `{row.mutation.becomes}`"
    if row.reason:
        yield row.reason


def attempt(rows: list[Row], jobs: int) -> int:
    """Try their mutations. How many rows show nothing."""
    from tests.ledger.trial import try_all, unchanged

    rows = [row for row in rows if row.mutation is not None]
    verdict = unchanged(rows)
    print(f"{len(rows)} rows; their tests without mutation: {verdict.words} ({verdict.seconds:.1f} s)")
    failures = [] if verdict.ok else ["their tests"]
    for row, verdict in try_all(rows, jobs):
        print(f"{row.name:<18} {verdict.seconds:5.2f} s  {verdict.words}")
        if not verdict.ok:
            failures.append(row.name)
            print(*(f"    {line}" for line in details(row)), sep="\n")
    print(f"{len(rows)} mutations; those that show nothing: {', '.join(failures) or 'none'}")
    return len(failures)


def main(argv: list[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    try:
        found = tables()
    except LedgerError as mistake:
        print(mistake, file=sys.stderr)
        return 2
    rows = [row for table in found for row in table.rows]
    if options.run or options.all or options.sample is not None:
        if options.run:
            rows = [row for row in rows if matches(row, options.run)]
        elif options.sample is not None:
            seed = seed_of_commit() if options.seed is None else options.seed
            held = [row for row in rows if row.mutation is not None]
            rows = random.Random(seed).sample(held, min(options.sample, len(held)))
            print(f"drawn with --sample {options.sample} --seed {seed}")
        if not rows:
            print("the ledger has no such row", file=sys.stderr)
            return 2
        return 1 if attempt(rows, options.jobs) else 0
    if options.page:
        print(page(found), end="")
        return 0
    for table in found:
        chosen = [row for row in table.rows if not options.only or matches(row, options.only)]
        if chosen:
            report(table, [] if options.counts else chosen)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
