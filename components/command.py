"""How a command meets a person: one line for a mistake, an exit status that says what happened, no traceback.

Knows exit statuses (0 done, 1 in vain, 2 asked wrongly, 130 Ctrl-C, 143 SIGTERM); knows nothing of wires or stacks,
nor of arguments (`parser`). SIGTERM takes Ctrl-C's way, so that both end what is open in order.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType


class Complaint(Exception):  # noqa: N818 - a person's, not a program's
    """Something for the person to mend: one line, exit status 2."""

    status = 2


class GaveUp(Complaint):
    """The wait was in vain: one line, exit status 1."""

    status = 1


def one_line(text: object) -> str:
    """Without what would move a terminal's cursor, or could not be written there."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(str(text).split()))


def explain(error: BaseException) -> str:
    """An exception in a person's words: `strerror` of an OSError that carries nothing better."""
    if type(error) is OSError and error.strerror:
        return one_line(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror)
    return one_line(error) or type(error).__name__


def program(script: str = "netif", module: str = "netif") -> str:
    """How this person may start `script` here: by its name where a shell would find it, else by module."""
    import shutil  # with its archives' formats; a sentence of help is the only one to want it

    beside = os.path.join(os.path.dirname(sys.executable), script)
    if shutil.which(script) == beside:
        return script
    here = os.path.relpath(sys.executable)
    python = here if not here.startswith(os.pardir) else sys.executable
    return f"{python} -m {module}"


def run(body: Callable[[], int], *, prefix: str = "netif") -> int:
    """Run a command's body; the answer is the exit status."""
    terminated = False

    def terminate(_number: int, _frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt  # the runtime puts a handler off until the machine is whole, and so the exception

    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, terminate) if in_main else None
    try:
        status = body()
        sys.stdout.flush()
        return status
    except Complaint as complaint:
        print(f"{prefix}: {one_line(complaint)}", file=sys.stderr)
        return complaint.status
    except KeyboardInterrupt:
        return 143 if terminated else 130
    except BrokenPipeError as error:
        if error.filename is None and _stdout_is_gone():
            return 141  # as SIGPIPE would have it: `netif ... | head`
        print(f"{prefix}: {explain(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{prefix}: {explain(error)}", file=sys.stderr)
        return 1
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


def interrupt() -> None:
    """End the command that runs in the main thread, as SIGTERM would; from any thread. Nothing where none runs."""
    if callable(signal.getsignal(signal.SIGTERM)):
        main = threading.main_thread().ident
        assert main is not None
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(main, signal.SIGTERM)  # to that thread: only its own signals end what it sleeps in
        else:
            os.kill(os.getpid(), signal.SIGTERM)


def _stdout_is_gone() -> bool:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        return True
    return False
