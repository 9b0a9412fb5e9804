"""What was done to this machine, on disk: one JSON record for each recipe and name, replaced whole before each step.

Knows when a record counts: of this start of the machine, of this namespace, written by who now reads it (it tells root
what to run), and understood. Anything else is a Complaint of one line. Records lie in /run/netif, else in
$XDG_RUNTIME_DIR/netif, else where --state says.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

from components.command import Complaint
from components.host.kernel import Host, boot
from components.host.operations import Operation, decode, encode
from tapio.ioctls import LOCK_EX, flock

RUN = Path("/run/netif")


@attrs.frozen
class Entry:
    """A step as it was done: its line, and what takes it back."""

    line: str
    undo: tuple[Operation, ...] = ()
    at: float = 0.0  # seconds of the machine's monotonic clock


@attrs.define
class Record:
    """One recipe's; without a path it lives as long as the command."""

    recipe: str
    name: str
    netns: str | None = None
    words: list[str] = attrs.field(factory=list)  # it was asked for so
    boot: str = ""
    namespace: str = ""
    needs: list[str] = attrs.field(factory=list)  # lines, whoever did them
    done: list[Entry] = attrs.field(factory=list)
    path: Path | None = None

    @property
    def title(self) -> str:
        return f"{self.recipe} {self.name}"

    @property
    def remedy(self) -> str:
        """The command that undoes it."""
        where = ["--netns", self.netns] if self.netns else []
        return shlex.join(["netif", "host", self.recipe, self.name, *where, "--down"])

    def add(self, entry: Entry) -> bool:
        """False: it was done before, and what was found then is what counts."""
        fresh = all(entry.line != other.line for other in self.done)
        if fresh:
            self.done.append(entry)
        try:
            self.save()
        except BaseException:
            if fresh:
                self.done.pop()
            raise
        return fresh

    def inherit(self, entry: Entry) -> None:
        """What another record did, and this one still needs; undone when its turn comes."""
        self.done = sorted([*self.done, entry], key=lambda one: one.at)
        self.save()

    def drop(self, entry: Entry) -> None:
        """It is undone; a disk that is full does not matter: undoing it again would do nothing."""
        self.done = [other for other in self.done if other is not entry]
        with suppress(Complaint):
            self.save() if self.done else self.discard()

    def discard(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def save(self) -> None:
        if self.path is None:
            return
        plain: dict[str, Any] = attrs.asdict(self, filter=attrs.filters.exclude("path", "done"))
        plain["done"] = [
            {"line": entry.line, "undo": [encode(one) for one in entry.undo], "at": entry.at} for entry in self.done
        ]
        beside = self.path.with_suffix(".part")
        try:
            beside.write_text(json.dumps(plain, indent=1) + "\n")
            beside.replace(self.path)
        except OSError as error:
            raise Complaint(f"cannot write the record {self.path}: {error.strerror} (--state DIR: elsewhere)") from None


@attrs.frozen
class Records:
    """A directory of them."""

    directory: Path

    def path(self, recipe: str, name: str, netns: str | None) -> Path:
        return self.directory / f"{recipe}-{name}{f'@{netns}' if netns else ''}.json"

    def find(self, host: Host, recipe: str, name: str) -> Record | None:
        """The record that counts here; None: there is none, or it went with an earlier start of the machine."""
        path = self.path(recipe, name, host.netns)
        record = load(path)
        if record is None:
            return None
        if record.boot != boot():
            with suppress(OSError):  # who only asks may not
                path.unlink()  # devices, rules and sysctls are gone, the record with them
            return None
        if record.namespace != host.identity():
            raise Complaint(f"{path} tells of another network namespace: undo it there, or rm {path} if that is gone")
        return record

    def begin(self, host: Host, recipe: str, name: str) -> Record:
        """The record that counts here, or an empty one that is not on the disk yet."""
        found = self.find(host, recipe, name)
        where = self.path(recipe, name, host.netns)
        return found or Record(recipe, name, host.netns, boot=boot(), namespace=host.identity(), path=where)

    def all(self, damaged: Callable[[Complaint], None] = lambda _complaint: None) -> list[Record]:
        """Of this start of the machine, of any namespace; `damaged` is told of those that nobody should follow."""
        found = []
        for path in sorted(self.directory.glob("*.json")) if self.directory.is_dir() else ():
            try:
                record = load(path)
            except Complaint as complaint:
                damaged(complaint)
            else:
                found += [record] if record is not None and record.boot == boot() else []
        return found

    def others(self, record: Record) -> list[Record]:
        """The records of the same namespace."""
        return [one for one in self.all() if one.path != record.path and one.namespace == record.namespace]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone in the directory, which is made; a second command waits."""
        try:
            self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            problem = f"cannot keep records in {self.directory}: {error.strerror}"
            raise Complaint(f"{problem} (--state DIR: elsewhere)") from None
        try:
            flock(descriptor, LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def load(path: Path) -> Record | None:
    """None: not there. A Complaint about one that nobody should follow."""
    try:
        with path.open() as file:  # of one and the same file
            owner, text = os.fstat(file.fileno()).st_uid, file.read()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Complaint(f"cannot read the record {path}: {getattr(error, 'strerror', None) or error}") from None
    if os.geteuid() == 0 and owner != 0:
        raise Complaint(f"the record {path} is not root's: root will not follow it (rm {path})")
    try:
        plain = json.loads(text)
        entries = [
            Entry(one["line"], tuple(decode(each) for each in one["undo"]), float(one["at"]))
            for one in plain.pop("done")
        ]
        return Record(**plain, done=entries, path=path)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Complaint(f"the record {path} is damaged: undo by hand what `netif host` did, and rm {path}") from None


def usual_directory() -> Path:
    """Where this user's records go."""
    if os.access(RUN if RUN.exists() else RUN.parent, os.W_OK):
        return RUN
    own = os.environ.get("XDG_RUNTIME_DIR")
    return Path(own, "netif") if own else RUN
