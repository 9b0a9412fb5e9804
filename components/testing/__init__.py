"""For tests of network code: a Lan that can be told what to lose, what was said on it, and peers that misbehave.

Works in any test framework; pytest has it as fixtures (`netif.pytest_plugin`). docs/testing.md.
"""

from __future__ import annotations

from components.testing.faults import Fault, UnmetFault
from components.testing.lab import Lab
from components.testing.record import Seen
from components.testing.trace import Trace

__all__ = ["Fault", "Lab", "Seen", "Trace", "UnmetFault"]
