"""Other processes: a forked child, and the same program under several hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable


def in_a_child(check: Callable[[], object]) -> None:
    """Run `check` in a forked child; its exception is the test's."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            check()
            os.write(writing, b"fine")
        except BaseException as error:
            os.write(writing, repr(error).encode()[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    assert said == "fine"


def said_under_any_hash_seed(program: str) -> str:
    """What `program` prints, which is the same whatever the hash seed."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
    return outputs.pop()
