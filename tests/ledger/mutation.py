"""One line of a source file, found by its text, and the file with that line changed. Nothing is written anywhere."""

from __future__ import annotations

import ast
import re
from functools import cache
from types import CodeType

from tests.ledger.rows import ROOT, LedgerError, Mutation, Row

ROOMS = ("netif/", "tapio/", "stack/", "components/")


@cache
def _source(file: str) -> str:
    path = ROOT / file
    if not file.startswith(ROOMS) or not path.is_file():
        raise LedgerError(f"there is no {file}: name the file in which that line stands now")
    return path.read_text()


def _bare(line: str) -> str:
    """Without indentation and the comment at its end, which may change freely."""
    return re.sub(r"  # .*", "", line).strip()


@cache
def _spans(file: str) -> dict[str, tuple[int, int]]:
    """Where each function and class begins and ends, by its qualified name."""
    spans: dict[str, tuple[int, int]] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                spans[name] = child.lineno, child.end_lineno or child.lineno
                visit(child, f"{name}.")
            else:
                visit(child, prefix)

    visit(ast.parse(_source(file)), "")
    return spans


def _bounds(mutation: Mutation, count: int) -> tuple[int, int]:
    if mutation.within is None:
        return 1, count
    span = _spans(mutation.file).get(mutation.within)
    if span is None:
        raise LedgerError(f"{mutation.file} has no {mutation.within}: say in which function the line stands now")
    return span


def mutated(mutation: Mutation) -> str:
    """The file's text with that one line changed. LedgerError: the line is not there, or more than once."""
    lines = _source(mutation.file).split("\n")
    first, last = _bounds(mutation, len(lines))
    wanted = mutation.line.strip()
    found = [at for at in range(first - 1, last) if _bare(lines[at]) == wanted]
    where = mutation.file + (f", {mutation.within}" if mutation.within else "")
    if not found:
        raise LedgerError(f"{where} has no line `{wanted}`: write the line that now does what the clause asks for")
    if len(found) > 1:
        raise LedgerError(f"{where} has the line `{wanted}` {len(found)} times: name its function with `within`")
    if mutation.becomes.strip() == wanted or "\n" in mutation.becomes:
        raise LedgerError(f"{where}: `{wanted}` must become another single line")
    at = found[0]
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    lines[at] = indent + mutation.becomes.strip()
    return "\n".join(lines)


def compiled(row: Row) -> CodeType:
    """The mutated module. LedgerError: it cannot be had."""
    mutation = row.mutation
    assert mutation is not None
    try:
        return compile(mutated(mutation), str(ROOT / mutation.file), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise LedgerError(f"{row.name}: `{mutation.becomes}` is no Python in its place: {error.msg}") from None
    except LedgerError as mistake:
        raise LedgerError(f"{row.name}: {mistake}") from None


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
