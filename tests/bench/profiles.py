"""One profile of all threads: on Python 3.11 a cProfile belongs to a thread; each has its own, added up at the end."""

from __future__ import annotations

import cProfile
import pstats
import threading
from typing import Any


class Profiles:
    """Of this thread and of each that starts from now on."""

    def __init__(self) -> None:
        self._all: list[cProfile.Profile] = []
        threading.setprofile(self._begin)
        self._begin()

    def _begin(self, *_event: Any) -> None:
        profile = cProfile.Profile()
        self._all.append(profile)
        profile.enable()

    def write(self, path: str) -> None:
        threading.setprofile(None)  # type: ignore[arg-type]
        self._all[0].disable()
        total = pstats.Stats(*self._all[:1])
        for profile in self._all[1:]:
            try:
                total.add(profile)
            except TypeError:
                continue  # a thread that never ran a function
        total.dump_stats(path)
