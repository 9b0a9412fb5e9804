"""`netif host RECIPE`: what all recipes have in common, from the words to the exit status.

Knows the shared options, the record, sudo, and who says what. A recipe itself is its arguments and a plan: the steps
from what it finds. Root is asked for only when something is to be done.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from components.command import Complaint, run
from components.host.kernel import Host, Refused, code_of, kernel, reason
from components.host.privilege import again_under_sudo, may_administer
from components.host.state import Record, Records, usual_directory
from components.host.steps import Check, Say, Step, bring_up, lines_down, lines_up, take_down
from components.host.words import device_name
from components.parser import Parser

if TYPE_CHECKING:
    import argparse


@attrs.frozen(kw_only=True)
class Plan:
    """What a recipe wishes of a host."""

    steps: list[Step]
    warnings: list[str] = attrs.field(factory=list)  # a line each: what stands in the way, and the command against it
    hints: list[str] = attrs.field(factory=list)  # said when it is up: what to do with it
    check: Check | None = None  # when all is done


@attrs.frozen(kw_only=True)
class Recipe:
    name: str
    summary: str
    default: str  # NAME
    arguments: Callable[[Parser], None]
    plan: Callable[[Host, argparse.Namespace], Plan]


def parser(recipe: Recipe) -> Parser:
    parse = Parser(prog=f"netif host {recipe.name}", description=recipe.summary)
    parse.add_argument("name", nargs="?", default=recipe.default, metavar="NAME", help=f"({recipe.default})")
    recipe.arguments(parse)
    parse.add_argument("--netns", metavar="NS", help="do it in this network namespace")
    parse.add_argument("--state", metavar="DIR", help="keep the record of what was done here (/run/netif)")
    what = parse.add_mutually_exclusive_group()
    what.add_argument("--down", action="store_true", help="undo what was done, and nothing else")
    what.add_argument("--status", action="store_true", help="tell what was done")
    parse.add_argument("--dry-run", action="store_true", help="only print the commands")
    return parse


def main(recipe: Recipe, argv: Sequence[str] | None = None) -> int:
    return run(lambda: perform(recipe, sys.argv[1:] if argv is None else argv))


def perform(recipe: Recipe, argv: Sequence[str], *, say: Say = print, fail_before: int | None = None) -> int:
    """Do what the words ask for; a Complaint, with nothing left behind, where that cannot be.

    `fail_before`: see `bring_up`.
    """
    options = parser(recipe).parse_args(argv)
    if sys.platform != "linux":
        raise Complaint("the host's recipes are Linux's: use unix:PATH or pair: here")
    device_name(options.name)
    options.words = list(argv)
    options.directory = Path(options.state).absolute() if options.state else usual_directory()
    records = Records(options.directory)
    if not options.dry_run and not options.status and not may_administer():
        return as_root(recipe, argv)
    try:
        with kernel(options.netns) as host:
            return asked(host, recipe, options, records, say, fail_before)
    except (Complaint, OSError):
        raise
    except Exception as error:  # of a look at what is there: steps explain their own
        if code_of(error) is None and not isinstance(error, Refused):
            raise
        raise Complaint(f"{options.name}: {reason(error)}") from error


def asked(
    host: Host, recipe: Recipe, options: argparse.Namespace, records: Records, say: Say, fail_before: int | None
) -> int:
    if options.status:
        return status(host, recipe, options.name, records, say)
    if options.dry_run:
        return dry_run(host, recipe, options, records, say)
    with records.locked():
        if options.down:
            return down(host, recipe, options.name, records, say)
        return up(host, recipe, options, records, say, fail_before)


def up(
    host: Host, recipe: Recipe, options: argparse.Namespace, records: Records, say: Say, fail_before: int | None
) -> int:
    record = records.begin(host, recipe.name, options.name)
    record.words = options.words
    plan = recipe.plan(host, options)
    for warning in plan.warnings:
        say(f"{options.name}: warning: {warning}")
    if not bring_up(host, plan.steps, record, say=say, check=plan.check, fail_before=fail_before):
        say(f"{options.name}: as asked, nothing to do")
    for hint in plan.hints:
        say(f"{options.name}: {hint}")
    return 0


def down(host: Host, recipe: Recipe, name: str, records: Records, say: Say) -> int:
    record = records.find(host, recipe.name, name)
    if record is None or not take_down(host, record, records.others(record), say=say):
        say(f"{name}: {recipe.name} has done nothing here, nothing to do")
    return 0


def dry_run(host: Host, recipe: Recipe, options: argparse.Namespace, records: Records, say: Say) -> int:
    if options.down:
        record = records.find(host, recipe.name, options.name)
        lines = lines_down(record, records.others(record)) if record is not None else []
    else:
        plan = recipe.plan(host, options)
        lines = lines_up(plan.steps, host.netns)
        if any(f"{options.directory}/" in line for line in lines) and not options.directory.is_dir():
            lines.insert(0, f"mkdir -p {shlex.quote(str(options.directory))}")
        lines = [*(f"# {warning}" for warning in plan.warnings), *lines]
    for line in lines or [f"# {options.name}: nothing to do"]:
        say(line)
    return 0


def status(host: Host, recipe: Recipe, name: str, records: Records, say: Say) -> int:
    record = records.find(host, recipe.name, name)
    for line in described(record) if record is not None else [f"{recipe.name} {name}: not up"]:
        say(line)
    return 0


def described(record: Record) -> list[str]:
    """What is up, and what was done for it."""
    where = f" in {record.netns}" if record.netns else ""
    done = [f"  {entry.line}" for entry in record.done] or ["  all was there before"]
    return [f"{record.title}: up{where} (netif host {shlex.join([record.recipe, *record.words])})", *done]


def as_root(recipe: Recipe, argv: Sequence[str]) -> int:
    words = ["host", recipe.name, *argv]
    sudo = shutil.which("sudo")
    if sudo is None or os.getuid() == 0:
        told = shlex.join(["netif", *words, "--dry-run"])
        raise Complaint(f"this takes an administrator, and there is no sudo; `{told}` tells what to ask one for")
    command = again_under_sudo(sudo, "netif", words)
    print(f"netif: needs root: {shlex.join(command)}", file=sys.stderr, flush=True)
    return os.execv(sudo, command)
