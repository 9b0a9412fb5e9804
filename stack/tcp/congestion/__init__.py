"""How much may be in flight: the congestion controls, by name. What they are asked is in `control`."""

from __future__ import annotations

from collections.abc import Mapping

from stack.tcp.congestion.control import UNLIMITED, CongestionControl, Factory
from stack.tcp.congestion.cubic import Cubic
from stack.tcp.congestion.newreno import NewReno
from stack.tcp.congestion.window import Window

CONTROLS: Mapping[str, Factory] = {"cubic": Cubic, "newreno": NewReno, "reno": NewReno}


def control(choice: str | Factory) -> Factory:
    """What makes the control of that name, or what was given in place of a name."""
    return CONTROLS[choice] if isinstance(choice, str) else choice


def follow(old: CongestionControl, choice: str | Factory, initial_window: int) -> CongestionControl:
    """Another control for a connection that is under way; it begins with the windows that are."""
    made = control(choice)(old.mss, initial_window)
    made.cwnd, made.ssthresh = old.cwnd, old.ssthresh
    return made


__all__ = ["CONTROLS", "UNLIMITED", "CongestionControl", "Cubic", "Factory", "NewReno", "Window", "control", "follow"]
