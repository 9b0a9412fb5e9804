"""A wire as it was written, understood but not opened: which kind, which name, which wrappers around it.

Knows how the tables answer the grammar: a bare name is the kernel's to explain, and of the items behind the innermost
wire those that its kind has options for are its own. All that a text can get wrong is told before anything is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import attrs

from components.command import Complaint, explain
from components.wires import device, grammar
from components.wires.grammar import BadWire
from components.wires.kinds import WIRES, WRAPPERS, Kind, WrapperKind
from netif.value import Value

if TYPE_CHECKING:
    from netif.link import Driver


@attrs.frozen(eq=False, repr=False)
class Plan(Value):
    """One wire and what is around it."""

    text: str
    kind: Kind
    name: str
    options: Mapping[str, str]
    wrappers: tuple[tuple[WrapperKind, Mapping[str, str]], ...]  # the innermost first

    def open(self) -> Driver:
        """The driver. OSError or ValueError say in one line why there is none; nothing is left behind then."""
        driver: Driver = imported(self.kind.opener)(self.name, self.options)
        return self.wrap(driver)

    def wrap(self, driver: Driver) -> Driver:
        """`driver` with the wrappers around it; closed, if one of them cannot be had."""
        try:
            for row, options in self.wrappers:
                driver = imported(row.opener)(driver, options)
        except BaseException:
            driver.close()
            raise
        return driver

    def tell(self, error: Exception) -> str:
        """What a driver says, with the wire's name before it where it does not name it itself."""
        text = explain(error)
        return text if self.name and self.name in text else f"-i {self.text}: {text}"


def open_wire(text: str) -> Driver:
    """The driver of the wire that `text` names: "tap:tap0,create", "tap0", "impair(unix:/tmp/lan, loss=1%)".

    docs/wires.md has every name. Raises ValueError for what names no wire, OSError where the wire cannot be had; both
    say in one line what to do.
    """
    return read(text).open()


def planned(text: str) -> Plan:
    """As `read`, for a command: a mistake is a Complaint."""
    try:
        return read(text)
    except OSError as error:  # of the namespace in which the device was sought
        raise Complaint(f"-i {text}: {explain(error)}") from error
    except BadWire as error:
        names_it = text.endswith(":") and str(error).startswith(text)
        raise Complaint(f"-i {error}" if names_it else f"-i {text}: {error}") from None


def filtered(plan: Plan, bpf: str | None) -> Plan:
    """With the filter of --bpf."""
    if bpf is None:
        return plan
    if "bpf" not in plan.kind.options:
        raise Complaint(f"--bpf: {plan.kind.name}: filters nothing, but pcap: does: -i pcap:{plan.name or 'eth0'}")
    if "bpf" in plan.options:
        raise Complaint(f"--bpf: -i {plan.text} has a filter: say one of them")
    return attrs.evolve(plan, options={**plan.options, "bpf": bpf})


def opened(plan: Plan) -> Driver:
    """As `Plan.open`, for a command."""
    try:
        return plan.open()
    except (OSError, ValueError) as error:
        raise Complaint(plan.tell(error)) from error


def read(text: str) -> Plan:
    """Understand `text`; BadWire, a ValueError, where it names no wire, and OSError as `device.resolve` has it."""
    parsed = grammar.parse(text)
    for call in parsed.calls:
        if call.name not in WRAPPERS:
            near = grammar.near(call.name, WRAPPERS, "(")
            raise BadWire(f"there is no wrapper {call.name}(; {near}there are {', '.join(f'{n}(' for n in WRAPPERS)}")
    calls = [(WRAPPERS[call.name], call.items) for call in parsed.calls]
    row, rest, resolved = resolve(parsed.head, parsed.calls[0].items if parsed.calls else ())
    if calls:
        innermost, items = calls[0]
        own = leading(items, row.options)
        rest = ",".join((rest, *items[:own]))
        calls[0] = (innermost, items[own:])
    name, options = of_kind(row, rest)
    wrappers = tuple((kind, grammar.options_of(f"{kind.name}(", items, kind.options)) for kind, items in calls)
    return Plan(text, row, name, {**resolved, **options}, wrappers)


def resolve(head: str, items: Sequence[str]) -> tuple[Kind, str, Mapping[str, str]]:
    """Its kind, what follows the colon, and the options that go with what the device is; `items` stand behind it."""
    kind, colon, rest = head.partition(":")
    kind = kind.strip()
    if colon:
        if kind not in WIRES:
            near = grammar.near(kind, WIRES, ":")
            written = ", ".join(f"{row.name}:{row.written.partition('[')[0]}" for row in WIRES.values())
            raise BadWire(f"there is no wire {kind}:{f', {near.strip()}' if near else ''} ({written})")
        return WIRES[kind], rest.strip(), {}
    if head in WIRES and head != "tap":
        raise BadWire(f"the name of a wire ends in a colon: {WIRES[head].name}:{WIRES[head].written}")
    if not head.strip():
        raise BadWire("it wants a wire, such as tap:tap0 or pair:")
    if "/" in head:
        raise BadWire(f"is that a socket's path? Then write unix:{head}")
    (name, *own), _ = grammar.split(head)
    kind, options = device.resolve(name, namespace_among((*own, *items)))
    return WIRES[kind], head, options


def namespace_among(items: Sequence[str]) -> str | None:
    """The value of `netns=`, which says where a bare name is to be looked up."""
    for name, sign, value in (item.partition("=") for item in items):
        if sign and name.strip() == "netns":
            return grammar.unquoted(value.strip())
    return None


def leading(items: tuple[str, ...], known: Mapping[str, str]) -> int:
    """How many of the first items are options of the wire itself."""
    for count, item in enumerate(items):
        if item.partition("=")[0].strip() not in known:
            return count
    return len(items)


def of_kind(row: Kind, rest: str) -> tuple[str, dict[str, str]]:
    """The name and the options in what follows the colon."""
    name, options = rest, {}
    if row.options:
        (name, *items), end = grammar.split(rest)
        if end is not None:
            raise BadWire(f"{rest[end:]} closes a parenthesis that none has opened")
        options = grammar.options_of(row.name, items, row.options)
    name = grammar.unquoted(name)
    if not name and row.wants:
        raise BadWire(f"{row.name}: wants a {row.wants}, such as {row.example}")
    return name, options


def imported(opener: str) -> Any:
    module, _, function = opener.partition(":")
    return getattr(import_module(module), function)
