"""From the name of a wire to a driver: `open_wire("impair(tap:tap0, loss=1%)")`. docs/wires.md has every name.

Knows the grammar (`grammar`), the table of wires and wrappers (`kinds`), and what the kernel says of a bare name
(`device`); drivers are imported when their wire is named.
"""

from components.wires.grammar import BadWire as BadWire
from components.wires.plan import Plan as Plan
from components.wires.plan import open_wire as open_wire
from components.wires.plan import read as read
