"""What puts each wrapper around a driver (`kinds` has the table), from options as a person wrote them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

from components.wires.grammar import BadWire
from tapio.script import script_from_data

if TYPE_CHECKING:
    from netif.link import Driver


def impaired(driver: Driver, options: Mapping[str, str]) -> Driver:
    from tapio import impair

    sides: dict[str, dict[str, Any]] = {"": {}, "tx": {}, "rx": {}}
    for written, value in options.items():
        side, _, name = written.rpartition(".")
        sides[side][name] = fault(written, name, value)
    script = sides[""].pop("script", None)
    return impair(driver, tx=sides["tx"], rx=sides["rx"], script=script, **sides[""])


def fault(written: str, name: str, value: str) -> Any:
    """As `impair` wants it: amounts are parsed there."""
    if name == "keep_order":
        return True
    if name == "script":
        return script_from_data(rules_in(value[1:]) if value.startswith("@") else value.split(";"))
    if name == "gap":
        if not value.isdecimal():
            raise BadWire(f"impair(: {written}={value} is no count of frames: write {written}=5")
        return int(value)
    return value


def rules_in(path: str) -> Any:
    """What a script's file says: a list in JSON, the list `rules` in TOML."""
    import json
    import tomllib

    try:
        with open(path, "rb") as file:
            data = tomllib.load(file).get("rules", []) if path.endswith(".toml") else json.load(file)
    except OSError as error:
        raise OSError(error.errno, f"{path}: {os.strerror(error.errno or 0)}") from None
    except (ValueError, RecursionError) as error:
        raise BadWire(f"impair(: script=@{path}: {error}") from None
    if not isinstance(data, list):
        raise BadWire(f'impair(: script=@{path} holds no list of rules, such as ["drop 3rd SYN"]')
    return data


def hooked(driver: Driver, options: Mapping[str, str]) -> Driver:
    from tapio.hook import Hook

    if "call" not in options:
        raise BadWire("hook( wants a function: hook(WIRE, call=mine.py:look) or call=package.module:look")
    function = function_of(options["call"])
    if not takes_two(function):
        raise BadWire(f"hook(: call={options['call']}: it has to take two arguments, (direction, frame)")
    if "scapy" in options:
        try:
            from tapio.scapy_view import scapy_view
        except ImportError as error:
            raise BadWire(f"hook(: {error}") from None
        function = scapy_view(function)
    on_error = options.get("on_error", "pass")
    if on_error not in ("pass", "drop"):
        raise BadWire(f"hook(: on_error={on_error}: write pass or drop")
    return Hook(driver, function, on_error="drop" if on_error == "drop" else "pass")


def takes_two(function: Any) -> bool:
    try:
        inspect.signature(function).bind("in", b"")
    except TypeError:
        return False
    except ValueError:  # a builtin that does not say
        pass
    return True


def tagged(driver: Driver, options: Mapping[str, str]) -> Driver:
    from tapio.vlan import Vlan

    if "id" not in options:
        raise BadWire("vlan( wants the VLAN's number: vlan(WIRE, id=10)")
    for name, value in options.items():
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise BadWire(f"vlan(: {name}={value} is no number: write {name}={10 if name == 'id' else 3}")
    try:
        return Vlan(driver, int(options["id"]), int(options.get("priority", "0")))
    except ValueError as error:
        raise BadWire(f"vlan(: {error}") from None


def function_of(call: str) -> Any:
    """The function that "package.module:name" or "path/file.py:name" says."""
    place, _, name = call.rpartition(":")
    if not place or not name:
        raise BadWire(f"hook(: call={call}: write MODULE:FUNCTION or path/file.py:FUNCTION")
    try:
        module = module_in(place) if place.endswith(".py") else import_module(place)
    except Exception as error:  # whatever a stranger's module raises
        why = str(error) if str(error) else type(error).__name__
        raise BadWire(f"hook(: call={call}: {place} cannot be imported: {' '.join(why.split())}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise BadWire(f"hook(: call={call}: there is no function {name} in {place}")
    return function


def module_in(path: str) -> Any:
    """The module that a file holds; it is nobody else's, and so under no name."""
    spec = spec_from_file_location(os.path.basename(path)[:-3], path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
