"""What a check finds: how bad, what, why, and the one command that mends it."""

from __future__ import annotations

from enum import Enum

import attrs


class Severity(Enum):
    FAULT = "fault"  # the wire cannot be opened, or carries nothing
    WARNING = "warning"  # somebody will not be reached
    HINT = "hint"  # nothing is wrong, but it is worth knowing


@attrs.frozen
class Finding:
    """One line for a person: `what` is so, `why` that matters, and `command` mends it, run by an administrator."""

    severity: Severity
    what: str
    why: str
    command: str

    def line(self) -> str:
        return f"{self.severity.value}: {self.what}: {self.why}. Mend: {self.command}"


def fault(what: str, why: str, command: str) -> Finding:
    return Finding(Severity.FAULT, what, why, command)


def warning(what: str, why: str, command: str) -> Finding:
    return Finding(Severity.WARNING, what, why, command)


def hint(what: str, why: str, command: str) -> Finding:
    return Finding(Severity.HINT, what, why, command)
